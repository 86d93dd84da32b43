"""Positions, other people's arrivals and silence: they move what is expected, and no stage."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.codes import Classifier, Mode, Signal, Stage
from corridor.eta.downstream import LEAST_MOVE, LEAST_SHARE
from corridor.eta.estimator import NAIVE, Estimator
from corridor.eta.experts import OWN, Statement
from corridor.eta.lessons import What
from corridor.eta.model import Model
from corridor.eta.query import minutes
from corridor.eta.signal import Kind, limits
from corridor.models import LegEstimate, LegOutcome, TrackingEvent
from corridor.tracking.unit import Unit
from corridor.tracking.update import Verdict
from tests.unit.corridor.journeys import (
    HOUR,
    PORT,
    RAIL,
    TERMINAL,
    Told,
    at,
    itinerary,
    learned,
    position,
    stated,
    told,
)

QUICK = settings(max_examples=20, deadline=None)
MINUTE = timedelta(minutes=1)


def aboard(model: Model | None = None) -> Told:
    """A box on the train, which left on time."""
    box = Told(NAIVE if model is None else Estimator(model))
    box.clock = at(0)
    box.take(itinerary(), told("DEPARTED", TERMINAL, 0))
    return box


def eta(box: Told) -> datetime:
    found = box.last().eta_p50
    assert found is not None
    return found


# positions ---------------------------------------------------------------------------------------


def test_a_steady_train_does_not_tell_a_new_arrival_with_every_position() -> None:
    box = aboard()
    count = len(box.estimates())
    box.take(*(position(tenth / 10) for tenth in range(1, 400)))
    assert 0 < len(box.estimates()) - count < 40


def test_whoever_is_behind_the_timetable_is_expected_later() -> None:
    box = aboard()
    for hour in range(1, 21):
        box.take(position(hour, hour / 92))
    assert eta(box) > at(46 + 10)
    assert box.last().evidence == "POSITIONS"


@pytest.mark.parametrize("known", [True, False])
def test_what_is_said_of_positions_differs_enough_to_be_said(known: bool) -> None:
    box = aboard(learned() if known else None)
    box.take(*(position(hour / 2, (hour / 92) ** 1.2) for hour in range(1, 80)))
    said = [e for e in box.estimates() if e.evidence.endswith("POSITIONS")]
    assert len(said) > 1
    for before, after in pairwise(said):
        assert before.eta_p50 is not None
        assert after.eta_p50 is not None
        least = max(timedelta(minutes=LEAST_MOVE), LEAST_SHARE * (after.eta_p50 - after.as_of))
        assert abs(after.eta_p50 - before.eta_p50) >= least or before.signal is not after.signal


@pytest.mark.parametrize(
    "again",
    [position(20), position(19), position(20, 0.9)],
    ids=["repeated", "late", "of the same time"],
)
def test_a_position_that_is_not_the_newest_changes_nothing(again: TrackingEvent) -> None:
    box = aboard()
    box.take(*(position(hour) for hour in range(1, 21)))
    before, said = repr(box.unit), len(box.out)
    assert box.take(again) is Verdict.DUPLICATE
    assert (repr(box.unit), len(box.out)) == (before, said)


def test_a_position_that_is_not_believed_moves_no_arrival() -> None:
    box = aboard()
    box.take(*(position(hour) for hour in range(1, 21)))
    before = eta(box)
    box.take(position(20.1, 0.95))
    assert abs(eta(box) - before) < timedelta(hours=1)
    box.take(position(20.2))
    assert abs(eta(box) - before) < timedelta(hours=1)


@pytest.mark.parametrize(
    "ping",
    [position(1), position(1, run_id="RUN1")],
    ids=["of the box", "of the train"],
)
def test_whoever_is_on_no_leg_is_on_no_way(ping: TrackingEvent) -> None:
    box = Told()
    box.take(itinerary())
    assert box.take(ping) is Verdict.NO_MILESTONE
    assert box.unit.heard == {}


def test_a_position_of_another_train_is_not_one_of_the_box() -> None:
    box = aboard()
    assert box.take(position(1, run_id="RUN9")) is Verdict.NO_MILESTONE
    assert box.take(position(1, run_id="RUN1")) is Verdict.APPLIED


def test_a_position_of_a_box_that_was_loaded_elsewhere_is_that_of_the_train_it_goes_by() -> None:
    box = Told()
    box.take(itinerary(), told("LOADED", TERMINAL, -1, run_id="RUN9", unit_id="U"))
    box.take(told("DEPARTED", TERMINAL, 0))
    assert box.take(position(1, run_id="RUN1")) is Verdict.NO_MILESTONE
    assert box.take(position(1, run_id="RUN9")) is Verdict.APPLIED


def test_a_position_says_nothing_of_a_leg_between_places_that_nobody_knows() -> None:
    unknown = RAIL.model_copy(update={"from_node": "A", "to_node": "B"})
    box = Told()
    box.take(itinerary(unknown), told("DEPARTED", "A", 0))
    assert box.take(position(1)) is Verdict.NO_MILESTONE


def test_positions_change_no_stage() -> None:
    box = aboard()
    box.take(*(position(hour) for hour in range(1, 60)))
    assert {e.stage for e in box.estimates()[1:]} == {Stage.EN_ROUTE}


def stalls(known: bool) -> Told:
    """A train that stands half-way from the 23rd hour to the 33rd, and then goes on."""
    box = aboard(learned() if known else None)
    box.take(*(position(quarter / 4) for quarter in range(1, 93)))
    box.take(*(position(23 + quarter / 4, 0.5) for quarter in range(1, 41)))
    return box


@pytest.mark.parametrize("known", [True, False])
def test_a_stalled_train_is_said_to_be_stalled(known: bool) -> None:
    since = stalls(known).last().stalled_since
    assert since is not None
    assert abs(since - at(23)) < HOUR


@pytest.mark.parametrize("known", [True, False])
def test_a_train_that_moves_again_is_no_longer_said_to_be_stalled(known: bool) -> None:
    box = stalls(known)
    motion = box.unit.journeys[0].memory[0].motion
    assert motion is not None
    for quarter in range(1, 9):
        box.take(position(33 + quarter / 4, 0.5 + quarter / 4 / 46))
        assert (box.last().stalled_since is None) == (motion.stalled is None)
    assert motion.stalled is None


def test_a_train_that_stands_at_its_destination_is_not_stalled() -> None:
    box = aboard()
    box.take(*(position(hour) for hour in range(1, 46)))
    box.take(*(position(46 + hour / 4, 0.999) for hour in range(40)))
    assert {e.stalled_since for e in box.estimates()} == {None}


# what others state -------------------------------------------------------------------------------


def after(errors: float, source: str = "oracle", count: int = 40) -> Model:
    """A model that has heard a source that was so many minutes too early every time."""
    model = learned()
    for day in range(-count, 0):
        arrival = minutes(RAIL.planned_arrival) + 1440 * day
        ours = Statement(OWN, arrival - 1500, arrival - 45 * (-1) ** day, 1500)
        model.habits.told(
            Mode.RAIL, [ours, Statement(source, arrival - 1500, arrival - errors, 1500)], arrival
        )
    return model


def test_an_arrival_that_a_good_source_states_pulls_ours_towards_it() -> None:
    box = aboard(after(0))
    before = eta(box)
    box.take(stated(51, 20))
    assert eta(box) - before > (at(51) - before) / 2
    assert box.last().evidence.endswith("+STATED")


def test_a_source_that_nobody_has_heard_of_hardly_moves_ours() -> None:
    box = aboard(learned())
    before = eta(box)
    box.take(stated(51, 20))
    assert eta(box) - before < (at(51) - before) / 10


def test_a_source_that_is_always_too_early_is_corrected() -> None:
    right, early = aboard(after(0)), aboard(after(120))
    right.take(stated(49, 20))
    early.take(stated(49, 20))
    assert eta(early) > eta(right) + timedelta(minutes=30)


def test_a_retracted_statement_is_forgotten() -> None:
    box = aboard(after(0))
    before = eta(box)
    box.take(stated(51, 20))
    assert box.take(stated(51, 20, retracted=True)) is Verdict.APPLIED
    assert {s.source for s in box.unit.journeys[0].memory[0].stated} == {OWN}
    assert abs(eta(box) - before) < timedelta(minutes=15)
    assert not box.last().evidence.endswith("+STATED")


def test_who_retracts_what_was_never_said_changes_nothing() -> None:
    box = aboard(after(0))
    assert box.take(stated(51, 20, retracted=True)) is Verdict.DUPLICATE


def test_who_does_not_say_when_states_it_now_but_once() -> None:
    box = aboard(after(0))
    undated = stated(51, 51)
    box.wait(20)
    assert box.take(undated) is Verdict.APPLIED
    [said] = [s for s in box.unit.journeys[0].memory[0].stated if s.source != OWN]
    assert said.time == minutes(at(20))
    box.wait(21)
    assert box.take(undated) is Verdict.DUPLICATE
    assert box.take(stated(50, 50)) is Verdict.APPLIED


@pytest.mark.parametrize("again", [stated(51, 20), stated(50, 19)], ids=["repeated", "said before"])
def test_a_statement_that_is_not_the_newest_changes_nothing(again: TrackingEvent) -> None:
    box = aboard(after(0))
    box.take(stated(51, 20))
    before, said = repr(box.unit), len(box.out)
    assert box.take(again) is Verdict.DUPLICATE
    assert (repr(box.unit), len(box.out)) == (before, said)


def test_what_is_stated_before_the_departure_counts_too() -> None:
    box = Told(Estimator(after(0)))
    box.clock = at(-10)
    box.take(itinerary())
    before = eta(box)
    box.take(stated(56, -8))
    assert eta(box) > before


@pytest.mark.parametrize(
    "event",
    [
        stated(51, 20, where="NOWHERE"),
        stated(51, 20, run_id="RUN9"),
    ],
    ids=["elsewhere", "of another run"],
)
def test_an_arrival_of_no_leg_is_none_of_the_box(event: TrackingEvent) -> None:
    assert aboard(after(0)).take(event) is Verdict.NO_MILESTONE


def test_what_is_stated_once_it_has_arrived_changes_nothing() -> None:
    box = aboard(after(0))
    box.take(told("ARRIVED", PORT, 47))
    assert box.take(stated(51, 48)) is Verdict.NO_MILESTONE


@pytest.mark.parametrize("classifier", [Classifier.PLANNED, Classifier.ESTIMATED])
def test_an_arrival_that_is_expected_is_no_arrival(classifier: Classifier) -> None:
    box = aboard(after(0))
    box.take(stated(10, 5, classifier=classifier))
    assert box.last().stage is Stage.EN_ROUTE
    assert box.outcomes() == []


def test_what_others_stated_teaches_beside_what_we_said_then() -> None:
    box = aboard(learned())
    own = minutes(eta(box))
    box.take(stated(51, 20), told("ARRIVED", PORT, 47))
    [lesson] = box.lessons(What.ARRIVED)
    found = {s.source: (s.time, s.eta) for s in lesson.stated}
    assert found.keys() == {"oracle", OWN}
    assert found["oracle"] == (minutes(at(20)), minutes(at(51)))
    assert found[OWN][0] == minutes(at(20))
    assert found[OWN][1] == pytest.approx(own, abs=30)


# silence -----------------------------------------------------------------------------------------


def signals(box: Told) -> list[Signal]:
    return [e.signal for e in box.estimates() if e.stage is Stage.EN_ROUTE]


def test_a_source_that_falls_silent_is_said_to_be_ageing_then_stale_then_lost() -> None:
    box = aboard(learned())
    box.take(position(1), position(1.1))
    for hours in range(2, 30 * 24):
        box.wait(hours)
    changes = [after for before, after in pairwise(signals(box)) if before is not after]
    assert changes == [Signal.AGEING, Signal.STALE, Signal.LOST]


def test_silence_is_told_when_it_begins_to_matter_however_late_time_is_told() -> None:
    model = learned()
    box = aboard(model)
    box.wait(1000)
    times = {e.signal: e.as_of for e in reversed(box.estimates()) if e.signal is not Signal.LIVE}
    ages = limits(model.habits.rhythm("carrier", Kind.MILESTONE))
    assert [times[s] for s in (Signal.AGEING, Signal.STALE, Signal.LOST)] == pytest.approx(
        [at(0) + age * MINUTE for age in ages], abs=2 * MINUTE
    )


def test_a_position_ends_silence() -> None:
    box = aboard(learned())
    box.take(*(position(quarter / 4) for quarter in range(1, 9)))
    box.wait(200)
    assert box.last().signal is Signal.STALE
    box.take(position(201, 0.3))
    assert box.last().signal is Signal.LIVE


def test_the_freshest_of_several_sources_counts() -> None:
    box = aboard(learned())
    box.take(position(1), stated(47, 40))
    box.clock = at(40)
    box.wait(41)
    assert box.last().signal is Signal.LIVE


@QUICK
@given(
    st.lists(st.floats(0.01, 1e5), max_size=30),
    st.floats(0, 60),
    st.lists(st.floats(0, 2000), max_size=5),
    st.booleans(),
)
def test_time_passes_in_the_end_whatever_the_rhythm(
    gaps: list[float], departure: float, waits: list[float], pings: bool
) -> None:
    model = learned()
    model.habits.silent(("carrier", Kind.MILESTONE, gap) for gap in gaps)
    model.habits.silent(("lock", Kind.LOCK, gap) for gap in gaps)
    box = Told(Estimator(model))
    box.take(itinerary(), told("DEPARTED", TERMINAL, departure))
    if pings:
        box.take(position(departure + 1, 0.1))
    for hours in sorted(waits):
        box.wait(hours)
    review = box.unit.journeys[0].memory[0].review
    assert review is None or review > box.clock
    assert len(box.out) < 300


# lateness ----------------------------------------------------------------------------------------


def late(box: Told, since: int) -> set[bool]:
    return {o.late for o in box.out[since:] if isinstance(o, LegEstimate | LegOutcome)}


def test_what_is_told_later_than_it_happened_is_not_late_though_timers_have_run() -> None:
    box = Told(Estimator(learned()))
    box.clock = at(-72)
    box.take(itinerary())
    box.wait(1.1)
    since = len(box.out)
    box.take(told("DEPARTED", TERMINAL, 0.8))
    assert box.last().stage is Stage.EN_ROUTE
    assert late(box, since) == {False}


def test_what_happened_before_something_that_was_told_is_late() -> None:
    box = Told(Estimator(learned()))
    box.take(itinerary(), told("ARRIVED", PORT, 47))
    since = len(box.out)
    assert box.take(told("DEPARTED", TERMINAL, 0.8)) is Verdict.LATE
    assert late(box, since) == {True}


def test_positions_and_expectations_make_nothing_late() -> None:
    box = aboard(learned())
    box.take(position(20), stated(47, 21))
    since = len(box.out)
    assert box.take(told("ARRIVED", PORT, 18)) is Verdict.APPLIED
    assert late(box, since) == {False}


def test_the_same_messages_say_the_same() -> None:
    def said() -> list[Any]:
        box = aboard(learned())
        box.take(*(position(hour) for hour in range(1, 10)), stated(50, 10), position(11))
        box.wait(500)
        return [o.to_json() for o in box.out if isinstance(o, LegEstimate)]

    assert said() == said()


def test_a_unit_is_the_same_after_it_was_stored() -> None:

    box = aboard(learned())
    box.take(*(position(hour) for hour in range(1, 10)), stated(50, 10))
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(box.unit), type=Unit)
    assert repr(kept) == repr(box.unit)
