"""The kernel: stages, estimates and outcomes of a unit, from messages in whatever order."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.codes import Ending, EventType, Mode, Reject, Stage
from corridor.models import Itinerary, Leg, LegEstimate, LegOutcome, TrackingEvent
from corridor.tracking.unit import Unit
from corridor.tracking.update import (
    HOLD_MS,
    KEEP,
    MOST_WAITING,
    WAIT_MS,
    Output,
    Refused,
    Verdict,
    advance,
    apply_event,
    apply_itinerary,
    next_timers,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def leg(sequence: int, mode: Mode, departs: float, arrives: float, **values: Any) -> Leg:
    nodes = "ABCDE"
    origin, target = nodes[sequence - 1], nodes[sequence]
    return Leg(
        leg_id=f"{origin}-{target}.{mode}",
        sequence=sequence,
        mode=mode,
        from_node=origin,
        to_node=target,
        run_id=f"RUN{sequence}",
        planned_departure=START + departs * HOUR,
        planned_arrival=START + arrives * HOUR,
        **values,
    )


RAIL_SEA = (leg(1, Mode.RAIL, 0, 30), leg(2, Mode.VESSEL, 48, 120))


def itinerary(*legs: Leg, version: int = 1, shipment: str = "S1", **values: Any) -> Itinerary:
    return Itinerary(
        unit_id="U",
        shipment_id=shipment,
        corridor_id="C",
        version=version,
        issued_time=values.pop("issued_time", START - 24 * HOUR),
        legs=legs or RAIL_SEA,
        **values,
    )


def event(code: str, node: str, hours: float, **values: Any) -> TrackingEvent:
    equipment = code in ("DISCHARGED", "GATED_OUT")
    return TrackingEvent(
        event_id=values.pop("event_id", f"{code}-{node}"),
        source=values.pop("source", "carrier"),
        event_type=EventType.EQUIPMENT if equipment else EventType.TRANSPORT,
        code=code,
        event_time=START + hours * HOUR,
        unit_id="U",
        node_id=node,
        **values,
    )


def play(*messages: Itinerary | TrackingEvent, unit: Unit | None = None) -> list[Output]:
    out: list[Output] = []
    unit = unit or Unit("U")
    for message in messages:
        if isinstance(message, Itinerary):
            apply_itinerary(unit, message, out)
        else:
            apply_event(unit, message, out)
    return out


def estimates(out: list[Output], sequence: int = 1) -> list[LegEstimate]:
    return [o for o in out if isinstance(o, LegEstimate) and o.sequence == sequence]


def outcomes(out: list[Output]) -> list[LegOutcome]:
    return [o for o in out if isinstance(o, LegOutcome)]


def test_an_itinerary_says_the_timetable_of_each_leg() -> None:
    out = play(itinerary())
    assert [(e.stage, e.eta_p50, e.evidence) for e in estimates(out) + estimates(out, 2)] == [
        (Stage.PLANNED, START + 30 * HOUR, "TIMETABLE"),
        (Stage.PLANNED, START + 120 * HOUR, "TIMETABLE"),
    ]


def test_a_departure_carries_its_delay_to_the_arrival() -> None:
    out = play(itinerary(), event("DEPARTED", "A", 0.75))
    last = estimates(out)[-1]
    assert (last.stage, last.evidence) == (Stage.EN_ROUTE, "DELAY")
    assert last.delay_seconds == 0.75 * 3600
    assert last.caused_by == "carrier/DEPARTED-A"


def test_slack_at_a_node_is_used_up_before_a_delay_goes_on() -> None:
    within = play(itinerary(), event("DEPARTED", "A", 0.5), event("ARRIVED", "B", 40))
    beyond = play(itinerary(), event("DEPARTED", "A", 0.5), event("ARRIVED", "B", 50))
    assert [e.evidence for e in estimates(within, 2)] == ["TIMETABLE"]
    assert estimates(beyond, 2)[-1].evidence == "UPSTREAM"
    assert estimates(beyond, 2)[-1].delay_seconds == 2 * 3600


def test_a_leg_that_does_not_depart_becomes_overdue_when_time_passes() -> None:
    unit = Unit("U")
    out = play(itinerary(), unit=unit)
    advance(unit, START + HOUR, 0, out)
    due, _ = next_timers(unit, START + HOUR)
    assert due is not None
    assert due > START + HOUR
    last = estimates(out)[-1]
    assert (last.stage, last.evidence, last.as_of) == (Stage.OVERDUE, "OVERDUE", START + HOUR)
    assert last.caused_by == "clock"


def test_a_plan_that_was_history_when_it_came_is_not_overdue_by_the_clock() -> None:
    unit = Unit("U")
    out: list[Output] = []
    now = START + 9000 * HOUR
    apply_itinerary(unit, itinerary(), out, clock=now)
    assert not advance(unit, now + HOUR, 0, out)
    play(event("DEPARTED", "A", 3), unit=unit)
    assert [p.stage for p in unit.journeys[0].memory[0].predictions] == [
        Stage.PLANNED,
        Stage.OVERDUE,
        Stage.EN_ROUTE,
    ]


def test_a_late_departure_says_first_that_the_leg_was_overdue() -> None:
    out = play(itinerary(), event("DEPARTED", "A", 3))
    assert [e.stage for e in estimates(out)] == [Stage.PLANNED, Stage.OVERDUE, Stage.EN_ROUTE]


def test_a_unit_aboard_a_train_that_has_arrived_is_at_the_node_until_it_is_discharged() -> None:
    messages: list[Itinerary | TrackingEvent]
    messages = [itinerary(), event("DEPARTED", "A", 0), event("ARRIVED", "B", 31)]
    assert estimates(play(*messages))[-1].stage is Stage.AT_NODE
    messages.append(event("DISCHARGED", "B", 33))
    assert estimates(play(*messages))[-1].stage is Stage.DONE


def test_departure_on_the_next_leg_ends_the_one_before() -> None:
    out = play(
        itinerary(),
        event("DEPARTED", "A", 0),
        event("ARRIVED", "B", 31),
        event("DEPARTED", "B", 49),
    )
    assert estimates(out, 1)[-1].stage is Stage.DONE
    assert estimates(out, 2)[-1].stage is Stage.EN_ROUTE


def test_an_arrival_makes_an_outcome_with_what_was_predicted() -> None:
    out = play(itinerary(), event("DEPARTED", "A", 2), event("ARRIVED", "B", 31))
    (outcome,) = outcomes(out)
    assert outcome.ending is Ending.ARRIVED
    assert outcome.actual_departure == START + 2 * HOUR
    assert outcome.actual_arrival == START + 31 * HOUR
    assert [(p.stage, p.eta_p50) for p in outcome.predictions] == [
        (Stage.PLANNED, START + 30 * HOUR),
        (Stage.OVERDUE, START + 31 * HOUR),
        (Stage.EN_ROUTE, START + 32 * HOUR),
    ]


@pytest.mark.parametrize("code", ["CANCELLED", "DIVERTED"])
def test_a_leg_that_ends_otherwise_has_an_outcome_and_no_arrival(code: str) -> None:
    node = "A" if code == "CANCELLED" else "B"
    out = play(itinerary(), event(code, node, -1, run_id="RUN1"))
    (outcome,) = outcomes(out)
    assert (outcome.ending, outcome.actual_arrival) == (Ending(code), None)
    assert estimates(out)[-1].eta_p50 is None


def test_a_cancelled_run_that_departs_after_all_takes_its_outcome_back() -> None:
    out = play(itinerary(), event("CANCELLED", "A", -2), event("DEPARTED", "A", 1))
    assert [o.retracted for o in outcomes(out)] == [False, True]
    assert estimates(out)[-1].stage is Stage.EN_ROUTE


def test_a_correction_with_a_newer_updated_time_replaces_the_event() -> None:
    first = event("ARRIVED", "B", 31)
    corrected = event("ARRIVED", "B", 33, updated_time=START + 40 * HOUR)
    out = play(itinerary(), event("DEPARTED", "A", 0), first, corrected)
    assert [o.actual_arrival for o in outcomes(out)] == [START + 31 * HOUR, START + 33 * HOUR]
    assert len({o.outcome_id for o in outcomes(out)}) == 1
    assert outcomes(out)[0].updated_time < outcomes(out)[1].updated_time


def test_an_older_version_of_an_event_changes_nothing() -> None:
    unit = Unit("U")
    out = play(itinerary(), event("DEPARTED", "A", 1, updated_time=START + 9 * HOUR), unit=unit)
    verdict = apply_event(unit, event("DEPARTED", "A", 0, updated_time=START + 8 * HOUR), out)
    assert verdict is Verdict.DUPLICATE


def test_a_retraction_takes_the_event_and_its_outcome_back() -> None:
    arrived = event("ARRIVED", "B", 31)
    retracted = event("ARRIVED", "B", 31, retracted=True, updated_time=START + 35 * HOUR)
    out = play(itinerary(), event("DEPARTED", "A", 0), arrived, retracted)
    assert [o.retracted for o in outcomes(out)] == [False, True]
    assert estimates(out)[-1].stage is Stage.EN_ROUTE


def test_a_retracted_event_does_not_come_back_with_an_old_message() -> None:
    unit = Unit("U")
    departed = event("DEPARTED", "A", 0)
    out = play(
        itinerary(),
        departed,
        event("DEPARTED", "A", 0, retracted=True, updated_time=START + HOUR),
        unit=unit,
    )
    assert apply_event(unit, departed, out) is Verdict.DUPLICATE
    assert estimates(out)[-1].stage is not Stage.EN_ROUTE


def test_an_event_before_its_itinerary_waits_for_it() -> None:
    unit = Unit("U")
    out: list[Output] = []
    assert apply_event(unit, event("DEPARTED", "A", 1), out) is Verdict.WAITING
    assert out == []
    apply_itinerary(unit, itinerary(), out)
    assert [e.stage for e in estimates(out)] == [Stage.PLANNED, Stage.OVERDUE, Stage.EN_ROUTE]
    assert unit.waiting == []


def test_an_event_that_waited_too_long_is_rejected_with_its_origin() -> None:
    unit = Unit("U")
    out: list[Output] = []
    departed = event("DEPARTED", "A", 0)
    apply_event(
        unit, departed, out, topic="t", partition=3, offset=7, payload=b"raw", received_ms=1000
    )
    assert next_timers(unit, START) == (None, 1000 + WAIT_MS)
    advance(unit, START + 9000 * HOUR, 1000 + WAIT_MS, out)
    assert out == []
    advance(unit, START, 1001 + WAIT_MS, out)
    (rejected,) = out
    assert isinstance(rejected, Refused)
    assert rejected.reason is Reject.NO_ITINERARY
    waiting = rejected.waiting
    assert (waiting.topic, waiting.offset, waiting.payload) == ("t", 7, b"raw")
    assert unit.empty


def test_the_waiting_room_of_a_unit_is_bounded() -> None:
    unit = Unit("U")
    out: list[Output] = []
    for number in range(MOST_WAITING + 1):
        apply_event(unit, event("DEPARTED", "A", 0, event_id=f"E{number}"), out)
    assert [o.reason for o in out if isinstance(o, Refused)] == [Reject.TOO_MANY_WAITING]


def test_the_highest_version_of_an_itinerary_wins() -> None:
    unit = Unit("U")
    out: list[Output] = []
    later = itinerary(leg(1, Mode.RAIL, 5, 35), version=2)
    assert apply_itinerary(unit, later, out) is Verdict.APPLIED
    assert apply_itinerary(unit, itinerary(version=1), out) is Verdict.DUPLICATE
    assert estimates(out)[-1].planned_departure == START + 5 * HOUR


def test_a_box_that_is_used_again_belongs_to_the_journey_of_the_time() -> None:
    second = itinerary(
        leg(1, Mode.RAIL, 400, 430),
        shipment="S2",
        issued_time=START + 300 * HOUR,
    )
    out = play(
        itinerary(leg(1, Mode.RAIL, 0, 30)),
        second,
        event("DEPARTED", "A", 1, event_id="first"),
        event("DEPARTED", "A", 401, event_id="second"),
    )
    moving = [e for e in estimates(out) if e.stage is Stage.EN_ROUTE]
    assert [(e.shipment_id, e.delay_seconds) for e in moving] == [("S1", 3600.0), ("S2", 3600.0)]


def test_a_finished_journey_is_let_go_when_it_can_no_longer_be_corrected() -> None:
    unit = Unit("U")
    out = play(
        itinerary(leg(1, Mode.AIR, 0, 3)),
        event("DEPARTED", "A", 0),
        event("ARRIVED", "B", 3),
        unit=unit,
    )
    later = START + 4 * HOUR + KEEP
    assert not advance(unit, START + 3 * HOUR + KEEP, HOLD_MS + 1, out)
    assert next_timers(unit, later) == (None, HOLD_MS)
    assert not advance(unit, later, HOLD_MS, out), "it may be a backfill that is under way"
    assert advance(unit, later, HOLD_MS + 1, out)
    assert unit.empty


def test_an_estimate_is_said_only_when_something_has_changed() -> None:
    repeated = event("DEPARTED", "A", 1, event_id="said again", source="port")
    out = play(itinerary(), event("DEPARTED", "A", 1), repeated)
    assert len([e for e in estimates(out) if e.stage is Stage.EN_ROUTE]) == 1


JOURNEY = [
    event("DEPARTED", "A", 2),
    event("ARRIVED", "B", 33),
    event("DISCHARGED", "B", 35),
    event("DEPARTED", "B", 50),
    event("ARRIVED", "C", 125),
    event("ARRIVED", "C", 126, updated_time=START + 130 * HOUR),
    event("DEPARTED", "B", 51, source="port", event_id="P1"),
    event("ARRIVED", "B", 32, source="port", event_id="P2"),
    event(
        "ARRIVED",
        "B",
        32,
        source="port",
        event_id="P2",
        retracted=True,
        updated_time=START + 99 * HOUR,
    ),
]


def final(unit: Unit) -> list[tuple[Any, ...]]:
    return [
        (m.stage, m.eta, m.evidence, m.ending, m.departure, m.arrival)
        for journey in unit.journeys
        for m in journey.memory
    ]


@settings(max_examples=200, deadline=None)
@given(st.permutations([itinerary(), *JOURNEY]), st.integers(0, 9))
def test_the_final_state_does_not_depend_on_the_order_or_on_repeats(
    messages: list[Itinerary | TrackingEvent], repeat: int
) -> None:
    in_order, shuffled = Unit("U"), Unit("U")
    play(itinerary(), *JOURNEY, unit=in_order)
    play(*messages, messages[repeat], unit=shuffled)
    assert final(shuffled) == final(in_order)
    assert shuffled.waiting == []


@given(st.permutations([itinerary(), *JOURNEY]))
@settings(max_examples=50, deadline=None)
def test_ids_are_unique_and_the_same_in_a_replay(
    messages: list[Itinerary | TrackingEvent],
) -> None:
    first, again = play(*messages), play(*messages)
    ids = [o.estimate_id for o in first if isinstance(o, LegEstimate)]
    assert len(ids) == len(set(ids))
    assert [o.model_dump_json() for o in first if isinstance(o, LegEstimate | LegOutcome)] == [
        o.model_dump_json() for o in again if isinstance(o, LegEstimate | LegOutcome)
    ]


@given(st.permutations([itinerary(), *JOURNEY]))
@settings(max_examples=50, deadline=None)
def test_what_is_said_fits_its_model(messages: list[Itinerary | TrackingEvent]) -> None:
    cancelled = play(itinerary(), event("CANCELLED", "A", -2))
    for output in [*play(*messages), *cancelled]:
        if isinstance(output, LegEstimate | LegOutcome):
            assert type(output).model_validate_json(output.to_json()) == output
            assert type(output)(**dict(output)) == output


def test_versions_of_one_outcome_never_go_back_in_time() -> None:
    for messages in itertools.islice(itertools.permutations(JOURNEY), 200):
        seen: dict[str, datetime] = {}
        for outcome in outcomes(play(itinerary(), *messages)):
            assert outcome.updated_time >= seen.get(outcome.outcome_id, START - KEEP)
            seen[outcome.outcome_id] = outcome.updated_time


def test_what_a_late_event_changes_is_marked() -> None:
    unit = Unit("U")
    before = play(itinerary(), event("ARRIVED", "B", 30), unit=unit)
    after = play(event("DEPARTED", "A", 2), unit=unit)
    assert {o.late for o in before if isinstance(o, LegEstimate | LegOutcome)} == {False}
    assert {o.late for o in after if isinstance(o, LegEstimate | LegOutcome)} == {True}


CITY = (
    Leg(
        leg_id="CNCQI-TJC-CNQZH.RAIL",
        sequence=1,
        mode=Mode.RAIL,
        from_node="CNCQI-TJC",
        to_node="CNQZH",
        planned_departure=START,
        planned_arrival=START + 48 * HOUR,
    ),
)


def test_who_names_only_the_city_of_a_terminal_is_understood() -> None:
    out = play(itinerary(*CITY), event("DEPARTED", "CNCQI", 1))
    assert [o.stage for o in out if isinstance(o, LegEstimate)][-1] is Stage.EN_ROUTE


def test_another_terminal_of_the_city_is_another_node() -> None:
    out = play(itinerary(*CITY), event("DEPARTED", "CNCQI-GYP", 0.5))
    assert [o.stage for o in out if isinstance(o, LegEstimate)] == [Stage.PLANNED]
