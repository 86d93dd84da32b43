"""Holding a replay back: how far it may be ahead, and when it waits no more."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.replay.staleness import GIVE_UP_SECONDS, Mark, Staleness

HOUR = 3_600_000_000
SPAN = 2 * HOUR


class FakePipeline:
    """Digests a mark when it has been asked so many times."""

    def __init__(self, asks: int = 3, trouble: str | None = None) -> None:
        self.marks: list[int] = []
        self.told_until: list[int] = []
        self.reached: int | None = None
        """All that became known before is digested."""
        self._asks, self._trouble = asks, trouble
        self._asked = 0

    def mark(self, available: int) -> Mark:
        self.marks.append(available)
        return Mark(available, {})

    def digested(self, mark: Mark) -> bool:
        self._asked += 1
        if self._asked < self._asks:
            return False
        self._asked = 0
        self.reached = mark.available
        return True

    def told(self, available: int) -> None:
        self.told_until.append(available)

    def trouble(self) -> str | None:
        return self._trouble


class Held:
    """A replay under a fake clock."""

    def __init__(self, pipeline: FakePipeline, *, stop: bool = False) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self.pace = Staleness(
            SPAN,
            pipeline,
            self._wait,
            self.told.append,
            asked_to_stop=lambda: stop,
            clock=lambda: self.now,
        )

    def _wait(self, seconds: float) -> None:
        self.now += seconds


def test_a_message_within_the_span_does_not_wait() -> None:
    pipeline = FakePipeline()
    held = Held(pipeline)
    for minutes in range(0, 121, 10):
        held.pace.keep(minutes * HOUR // 60)
    assert (held.now, pipeline.reached) == (0.0, None)


def test_a_message_beyond_the_span_waits_until_enough_is_digested() -> None:
    pipeline = FakePipeline()
    held = Held(pipeline)
    held.pace.keep(0)
    held.pace.keep(HOUR)
    held.pace.keep(SPAN + 1)
    assert pipeline.reached == HOUR
    assert held.now > 0


def test_one_half_is_digested_while_the_other_is_published() -> None:
    pipeline = FakePipeline()
    held = Held(pipeline)
    for hour in range(6):
        held.pace.keep(hour * HOUR)
    assert pipeline.marks == [HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 5 * HOUR]
    assert pipeline.reached == 3 * HOUR


@given(st.lists(st.integers(0, 5 * HOUR), min_size=1, max_size=60))
def test_no_message_goes_that_is_more_than_the_span_ahead(steps: Iterable[int]) -> None:
    pipeline = FakePipeline(asks=1)
    held = Held(pipeline)
    available = before = first = HOUR
    held.pace.keep(first)
    for step in steps:
        available += step
        held.pace.keep(available)
        reached = pipeline.reached if pipeline.reached is not None else first
        # all before `reached` is digested: also what is published is older than that, or none is
        assert available - reached <= SPAN or before < reached
        before = available


def test_without_a_learner_it_goes_on_and_says_so_once() -> None:
    held = Held(FakePipeline(trouble="no learner runs"))
    for hour in range(100):
        held.pace.keep(hour * HOUR)
    assert held.told == ["no learner runs: the replay does not wait for what is learned"]
    assert held.now == 0.0


def test_when_nothing_gets_on_it_does_not_wait_for_ever() -> None:
    held = Held(FakePipeline(asks=10**9))
    held.pace.keep(0)
    held.pace.keep(3 * HOUR)
    assert held.now == pytest.approx(GIVE_UP_SECONDS, abs=1)
    assert held.told == [
        "workers or learner do not get on (60 s): the replay does not wait for what is learned"
    ]
    held.pace.keep(300 * HOUR)
    assert held.now == pytest.approx(GIVE_UP_SECONDS, abs=1)


def test_a_stop_ends_the_wait() -> None:
    held = Held(FakePipeline(asks=10**9), stop=True)
    held.pace.keep(0)
    held.pace.keep(3 * HOUR)
    assert held.now == 0.0


def test_timers_are_due_up_to_what_is_digested() -> None:
    pipeline = FakePipeline()
    held = Held(pipeline)
    for hours in range(6):
        held.pace.keep(hours * HOUR + 1)
    assert pipeline.told_until == [HOUR + 1, 2 * HOUR + 1, 3 * HOUR + 1]
