"""Which alerts come of what is told of a unit."""

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.alerting.alerts import Alert, decode, encode
from corridor.codes import AlertFlag, AlertKind, AlertState, Cause, EventType, Mode
from corridor.eta.estimator import Estimator
from corridor.models import Itinerary, TrackingEvent
from tests.unit.corridor.journeys import (
    ABROAD,
    PORT,
    RAIL,
    SEA,
    TERMINAL,
    Told,
    at,
    itinerary,
    learned,
    leg,
    position,
    told,
)

OPEN, CLEARING, RESOLVED = AlertState.OPEN, AlertState.CLEARING, AlertState.RESOLVED


def alerts(unit: Told, kind: AlertKind) -> list[Alert]:
    return [o for o in unit.out if isinstance(o, Alert) and o.kind is kind]


def states(unit: Told, kind: AlertKind) -> list[AlertState]:
    """The states that were told, each once."""
    found: list[AlertState] = []
    for alert in alerts(unit, kind):
        if not found or found[-1] is not alert.state:
            found.append(alert.state)
    return found


def concern(code: str, hours: float, kind: EventType = EventType.CUSTOMS, **more: Any) -> Any:
    values: dict[str, Any] = {"node_id": TERMINAL, "unit_id": "U", "event_id": f"{code}-{hours}"}
    return TrackingEvent(
        source="authority", event_type=kind, code=code, event_time=at(hours), **(values | more)
    )


def test_a_box_on_its_way_as_planned_has_no_alarm() -> None:
    unit = Told()
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 0))
    unit.take(told("ARRIVED", PORT, 46), told("DISCHARGED", PORT, 47))
    unit.wait(59)
    assert not [o for o in unit.out if isinstance(o, Alert)]


def test_a_departure_that_is_hours_late_is_a_delay_before_it_arrives() -> None:
    unit = Told(Estimator(learned()))
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 9))
    last = alerts(unit, AlertKind.DELAY)[-1]
    assert (last.state, last.level) == (OPEN, 2)
    assert last.key == f"DELAY/RUN/RUN1/{RAIL.leg_id}"
    assert last.reading.probability is not None
    assert last.reading.probability >= 0.75
    assert last.reading.caused_by == "carrier/DEPARTED-CNCQI-TJC"


def test_where_nothing_was_learned_the_known_delay_is_an_alert_without_a_probability() -> None:
    unit = Told()
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 9))
    unit.wait(10)
    last = alerts(unit, AlertKind.DELAY)[-1]
    assert (last.state, last.level) == (OPEN, 2)
    assert last.reading.probability is None
    assert last.reading.value == 9 * 3600


def test_a_late_arrival_that_nobody_expected_is_told_and_over_after_a_while() -> None:
    unit = Told()
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 0), told("ARRIVED", PORT, 53))
    unit.wait(60)
    assert states(unit, AlertKind.DELAY) == [CLEARING, RESOLVED]
    last = alerts(unit, AlertKind.DELAY)[-1]
    assert last.reading.fact
    assert last.reading.value == 7 * 3600
    assert last.level == 2


def test_an_arrival_in_time_resolves_the_delay_at_once() -> None:
    unit = Told(Estimator(learned()))
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 5))
    unit.wait(6)
    unit.take(told("ARRIVED", PORT, 46))
    assert states(unit, AlertKind.DELAY) == [OPEN, RESOLVED]


def test_a_delay_that_endangers_a_connection_explains_it() -> None:
    unit = Told(Estimator(learned()))
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 20))
    unit.wait(21)
    missed = alerts(unit, AlertKind.MISSED_CONNECTION)[-1]
    assert missed.state is OPEN
    assert missed.subject == "RUN1>RUN2"
    assert missed.parent == f"DELAY/RUN/RUN1/{RAIL.leg_id}"


def test_a_new_plan_ends_what_was_of_the_old_run() -> None:
    unit = Told(Estimator(learned()))
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 20))
    unit.wait(21)
    later = leg(
        2, PORT, ABROAD, SEA.mode, 228, 348, service_id="LINE", cutoff=at(224), run_id="NEXT"
    )
    unit.take(itinerary(RAIL, later, version=2, issued_time=at(22)))
    last = alerts(unit, AlertKind.MISSED_CONNECTION)[-1]
    assert (last.subject, last.state) == ("RUN1>RUN2", RESOLVED)


def test_a_run_that_is_cancelled_is_told_at_once_and_over_with_a_new_run() -> None:
    unit = Told()
    unit.take(itinerary(), told("CANCELLED", TERMINAL, -5, run_id="RUN1"))
    assert states(unit, AlertKind.CANCELLED) == [OPEN]
    other = leg(1, TERMINAL, PORT, RAIL.mode, 24, 70, run_id="OTHER")
    unit.take(itinerary(other, version=2, issued_time=at(-4)))
    assert states(unit, AlertKind.CANCELLED) == [OPEN, RESOLVED]


def test_a_cancelled_run_is_told_to_the_place_that_it_would_have_left() -> None:
    unit = Told()
    unit.take(itinerary(), told("CANCELLED", TERMINAL, -5, run_id="RUN1"))
    of_place, of_run = [o for o in unit.out if isinstance(o, Alert)]
    assert of_place.key == of_run.parent == f"CANCELLED/NODE/{TERMINAL}"
    assert of_place.run_key == of_run.key


def test_a_week_after_a_journey_that_nobody_plans_anew_its_alerts_are_over() -> None:
    unit = Told()
    unit.take(itinerary(RAIL), told("CANCELLED", TERMINAL, -5, run_id="RUN1"))
    unit.wait(24 * 7)
    assert states(unit, AlertKind.CANCELLED) == [OPEN]
    unit.wait(24 * 12)
    assert states(unit, AlertKind.CANCELLED) == [OPEN, RESOLVED]
    assert unit.unit.journeys  # corrections may yet come
    assert not unit.unit.alarms


def test_a_run_that_goes_elsewhere_deviates() -> None:
    unit = Told()
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 0), told("DIVERTED", PORT, 20))
    [alert] = alerts(unit, AlertKind.ROUTE_DEVIATION)
    assert (alert.state, alert.key) == (OPEN, f"ROUTE_DEVIATION/RUN/RUN1/{RAIL.leg_id}")


def test_a_hold_by_customs_opens_when_it_lasts_and_ends_with_the_release() -> None:
    unit = Told()
    unit.take(itinerary(), concern("ON_HOLD", -20))
    unit.wait(-17)
    assert not alerts(unit, AlertKind.CUSTOMS_HOLD)
    unit.wait(-15)
    assert states(unit, AlertKind.CUSTOMS_HOLD) == [OPEN]
    unit.take(concern("HOLD_LIFTED", -10))
    assert states(unit, AlertKind.CUSTOMS_HOLD) == [OPEN, RESOLVED]


def test_a_release_elsewhere_does_not_end_a_hold() -> None:
    unit = Told()
    unit.take(itinerary(), concern("ON_HOLD", -20), concern("CUSTOMS_RELEASED", -19, node_id=PORT))
    unit.wait(-10)
    assert states(unit, AlertKind.CUSTOMS_HOLD) == [OPEN]


def test_a_hold_that_is_taken_back_never_was() -> None:
    unit = Told()
    held = concern("ON_HOLD", -20)
    unit.take(itinerary(), held)
    unit.wait(-15)
    unit.take(held.model_copy(update={"retracted": True, "updated_time": at(-14)}))
    assert states(unit, AlertKind.CUSTOMS_HOLD) == [OPEN, RESOLVED]


def test_a_lock_that_is_cut_stands_until_it_is_sealed() -> None:
    unit = Told()
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 0), concern("TAMPER", 5, EventType.IOT))
    assert states(unit, AlertKind.SEAL_TAMPERED) == [OPEN]
    unit.take(concern("SEALED", 7, EventType.IOT))
    assert states(unit, AlertKind.SEAL_TAMPERED) == [OPEN, RESOLVED]


def test_a_lock_that_says_where_it_was_cut_is_heard_of_both() -> None:
    unit = Told()
    where = position(5, event_id="cut", code="TAMPER")
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 0), where)
    assert states(unit, AlertKind.SEAL_TAMPERED) == [OPEN]
    assert unit.unit.journeys[0].memory[0].motion is not None


def test_a_concern_that_comes_before_its_plan_is_judged_with_it() -> None:
    unit = Told()
    unit.take(concern("TAMPER", 5, EventType.IOT))
    assert not unit.out
    unit.take(itinerary())
    unit.wait(6)
    assert states(unit, AlertKind.SEAL_TAMPERED) == [OPEN]


def test_a_concern_changes_no_estimate() -> None:
    one, other = Told(Estimator(learned())), Told(Estimator(learned()))
    for unit in (one, other):
        unit.take(itinerary(), told("DEPARTED", TERMINAL, 0))
        if unit is one:
            unit.take(concern("TAMPER", 5, EventType.IOT))
        unit.take(told("ARRIVED", PORT, 47))
    assert one.estimates() == other.estimates()


def test_a_train_that_stands_still_has_stalled() -> None:
    unit = Told(Estimator(learned()))
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 0))
    unit.take(*(position(quarter / 4) for quarter in range(1, 93)))
    unit.take(*(position(23 + quarter / 4, 0.5) for quarter in range(1, 41)))
    assert states(unit, AlertKind.STALLED) == [OPEN]
    unit.take(*(position(33 + quarter / 4, 0.5 + quarter / 4 / 46) for quarter in range(1, 9)))
    unit.wait(36)
    assert states(unit, AlertKind.STALLED)[-1] is RESOLVED


def test_silence_is_an_alert_of_its_own_that_only_a_voice_ends() -> None:
    unit = Told(Estimator(learned()))
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 0))
    unit.wait(24 * 40)
    assert states(unit, AlertKind.SIGNAL_LOST) == [OPEN]
    unit.take(told("ARRIVED", PORT, 24 * 40 + 1))
    assert states(unit, AlertKind.SIGNAL_LOST) == [OPEN, RESOLVED]


def test_a_delay_of_which_nothing_more_is_heard_stands_and_is_stale() -> None:
    unit = Told(Estimator(learned()))
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 9))
    unit.wait(24 * 20)
    last = alerts(unit, AlertKind.DELAY)[-1]
    assert last.state is OPEN
    assert AlertFlag.STALE in last.flags


def test_a_box_that_nobody_fetches_has_stayed_too_long() -> None:
    unit = Told()
    unit.take(
        itinerary(RAIL),
        told("DEPARTED", TERMINAL, 0),
        told("ARRIVED", PORT, 46),
        told("DISCHARGED", PORT, 48),
    )
    unit.wait(46 + 73)
    assert states(unit, AlertKind.DWELL_EXCEEDED) == [OPEN]
    unit.take(told("GATED_OUT", PORT, 46 + 80))
    assert states(unit, AlertKind.DWELL_EXCEEDED) == [OPEN, RESOLVED]


def test_what_is_told_after_something_newer_is_late() -> None:
    unit = Told()
    unit.take(itinerary(), told("ARRIVED", PORT, 53), told("DEPARTED", TERMINAL, 9))
    assert not any(a.late for a in alerts(unit, AlertKind.DELAY))  # of the arrival, that is
    other = Told()
    other.take(itinerary(), told("DISCHARGED", PORT, 60), told("ARRIVED", PORT, 53))
    found = alerts(other, AlertKind.DELAY)
    assert found
    assert all(alert.late for alert in found if alert.state is not RESOLVED)


def test_history_that_is_told_today_is_late() -> None:
    unit = Told()
    unit.clock = at(24 * 365)
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 9), told("ARRIVED", PORT, 60))
    found = alerts(unit, AlertKind.DELAY)
    assert found
    assert all(alert.late for alert in found)


def test_a_delay_of_the_past_comes_to_its_end_by_the_clock_too() -> None:
    unit = Told()
    unit.clock = at(60)  # the plan is read after all that came of it has passed
    unit.take(itinerary(RAIL), told("DEPARTED", TERMINAL, 0), told("ARRIVED", PORT, 53))
    assert states(unit, AlertKind.DELAY) == [CLEARING]
    unit.wait(61)
    assert states(unit, AlertKind.DELAY) == [CLEARING, RESOLVED]


def test_an_alert_is_what_it_was_after_its_way_over_kafka() -> None:
    unit = Told(Estimator(learned()))
    unit.take(itinerary(parties=("A", "B")), told("DEPARTED", TERMINAL, 9))
    unit.wait(10)
    for alert in alerts(unit, AlertKind.DELAY):
        assert decode(encode(alert)) == alert


STORY: tuple[TrackingEvent, ...] = (
    concern("ON_HOLD", -20),
    concern("CUSTOMS_RELEASED", -8),
    told("DEPARTED", TERMINAL, 9),
    concern("TAMPER", 12, EventType.IOT),
    told("ARRIVED", PORT, 55),
    concern("SEALED", 56, EventType.IOT),
    told("DISCHARGED", PORT, 57),
)


def final(unit: Told) -> dict[tuple[str, str], AlertState]:
    """The last word on each incident and member."""
    found: dict[tuple[str, str], Alert] = {}
    for output in unit.out:
        if isinstance(output, Alert):
            known = found.get((output.key, output.member))
            assert known is None or known.revision < output.revision
            found[output.key, output.member] = output
    return {key: alert.state for key, alert in found.items()}


def played(messages: Iterable[Itinerary | TrackingEvent]) -> Told:
    unit = Told()
    unit.take(*messages)
    unit.wait(24 * 30)
    return unit


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_in_whatever_order_it_is_told_the_same_is_left_in_the_end(dice: Random, twice: int) -> None:
    messages: list[Itinerary | TrackingEvent] = [itinerary(RAIL), *STORY]
    messages += dice.sample(STORY, twice)
    dice.shuffle(messages)
    found, expected = final(played(messages)), final(played((itinerary(RAIL), *STORY)))
    # what stood never is over for good in all of them
    for key, state in found.items():
        assert state == expected.get(key, RESOLVED)
    assert {k for k, s in expected.items() if s is not RESOLVED} <= found.keys()


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_the_same_told_twice_says_the_same(dice: Random) -> None:
    messages: list[Itinerary | TrackingEvent] = [itinerary(RAIL), *STORY]
    dice.shuffle(messages)
    one, other = played(messages), played(messages)
    assert [o for o in one.out if isinstance(o, Alert)] == [
        o for o in other.out if isinstance(o, Alert)
    ]


@pytest.mark.parametrize("hours", [24 * 100])
def test_a_journey_that_is_never_heard_of_again_is_let_go_standing(hours: float) -> None:
    unit = Told(Estimator(learned()))
    unit.take(itinerary(RAIL), told("DEPARTED", TERMINAL, 9))
    unit.wait(hours)
    unit.unit.touched_ms = -(10**12)
    unit.wait(hours + 1)
    assert not unit.unit.journeys
    last = alerts(unit, AlertKind.DELAY)[-1]
    assert last.state is not RESOLVED
    assert AlertFlag.STALE in last.flags
    assert not unit.unit.alarms


def of_places(unit: Told) -> list[tuple[str, AlertState]]:
    return [(a.key, a.state) for a in alerts(unit, AlertKind.DELAY) if a.run_key is not None]


def test_who_waits_and_leaves_late_is_late_by_where_it_was() -> None:
    unit = Told()
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 9))
    unit.wait(10)
    place, run = alerts(unit, AlertKind.DELAY)[-2:]
    assert place.key == run.parent == f"DELAY/NODE/{TERMINAL}"
    assert (place.cause, place.subject) == (Cause.NODE, TERMINAL)
    assert place.run_key == run.key
    assert (place.state, place.level, place.member) == (run.state, run.level, run.member)


def test_what_is_lost_on_the_way_is_lost_on_the_way_into_a_node() -> None:
    unit = Told()
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 0), told("ARRIVED", PORT, 56))
    assert {key for key, _ in of_places(unit)} == {f"DELAY/NODE/{PORT}"}


def test_a_delay_that_is_carried_over_has_no_place() -> None:
    unit = Told()
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 20))
    unit.take(told("ARRIVED", PORT, 90), told("DISCHARGED", PORT, 91))
    before = len(of_places(unit))
    unit.take(told("DEPARTED", PORT, 104, run_id="RUN2", unit_id="U"))
    unit.wait(106)
    late = [a for a in alerts(unit, AlertKind.DELAY) if a.sequence == 2 and a.state is OPEN]
    assert late
    assert late[-1].parent is None
    assert all(state is RESOLVED for _, state in of_places(unit)[before:])


def test_when_the_place_changes_the_old_one_is_over_first() -> None:
    unit = Told()
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 3))
    unit.wait(4)
    unit.take(told("ARRIVED", PORT, 70))
    assert of_places(unit)[0] == (f"DELAY/NODE/{TERMINAL}", OPEN)
    assert of_places(unit)[-2:] == [
        (f"DELAY/NODE/{TERMINAL}", RESOLVED),
        (f"DELAY/NODE/{PORT}", CLEARING),
    ]


def test_with_the_delay_its_place_is_over() -> None:
    unit = Told()
    unit.take(itinerary(), told("DEPARTED", TERMINAL, 9))
    unit.wait(10)
    unit.take(told("ARRIVED", PORT, 46))
    assert of_places(unit)[-1] == (f"DELAY/NODE/{TERMINAL}", RESOLVED)


@pytest.mark.parametrize(("node", "cause"), [("CNHRS", "BORDER"), ("CNYIC-TGL", "LOCK")])
def test_borders_and_locks_are_named_as_such(node: str, cause: str) -> None:
    unit = Told()
    first = leg(1, node, PORT, Mode.RAIL, 0, 46)
    unit.take(itinerary(first), told("DEPARTED", node, 9))
    unit.wait(10)
    assert of_places(unit)[-1] == (f"DELAY/{cause}/{node}", OPEN)
