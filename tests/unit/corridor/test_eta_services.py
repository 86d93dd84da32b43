"""When a service leaves next."""

import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.eta.downstream import Slot
from corridor.eta.services import (
    DAY,
    REMEMBERED,
    WEEK,
    Services,
    by_timetable,
    following,
    plan,
    rhythm,
)

Plans = list[tuple[float, float | None, str | None, float]]
plans: st.SearchStrategy[Plans] = st.lists(
    st.tuples(
        st.integers(0, 60).map(lambda n: n * DAY / 2),
        st.none() | st.just(300.0),
        st.none() | st.sampled_from("abcdefgh"),
        st.integers(0, 3).map(float),
    ),
    max_size=20,
)


def learned(planned: Plans) -> Services:
    state = Services()
    for departure, lead, run_id, known_at in planned:
        cutoff = None if lead is None else departure - lead
        plan(state, "S", departure, cutoff, run_id, known_at)
    return state


def leaving(departures: list[float], lead: float | None = None) -> Services:
    return learned([(departure, lead, None, 0.0) for departure in departures])


def days(state: Services, after: float) -> list[float] | None:
    slots = following(state.services.values(), after * DAY)
    return None if slots is None else [slot.departure / DAY for slot in slots]


def test_a_daily_service_leaves_every_day() -> None:
    assert days(leaving([DAY * n for n in range(5)]), 4) == [5, 6, 7, 8]


def test_a_weekly_service_leaves_every_week() -> None:
    assert days(leaving([WEEK * n for n in range(3)]), 14) == [21, 28, 35, 42]


def test_a_service_every_ten_days_leaves_every_ten_days() -> None:
    assert days(leaving([10 * DAY * n for n in range(3)]), 20) == [30, 40, 50, 60]


def test_a_service_on_two_days_of_the_week_leaves_on_both() -> None:
    tuesdays_and_saturdays = [DAY * n for n in range(28) if n % 7 in (1, 5)]
    assert days(leaving(tuesdays_and_saturdays), 26) == [29, 33, 36, 40]


def test_a_service_on_working_days_has_no_weekend() -> None:
    working_days = [DAY * n for n in range(21) if n % 7 < 5]
    assert days(leaving(working_days), 18) == [21, 22, 23, 24]


def test_every_other_day_is_not_every_day() -> None:
    assert days(leaving([2 * DAY * n for n in range(30) if n != 12]), 58) == [60, 62, 64, 66]


def test_departures_that_went_unseen_are_still_foretold() -> None:
    assert days(leaving([WEEK * n for n in (0, 1, 3, 4)]), 14) == [21, 28, 35, 42]


def test_a_special_departure_does_not_break_a_weekly_rhythm() -> None:
    assert days(leaving([WEEK * n for n in range(6)] + [WEEK * 2 + 3 * DAY]), 35) == [
        42,
        49,
        56,
        63,
    ]


def test_a_new_day_of_the_week_replaces_the_old_one() -> None:
    tuesdays, thursdays = [WEEK * n for n in range(8)], [WEEK * n + 2 * DAY for n in range(8, 11)]
    assert days(leaving(tuesdays + thursdays), 72) == [79, 86, 93, 100]


def test_summer_time_breaks_no_rhythm() -> None:
    assert days(leaving([WEEK * n - 60 * (n > 2) for n in range(6)]), 35) == [
        day - 60 / DAY for day in (42, 49, 56, 63)
    ]


@pytest.mark.parametrize(
    "departures", [[], [0.0], [0.0, WEEK], [0.0, 1.3 * DAY, 5.9 * DAY, 9.2 * DAY, 16.6 * DAY]]
)
def test_without_a_rhythm_nothing_is_invented(departures: list[float]) -> None:
    assert following(leaving(departures).services.values(), 20 * DAY) is None


def test_departures_at_random_seldom_pass_for_a_rhythm() -> None:
    rng = random.Random(1)
    believed = [
        rhythm(sorted(rng.uniform(0, 40 * DAY) for _ in range(12))) is not None for _ in range(300)
    ]
    assert sum(believed) <= 9


def test_a_leg_without_services_has_no_next() -> None:
    assert following([], 0.0) is None


def test_who_misses_a_service_goes_by_whichever_leaves_next() -> None:
    weekly, daily = (leaving([every * n for n in range(4)]) for every in (WEEK, DAY))
    both = [*weekly.services.values(), *daily.services.values()]
    assert [slot.departure / DAY for slot in following(both, 3 * DAY) or ()] == [4, 5, 6, 7]


@given(plans, plans, st.floats(0, 40 * DAY))
def test_it_does_not_matter_which_service_was_known_first(
    one: Plans, other: Plans, after: float
) -> None:
    known = [*learned(one).services.values(), *learned(other).services.values()]
    assert following(known, after) == following(reversed(known), after)


@pytest.mark.parametrize(
    ("mode", "service", "cutoff", "waits"),
    [
        (Mode.RAIL, "LINE", None, False),
        (Mode.TRUCK, "HAULIER", None, True),
        (Mode.TRUCK, None, 300.0, False),
        (Mode.VESSEL, None, None, True),
    ],
)
def test_what_has_no_timetable_waits_for_its_load(
    mode: Mode, service: str | None, cutoff: float | None, waits: bool
) -> None:
    assert by_timetable(mode, service, cutoff) is not waits


def test_plans_come_before_what_is_foretold() -> None:
    state = leaving([WEEK * n for n in range(4)])
    plan(state, "S", 4 * WEEK + 80, 4 * WEEK - 1000)
    slots = following(state.services.values(), 3 * WEEK)
    assert slots is not None
    assert slots[0] == Slot(4 * WEEK + 80, 4 * WEEK - 1000)
    assert slots[1].departure == pytest.approx(5 * WEEK, abs=90)


def test_what_only_plans_show_is_no_timetable() -> None:
    assert days(leaving([0.0, 5 * DAY]), 1) is None


def test_what_no_plan_names_between_two_plans_is_foretold() -> None:
    state = leaving([DAY * n for n in (0, 1, 2, 3, 4, 8)])
    assert days(state, 4) == [5, 6, 7, 8]


def test_a_foretold_service_closes_as_long_before_as_usual() -> None:
    state = leaving([WEEK * n for n in range(4)], lead=600.0)
    slots = following(state.services.values(), 3 * WEEK, 2)
    assert slots == (Slot(4 * WEEK, 4 * WEEK - 600), Slot(5 * WEEK, 5 * WEEK - 600))


def test_of_a_run_the_plan_known_last_counts() -> None:
    state = learned([(3 * DAY, None, "r", 2.0), (2 * DAY, None, "r", 1.0)])
    assert [known.departure / DAY for known in state.services["S"].planned] == [3]


def test_many_units_on_one_run_are_one_departure() -> None:
    state = Services()
    assert [plan(state, "S", DAY, DAY - 60, "r", known) for known in (1.0, 2.0, 0.0)] == [
        True,
        False,
        False,
    ]
    assert len(state.services["S"].planned) == 1


@given(plans, st.randoms(use_true_random=False))
def test_the_order_in_which_plans_come_does_not_matter(planned: Plans, rng: random.Random) -> None:
    shuffled = list(planned)
    rng.shuffle(shuffled)
    assert learned(shuffled) == learned(planned)


@given(plans, st.floats(0, 40 * DAY))
def test_next_services_come_after_and_ascend(planned: Plans, after: float) -> None:
    slots = following(learned(planned).services.values(), after)
    if slots is not None:
        assert 0 < len(slots) <= 4
        assert slots[0].departure > after
        assert all(one.departure <= other.departure for one, other in pairwise(slots))


@given(plans)
def test_a_restored_state_is_the_same(planned: Plans) -> None:
    state = learned(planned)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Services) == state


def test_a_service_does_not_remember_for_ever() -> None:
    state = leaving([DAY * n for n in range(100)])
    assert len(state.services["S"].planned) == REMEMBERED
    assert days(state, 99) == [100, 101, 102, 103]
