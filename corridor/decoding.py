"""From bytes to a message, or to the reason why not."""

import base64
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from corridor.codes import Reject
from corridor.identity import derived_id
from corridor.models import DeadLetter, Message, Origin

M = TypeVar("M", bound=Message)

_REASONS = {"unknown_code": Reject.UNKNOWN_CODE}


class Malformed(NamedTuple):
    """Why bytes are not the message that they should be."""

    reason: Reject
    field: str | None
    detail: str


class Decoder(Generic[M]):
    """Reads one kind of message."""

    def __init__(self, model: type[M]) -> None:
        self._validate = model.__pydantic_validator__.validate_json

    def __call__(self, payload: bytes | None) -> M | Malformed:
        """The message, or the first thing that is wrong with it."""
        if payload is None:
            return Malformed(Reject.MALFORMED, None, "the record has no value")
        try:
            message: M = self._validate(payload)
        except ValidationError as error:
            return _explain(error)
        return message


def _explain(error: ValidationError) -> Malformed:
    # A default that depends on a field that is itself wrong is not what a person would name.
    errors: list[ErrorDetails] = error.errors(include_url=False, include_input=False)
    first = next(e for e in errors if e["type"] != "default_factory_not_called")
    field = ".".join(str(part) for part in first["loc"]) or None
    reason = _REASONS.get(first["type"], Reject.MALFORMED)
    if field == "schema_version":
        reason = Reject.UNKNOWN_VERSION
    others = len(errors) - 1
    more = f" (and {others} more)" if others else ""
    return Malformed(reason, field, first["msg"] + more)


def dead_letter(
    malformed: Malformed,
    *,
    origin: Origin,
    key: bytes | None,
    payload: bytes | None,
    time: datetime,
    source: str | None = None,
) -> DeadLetter:
    """The quarantine's record of a message; its id says from where it came."""
    return DeadLetter(
        # whoever rejects it and why: what came from one place is one letter
        dead_letter_id=derived_id(
            *(str(part) for part in origin.model_dump(exclude_none=True).values())
        ),
        reason=malformed.reason,
        field=malformed.field,
        detail=malformed.detail,
        source=source,
        origin=origin,
        key=None if key is None else base64.b64encode(key).decode(),
        payload=base64.b64encode(payload or b"").decode(),
        rejected_time=time,
    )
