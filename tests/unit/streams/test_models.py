"""The log of models: whatever crashes, is compacted or begins to read, all come to the same."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor import topics
from streams import models
from streams.emitter import Emitter
from streams.models import (
    Delta,
    Full,
    ModelLog,
    ModelWriter,
    Record,
    Stand,
    TooLargeError,
    decompress,
    delta_record,
    full_records,
)
from streams.publication import Policy, Publication
from tests.unit.streams.counting import CountingLearner, CountingModel, lesson, taught

MOST_SAID = 100_000
"""More than a life has to say: who dies then has said all."""

RUNS = [f"R{number * number % 7}" for number in range(200)]


class Crash(Exception):
    """The learner dies here."""


class LogEmitter(Emitter):
    """Keeps what is said, and dies before it has said everything."""

    def __init__(self, log: list[Record], left: int | None = None) -> None:
        super().__init__()
        self.log = log
        self.left = left

    async def start_once(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def _send(self, topic: str, partition: int, records: list[Record]) -> None:
        assert (topic, partition) == (topics.MODELS.name, 0)
        for record in records:
            if self.left is not None:
                if not self.left:
                    raise Crash
                self.left -= 1
            self.log.append(record)
        await asyncio.sleep(0)


@dataclass
class Reader:
    """A worker: its model, and what it has read."""

    model: CountingModel = field(default_factory=CountingModel)
    log: ModelLog = field(default_factory=ModelLog)
    offset: int = 0
    loads: int = 0

    def read(self, records: Iterable[Record]) -> None:
        for key, value in records:
            self.log.take(key, value)
        for step in self.log.steps():
            if isinstance(step, Full):
                self.loads += 1
                self.model.load(decompress(step.model))
            elif change := decompress(step.change):
                self.model.apply(change)

    @property
    def position(self) -> int:
        return self.log.stand.position if self.log.stand else 0


def compacted(records: list[Record], until: int) -> list[Record]:
    """The log after compaction of what is before an offset."""
    newest = {key: index for index, (key, _) in enumerate(records)}
    return [r for index, r in enumerate(records) if index >= until or newest[r[0]] == index]


async def at_once(function: Callable[..., object], *arguments: object) -> object:
    """In the place of a thread, so that the same history always goes the same way."""
    return function(*arguments)


async def life(log: list[Record], until: int, policy: Policy, batch: int, left: int | None) -> int:
    """A learner from the last whole model on; returns where it began.

    It learns up to a lesson, and closes in good order, or dies when it has said `left` records.
    """
    read = ModelLog(with_learner=True)
    for key, value in log:
        read.take(key, value)
    learner = CountingLearner()
    full = next((step for step in read.steps() if isinstance(step, Full)), None)
    if full is not None:
        learner.model.load(decompress(full.model))
        learner.load(decompress(full.learner))
    began = full.stand.position if full else 0
    writer = ModelWriter(read, full.stand if full else None)
    publication = Publication(learner, writer, LogEmitter(log, left), began, policy)
    try:
        for start in range(began, until, batch):
            end = min(start + batch, until)
            for number in range(start, end):
                learner.hear(lesson(RUNS[number], number))
            publication.learned(end, end - start, seconds=1.0)
            if publication.due(waiting=False):
                await publication.publish()
        if left is None:
            await publication.close()
    except Crash:
        await publication.abandon()
    return began


lives = st.lists(
    st.tuples(
        st.integers(0, len(RUNS)),  # lessons that are there by then
        st.integers(1, 60),  # learned at once
        # records said before it dies; None: it stops in good order
        st.one_of(st.none(), st.just(MOST_SAID + 1), st.integers(0, 30)),
        st.sampled_from([1.0, 4.0, 1e9]),  # seconds of work that make a whole model due
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(lives, st.data())
def test_whoever_reads_comes_to_what_an_undisturbed_learner_knows(
    history: list[tuple[int, int, int | None, float]], data: st.DataObject
) -> None:
    log: list[Record] = []
    follower, available = Reader(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "CHUNK_BYTES", 24)  # so that a whole model has several pieces
        patch.setattr(asyncio, "to_thread", at_once)
        for until, batch, left, full_seconds in [*history, (len(RUNS), 50, None, 4.0)]:
            available = max(available, until)
            policy = Policy(full_bytes=10**9, full_seconds=full_seconds)
            asyncio.run(life(log, available, policy, batch, left))
            while follower.offset < len(log):  # in pieces of any size
                size = data.draw(st.integers(1, len(log) - follower.offset))
                follower.read(log[follower.offset : follower.offset + size])
                follower.offset += size
                undisturbed = taught(RUNS[: follower.position]).model
                assert follower.model.snapshot() == undisturbed.snapshot()
            if left is None or left > MOST_SAID:  # all that was there was said
                assert follower.position == available
            beginner = Reader()
            beginner.read(compacted(log, data.draw(st.integers(0, len(log)))))
            assert beginner.model.snapshot() == taught(RUNS[: beginner.position]).model.snapshot()
    assert follower.position == beginner.position == len(RUNS)


@settings(max_examples=100, deadline=None)
@given(lives)
def test_a_complete_model_is_always_left(
    history: list[tuple[int, int, int | None, float]],
) -> None:
    log: list[Record] = []
    available, reached = 0, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "CHUNK_BYTES", 24)
        patch.setattr(asyncio, "to_thread", at_once)
        for until, batch, left, full_seconds in history:
            available = max(available, until)
            policy = Policy(full_bytes=10**9, full_seconds=full_seconds)
            began = asyncio.run(life(log, available, policy, batch, left))
            assert began >= reached
            reached = began
            log[:] = compacted(log, len(log))
            beginner = Reader()
            beginner.read(log)
            assert beginner.position >= reached


def test_whole_models_torn_one_after_the_other_leave_the_last_complete_one() -> None:
    log: list[Record] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "CHUNK_BYTES", 24)
        asyncio.run(life(log, 40, Policy(), 10, None))
        for torn_after in (2, 1, 3, 1):
            asyncio.run(life(log, 100, Policy(), 60, torn_after))
            log[:] = compacted(log, len(log))
            reader = Reader()
            reader.read(log)
            assert reader.model.snapshot() == taught(RUNS[:40]).model.snapshot()


def full(writer: ModelWriter, position: int, size: int = 3) -> list[Record]:
    return full_records(writer.full(position, "v", None, b"m" * size, b"l" * size))


def test_a_follower_does_not_load_what_it_has() -> None:
    log: list[Record] = []
    asyncio.run(life(log, 150, Policy(full_bytes=10**9, full_seconds=2.0), 10, None))
    assert {b"full/0/0", b"full/1/0"} <= {key for key, _ in log}
    follower = Reader()
    for record in log:
        follower.read([record])
    assert (follower.loads, follower.position) == (1, 150)


def test_what_comes_again_changes_nothing() -> None:
    log: list[Record] = []
    asyncio.run(life(log, 100, Policy(full_bytes=10**9), 10, None))
    reader = Reader()
    reader.read(log)
    before = reader.model.snapshot()
    reader.read(log)
    assert (reader.model.snapshot(), reader.loads) == (before, 1)


def test_a_model_of_which_one_piece_is_missing_is_not_there() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "CHUNK_BYTES", 8)
        pieces = full(ModelWriter(ModelLog(), None), 5)
    log = ModelLog()
    for key, value in pieces[:-1]:
        log.take(key, value)
    assert log.torn
    assert list(log.steps()) == []


def test_pieces_of_two_learners_that_took_the_same_number_are_not_mixed() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "CHUNK_BYTES", 8)
        one, other = (full(ModelWriter(ModelLog(), None), position) for position in (5, 6))
    log = ModelLog()
    for key, value in [*one[:2], *other[2:]]:
        log.take(key, value)
    assert list(log.steps()) == []


def test_a_worker_leaves_out_what_only_the_learner_needs() -> None:
    log = ModelLog()
    for key, value in full(ModelWriter(ModelLog(), None), 5, size=100):
        log.take(key, value)
    [step] = log.steps()
    assert isinstance(step, Full)
    assert (decompress(step.model), step.learner) == (b"m" * 100, b"")


def test_a_learner_that_begins_anew_is_followed_though_it_knows_less() -> None:
    first: list[Record] = []
    asyncio.run(life(first, 100, Policy(), 10, None))
    follower = Reader()
    follower.read(first)
    seen = ModelLog()
    for key, value in first:
        seen.take(key, value)
    writer = ModelWriter(seen, None)  # as after a change of the stored format
    learner = taught(RUNS[:3])
    new = writer.full(3, "v", None, learner.model.snapshot(), learner.snapshot())
    follower.read(full_records(new))
    writer.completed()
    assert follower.model.snapshot() == learner.model.snapshot()
    learner.model.delta()
    learner.hear(lesson("X"))
    follower.read([writer.delta(4, "v", None, learner.model.delta() or b"")])
    assert follower.model.snapshot() == learner.model.snapshot()


def test_a_change_that_fits_into_no_record_is_said_by_a_whole_model() -> None:
    log: list[Record] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "CHANGE_BYTES", 0)
        asyncio.run(life(log, 40, Policy(full_bytes=10**9), 10, None))
    assert {key.partition(b"/")[0] for key, _ in log} == {b"full"}
    reader = Reader()
    reader.read(log)
    assert reader.model.snapshot() == taught(RUNS[:40]).model.snapshot()


def test_a_change_too_large_for_a_record_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "CHANGE_BYTES", 10)
    with pytest.raises(TooLargeError):
        delta_record(Delta(0, 0, 0, Stand(0, 1, "v", None), bytes(range(200))))


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def publication(clock: Time) -> Publication:
    policy = Policy(lessons=10, seconds=0.1)
    writer = ModelWriter(ModelLog(), None)
    return Publication(CountingLearner(), writer, LogEmitter([]), 0, policy, clock)


def test_nothing_is_said_when_nothing_was_learned() -> None:
    assert not publication(Time()).due(waiting=False)


def test_what_was_learned_is_said_when_nothing_waits() -> None:
    said = publication(Time())
    said.learned(1, 1, 0.0)
    assert said.due(waiting=False)
    assert not said.due(waiting=True)


def test_while_lessons_wait_it_is_said_after_many_or_after_a_while() -> None:
    clock = Time()
    said = publication(clock)
    said.learned(5, 5, 0.0)
    clock.now = 0.05
    said.learned(9, 4, 0.0)
    assert not said.due(waiting=True)
    clock.now = 0.1
    assert said.due(waiting=True)
    many = publication(clock)
    many.learned(10, 10, 0.0)
    assert many.due(waiting=True)
