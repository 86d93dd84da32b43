"""What a message does to a unit, and what there is to say afterwards.

`apply_itinerary`, `apply_event` and `advance` change the unit and append to `out`. They know no
wall clock and no order beyond that of their calls; ids are derived from what caused them, so that
the same inputs always give the same outputs.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from corridor.alerting import watch
from corridor.alerting.alerts import Alert
from corridor.codes import Classifier, Ending, EventType, Reject, Signal, Stage
from corridor.eta import signal
from corridor.eta.distribution import LEVELS
from corridor.eta.estimator import NAIVE, Estimate, Estimator
from corridor.eta.lessons import Lesson
from corridor.eta.naive import MODEL_VERSION
from corridor.eta.query import minutes
from corridor.eta.signal import Kind
from corridor.identity import derived_id
from corridor.models import (
    Incident,
    Itinerary,
    LegEstimate,
    LegOutcome,
    Prediction,
    TrackingEvent,
)
from corridor.tracking import stages, teaching
from corridor.tracking.stages import MILESTONES, Progress, overdue_time, stage
from corridor.tracking.unit import (
    BEGINNING,
    Concern,
    Journey,
    LegMemory,
    Milestone,
    PlannedLeg,
    Predicted,
    Unit,
    Waiting,
)

WAIT_MS = 24 * 3600 * 1000
"""How long, by the clock of whoever receives it, an event waits for its itinerary. Not in event
time: a backfill tells in seconds what took years."""

MOST_WAITING = 256
"""Events of one unit that may wait at the same time."""

KEEP = timedelta(days=7)
"""How long, in event time, a finished journey can still be corrected, but at least"""

HOLD_MS = 3600 * 1000
"""so long by the clock of whoever receives them: what is backfilled is old as soon as it comes."""


class Verdict(StrEnum):
    """What became of a message."""

    APPLIED = "APPLIED"
    LATE = "LATE"  # applied to history: something newer was known already
    DUPLICATE = "DUPLICATE"  # known already in this or a newer version
    WAITING = "WAITING"  # for its itinerary
    NO_MILESTONE = "NO_MILESTONE"  # nothing that changes a stage
    REJECTED = "REJECTED"


class Refused:
    """A message that the unit cannot use, with the place it came from."""

    __slots__ = ("detail", "reason", "waiting")

    def __init__(self, reason: Reject, detail: str, waiting: Waiting) -> None:
        self.reason = reason
        self.detail = detail
        self.waiting = waiting


Output = LegEstimate | LegOutcome | Lesson | Alert | Incident | Refused


def apply_itinerary(
    unit: Unit,
    itinerary: Itinerary,
    out: list[Output],
    *,
    clock: datetime = BEGINNING,
    received_ms: int = 0,
    estimator: Estimator = NAIVE,
) -> Verdict:
    """Takes an itinerary, and then the events that waited for it, in the order they came.

    Args:
        unit: Is changed.
        itinerary: Of that unit.
        out: What there is to say.
        clock: How far event time has come.
        received_ms: When it was received.
        estimator: Says when legs will end.
    """
    known = next((j for j in unit.journeys if j.shipment_id == itinerary.shipment_id), None)
    if known is not None and itinerary.version <= known.version:
        return Verdict.DUPLICATE
    legs = [
        PlannedLeg(
            leg.leg_id,
            leg.sequence,
            leg.mode,
            leg.from_node,
            leg.to_node,
            leg.run_id,
            leg.service_id,
            leg.carrier_id,
            leg.planned_departure,
            leg.planned_arrival,
            leg.cutoff,
        )
        for leg in itinerary.legs
    ]
    caused_by = f"itinerary/{itinerary.version}"
    journey = Journey(
        itinerary.shipment_id,
        itinerary.corridor_id,
        itinerary.version,
        itinerary.issued_time,
        legs,
        [LegMemory() for _ in legs],
        clock,
        parties=itinerary.parties,
    )
    unit.touched_ms = received_ms
    unit.as_of = max(unit.as_of, itinerary.issued_time)
    if known is None:
        unit.journeys.append(journey)
    else:
        _carry_over(unit, known, journey, caused_by, out)
        unit.journeys[unit.journeys.index(known)] = journey
        watch.replanned(unit, journey)
    unit.journeys.sort(key=lambda j: j.start)
    refresh(unit, unit.as_of, itinerary.issued_time, caused_by, out, estimator)
    out.extend(teaching.plans(unit, journey))
    waited, unit.waiting = unit.waiting, []
    for waiting in waited:
        _apply(unit, waiting, out, estimator)
    return Verdict.APPLIED


def apply_event(
    unit: Unit,
    event: TrackingEvent,
    out: list[Output],
    *,
    topic: str = "",
    partition: int = 0,
    offset: int = 0,
    key: bytes | None = None,
    payload: bytes = b"",
    received_ms: int = 0,
    estimator: Estimator = NAIVE,
) -> Verdict:
    """Takes an event of the unit; its record is kept while it waits."""
    milestone = milestone_of(event)
    if milestone is None:
        if watch.is_concern(event):
            return take_concern(unit, event, out, received_ms, estimator)
        return Verdict.NO_MILESTONE
    waiting = Waiting(milestone, topic, partition, offset, key, payload, received_ms)
    return _apply(unit, waiting, out, estimator)


def apply_shared(
    unit: Unit,
    milestone: Milestone,
    out: list[Output],
    *,
    received_ms: int = 0,
    estimator: Estimator = NAIVE,
) -> Verdict:
    """Takes what is told of a run or shipment, if the unit is aboard; it waits for nothing."""
    known = any(
        m.event_id == milestone.event_id and m.source == milestone.source for m in unit.milestones
    )
    if not known and unit.journey_of(milestone) is None:
        return Verdict.NO_MILESTONE
    waiting = Waiting(milestone, "", 0, 0, None, b"", received_ms)
    return _apply(unit, waiting, out, estimator)


def milestone_of(event: TrackingEvent) -> Milestone | None:
    """What is kept of an event that can change a stage; None of any other.

    A TRANSPORT event of a run is a fact for all that is aboard, for whichever shipment it is told.
    """
    if (
        event.code not in MILESTONES
        or event.classifier is not Classifier.ACTUAL
        or event.event_type is EventType.SHIPMENT  # a document is cancelled, not a movement
    ):
        return None
    return milestone_from(event)


def milestone_from(event: TrackingEvent) -> Milestone:
    """What an event says of a leg, whether it has happened or is expected."""
    shared = event.unit_id is None
    of_run = shared and event.run_id is not None and event.event_type is EventType.TRANSPORT
    return Milestone(
        event.source,
        event.event_id,
        event.updated_time,
        event.retracted,
        event.code,
        event.event_time,
        event.node_id,
        event.run_id,
        None if of_run else event.shipment_id,
        shared,
    )


def _apply(unit: Unit, candidate: Waiting, out: list[Output], estimator: Estimator) -> Verdict:
    milestone = candidate.milestone
    for index, known in enumerate(unit.milestones):
        if known.event_id == milestone.event_id and known.source == milestone.source:
            if not milestone.supersedes(known):
                return Verdict.DUPLICATE
            replaces: int | None = index
            break
    else:
        replaces = None
    if replaces is None and unit.journey_of(milestone) is None:
        return _wait(unit, candidate, out)
    _pass_time(unit, milestone.event_time, out, estimator, history=True)
    unit.touched_ms = max(unit.touched_ms, candidate.received_ms)
    verdict = Verdict.LATE if milestone.event_time < unit.told_until else Verdict.APPLIED
    unit.told_until = max(unit.told_until, milestone.event_time)
    signal.hear(unit.heard, milestone.source, Kind.MILESTONE, minutes(milestone.event_time))
    if replaces is None:
        unit.milestones.append(milestone)
    else:
        unit.milestones[replaces] = milestone
    unit.as_of = max(unit.as_of, milestone.event_time, milestone.updated_time)
    caused_by = f"{milestone.source}/{milestone.event_id}"
    late = verdict is Verdict.LATE
    refresh(unit, unit.as_of, milestone.updated_time, caused_by, out, estimator, late=late)
    return verdict


def take_concern(
    unit: Unit,
    event: TrackingEvent,
    out: list[Output],
    received_ms: int,
    estimator: Estimator,
) -> Verdict:
    """Keeps what may be an alert; one that comes before its plan is judged when that comes."""
    concern = Concern(
        event.source,
        event.event_id,
        event.updated_time,
        event.retracted,
        event.code,
        event.event_time,
        event.node_id,
        event.shipment_id,
    )
    for index, known in enumerate(unit.concerns):
        if known.event_id == concern.event_id and known.source == concern.source:
            if not concern.supersedes(known):
                return Verdict.DUPLICATE
            unit.concerns[index] = concern
            break
    else:
        unit.concerns.append(concern)
        unit.concerns.sort(key=lambda c: (c.event_time, c.source, c.event_id))
        del unit.concerns[: -watch.MOST_CONCERNS]
    unit.touched_ms = max(unit.touched_ms, received_ms)
    if not unit.journeys:
        return Verdict.WAITING
    late = any(c.event_time > event.event_time for c in unit.concerns)
    for journey in unit.journeys:
        # of estimates nothing changes, nor of the time until which they were made
        watch.journey(
            unit,
            journey,
            states_of(unit, journey),
            (),
            (),
            (),
            estimator.rules,
            max(unit.as_of, event.event_time),
            f"{event.source}/{event.event_id}",
            late,
            estimator.version,
            out,
        )
    return Verdict.LATE if late else Verdict.APPLIED


def _wait(unit: Unit, candidate: Waiting, out: list[Output]) -> Verdict:
    milestone = candidate.milestone
    for index, other in enumerate(unit.waiting):
        known = other.milestone
        if known.event_id == milestone.event_id and known.source == milestone.source:
            if not milestone.supersedes(known):
                return Verdict.DUPLICATE
            unit.waiting[index] = candidate
            return Verdict.WAITING
    if len(unit.waiting) >= MOST_WAITING:
        detail = f"{MOST_WAITING} events of unit {unit.unit_id} wait for an itinerary already"
        out.append(Refused(Reject.TOO_MANY_WAITING, detail, candidate))
        return Verdict.REJECTED
    unit.waiting.append(candidate)
    return Verdict.WAITING


def advance(
    unit: Unit,
    clock: datetime,
    now_ms: int,
    out: list[Output],
    estimator: Estimator = NAIVE,
) -> bool:
    """Lets time pass: legs become overdue, waits end, finished journeys are let go.

    Args:
        unit: Is changed.
        clock: How far event time has come.
        now_ms: Now, by the clock that dates what is received.
        out: What there is to say.
        estimator: Says when legs will end.

    Returns:
        Whether anything has changed.
    """
    changed = _pass_time(unit, clock, out, estimator, history=False)
    for waiting in [w for w in unit.waiting if w.received_ms + WAIT_MS < now_ms]:
        unit.waiting.remove(waiting)
        detail = f"no itinerary of unit {unit.unit_id} came within {WAIT_MS // 3_600_000} hours"
        out.append(Refused(Reject.NO_ITINERARY, detail, waiting))
        changed = True
    gone = [journey for journey in unit.journeys if _release_time(journey) < clock]
    held = unit.touched_ms + HOLD_MS >= now_ms
    for journey in gone:
        over = _is_over(journey)
        if over or not held:  # what is over concerns nobody, though corrections may yet come
            changed |= bool(unit.alarms)
            when = max(unit.as_of, _release_time(journey))
            watch.forget(unit, journey, estimator.rules, when, out, over=over)
        if not held:
            unit.milestones = [m for m in unit.milestones if unit.journey_of(m) is not journey]
            unit.journeys.remove(journey)
            changed = True
    if unit.concerns and not unit.journeys and unit.touched_ms + WAIT_MS < now_ms:
        unit.concerns = []
        changed = True
    return changed


def next_timers(unit: Unit, clock: datetime) -> tuple[datetime | None, int | None]:
    """When `advance` next has something to do: an event time, and a receiver's time."""
    event_times: list[datetime] = []
    receiver_times = [w.received_ms + WAIT_MS for w in unit.waiting]
    for journey in unit.journeys:
        release = _release_time(journey)
        if release < clock:
            receiver_times.append(unit.touched_ms + HOLD_MS)
        else:
            event_times.append(release)
    if unit.concerns and not unit.journeys:
        receiver_times.append(unit.touched_ms + WAIT_MS)
    due = _next_due(unit, history=False)
    if due is not None:
        event_times.append(due)
    return min(event_times, default=None), min(receiver_times, default=None)


def _pass_time(
    unit: Unit, now: datetime, out: list[Output], estimator: Estimator, *, history: bool
) -> bool:
    """Says what comes of time alone: a leg is overdue, or silence has changed its estimate."""
    changed = False
    while (due := _next_due(unit, history=history)) is not None and due <= now:
        unit.as_of = max(unit.as_of, due)
        out.extend(teaching.expected(unit, due))
        refresh(unit, unit.as_of, due, "clock", out, estimator)
        changed = True
    return changed


def _next_due(unit: Unit, *, history: bool) -> datetime | None:
    """When time alone next changes something; `history`: also what was due when its plan came.

    A unit's own next event tells that a leg was overdue before, however late it is told; the
    clock tells it only of plans that were known in time, else a backfill would find everything
    overdue.
    """
    found: datetime | None = None
    for journey in unit.journeys:
        for leg, memory in zip(journey.legs, journey.memory, strict=True):
            if memory.stage is Stage.PLANNED:
                overdue = overdue_time(leg)
                if (overdue > journey.known_at or history) and (not found or overdue < found):
                    found = overdue
            review = memory.review
            if review is not None and review > journey.known_at and (not found or review < found):
                found = review
    if unit.alarms:
        due = watch.next_due(unit, history=history)
        if due is not None and (not found or due < found):
            found = due
    return found


def _release_time(journey: Journey) -> datetime:
    """When a journey leaves the state: `KEEP` after its last leg ended, or should long have."""
    last = max(leg.planned_arrival for leg in journey.legs)
    if not _is_over(journey):
        # A journey whose end is never reported must not stay for ever.
        return last + 10 * KEEP
    for leg, memory in zip(journey.legs, journey.memory, strict=True):
        last = max(last, memory.arrival or leg.planned_arrival)
    return last + KEEP


def _is_over(journey: Journey) -> bool:
    return all(memory.stage in (Stage.DONE, Stage.AT_NODE) for memory in journey.memory)


def _carry_over(unit: Unit, old: Journey, new: Journey, caused_by: str, out: list[Output]) -> None:
    """Keeps what was said about the legs that a new version still has."""
    kept = {(leg.sequence, leg.leg_id): i for i, leg in enumerate(new.legs)}
    for leg, memory in zip(old.legs, old.memory, strict=True):
        index = kept.get((leg.sequence, leg.leg_id))
        if index is not None:
            new.memory[index] = memory
            if new.legs[index].run_id != leg.run_id and leg.closes <= new.issued_time:
                memory.closed = leg.closes  # it was not there in time
        elif memory.ending is not None:
            out.append(
                _outcome(unit, old, leg, memory, unit.as_of, new.issued_time, caused_by, True, {})
            )


def refresh(
    unit: Unit,
    as_of: datetime,
    updated: datetime,
    caused_by: str,
    out: list[Output],
    estimator: Estimator,
    *,
    late: bool = False,
) -> None:
    """Derives every leg anew and says what has changed."""
    mark = {"late": True} if late else {}
    for journey in unit.journeys:
        news = [False] * len(journey.legs)
        states = states_of(unit, journey)
        at_stages = [stage(leg, s, as_of) for leg, s in zip(journey.legs, states, strict=True)]
        estimates = estimator.estimates(journey, states, at_stages, unit.heard, as_of)
        for index, (leg, memory, state, at, estimate) in enumerate(
            zip(journey.legs, journey.memory, states, at_stages, estimates, strict=True)
        ):
            eta, evidence = estimate.eta, estimate.evidence
            memory.review = estimate.review
            if estimate.own is not None:
                memory.own = minutes(estimate.own)
            entered = at is not memory.stage
            if entered or not (
                estimate.unchanged or not estimator.material(memory, estimate, as_of)
            ):
                memory.stage, memory.eta, memory.evidence = at, eta, evidence
                memory.signal, memory.missed = estimate.signal, estimate.missed
                memory.stalled = estimate.stalled
                news[index] = True
                out.append(
                    _estimate(
                        unit, journey, leg, state, at, estimate, estimator, as_of, caused_by, mark
                    )
                )
                if entered and eta is not None and at not in (Stage.DONE, Stage.AT_NODE):
                    version = estimator.version if estimate.quantiles else MODEL_VERSION
                    _remember(memory, Predicted(at, as_of, eta, evidence, version))
            known = teaching.known_of(memory)
            _settle(unit, journey, leg, memory, state, as_of, updated, caused_by, mark, out)
            if known != teaching.known_of(memory):
                out.extend(teaching.changes(unit, journey, index, known, as_of))
                news[index] = True
        watch.journey(
            unit,
            journey,
            states,
            at_stages,
            estimates,
            news,
            estimator.rules,
            as_of,
            caused_by,
            late,
            estimator.version,
            out,
        )


def states_of(unit: Unit, journey: Journey) -> list[Progress]:
    """What has happened on each leg of a journey."""
    own = [m for m in unit.milestones if unit.journey_of(m) is journey]
    return stages.progress(journey.legs, own)


def _remember(memory: LegMemory, predicted: Predicted) -> None:
    """Keeps the first prediction of each stage: what could be known at its beginning."""
    if all(p.stage is not predicted.stage for p in memory.predictions):
        memory.predictions = [*memory.predictions, predicted]


def _settle(
    unit: Unit,
    journey: Journey,
    leg: PlannedLeg,
    memory: LegMemory,
    state: Progress,
    as_of: datetime,
    updated: datetime,
    caused_by: str,
    mark: dict[str, bool],
    out: list[Output],
) -> None:
    """Says the outcome of a leg that has ended, ended otherwise, or turned out not to have."""
    before = memory.ending
    if (state.ending, state.departure, state.arrival) == (
        before,
        memory.departure,
        memory.arrival,
    ) and (before is None or state.run_id == memory.run_id):
        return
    memory.ending, memory.departure, memory.arrival = state.ending, state.departure, state.arrival
    memory.run_id = state.run_id
    if state.ending is not None:
        out.append(_outcome(unit, journey, leg, memory, as_of, updated, caused_by, False, mark))
    elif before is not None:
        memory.ending = before
        out.append(_outcome(unit, journey, leg, memory, as_of, updated, caused_by, True, mark))
        memory.ending = None


def _estimate(
    unit: Unit,
    journey: Journey,
    leg: PlannedLeg,
    state: Progress,
    at: Stage,
    estimate: Estimate,
    estimator: Estimator,
    as_of: datetime,
    caused_by: str,
    mark: dict[str, bool],
) -> LegEstimate:
    eta, evidence = estimate.eta, estimate.evidence
    values: dict[str, Any] = dict(mark)
    if estimate.quantiles is not None:
        values |= zip(_QUANTILE_FIELDS, estimate.quantiles, strict=True)
        values["late_probability"] = estimate.late_probability
    if estimate.missed is not None:
        values |= {
            "missed_probability": estimate.missed,
            "connection_slack_seconds": estimate.slack,
        }
    if estimate.stalled is not None:
        values["stalled_since"] = estimate.stalled
    if estimate.signal is not Signal.LIVE:
        values["signal"] = estimate.signal
    return LegEstimate.trusted(
        # what is said is part of the id: one cause may lead to two statements at one time
        estimate_id=derived_id(
            unit.unit_id,
            journey.shipment_id,
            f"{leg.sequence} {at} {evidence} {eta} {as_of}",
            caused_by,
        ),
        unit_id=unit.unit_id,
        shipment_id=journey.shipment_id,
        corridor_id=journey.corridor_id,
        leg_id=leg.leg_id,
        sequence=leg.sequence,
        mode=leg.mode,
        from_node=leg.from_node,
        to_node=leg.to_node,
        run_id=state.run_id,
        service_id=leg.service_id,
        carrier_id=leg.carrier_id,
        stage=at,
        planned_departure=leg.planned_departure,
        planned_arrival=leg.planned_arrival,
        actual_departure=state.departure,
        **(values | {"eta_p50": eta}),
        delay_seconds=None if eta is None else (eta - leg.planned_arrival).total_seconds(),
        evidence=evidence,
        model_version=estimator.version if estimate.quantiles else MODEL_VERSION,
        as_of=as_of,
        caused_by=caused_by,
    )


_QUANTILE_FIELDS = tuple(f"eta_p{round(level * 100):02d}" for level in LEVELS)


def _outcome(
    unit: Unit,
    journey: Journey,
    leg: PlannedLeg,
    memory: LegMemory,
    as_of: datetime,
    updated: datetime,
    caused_by: str,
    retracted: bool,
    mark: dict[str, bool],
) -> LegOutcome:
    return LegOutcome.trusted(
        outcome_id=derived_id(unit.unit_id, journey.shipment_id, str(leg.sequence), leg.leg_id),
        unit_id=unit.unit_id,
        shipment_id=journey.shipment_id,
        corridor_id=journey.corridor_id,
        leg_id=leg.leg_id,
        sequence=leg.sequence,
        mode=leg.mode,
        from_node=leg.from_node,
        to_node=leg.to_node,
        run_id=memory.run_id,
        service_id=leg.service_id,
        carrier_id=leg.carrier_id,
        ending=memory.ending or Ending.ARRIVED,
        retracted=retracted,
        planned_departure=leg.planned_departure,
        planned_arrival=leg.planned_arrival,
        actual_departure=memory.departure,
        actual_arrival=memory.arrival,
        predictions=tuple(
            Prediction.trusted(
                stage=p.stage,
                as_of=p.as_of,
                eta_p50=p.eta,
                evidence=p.evidence,
                model_version=p.model_version,
            )
            for p in memory.predictions
        ),
        as_of=as_of,
        updated_time=max(as_of, updated),
        caused_by=caused_by,
        **mark,
    )


__all__ = [
    "BEGINNING",
    "Output",
    "Refused",
    "Verdict",
    "advance",
    "apply_event",
    "apply_itinerary",
    "apply_shared",
    "milestone_of",
    "next_timers",
]
