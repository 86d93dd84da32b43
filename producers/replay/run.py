"""Plays records in order, as fast as they go or in a multiple of real time."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from corridor import topics
from corridor.metrics import REJECTED
from corridor.models import DeadLetter
from producers.batches import Headers
from producers.replay.file import ReplayWriter
from producers.replay.record import Record, to_text


class Target(Protocol):
    """Where a replay goes."""

    def put(self, record: Record) -> None:
        """Takes a message."""

    def reject(self, letter: DeadLetter) -> None:
        """Takes a line that is no message."""


class Publishing(Protocol):
    """What of a publisher a replay needs."""

    def publish(self, topic: str, key: bytes, value: bytes, headers: Headers = ()) -> None:
        """See `producers.publisher.Publisher`."""


class KafkaTarget:
    """Publishes messages to their topics and bad lines to the quarantine."""

    def __init__(self, publisher: Publishing) -> None:
        self._publisher = publisher

    def put(self, record: Record) -> None:
        headers: Headers = ()
        if record.stated:
            headers = (("available_time", to_text(record.available).encode()),)
        self._publisher.publish(record.topic, record.key, record.value, headers)

    def reject(self, letter: DeadLetter) -> None:
        REJECTED.labels("replay", letter.reason.value).inc()
        key = letter.dead_letter_id.encode()
        self._publisher.publish(topics.DEAD_LETTERS.name, key, letter.to_json())


class FileTarget:
    """Writes messages to a replay file; bad lines are left out, and counted."""

    def __init__(self, writer: ReplayWriter) -> None:
        self._writer = writer

    def put(self, record: Record) -> None:
        self._writer.write(record)

    def reject(self, letter: DeadLetter) -> None:
        REJECTED.labels("replay", letter.reason.value).inc()


@dataclass
class Progress:
    """How far a replay is."""

    itineraries: int = 0
    events: int = 0
    rejected: int = 0
    reached: int | None = None
    """Availability of the last message, in microseconds since 1970."""

    @property
    def messages(self) -> int:
        return self.itineraries + self.events


class Stop:
    """Ends a replay from a signal handler; holds no lock, as a handler must not wait for one."""

    _SLICE = 0.1

    def __init__(self) -> None:
        self.asked = False

    def wait(self, seconds: float) -> None:
        """Waits, but not on when it is asked to stop."""
        end = time.monotonic() + seconds
        while not self.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, self._SLICE))


class Pacing(Protocol):
    """Says when a message may go."""

    def keep(self, available: int) -> None:
        """Waits until it is time for a message that became known then (microseconds)."""


class Pace:
    """Lets the time of the messages pass `speed` times as fast as real time."""

    def __init__(
        self,
        speed: float,
        wait: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._speed = speed
        self._wait = wait
        self._clock = clock
        self._began: tuple[int, float] | None = None

    def keep(self, available: int) -> None:
        """Waits until it is time for a message."""
        now = self._clock()
        if self._began is None:
            self._began = available, now
        first, began = self._began
        early = began + (available - first) / (1_000_000 * self._speed) - now
        if early > 0:
            self._wait(early)


def play(
    items: Iterable[Record | DeadLetter],
    target: Target,
    progress: Progress,
    *,
    stop: Stop,
    pace: Pacing | None = None,
    until: int | None = None,
    limit: int | None = None,
) -> None:
    """Plays until the end, `until`, `limit` or `stop`, whichever comes first.

    Args:
        items: Messages in order of availability, and bad lines.
        target: Where they go.
        progress: Kept up to date.
        stop: Ends the replay, also while it waits.
        pace: How fast; None for as fast as they go.
        until: Ends before the first message that was known at this time or later.
        limit: Ends after so many messages.
    """
    for item in items:
        if isinstance(item, DeadLetter):
            target.reject(item)
            progress.rejected += 1
            continue
        available = item.available
        if (until is not None and available >= until) or (
            limit is not None and progress.messages >= limit
        ):
            return
        if pace is not None:
            pace.keep(available)
        if stop.asked:
            return
        target.put(item)
        if item.topic == topics.ITINERARIES.name:
            progress.itineraries += 1
        else:
            progress.events += 1
        progress.reached = available
