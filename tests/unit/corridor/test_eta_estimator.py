"""What is said of the legs of a journey, by what has been learned."""

from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.codes import Ending, Mode, Stage
from corridor.eta import naive
from corridor.eta.estimator import NAIVE, Estimate, Estimator, goes_through, visit_of
from corridor.eta.model import Model
from corridor.eta.query import minutes
from corridor.models import Leg
from corridor.tracking.stages import Progress, stage
from corridor.tracking.unit import Journey, LegMemory, PlannedLeg
from tests.unit.corridor.journeys import (
    HOUR,
    JOURNEY,
    LAND,
    PORT,
    RAIL,
    SEA,
    TERMINAL,
    Told,
    at,
    itinerary,
    learned,
    leg,
    told,
)

QUICK = settings(max_examples=40, deadline=None)
hours = st.floats(-100, 400, allow_nan=False)


def planned(leg: Leg) -> PlannedLeg:
    return PlannedLeg(*(getattr(leg, name) for name in PlannedLeg.__struct_fields__))


def journey(*legs: Leg) -> Journey:
    found = [planned(leg) for leg in legs or JOURNEY]
    return Journey("S", "C", 1, at(-72), found, [LegMemory() for _ in found])


def done(
    departure: float | None = None, arrival: float | None = None, *, aboard: bool = False
) -> Progress:
    state = Progress()
    state.departure = None if departure is None else at(departure)
    state.arrival = None if arrival is None else at(arrival)
    state.seen_aboard = aboard
    return state


def ask(
    estimator: Estimator, journey: Journey, states: Sequence[Progress], hours: float
) -> list[Estimate]:
    """With nothing known of the legs beyond `states`; what is found is said."""
    found = [*states, *(Progress() for _ in journey.legs[len(states) :])]
    stages = [stage(leg, s, at(hours)) for leg, s in zip(journey.legs, found, strict=True)]
    estimates = estimator.estimates(journey, found, stages, {}, at(hours))
    for memory, known in zip(journey.memory, stages, strict=True):
        memory.stage = known
    return estimates


# a model that has learned nothing ----------------------------------------------------------------


@st.composite
def legs(draw: st.DrawFn) -> list[Leg]:
    found, departs = list[Leg](), draw(hours)
    for sequence in range(1, draw(st.integers(1, 4)) + 1):
        arrives = departs + draw(st.floats(0.1, 90))
        mode = draw(st.sampled_from(list(Mode)))
        service = draw(st.sampled_from([None, "LINE"]))
        found.append(
            leg(
                sequence,
                f"N{sequence}",
                f"N{sequence + 1}",
                mode,
                departs,
                arrives,
                service_id=service,
            )
        )
        departs = arrives + draw(st.floats(0, 50))
    return found


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    times = st.none() | hours
    state = done(draw(times), draw(times))
    state.ending = Ending.ARRIVED if state.arrival else draw(st.none() | st.sampled_from(Ending))
    return state


@QUICK
@given(legs(), st.lists(progresses(), min_size=4, max_size=4), hours)
def test_who_has_learned_nothing_says_the_timetable_and_the_known_delay(
    legs: list[Leg], states: list[Progress], now: float
) -> None:
    asked, states = journey(*legs), states[: len(legs)]
    found = ask(NAIVE, asked, states, now)
    stages = [stage(leg, s, at(now)) for leg, s in zip(asked.legs, states, strict=True)]
    assert [(e.eta, e.evidence) for e in found] == list(naive.etas(asked.legs, states, stages))
    assert {(e.quantiles, e.late_probability, e.missed, e.unchanged) for e in found} == {
        (None, None, None, False)
    }


def test_what_rests_on_nothing_learned_names_the_naive_model() -> None:
    box = Told(Estimator(Model()))
    box.take(itinerary(), told("DEPARTED", TERMINAL, 1))
    assert {e.model_version for n in (1, 2, 3) for e in box.estimates(n)} == {naive.MODEL_VERSION}


def test_what_rests_on_a_model_names_it() -> None:
    model = learned()
    box = Told(Estimator(model))
    box.take(itinerary(), told("DEPARTED", TERMINAL, 1))
    assert box.last().model_version == model.version


# the leg under way, or next ----------------------------------------------------------------------


@QUICK
@given(st.floats(0, 30), st.floats(0, 300))
def test_quantiles_ascend_and_none_of_a_leg_under_way_is_before_now(
    departure: float, since: float
) -> None:
    now = departure + since
    found = ask(Estimator(learned()), journey(), [done(departure)], now)
    for estimate in found:
        assert estimate.quantiles is not None
        assert list(estimate.quantiles) == sorted(estimate.quantiles)
        assert estimate.eta == estimate.quantiles[3]
    assert min(found[0].quantiles or ()) >= at(now)


@QUICK
@given(st.floats(-60, 300), st.none() | st.floats(0, 30))
def test_a_review_is_always_yet_to_come(now: float, departure: float | None) -> None:
    states = [done(departure)] if departure is not None and departure <= now else []
    for estimate in ask(Estimator(learned()), journey(), states, now):
        assert estimate.review is None or estimate.review > at(now)


def test_who_has_not_left_is_expected_later_the_later_it_is() -> None:
    estimator = Estimator(learned())
    found = [ask(estimator, journey(), [], now)[0].eta or at(0) for now in (0.0, 2, 6, 24)]
    assert found == sorted(found)
    assert found[-1] >= at(46 + 24)


# the later legs ----------------------------------------------------------------------------------


def later(
    estimator: Estimator, legs: Sequence[Leg], departure: float, now: float = 30.0
) -> list[Estimate]:
    return ask(estimator, journey(*legs), [done(departure)], now)


@QUICK
@given(st.lists(st.floats(0, 29), min_size=2, max_size=2, unique=True))
def test_an_arrival_that_moved_later_makes_no_later_leg_earlier(departures: list[float]) -> None:
    # who waits for its load may have learned to catch up; a timetable does not
    legs = (RAIL, SEA, LAND.model_copy(update={"service_id": "SHUTTLE"}))
    estimator = Estimator(learned())
    one, other = (later(estimator, legs, departure) for departure in sorted(departures))
    before, after = one[0].quantiles or (), other[0].quantiles or ()
    if any(b > a for b, a in zip(before, after, strict=True)):
        return  # the arrival itself is not later at every level
    for leg_before, leg_after in zip(one[1:], other[1:], strict=True):
        pairs = zip(leg_before.quantiles or (), leg_after.quantiles or (), strict=True)
        assert all((a - b).total_seconds() > -1 for b, a in pairs)


def test_a_delay_that_the_slack_takes_up_moves_no_later_leg_much() -> None:
    estimator = Estimator(learned())
    early, late = later(estimator, JOURNEY, 0), later(estimator, JOURNEY, 2)
    moved = minutes(late[0].eta or at(0)) - minutes(early[0].eta or at(0))
    onward = minutes(late[2].eta or at(0)) - minutes(early[2].eta or at(0))
    assert moved > 60
    assert onward < moved / 2


def missed(box: Sequence[Progress], now: float, *legs: Leg) -> float | None:
    return ask(Estimator(learned()), journey(*legs), box, now)[1].missed


@QUICK
@given(st.lists(st.floats(0, 70), min_size=2, max_size=6, unique=True))
def test_the_later_a_box_comes_the_likelier_it_misses_the_vessel(arrivals: list[float]) -> None:
    found = [missed([done(0, arrival)], 50.0) or 0.0 for arrival in sorted(arrivals)]
    assert found == sorted(found)


def test_a_box_that_comes_after_the_vessel_has_closed_misses_it() -> None:
    assert missed([done(0)], 10.0) == pytest.approx(0.1, abs=0.4)
    assert missed([done(20)], 65.0) == 1.0


def test_a_box_that_waits_misses_nothing_once_it_is_loaded() -> None:
    waits, loaded = done(), done(aboard=True)
    assert (missed([done(0, 54), waits], 54.5) or 0.0) > 0.5
    assert missed([done(0, 54), loaded], 54.5) == 0.0


def test_a_box_that_waited_until_the_service_closed_missed_nothing_unless_a_plan_says_so() -> None:
    assert (missed([done(0, 54)], 55.9) or 0.0) > 0.5
    assert missed([done(0, 54)], 56.0) == 0.0


ON = leg(2, PORT, "CNNNG", Mode.RAIL, 48, 52, run_id="RUN1")
TRUCKS = (
    leg(1, "A", "B", Mode.TRUCK, 0, 10, run_id=None),
    leg(2, "B", "C", Mode.TRUCK, 11, 20, run_id=None),
)


@pytest.mark.parametrize(
    ("before", "after", "through"),
    [
        (RAIL, ON, True),
        (TRUCKS[0], TRUCKS[1], True),
        (RAIL, SEA, False),
        (RAIL, leg(2, PORT, "CNNNG", Mode.RAIL, 48, 52), False),
    ],
)
def test_one_conveyance_does_both_legs_if_the_run_is_the_same(
    before: Leg, after: Leg, through: bool
) -> None:
    assert goes_through(planned(before), planned(after)) is through


def test_who_goes_on_with_the_same_train_misses_nothing() -> None:
    found = ask(Estimator(learned()), journey(RAIL, ON), [done(20)], 66.0)[1]
    assert found.quantiles is not None
    assert found.missed is None


def test_who_waits_for_the_planned_departure_is_not_thought_to_be_late() -> None:
    by_road = leg(2, PORT, "CNNNG", Mode.RAIL, 60, 70)  # no service: it waits for its load
    estimator = Estimator(learned())
    before, at_the_time, after = (
        ask(estimator, journey(RAIL, by_road), [done(0, 46)], hours)[1].eta
        for hours in (47.0, 60.0, 64.0)
    )
    assert before is not None
    assert at_the_time is not None
    assert after is not None
    assert abs(at_the_time - before) < HOUR / 2
    assert after - at_the_time > HOUR


def test_later_legs_are_not_said_again_unless_the_arrival_moved() -> None:
    estimator, asked = Estimator(learned()), journey()
    first = ask(estimator, asked, [done(0)], 1.0)
    again = ask(estimator, asked, [done(0)], 1.1)
    moved = ask(estimator, asked, [done(1)], 1.2)
    assert [[e.unchanged for e in found] for found in (first, again, moved)] == [
        [False, False, False],
        [False, True, True],
        [False, False, False],
    ]


def test_a_later_leg_that_becomes_overdue_is_still_expected_after_the_one_before() -> None:
    box = Told(Estimator(learned()))
    box.take(itinerary(), told("DEPARTED", TERMINAL, 44))
    box.wait(73)
    last = box.last(2)
    assert last.stage is Stage.OVERDUE
    assert last.evidence == "CONNECTION_OVERDUE"


def test_a_plan_with_another_service_is_asked_anew() -> None:
    box = Told(Estimator(learned()))
    box.take(itinerary(), told("DEPARTED", TERMINAL, 44))
    ahead = box.last(2).eta_p50
    week = leg(2, PORT, SEA.to_node, Mode.VESSEL, 60 + 168, 180 + 168, run_id="LATER")
    box.take(itinerary(RAIL, week, LAND, version=2, issued_time=at(45)))
    assert box.last(2).eta_p50 is not None
    assert ahead is not None
    assert box.last(2).eta_p50 > ahead + 24 * HOUR  # type: ignore[operator]


# answers that are remembered ---------------------------------------------------------------------


@QUICK
@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 60)), min_size=1, max_size=8))
def test_remembered_answers_change_nothing(asked: list[tuple[float, float]]) -> None:
    model = learned()
    estimator = Estimator(model)
    for departure, since in asked * 2:
        states = [done(departure)]
        now = departure + since
        assert ask(estimator, journey(), states, now) == ask(
            Estimator(model), journey(), states, now
        )


def test_what_was_learned_since_is_said_though_the_question_is_the_same() -> None:
    model = learned()
    estimator, asked, states = Estimator(model), journey(), [done(0)]
    ask(estimator, asked, states, 1.0)
    for _ in range(40):
        model.habits.stayed(visit_of(*asked.legs[:2]), 3000.0, 3000.0, minutes(at(0)))
    assert ask(estimator, journey(), states, 1.0) == ask(Estimator(model), journey(), states, 1.0)


def test_an_estimate_that_hardly_moved_is_not_said() -> None:
    estimator = NAIVE
    now, memory = at(0), LegMemory(eta=at(10), evidence="LEARNED")

    def said(eta: datetime) -> bool:
        return estimator.material(memory, Estimate(eta, "LEARNED", (eta,) * 7), now)

    assert [said(at(10 + late / 60)) for late in (0, 5, 7, -7)] == [False, False, True, True]
