"""A line of a replay file: a message for Kafka, or a dead letter that says why not."""

import base64
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import Discriminator, Field, TypeAdapter, ValidationError

from corridor import topics
from corridor.codes import Reject
from corridor.identity import derived_id
from corridor.models import DeadLetter, Itinerary, Origin, Time, TrackingEvent
from producers.messages import TOPIC_OF, to_json
from producers.replay.record import Record, to_micros

LONGEST = 950_000
"""Bytes of the longest line; what Kafka takes as one message, less some room."""
_KEPT = 500_000
"""Bytes that are kept of a bad line; as base64 they fit into a message with all that is said."""
_SAID = 500
"""Characters of what is quoted from a bad line."""

_ReplayOnly = Field(exclude=True)


class EventLine(TrackingEvent):
    """A line of kind event."""

    kind: Annotated[Literal["event"], _ReplayOnly]
    available_time: Annotated[Time | None, _ReplayOnly] = None


class ItineraryLine(Itinerary):
    """A line of kind itinerary."""

    kind: Annotated[Literal["itinerary"], _ReplayOnly]
    available_time: Annotated[Time | None, _ReplayOnly] = None


_LINE: TypeAdapter[EventLine | ItineraryLine] = TypeAdapter(
    Annotated[EventLine | ItineraryLine, Discriminator("kind")]
)


def parse(raw: bytes, file: str, number: int) -> Record | DeadLetter:
    """Reads one line.

    Args:
        raw: The line, without its end.
        file: Name of the file, for the dead letter.
        number: Number of the line, from 1.
    """
    if len(raw) > LONGEST:
        detail = f"the line is longer than {LONGEST:,} bytes"
        return _reject(Reject.MALFORMED, None, detail, raw, file, number)
    try:
        line = _LINE.validate_json(raw)
    except ValidationError as error:
        return _reject(*_diagnose(error), raw, file, number)
    except OverflowError:
        detail = "a time is outside the years 1 to 9999 in UTC"
        return _reject(Reject.MALFORMED, None, detail, raw, file, number)
    if isinstance(line, EventLine):
        topic = TOPIC_OF[line.event_type]
        key = line.unit_id or line.run_id
        own_time = line.event_time
    else:
        topic = topics.ITINERARIES.name
        key = line.unit_id
        own_time = line.issued_time
    assert key is not None
    available = line.available_time or own_time
    return Record(to_micros(available), topic, key.encode(), to_json(line), available != own_time)


def _diagnose(error: ValidationError) -> tuple[Reject, str | None, str]:
    """Reason, field and detail of the first fault that is not the consequence of another."""
    faults = error.errors(include_url=False, include_input=False)
    fault = next((f for f in faults if f["type"] != "default_factory_not_called"), faults[0])
    path = [str(part) for part in fault["loc"][1:]]  # the first part is the kind
    detail = fault["msg"]
    match fault["type"]:
        case "unknown_code":
            return Reject.UNKNOWN_CODE, "code", detail
        case "no_subject":
            return Reject.MALFORMED, "unit_id", detail
        case "union_tag_invalid" | "union_tag_not_found":
            return Reject.MALFORMED, "kind", "kind must be itinerary or event"
    if path == ["schema_version"]:
        return Reject.UNKNOWN_VERSION, "schema_version", detail
    return Reject.MALFORMED, ".".join(path) or None, detail


def _reject(
    reason: Reject, field: str | None, detail: str, raw: bytes, file: str, number: int
) -> DeadLetter:
    detail = detail[:_SAID]
    if len(raw) > _KEPT:
        detail += f"; only the first {_KEPT:,} bytes are kept, the rest is in the file"
    payload = base64.b64encode(raw[:_KEPT]).decode()
    return DeadLetter(
        dead_letter_id=derived_id("replay", file, str(number), payload),
        reason=reason,
        field=field and field[:_SAID],
        detail=detail,
        source=_source(raw),
        origin=Origin(file=file, line=number),
        payload=payload,
        rejected_time=datetime.now(UTC),
    )


def _source(raw: bytes) -> str | None:
    """Who sent it, if that much can be read."""
    try:
        fields: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    source = fields.get("source") if isinstance(fields, dict) else None
    return source[:_SAID] if isinstance(source, str) else None
