"""How long units take at nodes, as it is learned."""

import random
from math import inf
from statistics import NormalDist

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.eta.distribution import LEVELS, MEDIAN, probability
from corridor.eta.dwell import Cell, Dwells, Visit, bounds, dwell, learn

DAY = 1440.0
modes = st.sampled_from(list(Mode))
stays = st.lists(
    st.tuples(
        st.sampled_from(["A", "B"]), modes, modes, st.floats(0, 20_000), st.floats(0, 20_000),
        st.floats(0, 1e6),
    ),
    max_size=30,
)  # fmt: skip
Stays = list[tuple[str, Mode, Mode, float, float, float]]


def learned(seen: Stays) -> Dwells:
    state = Dwells()
    for node, arriving, leaving, low, width, at in seen:
        learn(state, Visit(node, arriving, leaving), low, low + width, at)
    return state


def rail_to_sea(state: Dwells, node: str = "CNQZH") -> tuple[float, ...]:
    return dwell(state, Visit(node, Mode.RAIL, Mode.VESSEL))


@given(stays, modes, modes)
def test_quantiles_ascend_and_are_no_less_than_handling(
    seen: Stays, arriving: Mode, leaving: Mode
) -> None:
    found = dwell(learned(seen), Visit("A", arriving, leaving))
    assert list(found) == sorted(found)
    assert found[0] >= Visit("A", arriving, leaving).least > 0


@given(stays)
def test_a_restored_state_goes_on_as_if_nothing_had_been(seen: Stays) -> None:
    half = len(seen) // 2
    state = learned(seen[:half])
    restored = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Dwells)
    for some in (state, restored):
        for node, arriving, leaving, low, width, at in seen[half:]:
            learn(some, Visit(node, arriving, leaving), low, low + width, at)
    assert restored == state == learned(seen)


@pytest.mark.parametrize("arriving", Mode)
@pytest.mark.parametrize("leaving", Mode)
def test_every_pair_of_modes_has_a_cold_start(arriving: Mode, leaving: Mode) -> None:
    found = dwell(Dwells(), Visit("A", arriving, leaving))
    assert 60 <= found[MEDIAN] <= DAY
    assert found[5] == pytest.approx(3.5 * found[MEDIAN], rel=0.02)


def test_it_finds_the_quantiles_of_what_it_sees() -> None:
    rng, state = random.Random(1), Dwells()
    for day in range(600):
        stay = rng.lognormvariate(7.6, 0.4)
        learn(state, Visit("CNQZH", Mode.RAIL, Mode.VESSEL), stay, stay, day * DAY / 4)
    truth = [2.718281828 ** (7.6 + 0.4 * NormalDist().inv_cdf(level)) for level in LEVELS]
    assert rail_to_sea(state) == pytest.approx(truth, rel=0.2)


def test_a_later_stay_makes_no_quantile_shorter() -> None:
    state = Dwells()
    before = rail_to_sea(state)
    learn(state, Visit("CNQZH", Mode.RAIL, Mode.VESSEL), 1e4, 1e4, 0.0)
    assert all(late > early for late, early in zip(rail_to_sea(state), before, strict=True))


def test_waiting_for_a_slot_is_not_learned_as_handling() -> None:
    """Ready after about 10 hours, planned for the next of weekly departures, or missing it."""
    rng, told, naive = random.Random(2), Dwells(), Dwells()
    for number in range(400):
        arrival, ready = number * 1000.0, rng.lognormvariate(6.4, 0.3)
        departure = ((arrival + ready) // (7 * DAY) + 1) * 7 * DAY
        planned = (arrival // (7 * DAY) + 1) * 7 * DAY
        missed = planned if departure > planned else None
        seen = bounds(arrival, departure, departure, scheduled=True, missed=missed)
        assert seen is not None
        learn(told, Visit("CNQZH", Mode.RAIL, Mode.VESSEL), *seen, departure)
        stay = departure - arrival
        learn(naive, Visit("CNQZH", Mode.RAIL, Mode.VESSEL), stay, stay, departure)
    assert rail_to_sea(naive)[MEDIAN] > 3000
    assert 300 < rail_to_sea(told)[MEDIAN] < 900  # truth: 602; assumed: 540


def test_an_interval_that_says_nothing_changes_nothing() -> None:
    cell = Cell()
    cell.learn(-inf, 50.0, 0.0)
    assert (cell.middle, cell.spread) == pytest.approx((Cell().middle, Cell().spread))


def test_how_often_a_service_was_missed_is_learned() -> None:
    """One in five was not ready after 300 minutes, and nothing else is ever told."""
    state, visit = Dwells(), Visit("A", Mode.RAIL, Mode.RAIL)
    for number in range(500):
        low, high = (300.0, 2000.0) if number % 5 == 0 else (0.0, 300.0)
        learn(state, visit, low, high, number * 60.0)
    assert 1 - probability(dwell(state, visit), 300.0) == pytest.approx(0.2, abs=0.05)


def test_an_unknown_node_is_taken_for_one_with_the_same_modes() -> None:
    state = Dwells()
    for day in range(60):
        learn(state, Visit("CNQZH", Mode.RAIL, Mode.VESSEL), 4000.0, 4000.0, day * DAY)
    assert rail_to_sea(state, "CNFAN")[MEDIAN] == pytest.approx(4000, rel=0.25)


def test_unknown_modes_are_taken_for_as_slow_as_the_others() -> None:
    state, cold = Dwells(), Dwells()
    for day in range(60):
        learn(state, Visit("CNQZH", Mode.RAIL, Mode.VESSEL), 4000.0, 4000.0, day * DAY)
    visit = Visit("PLMAA", Mode.RAIL, Mode.TRUCK)
    assert dwell(state, visit)[MEDIAN] > 3 * dwell(cold, visit)[MEDIAN]


def test_one_node_does_not_decide_for_another_that_is_known() -> None:
    state = Dwells()
    for day in range(100):
        learn(state, Visit("SLOW", Mode.RAIL, Mode.VESSEL), 4000.0, 4000.0, day * DAY)
        learn(state, Visit("FAST", Mode.RAIL, Mode.VESSEL), 400.0, 400.0, day * DAY)
    assert rail_to_sea(state, "SLOW")[MEDIAN] > 3 * rail_to_sea(state, "FAST")[MEDIAN]


def test_a_new_regime_is_learned_faster_after_a_pause() -> None:
    def after_change(pause: float) -> float:
        state = Dwells()
        for hour in range(500):
            learn(state, Visit("A", Mode.RAIL, Mode.VESSEL), 600.0, 600.0, hour * 60.0)
        for hour in range(10):
            at = 30_000 + pause + hour * 60
            learn(state, Visit("A", Mode.RAIL, Mode.VESSEL), 3000.0, 3000.0, at)
        return rail_to_sea(state, "A")[MEDIAN]

    assert after_change(200 * DAY) > 1.5 * after_change(0.0)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 5.0), (5.0, 4.0), (5.0, inf)])
def test_what_cannot_be_is_not_learned(low: float, high: float) -> None:
    state = Dwells()
    learn(state, Visit("A", Mode.RAIL, Mode.VESSEL), low, high, 0.0)
    assert state == Dwells()


def test_who_left_by_a_service_was_ready_before_it_closed() -> None:
    assert bounds(100.0, 1000.0, 900.0, scheduled=True) == (0.0, 800.0)


def test_who_missed_a_service_was_ready_after_it_closed() -> None:
    assert bounds(100.0, 1000.0, 900.0, scheduled=True, missed=300.0) == (200.0, 800.0)
    assert bounds(100.0, 1000.0, 900.0, scheduled=True, missed=50.0) == (0.0, 800.0)


def test_who_left_after_the_plan_without_a_timetable_left_when_ready() -> None:
    assert bounds(100.0, 1000.0, 500.0, scheduled=False) == (900.0, 900.0)
    assert bounds(100.0, 1000.0, 50.0, scheduled=False) == (900.0, 900.0)


def test_who_left_as_planned_without_a_timetable_was_ready_by_then() -> None:
    assert bounds(100.0, 1000.0, 990.0, scheduled=False) == (0.0, 890.0)


def test_who_left_before_arriving_says_nothing() -> None:
    assert bounds(100.0, 50.0, 40.0, scheduled=True) is None


def test_who_stays_aboard_is_not_handled() -> None:
    stop = dwell(Dwells(), Visit("A", Mode.RAIL, Mode.RAIL, through=True))
    assert stop[MEDIAN] < 5 < dwell(Dwells(), Visit("A", Mode.RAIL, Mode.RAIL))[MEDIAN]


def test_a_plan_is_taken_to_leave_enough_time() -> None:
    assert dwell(Dwells(), Visit("A", Mode.VESSEL, Mode.RAIL, gap=100.0))[MEDIAN] < 100
