"""A learner that is easy to know: it counts what it hears, in order."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec

from corridor.codes import Mode
from corridor.eta.lessons import Lesson, What

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CountingModel:
    """How often each run was heard of, and a hash of all that was heard, in order."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.chain = b""
        self.at = 0.0
        self._changed: dict[str, int] = {}

    @property
    def version(self) -> str:
        return f"counting.{sum(self.counts.values())}"

    @property
    def learned_until(self) -> datetime | None:
        return _EPOCH + timedelta(minutes=self.at) if self.counts else None

    def count(self, lesson: Lesson) -> None:
        self.counts[lesson.run] = self._changed[lesson.run] = self.counts.get(lesson.run, 0) + 1
        self.chain = sha256(self.chain + lesson.run.encode()).digest()
        self.at = float(lesson.at)

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode((self.counts, self.chain, self.at))

    def load(self, data: bytes) -> None:
        self.counts, self.chain, self.at = msgspec.msgpack.decode(
            data, type=tuple[dict[str, int], bytes, float]
        )
        self._changed = {}

    def delta(self) -> bytes | None:
        if not self._changed:
            return None
        changed, self._changed = self._changed, {}
        return msgspec.msgpack.encode((changed, self.chain, self.at))

    def apply(self, data: bytes) -> None:
        changed, self.chain, self.at = msgspec.msgpack.decode(
            data, type=tuple[dict[str, int], bytes, float]
        )
        self.counts |= changed


class CountingLearner:
    """Remembers beside its model what it has heard last, and mixes it in."""

    def __init__(self) -> None:
        self.model = CountingModel()
        self.last = ""

    def hear(self, lesson: Lesson) -> None:
        self.model.count(lesson)
        self.model.chain = sha256(self.model.chain + self.last.encode()).digest()
        self.last = lesson.run

    def snapshot(self) -> bytes:
        return self.last.encode()

    def load(self, snapshot: bytes) -> None:
        self.last = snapshot.decode()


def lesson(run: str, at: float = 0.0) -> Lesson:
    return Lesson(What.ARRIVED, run, Mode.RAIL, "A-B.RAIL", "A", "B", None, None, 0.0, 60.0, at)


def taught(runs: Iterable[str]) -> CountingLearner:
    """An undisturbed learner of these lessons."""
    learner = CountingLearner()
    for number, run in enumerate(runs):
        learner.hear(lesson(run, number))
    return learner
