"""One message of a replay, ready for Kafka."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from corridor import topics

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Record(NamedTuple):
    """A valid message with when it could have been known."""

    available: int
    """Microseconds since 1970; what a replay is ordered by."""
    topic: str
    key: bytes
    value: bytes
    stated: bool = False
    """Whether `available` is another time than the message's own, and so has to be said."""

    @property
    def is_itinerary(self) -> bool:
        return self.topic == topics.ITINERARIES.name


def to_micros(time: datetime) -> int:
    """Microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def to_time(micros: int) -> datetime:
    """The inverse of `to_micros`."""
    return _EPOCH + micros * _MICROSECOND


def to_text(micros: int) -> str:
    """RFC 3339 in UTC, as pydantic writes it."""
    return to_time(micros).isoformat().replace("+00:00", "Z")


def to_line(record: Record) -> bytes:
    """The record as a line of a replay file."""
    kind = b"itinerary" if record.is_itinerary else b"event"
    stated = b""
    if record.stated:
        stated = b'"available_time":"%s",' % to_text(record.available).encode()
    return b'{"kind":"%s",%s%s\n' % (kind, stated, record.value[1:])
