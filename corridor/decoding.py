"""From bytes to a message, or to the reason why not, and to the dead letter that tells of it.

Edges, workers and sinks all judge by this page, so that the same fault has the same name, and the
same message from the same place the same dead letter, whoever meets it.
"""

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from corridor.codes import Reject
from corridor.identity import derived_id
from corridor.models import DeadLetter, Message, Origin

M = TypeVar("M", bound=Message)

PAYLOAD_KEPT = 500_000
"""Bytes that are kept of a payload that Kafka or a file still has."""
EDGE_PAYLOAD_KEPT = 4_000_000
"""Bytes that are kept of what came over an edge, which nobody else has."""
KEY_KEPT = 50_000
"""Bytes of a key that are kept."""
SAID = 500
"""Characters of whatever is quoted from a bad message."""

_FIELD_OF = {"unknown_code": "code", "no_subject": "unit_id"}
"""The field that a person would mend, where a fault belongs to a message as a whole."""


class Rejected(NamedTuple):
    """Why bytes, or a part of them, are not the message that they should be."""

    reason: Reject
    field: str | None
    detail: str


class Decoder(Generic[M]):
    """Reads one kind of message."""

    def __init__(self, model: type[M] | TypeAdapter[M], tags: Sequence[str] = ()) -> None:
        """Makes a decoder.

        Args:
            model: The message's model, or a union of models that a field tells apart.
            tags: The values of that field.
        """
        self._validate: Callable[[bytes], M] = (
            model.validator.validate_json
            if isinstance(model, TypeAdapter)
            else model.__pydantic_validator__.validate_json
        )
        self._tags = tags

    def __call__(self, payload: bytes | None) -> M | Rejected:
        """The message, or the first thing that is wrong with it."""
        if payload is None:
            return Rejected(Reject.MALFORMED, None, "the record has no value")
        try:
            return self._validate(payload)
        except ValidationError as error:
            return explain(error, self._tags)


def explain(error: ValidationError, tags: Sequence[str] = ()) -> Rejected:
    """The first thing that is wrong with a message, as a person would say it."""
    # A default that depends on a field that is itself wrong is not what a person would name.
    errors: list[ErrorDetails] = [
        fault
        for fault in error.errors(include_url=False, include_input=False)
        if fault["type"] != "default_factory_not_called"
    ]
    first = errors[0]
    if first["type"] in ("union_tag_not_found", "union_tag_invalid"):
        field = first["ctx"]["discriminator"].strip("'")
        return Rejected(Reject.MALFORMED, field, f"{field} must be {' or '.join(tags)}")
    path = first["loc"][1:] if tags else first["loc"]  # the tag is no field
    field = _FIELD_OF.get(first["type"]) or ".".join(map(str, path)) or None
    reason = Reject.MALFORMED
    if first["type"] == "unknown_code":
        reason = Reject.UNKNOWN_CODE
    elif field == "schema_version":
        reason = Reject.UNKNOWN_VERSION
    elif field in ("latitude", "longitude") and "than_equal" in first["type"]:
        bound, more = next(
            (first["ctx"][name], more)
            for name, more in (("le", "more than"), ("ge", "less than"))
            if name in first["ctx"]
        )
        detail = f"{field} {more} {bound:g}: not on Earth"
        return Rejected(Reject.IMPOSSIBLE_POSITION, field, detail)
    others = len(errors) - 1
    more = f" (and {others} more)" if others else ""
    return Rejected(reason, field, first["msg"] + more)


def dead_letter(
    rejected: Rejected,
    *,
    origin: Origin,
    key: bytes | None,
    payload: bytes | None,
    time: datetime,
    source: str | None = None,
) -> DeadLetter:
    """The quarantine's record of a message that cannot be used; it always fits into its topic.

    Args:
        rejected: Why.
        origin: Where it came from.
        key: The record's key.
        payload: The raw bytes.
        time: When it was rejected.
        source: Who sent it; by default what the payload says, if that much can be read.
    """
    payload = payload or b""
    limit = payload_limit(origin)
    kept = base64.b64encode(payload[:limit]).decode()
    detail = rejected.detail[:SAID]
    if len(payload) > limit:
        detail += f"; only the first {limit:,} bytes are kept, the rest is where it came from"
    if key is not None and len(key) > KEY_KEPT:
        detail += f"; only the first {KEY_KEPT:,} bytes of its key are kept"
    return DeadLetter(
        dead_letter_id=_identity(origin, kept),
        reason=rejected.reason,
        field=rejected.field and rejected.field[:SAID],
        detail=detail,
        source=_source(payload) if source is None else source,
        origin=origin,
        key=None if key is None else base64.b64encode(key[:KEY_KEPT]).decode(),
        payload=kept,
        rejected_time=time,
    )


def payload_limit(origin: Origin) -> int:
    """Bytes of a payload that are kept; of one that is so long, perhaps only the beginning."""
    return PAYLOAD_KEPT if origin.format is None else EDGE_PAYLOAD_KEPT


def _identity(origin: Origin, payload: str) -> str:
    """What came from one place is one letter, whoever rejects it and why."""
    if origin.format is not None:
        # whatever way it came, and however often
        return derived_id("edge", origin.format, payload)
    if origin.file is None:
        return derived_id(str(origin.topic), str(origin.partition), str(origin.offset))
    # a file may be edited and played again: another line may then have the same number
    return derived_id("replay", origin.file, str(origin.line), payload)


def _source(payload: bytes) -> str | None:
    try:
        fields: Any = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    source = fields.get("source") if isinstance(fields, dict) else None
    return source[:SAID] if isinstance(source, str) else None
