"""What the arrival of one leg makes of all later legs."""

from itertools import pairwise
from math import sqrt
from statistics import NormalDist

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.eta import distribution
from corridor.eta.distribution import LEVELS, MEDIAN, Quantiles
from corridor.eta.downstream import (
    MULTIPLIERS,
    POINTS,
    Onward,
    Passage,
    Slot,
    carry,
    moved,
    onward,
    permutation,
)

DAY = 1440.0
NORMAL = [NormalDist().inv_cdf(level) for level in LEVELS]


def exactly(value: float) -> Quantiles:
    return (value,) * len(LEVELS)


def about(middle: float, spread: float) -> Quantiles:
    return tuple(middle + spread * normal for normal in NORMAL)


def truck(planned: float, dwell: float, transit: float) -> Onward:
    return Onward(
        "T", Mode.TRUCK, planned, planned + transit, None, None, exactly(transit), exactly(dwell)
    )


def train(
    planned: float, dwell: Quantiles, transit: Quantiles, following: tuple[Slot, ...] | None
) -> Onward:
    """One whose cut-off is three hours before it leaves."""
    return Onward(
        "R", Mode.RAIL, planned, planned + DAY, planned - 180, "S", transit, dwell, following
    )


def daily(planned: float, count: int = 4) -> tuple[Slot, ...]:
    return tuple(Slot(planned + n * DAY, planned + n * DAY - 180) for n in range(1, count + 1))


minutes = st.floats(0, 5000)
steps = st.lists(st.floats(0, 500), min_size=7, max_size=7)
spans = st.tuples(minutes, steps).map(
    lambda drawn: tuple(drawn[0] + sum(drawn[1][: n + 1]) for n in range(7))
)


@st.composite
def legs(draw: st.DrawFn) -> Onward:
    planned = draw(st.floats(0, 20_000))
    gaps = draw(st.none() | st.lists(st.floats(200, 10_080), max_size=4))
    leads = st.none() | st.floats(0, 600)
    slots = None
    if gaps is not None:
        times = [planned + sum(gaps[: n + 1]) for n in range(len(gaps))]
        slots = tuple(Slot(t, None if (lead := draw(leads)) is None else t - lead) for t in times)
    lead = draw(leads)
    return Onward(
        leg_id="L",
        mode=Mode.RAIL,
        planned_departure=planned,
        planned_arrival=planned + 600,
        cutoff=None if lead is None else planned - lead,
        service_id=draw(st.sampled_from([None, "S"])),
        transit=draw(spans),
        dwell=draw(spans),
        next_services=slots,
        least_dwell=draw(st.floats(0, 300)),
    )


itineraries = st.lists(legs(), min_size=1, max_size=4)


@given(
    st.lists(st.tuples(minutes, st.floats(0, 3000)), min_size=POINTS, max_size=POINTS), itineraries
)
def test_a_later_arrival_makes_nothing_earlier(
    drawn: list[tuple[float, float]], ahead: list[Onward]
) -> None:
    early = carry(np.sort([time for time, _ in drawn]), ahead)
    late = carry(np.sort([time + delay for time, delay in drawn]), ahead)
    for one, other in zip(early, late, strict=True):
        for before, after in zip(
            one.departure + one.arrival, other.departure + other.arrival, strict=True
        ):
            assert after >= before - 1e-6
        assert other.missed >= one.missed - 1e-9
        assert other.slack <= one.slack + 1e-6


@given(spans, itineraries)
def test_probabilities_are_between_none_and_all(arrival: Quantiles, ahead: list[Onward]) -> None:
    assert all(0 <= passage.missed <= 1 for passage in onward(arrival, ahead))


@given(spans, itineraries)
def test_quantiles_ascend_and_nobody_arrives_before_leaving(
    arrival: Quantiles, ahead: list[Onward]
) -> None:
    for passage in onward(arrival, ahead):
        for times in (passage.departure, passage.arrival):
            assert all(later >= one - 1e-6 for one, later in pairwise(times))
        for left, came in zip(passage.departure, passage.arrival, strict=True):
            assert came >= left - 1e-6


@given(spans, itineraries)
def test_the_same_input_gives_the_same_output(arrival: Quantiles, ahead: list[Onward]) -> None:
    assert onward(arrival, ahead) == onward(arrival, ahead)


@given(spans, itineraries)
def test_later_legs_change_nothing_for_earlier_ones(
    arrival: Quantiles, ahead: list[Onward]
) -> None:
    assert onward(arrival, ahead[:1]) == onward(arrival, ahead)[:1]


@given(st.floats(0, 3000), st.lists(st.floats(0, 600), min_size=1, max_size=5))
def test_slack_is_used_once_and_wholly(delay: float, slacks: list[float]) -> None:
    time, ahead = 1000.0, []
    for slack in slacks:
        ahead.append(truck(time + 60 + slack, dwell=60, transit=300))
        time += 60 + slack + 300
    passages = onward(exactly(1000 + delay), ahead)
    for place, passage in enumerate(passages):
        left = max(0.0, delay - sum(slacks[: place + 1]))
        assert passage.arrival[MEDIAN] - ahead[place].planned_arrival == pytest.approx(left)
    assert passages[0].slack == pytest.approx(slacks[0] - delay)


@pytest.mark.parametrize(("delay", "service"), [(0, 0), (719, 0), (721, 1), (2159, 1), (2161, 2)])
def test_missing_a_connection_shifts_by_whole_slots(delay: float, service: int) -> None:
    leg = train(2000.0, exactly(100.0), exactly(500.0), daily(2000.0))
    [passage] = onward(exactly(1000.0 + delay), [leg])  # slack: 1820 - 1100 = 720
    assert passage.service == service
    assert passage.slot == 2000 + service * DAY
    assert passage.departure == exactly(2000 + service * DAY)
    assert passage.arrival == exactly(2500 + service * DAY)
    assert passage.missed == (service > 0)


@given(st.floats(0, 20 * DAY))
def test_past_the_last_known_slot_more_follow_at_the_same_distance(delay: float) -> None:
    few = train(2000.0, exactly(100.0), exactly(500.0), daily(2000.0, 1))
    many = train(2000.0, exactly(100.0), exactly(500.0), daily(2000.0, 30))
    assert onward(exactly(delay), [few]) == onward(exactly(delay), [many])


def test_without_a_known_next_service_it_leaves_when_ready_and_says_so() -> None:
    leg = train(2000.0, exactly(100.0), exactly(500.0), None)
    [passage] = onward(exactly(3000.0), [leg])
    assert passage.departure == exactly(3100.0)
    assert (passage.missed, passage.service, passage.slot) == (1.0, None, None)


def test_a_service_without_a_cut_off_closes_when_it_leaves() -> None:
    leg = msgspec.structs.replace(
        train(2000.0, exactly(0.0), exactly(500.0), daily(2000.0)), cutoff=None
    )
    assert onward(exactly(1999.0), [leg])[0].service == 0
    assert onward(exactly(2001.0), [leg])[0].service == 1


def test_it_leaves_no_service_before_it_is_ready() -> None:
    leg = Onward("L", Mode.AIR, 100.0, 200.0, 150.0, "S", exactly(50.0), exactly(0.0))
    assert onward(exactly(140.0), [leg])[0].departure == exactly(140.0)


def test_what_closes_nowhere_is_never_missed() -> None:
    [passage] = onward(exactly(9000.0), [truck(2000.0, 60, 300)])
    assert (passage.missed, passage.service) == (0.0, None)


def test_handling_takes_its_least_time() -> None:
    leg = msgspec.structs.replace(truck(0.0, 10, 300), least_dwell=45.0)
    assert onward(exactly(100.0), [leg])[0].departure == exactly(145.0)


def test_the_probability_of_a_miss_is_the_share_that_comes_too_late() -> None:
    leg = train(2000.0, about(300.0, 30.0), exactly(500.0), daily(2000.0))
    [passage] = onward(about(1500.0, 40.0), [leg])
    truth = 1 - NormalDist(1800, sqrt(30**2 + 40**2)).cdf(1820)
    assert passage.missed == pytest.approx(truth, abs=0.02)


def test_independent_times_do_not_all_come_late_together() -> None:
    ahead = [
        msgspec.structs.replace(truck(0.0, 0, 0), dwell=about(1000, 50), transit=about(2000, 50))
    ] * 3
    last = onward(about(1000.0, 50.0), ahead)[-1].arrival
    spread = sqrt(7) * 50
    for found, truth in zip(last, about(10_000.0, spread), strict=True):
        assert found == pytest.approx(truth, abs=0.1 * spread)


def test_the_points_of_the_arrival_are_those_of_its_distribution() -> None:
    arrival = (0.0, 10.0, 30.0, 70.0, 100.0, 160.0, 400.0)
    leg = truck(-1e6, 0, 0)
    expected = distribution.of_points(distribution.points(arrival, POINTS))
    assert onward(arrival, [leg])[0].arrival == pytest.approx(expected)


def test_permutations_are_fixed() -> None:
    assert MULTIPLIERS == (19, 26)
    assert permutation(19)[:6] == [9, 28, 14, 0, 19, 5]
    assert permutation(25)[:6] == [12, 4, 29, 21, 13, 5]
    assert permutation(26, 11)[:6] == [7, 0, 26, 19, 12, 5]


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
@pytest.mark.parametrize("shift", [-11, 0, 11])
def test_a_permutation_has_every_point_once(multiplier: int, shift: int) -> None:
    assert sorted(permutation(multiplier, shift)) == list(range(POINTS))


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
def test_permutations_read_the_same_from_both_ends(multiplier: int) -> None:
    for shift in (0, 11):
        turned = [POINTS - 1 - place for place in reversed(permutation(multiplier, shift))]
        assert turned == permutation(multiplier, -shift)


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
def test_what_is_met_does_not_depend_on_where_one_is(multiplier: int) -> None:
    met = [permutation(multiplier, shift) for shift in (-11, 0, 11)]
    assert all(
        sorted(place // 11 for place in places) == [0, 1, 2] for places in zip(*met, strict=True)
    )
    correlation = np.corrcoef(np.ravel([range(POINTS)] * 3), np.ravel(met))[0, 1]
    assert abs(correlation) < 0.03


def test_a_multiplier_that_repeats_points_is_refused() -> None:
    with pytest.raises(ValueError, match="11"):
        permutation(11)


def test_no_legs_no_passages() -> None:
    assert onward(exactly(0.0), []) == []


@pytest.mark.parametrize(
    ("remains", "by", "expected"),
    [(10, 1.9, False), (10, 2.1, True), (10_000, 90, False), (10_000, 110, True), (-500, 3, True)],
)
def test_a_median_has_moved_by_two_minutes_and_a_hundredth_of_what_remains(
    remains: float, by: float, expected: bool
) -> None:
    now = 5000.0
    assert moved(exactly(now + remains - by), exactly(now + remains), now) is expected


def test_passages_and_legs_are_exactly_restorable() -> None:
    ahead = [train(2000.0, about(300.0, 30.0), about(500.0, 9.0), daily(2000.0))]
    passages = onward(about(1500.0, 40.0), ahead)
    packed = msgspec.msgpack.encode((ahead, passages))
    assert msgspec.msgpack.decode(packed, type=tuple[list[Onward], list[Passage]]) == (
        ahead,
        passages,
    )
