"""What changes no stage but what is expected: positions on the way, and arrivals that others state.

Both are looked at when they come, and a new estimate is made only where they move the arrival.
"""

from datetime import datetime

from corridor.alerting import watch
from corridor.codes import Classifier, EventType, Mode, Signal, Stage
from corridor.eta import experts, progress, signal
from corridor.eta.distribution import MEDIAN
from corridor.eta.downstream import LEAST_MOVE, LEAST_SHARE
from corridor.eta.estimator import NAIVE, Estimator
from corridor.eta.experts import OWN
from corridor.eta.progress import Motion
from corridor.eta.query import minutes
from corridor.eta.signal import Kind
from corridor.eta.ways import way_of
from corridor.models import TrackingEvent
from corridor.tracking.positions import is_position
from corridor.tracking.stages import leg_of
from corridor.tracking.unit import LegMemory, PlannedLeg, Unit
from corridor.tracking.update import (
    Output,
    Verdict,
    milestone_from,
    refresh,
    states_of,
    take_concern,
)

NEAR_KM = 10.0
"""So near to its ends a leg's run may stand as long as it likes."""


def is_report(event: TrackingEvent) -> bool:
    """Whether an event is a position, or says when a leg is expected to end."""
    return is_position(event) or _is_expectation(event)


def apply_report(
    unit: Unit,
    event: TrackingEvent,
    out: list[Output],
    *,
    clock: datetime,
    received_ms: int = 0,
    estimator: Estimator = NAIVE,
) -> Verdict:
    """Takes a position or an expectation of the unit, or of the run that it is aboard.

    Args:
        unit: Is changed.
        event: See `is_report`.
        out: What there is to say.
        clock: How far event time has come.
        received_ms: When it was received.
        estimator: Says when legs will end.

    Returns:
        DUPLICATE if it says nothing new, NO_MILESTONE if it is of no leg that is open; else what
        became of it.
    """
    take = _take_position if is_position(event) else _take_expectation
    verdict = take(unit, event, out, clock, estimator)
    if watch.is_concern(event):  # a lock that is cut says where it is, too
        told = take_concern(unit, event, out, received_ms, estimator)
        return verdict if told is Verdict.DUPLICATE else told
    if verdict is Verdict.APPLIED:
        unit.touched_ms = max(unit.touched_ms, received_ms)
    return verdict


def _is_expectation(event: TrackingEvent) -> bool:
    return (
        event.code == "ARRIVED"
        and event.classifier is Classifier.ESTIMATED
        and event.event_type is not EventType.SHIPMENT
    )


def _take_position(
    unit: Unit, event: TrackingEvent, out: list[Output], clock: datetime, estimator: Estimator
) -> Verdict:
    found = _under_way(unit, None if event.unit_id else event.run_id)
    if found is None or (way := way_of(found[0])) is None:
        return Verdict.NO_MILESTONE
    memory = found[1]
    assert event.latitude is not None
    assert event.longitude is not None
    time = minutes(event.event_time)
    motion = memory.motion
    if motion is None:
        motion = memory.motion = Motion()
        if memory.departure is not None:
            progress.depart(motion, way, minutes(memory.departure))
    if motion.seen is not None and time <= motion.seen:
        return Verdict.DUPLICATE
    at = progress.place(way, event.latitude, event.longitude, motion.s)
    at_node = not NEAR_KM < at < way.length_km - NEAR_KM
    stalled = motion.stalled
    progress.observe(motion, way, time, event.latitude, event.longitude, at_node=at_node)
    signal.hear(unit.heard, event.source, _kind(event), time)
    left = progress.remaining(motion, way, time)
    assert left is not None
    arrival = time + left[MEDIAN]
    if (
        memory.shown is not None
        and memory.signal is Signal.LIVE
        and (stalled is None) == (motion.stalled is None)
        and abs(arrival - memory.shown) < max(LEAST_MOVE, LEAST_SHARE * left[MEDIAN])
    ):
        return Verdict.APPLIED
    memory.shown = arrival
    unit.as_of = max(unit.as_of, event.event_time)
    refresh(unit, unit.as_of, event.event_time, _cause(event), out, estimator)
    return Verdict.APPLIED


def _take_expectation(
    unit: Unit, event: TrackingEvent, out: list[Output], clock: datetime, estimator: Estimator
) -> Verdict:
    milestone = milestone_from(event)
    journey = unit.journey_of(milestone)
    if journey is None:
        return Verdict.NO_MILESTONE
    index = leg_of(milestone, journey.legs, states_of(unit, journey))
    if index is None or journey.memory[index].arrival is not None:
        return Verdict.NO_MILESTONE
    memory = journey.memory[index]
    # no later than what it expects: of history, the clock may be years ahead
    latest = max(unit.as_of, min(clock, event.event_time))
    if event.retracted:
        wrong = minutes(event.event_time)
        left = [s for s in memory.stated if s.source != event.source or s.eta != wrong]
        if len(left) == len(memory.stated):
            return Verdict.DUPLICATE
        memory.stated = left
    elif not _remember(memory, event, latest):
        return Verdict.DUPLICATE
    said_at = _said_at(event, latest)
    signal.hear(unit.heard, event.source, Kind.MILESTONE, minutes(said_at))
    unit.as_of = max(unit.as_of, said_at)
    refresh(unit, unit.as_of, said_at, _cause(event), out, estimator)
    if memory.own is not None and not event.retracted:
        own = experts.statement(OWN, minutes(said_at), memory.own, memory.own)
        experts.remember(memory.stated, own)
    return Verdict.APPLIED


def _remember(memory: LegMemory, event: TrackingEvent, latest: datetime) -> bool:
    """Keeps what is stated; whether it is news.

    Who does not say when, and says what he has said last, is merely read again.
    """
    said_at = minutes(_said_at(event, latest))
    before = [(s.time, s.eta) for s in memory.stated if s.source == event.source]
    if not _is_dated(event) and before and max(before)[1] == minutes(event.event_time):
        return False
    said = experts.statement(event.source, said_at, minutes(event.event_time), memory.own)
    return experts.remember(memory.stated, said)


def _said_at(event: TrackingEvent, latest: datetime) -> datetime:
    """When it was stated; who does not say, states it now."""
    return event.updated_time if _is_dated(event) else latest


def _is_dated(event: TrackingEvent) -> bool:
    return event.updated_time < event.event_time


def _under_way(unit: Unit, run_id: str | None) -> tuple[PlannedLeg, LegMemory] | None:
    """The leg that the unit is on."""
    for journey in reversed(unit.journeys):
        for leg, memory in zip(journey.legs, journey.memory, strict=True):
            if memory.stage is Stage.EN_ROUTE and (
                run_id is None or (memory.run_id or leg.run_id) == run_id
            ):
                return leg, memory
    return None


def _kind(event: TrackingEvent) -> Kind:
    if event.mode in (Mode.VESSEL, Mode.BARGE) and event.unit_id is None:
        return Kind.AIS
    return Kind.LOCK if event.event_type is EventType.IOT and event.unit_id else Kind.GPS


def _cause(event: TrackingEvent) -> str:
    return f"{event.source}/{event.event_id}"
