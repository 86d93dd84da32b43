"""A line of a replay file: a message for Kafka, or a dead letter that says why not."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Discriminator, Field, TypeAdapter

from corridor import topics
from corridor.codes import Reject
from corridor.decoding import Decoder, Rejected, dead_letter
from corridor.models import DeadLetter, Itinerary, Origin, Time, TrackingEvent
from producers.messages import TOPIC_OF
from producers.replay.record import Record, to_micros

LONGEST = 950_000
"""Bytes of the longest line; what Kafka takes as one message, less some room."""

_ReplayOnly = Field(exclude=True)


class EventLine(TrackingEvent):
    """A line of kind event."""

    kind: Annotated[Literal["event"], _ReplayOnly]
    available_time: Annotated[Time | None, _ReplayOnly] = None


class ItineraryLine(Itinerary):
    """A line of kind itinerary."""

    kind: Annotated[Literal["itinerary"], _ReplayOnly]
    available_time: Annotated[Time | None, _ReplayOnly] = None


LINE: TypeAdapter[EventLine | ItineraryLine] = TypeAdapter(
    Annotated[EventLine | ItineraryLine, Discriminator("kind")]
)

_read = Decoder(LINE, tags=("itinerary", "event"))


def parse(raw: bytes, file: str, number: int) -> Record | DeadLetter:
    """Reads one line.

    Args:
        raw: The line, without its end.
        file: Name of the file, for the dead letter.
        number: Number of the line, from 1.
    """
    if len(raw) > LONGEST:
        detail = f"the line is longer than {LONGEST:,} bytes"
        return _reject(Rejected(Reject.MALFORMED, None, detail), raw, file, number)
    line = _read(raw)
    if isinstance(line, Rejected):
        return _reject(line, raw, file, number)
    if isinstance(line, EventLine):
        topic = TOPIC_OF[line.event_type]
        key = line.subject
        own_time = line.event_time
    else:
        topic = topics.ITINERARIES.name
        key = line.unit_id
        own_time = line.issued_time
    available = line.available_time or own_time
    return Record(to_micros(available), topic, key.encode(), line.to_json(), available != own_time)


def _reject(rejected: Rejected, raw: bytes, file: str, number: int) -> DeadLetter:
    return dead_letter(
        rejected,
        origin=Origin(file=file, line=number),
        key=None,
        payload=raw,
        time=datetime.now(UTC),
    )
