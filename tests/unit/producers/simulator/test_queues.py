"""A queue is one state that all runs share."""

from itertools import pairwise
from random import Random

from corridor.codes import Mode
from producers.simulator.causes import Causes
from producers.simulator.chance import DAY, HOUR
from producers.simulator.policy import Waiting
from producers.simulator.queues import Queue

QUIET = Waiting(0.0, {Mode.RAIL: 2.0}, 1.0, 10_000, (8, 1.2, 240), 5)
BUSY = Waiting(0.85, {Mode.RAIL: 0.3}, 1.0, 20, (8, 1.2, 240), 12)


def queue(policy: Waiting, seed: int = 1, factor: float = 1.0, regime: float = 1e12) -> Queue:
    return Queue(
        "BORDER_QUEUE",
        "NODE",
        policy,
        Random(seed),
        0.0,
        lambda time: factor if time >= regime else 1.0,
        lambda time: "REGIME/NODE" if time >= regime else None,
    )


def test_a_run_waits_for_what_is_ahead_of_it() -> None:
    border, causes = queue(QUIET), Causes()
    assert border.enter(HOUR, Mode.RAIL, causes)[0] == 0
    assert border.enter(1.5 * HOUR, Mode.RAIL, causes)[0] == 1.5 * HOUR
    assert border.enter(2 * HOUR, Mode.RAIL, causes)[0] == 3 * HOUR


def test_time_clears_a_queue() -> None:
    border, causes = queue(QUIET), Causes()
    for _ in range(3):
        border.enter(HOUR, Mode.RAIL, causes)
    assert border.enter(8 * HOUR, Mode.RAIL, causes)[0] == 0


def test_a_long_wait_is_one_incident_until_it_is_over() -> None:
    border, causes = queue(QUIET), Causes()
    found = [border.enter(HOUR, Mode.RAIL, causes)[1] for _ in range(6)]
    assert found[:3] == [None] * 3
    assert len({cause.cause_id for cause in found[3:] if cause}) == 1
    assert border.enter(DAY, Mode.RAIL, causes)[1] is None


def test_looking_ahead_changes_nothing() -> None:
    looked, other, causes = queue(BUSY), queue(BUSY), Causes()
    state = looked.state(5 * DAY)
    for seed in range(20):
        looked.foresee(state, 20 * DAY, Random(seed))
    assert looked.enter(9 * DAY, Mode.RAIL, causes)[0] == other.enter(9 * DAY, Mode.RAIL, causes)[0]


def waits(border: Queue, first: int, last: int) -> list[float]:
    causes = Causes()
    return [border.enter(day * DAY, Mode.RAIL, causes)[0] for day in range(first, last)]


def test_waits_have_a_heavy_tail() -> None:
    found = sorted(wait for seed in range(40) for wait in waits(queue(BUSY, seed), 10, 110))
    assert found[len(found) * 99 // 100] > 8 * found[len(found) // 2]


def test_waits_of_neighbouring_days_are_alike() -> None:
    found = waits(queue(BUSY), 10, 400)
    mean = sum(found) / len(found)
    pairs = list(pairwise(found))
    shared = sum((a - mean) * (b - mean) for a, b in pairs) / len(pairs)
    assert shared > 0.5 * sum((a - mean) ** 2 for a in found) / len(found)


def test_a_slower_regime_lengthens_waits_and_is_named_as_their_cause() -> None:
    before, after = queue(BUSY), queue(BUSY, factor=1.35, regime=100 * DAY)
    assert waits(before, 0, 100) == waits(after, 0, 100)
    assert sum(waits(after, 100, 160)) > 2 * sum(waits(before, 100, 160))
    causes = Causes()
    for day in range(160, 200):
        after.enter(day * DAY, Mode.RAIL, causes)
    assert {cause.parent for cause in causes} <= {"REGIME/NODE"}
