"""Last wills, which cannot know when they come true."""

from datetime import UTC, datetime

import pytest

from corridor.models import TrackingEvent
from producers.iot import LOCK
from producers.iot.wills import stamped

RECEIVED = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
WILL = b'{"device": "L1", "event": "offline", "connected": 1795500000}'


def told(message: bytes, received: datetime = RECEIVED) -> TrackingEvent:
    (event,) = LOCK.decode(stamped(message, received), "acme")
    assert isinstance(event, TrackingEvent)
    return event


def test_a_will_happens_when_it_is_received() -> None:
    assert (told(WILL).code, told(WILL).event_time) == ("SIGNAL_LOST", RECEIVED)


def test_a_will_that_is_delivered_again_is_the_same_event() -> None:
    assert told(WILL).event_id == told(WILL, RECEIVED.replace(minute=31)).event_id


def test_the_will_of_another_connection_is_another_event() -> None:
    assert told(WILL).event_id != told(WILL.replace(b"1795500000", b"1795500001")).event_id


@pytest.mark.parametrize(
    "message",
    [
        b'{"device": "L1", "event": "offline", "time": 1795500000}',
        b'{"device": "L1", "event": "sealed", "note": "no will"}',
        b"offline",
        b"[1]",
        b"\xff will",
    ],
)
def test_anything_else_stays_as_it_is(message: bytes) -> None:
    assert stamped(message, RECEIVED) == message
