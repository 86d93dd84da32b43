"""How a learner's models reach the workers: when a change is said, and when a whole model."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from corridor import topics
from corridor.eta.lessons import Lesson
from corridor.metrics import MODEL_BYTES, PUBLISH_SECONDS
from streams.emitter import Emitter
from streams.models import Full, ModelWriter, TooLargeError, full_records

log = structlog.get_logger(__name__)

RECORDS_AT_ONCE = 4
"""Pieces of a whole model that are sent together; changes go in between."""


class Readable(Protocol):
    """What a worker predicts with."""

    @property
    def version(self) -> str:
        """Names its state."""

    @property
    def learned_until(self) -> datetime | None:
        """Event time of the last outcome in it."""

    def load(self, data: bytes) -> None:
        """Takes a whole model; the same bytes always make the same model."""

    def apply(self, data: bytes) -> None:
        """Takes what has changed since."""


class Learned(Readable, Protocol):
    """What a learner changes."""

    def snapshot(self) -> bytes:
        """The whole model."""

    def delta(self) -> bytes | None:
        """What has changed since the last call or `load`; None: nothing."""


class Learning(Protocol):
    """Learns from lessons; what it knows is a function of those that it has heard."""

    @property
    def model(self) -> Learned:
        """What the workers get."""

    def hear(self, lesson: Lesson) -> None:
        """Learns."""

    def snapshot(self) -> bytes:
        """All that it needs to go on, but for the model."""

    def load(self, snapshot: bytes) -> None:
        """Takes back what `snapshot` gave; the model is loaded by itself."""


@dataclass(frozen=True)
class Policy:
    """When it is time."""

    lessons: int = 1_000
    """A change is said when nothing waits, or after this many lessons,"""
    seconds: float = 0.1
    """or when the first of them was learned so long ago."""
    full_bytes: int = 1024 * 1024
    """A whole model is said when its changes take more than this"""
    full_times: float = 2.0
    """and more than so many times what it took itself;"""
    full_seconds: float = 60.0
    """or when a new learner would have to learn for so long to come here;"""
    changes: int = 4_096
    """or after this many changes."""


class Publication:
    """Says on `eta.models` what one learner has come to."""

    def __init__(
        self,
        learner: Learning,
        writer: ModelWriter,
        emitter: Emitter,
        position: int,
        policy: Policy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is said until something was learned.

        Args:
            learner: Has heard all lessons before `position`.
            writer: Numbers what is said.
            emitter: Makes it durable.
            position: Offset of the next lesson.
            policy: When it is time.
            clock: Seconds.
        """
        self.position = position
        """Offset of the next lesson to be learned."""
        self._learner, self._writer, self._emitter = learner, writer, emitter
        self._policy, self._clock = policy, clock
        self._lessons = 0
        self._since = 0.0
        self._worked = 0.0
        self._change_bytes = self._full_bytes = 0
        self._full_position = position
        self._sending: asyncio.Task[None] | None = None

    def learned(self, position: int, lessons: int, seconds: float) -> None:
        """Notes that the learner has come to `position`, which took some time."""
        if not self._lessons:
            self._since = self._clock()
        self._lessons += lessons
        self._worked += seconds
        self.position = position

    @property
    def unsaid(self) -> bool:
        """Whether there is something to say."""
        return self._lessons > 0

    def due(self, *, waiting: bool) -> bool:
        """Whether it is time to `publish`.

        Args:
            waiting: There are lessons that were read but not learned.
        """
        if not self.unsaid or not self._writer.may_say(self.position):
            return False
        if not waiting or self._lessons >= self._policy.lessons:
            return True
        return self._clock() - self._since >= self._policy.seconds

    async def publish(self) -> None:
        """Says what is new. A whole model is begun here, and sent while learning goes on."""
        if self._sending is not None and self._sending.done():
            self._sending.result()
            self._sending = None
        began = self._clock()
        change = (
            self._learner.model.delta()
        )  # also before a whole model: the next one counts from it
        if self._writer.said is None or not await self._said(change):
            await self._finish()
            self._begin_full()
            await self._finish()
        elif self._full_is_due() and self._sending is None:
            self._begin_full()
        self._lessons = 0
        PUBLISH_SECONDS.labels("change").observe(self._clock() - began)

    async def close(self) -> None:
        """Says all that was learned, as a whole model, so that the next one begins with it.

        A learner that has not come to where its predecessor was has nothing to say.
        """
        if not self._writer.may_say(self.position):
            return
        if self.unsaid:
            await self.publish()
        await self._finish()
        if self.position > self._full_position:
            self._learner.model.delta()
            self._begin_full()
            await self._finish()

    async def abandon(self) -> None:
        """Says nothing more."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _said(self, change: bytes | None) -> bool:
        """Says a change; False if it does not fit."""
        model = self._learner.model
        try:
            key, value = self._writer.delta(
                self.position, model.version, model.learned_until, change or b""
            )
        except TooLargeError:
            return False
        self._emitter.add(topics.MODELS.name, 0, key, value)
        await self._emitter.flush()
        self._change_bytes += len(value)
        MODEL_BYTES.labels("change").inc(len(value))
        return True

    def _full_is_due(self) -> bool:
        policy = self._policy
        return (
            self._change_bytes > max(policy.full_bytes, policy.full_times * self._full_bytes)
            or self._worked > policy.full_seconds
            or self._writer.changes >= policy.changes
        )

    def _begin_full(self) -> None:
        model = self._learner.model
        full = self._writer.full(
            self.position,
            model.version,
            model.learned_until,
            model.snapshot(),
            self._learner.snapshot(),
        )
        self._change_bytes, self._worked, self._full_position = 0, 0.0, self.position
        self._sending = asyncio.create_task(self._send(full))

    async def _send(self, full: Full) -> None:
        began = self._clock()
        records = await asyncio.to_thread(full_records, full)
        for start in range(0, len(records), RECORDS_AT_ONCE):
            self._emitter.extend(topics.MODELS.name, 0, records[start : start + RECORDS_AT_ONCE])
            await self._emitter.flush()
        self._writer.completed()
        self._full_bytes = sum(len(value) for _, value in records)
        MODEL_BYTES.labels("whole").inc(self._full_bytes)
        PUBLISH_SECONDS.labels("whole").observe(self._clock() - began)
        log.info(
            "whole model published",
            generation=full.generation,
            lessons=full.stand.position,
            version=full.stand.version,
            bytes=self._full_bytes,
            seconds=round(self._clock() - began, 3),
        )

    async def _finish(self) -> None:
        if self._sending is not None:
            await self._sending
            self._sending = None
