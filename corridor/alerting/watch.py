"""Which conditions hold on the legs of a journey: from estimates, facts and concerns to alerts.

`journey` is called whenever something was told of a unit, or time has passed; it appends what there
is to say. An alarm is made only where a condition holds, so that a unit on its way as planned costs
next to nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from corridor.alerting import alarm as machine
from corridor.alerting import places
from corridor.alerting.alarm import Alarm, Reading, Said
from corridor.alerting.alerts import Alert
from corridor.alerting.rules import Rule, Rules
from corridor.codes import (
    AlertKind,
    AlertState,
    Cause,
    Classifier,
    Ending,
    EventType,
    Signal,
    Stage,
)
from corridor.eta.distribution import probability
from corridor.network import gazetteer
from corridor.network.gazetteer import NodeKind
from corridor.tracking.stages import UNLOADS

if TYPE_CHECKING:
    from corridor.eta.estimator import Estimate
    from corridor.models import TrackingEvent
    from corridor.tracking.stages import Progress
    from corridor.tracking.unit import Concern, Journey, LegMemory, PlannedLeg, Unit

MATERIAL_SHARE = 0.2
"""A standing alert is told again when its value has moved by so much, and by its first threshold"""
MATERIAL_SECONDS = 3600.0
"""or, where that is no time, by so much."""

GAINED_SHARE = 0.5
"""A place is at fault for a delay of which it has made so much;"""
KEPT_SHARE = 0.35
"""as long as it is so much, so that it does not change to and fro."""

MOST_CONCERNS = 64
"""Concerns of one unit that are kept; beyond, the oldest are forgotten."""

HELD = frozenset(
    "CUSTOMS_SELECTED_FOR_INSPECTION CUSTOMS_SELECTED_FOR_SCAN INSPECTION_STARTED ON_HOLD"
    " DOCUMENTS_REQUIRED DECLARATION_REJECTED REFUSED SEIZED TIR_REFUSED".split()
)
RELEASED = frozenset("CUSTOMS_RELEASED HOLD_LIFTED TRANSIT_ALLOWED EXIT_CONFIRMED".split())
CUT = frozenset({"TAMPER", "SHACKLE_CUT"})
SEALED = frozenset({"SEALED", "RESEALED", "UNSEALED_AUTHORISED"})

CONCERNS: dict[EventType, frozenset[str]] = {
    EventType.CUSTOMS: HELD | RELEASED,
    EventType.EQUIPMENT: frozenset(
        "CUSTOMS_RELEASED CUSTOMS_SELECTED_FOR_INSPECTION CUSTOMS_SELECTED_FOR_SCAN"
        " RESEALED".split()
    ),
    EventType.IOT: CUT | SEALED,
}
"""Events that change no stage, but may be the beginning or the end of an alert."""

MOVING = frozenset({AlertKind.DELAY, AlertKind.MISSED_CONNECTION})
"""Kinds whose value may go either way, so that it is told again when it has moved."""

_OF_UNIT = frozenset({AlertKind.CUSTOMS_HOLD, AlertKind.SEAL_TAMPERED})
_AT_REST = (None, AlertState.RESOLVED)
_STALE = (Signal.STALE, Signal.LOST)
_CAUSES = {NodeKind.BORDER: Cause.BORDER, NodeKind.LOCK: Cause.LOCK}
_ENDED = {Ending.CANCELLED: AlertKind.CANCELLED, Ending.DIVERTED: AlertKind.ROUTE_DEVIATION}


def is_concern(event: "TrackingEvent") -> bool:
    """Whether an event may be the beginning or the end of an alert, besides what it is else."""
    codes = CONCERNS.get(event.event_type)
    return (
        codes is not None
        and event.code in codes
        and event.unit_id is not None
        and event.classifier is Classifier.ACTUAL
    )


def journey(
    unit: "Unit",
    journey: "Journey",
    states: Sequence["Progress"],
    stages: Sequence[Stage],
    estimates: Sequence["Estimate"],
    news: Sequence[bool],
    rules: Rules,
    now: datetime,
    caused_by: str,
    late: bool,
    version: str,
    out: list[Any],
) -> None:
    """Judges every condition on the legs of one journey, and says what has changed.

    Args:
        unit: Its `alarms` are changed.
        journey: One of its journeys.
        states: What has happened on each leg.
        stages: The stage of each.
        estimates: Of each; none: only concerns are judged.
        news: For which legs an estimate was said.
        rules: Say what is an alert.
        now: As of when.
        caused_by: What led to it.
        late: Whether that was told after something newer.
        version: Names the model.
        out: What there is to say.
    """
    own = [alarm for alarm in unit.alarms if alarm.shipment_id == journey.shipment_id]
    if not (own or unit.concerns or True in news):
        return
    watch = _Watch(unit, journey, states, rules, now, caused_by, late, version, out)
    watched = {(alarm.kind, alarm.sequence) for alarm in own}
    # what is over comes back only by news
    alive = {alarm.sequence for alarm in own if alarm.state not in _AT_REST}
    if estimates:
        for index, leg in enumerate(journey.legs):
            if news[index] or leg.sequence in alive:
                memory, state, stage = journey.memory[index], states[index], stages[index]
                watch.leg(index, leg, memory, state, stage, estimates[index], watched)
        for alarm in own:
            if alarm.due is not None and alarm.due <= now:
                rule = watch.rule(alarm.kind, watch.leg_of(alarm))
                machine.pass_time(alarm, rule, rules, now)
    if unit.concerns:
        watch.concerns()
    watch.say()


def forget(
    unit: "Unit", gone: "Journey", rules: Rules, now: datetime, out: list[Any], *, over: bool
) -> None:
    """Lets go of a journey's alarms.

    Args:
        unit: Its `alarms` are changed.
        gone: The journey that is let go.
        rules: Say what is an alert.
        now: As of when.
        out: What there is to say.
        over: Whether the journey has ended, so that all of it is over. If not, nothing was heard
            of it for long: what stands goes on to stand, stale.
    """
    watch = _Watch(unit, gone, (), rules, now, "clock", False, "", out)
    for alarm in unit.alarms:
        if alarm.shipment_id == gone.shipment_id:
            if over:
                machine.end(alarm)
            else:
                alarm.stale = alarm.standing
    watch.say()
    unit.alarms = [a for a in unit.alarms if a.shipment_id != gone.shipment_id]


def replanned(unit: "Unit", new: "Journey") -> None:
    """Ends the alarms of legs that a new version of a plan does not have any more."""
    legs = {(leg.sequence, leg.leg_id) for leg in new.legs}
    for alarm in unit.alarms:
        if alarm.shipment_id == new.shipment_id and (alarm.sequence, alarm.leg_id) not in legs:
            machine.end(alarm)


def next_due(unit: "Unit", *, history: bool) -> datetime | None:
    """When time alone next changes an alarm.

    What is clearing comes to its end in any case. What would open does so only if its plan was
    known before; `history`: in any case, too.
    """
    known = {} if history else {j.shipment_id: j.known_at for j in unit.journeys}
    found: datetime | None = None
    for alarm in unit.alarms:
        due = alarm.due
        if due is not None and (found is None or due < found):
            known_at = known.get(alarm.shipment_id)
            if known_at is None or due > known_at or alarm.state is AlertState.CLEARING:
                found = due
    return found


class _Watch:
    """One look at one journey."""

    def __init__(
        self,
        unit: "Unit",
        journey: "Journey",
        states: Sequence["Progress"],
        rules: Rules,
        now: datetime,
        caused_by: str,
        late: bool,
        version: str,
        out: list[Any],
    ) -> None:
        self._unit, self._journey, self._states = unit, journey, states
        self._rules, self._now, self._caused_by, self._version = rules, now, caused_by, version
        # what was due before its plan was known is history too
        self._late = late or now + rules.news < journey.known_at
        self._out = out

    def rule(self, kind: AlertKind, leg: "PlannedLeg") -> Rule:
        journey = self._journey
        return self._rules.rule(kind, leg.mode, journey.corridor_id, journey.parties)

    def leg_of(self, alarm: Alarm) -> "PlannedLeg":
        for leg in self._journey.legs:
            if leg.sequence == alarm.sequence:
                return leg
        return self._journey.legs[-1]

    # conditions ----------------------------------------------------------------------------------

    def leg(
        self,
        index: int,
        leg: "PlannedLeg",
        memory: "LegMemory",
        state: "Progress",
        stage: Stage,
        estimate: "Estimate",
        watched: set[tuple[AlertKind, int]],
    ) -> None:
        """Judges the conditions of one leg."""
        over = memory.ending is not None or stage in (Stage.DONE, Stage.AT_NODE)
        otherwise = None if memory.ending is None else _ENDED.get(memory.ending)
        if otherwise is not None or watched:
            for kind in _ENDED.values():
                if kind is otherwise or (kind, leg.sequence) in watched:
                    since = self._now if kind is otherwise else None
                    self._lasting(kind, index, leg, since)
        if over:
            self._delay_of_ended(index, leg, memory, watched)
            for kind in (AlertKind.STALLED, AlertKind.SIGNAL_LOST):
                if (kind, leg.sequence) in watched:
                    self._lasting(kind, index, leg, None, final=True)
        else:
            self._delay(index, leg, stage, estimate, watched)
            if estimate.stalled is not None or (AlertKind.STALLED, leg.sequence) in watched:
                self._lasting(AlertKind.STALLED, index, leg, estimate.stalled)
            lost = estimate.signal is Signal.LOST
            if lost or (AlertKind.SIGNAL_LOST, leg.sequence) in watched:
                self._lasting(AlertKind.SIGNAL_LOST, index, leg, self._now if lost else None)
        self._connection(index, leg, memory, estimate, watched)
        self._dwell(index, leg, memory, state, watched)

    def _delay(
        self,
        index: int,
        leg: "PlannedLeg",
        stage: Stage,
        estimate: "Estimate",
        watched: set[tuple[AlertKind, int]],
    ) -> None:
        known = (AlertKind.DELAY, leg.sequence) in watched
        if estimate.unchanged or estimate.missed is not None or self._is_later(index):
            return
        rule = self.rule(AlertKind.DELAY, leg)
        likely = estimate.late_probability
        if not known and likely is not None and likely < rule.opens_at * 0.5:
            return  # a quick look: far from late by any threshold that is above the mode's own
        if estimate.eta is None:
            return
        planned = leg.planned_arrival
        chances = _chances(planned, estimate, rule)
        on = keep = 0
        for level, chance in enumerate(chances, 1):
            if chance is not None:
                if chance >= rule.opens_at:
                    on = level
                if chance > rule.clears_at:
                    keep = level
        keep = max(on, keep)
        if not (on or known):
            return
        told = on or keep or 1
        reading = Reading(
            on,
            keep,
            rule.name,
            self._caused_by,
            fresh=estimate.signal not in _STALE,
            since=self._now,
            # silence is a fact only once an arrival would have been told
            ladder=tuple(
                None if t is None else planned + timedelta(seconds=t) + rule.hold
                for t in rule.thresholds
            ),
            probability=None if estimate.quantiles is None else chances[told - 1],
            opens_at=rule.opens_at,
            clears_at=rule.clears_at,
            thresholds=rule.thresholds,
            value=(estimate.eta - planned).total_seconds(),
            planned=planned,
            expected=estimate.eta,
            node_id=leg.from_node if stage in (Stage.PLANNED, Stage.OVERDUE) else None,
            evidence=estimate.evidence,
            model_version=self._version,
        )
        self._judge(AlertKind.DELAY, index, leg, reading, rule)

    def _is_later(self, index: int) -> bool:
        """Whether an earlier leg has yet to end."""
        return index > 0 and self._journey.memory[index - 1].stage not in (
            Stage.DONE,
            Stage.AT_NODE,
        )

    def _delay_of_ended(
        self,
        index: int,
        leg: "PlannedLeg",
        memory: "LegMemory",
        watched: set[tuple[AlertKind, int]],
    ) -> None:
        arrival, planned = memory.arrival, leg.planned_arrival
        rule = self.rule(AlertKind.DELAY, leg)
        value = None if arrival is None else (arrival - planned).total_seconds()
        on = _reached(value, rule)
        if not on and (AlertKind.DELAY, leg.sequence) not in watched:
            return
        reading = Reading(
            on,
            on,
            rule.name,
            self._caused_by,
            fact=True,
            final=True,
            thresholds=rule.thresholds,
            value=value,
            planned=planned,
            expected=arrival,
        )
        self._judge(AlertKind.DELAY, index, leg, reading, rule)

    def _connection(
        self,
        index: int,
        leg: "PlannedLeg",
        memory: "LegMemory",
        estimate: "Estimate",
        watched: set[tuple[AlertKind, int]],
    ) -> None:
        kind = AlertKind.MISSED_CONNECTION
        known = (kind, leg.sequence) in watched
        if index == 0 or estimate.unchanged:
            return
        chance, gone = estimate.missed, memory.departure is not None or memory.ending is not None
        if chance is None and not (known and gone):
            return
        rule = self.rule(kind, leg)
        if gone:
            chance = 0.0
        assert chance is not None
        bounds = rule.thresholds
        lowest = min((bound for bound in bounds if bound is not None), default=1.0)
        gap = lowest - rule.clears_at
        on = _reached(chance, rule)
        keep = max(
            (n for n, b in enumerate(bounds, 1) if b is not None and chance >= b - gap), default=0
        )
        if not (on or known):
            return
        before = self._journey.memory[index - 1]
        # who has not come when the service closes has missed it
        closes = leg.closes if before.arrival is None and not gone else None
        slack = None if estimate.slack is None else -estimate.slack
        reading = Reading(
            on,
            max(on, keep),
            rule.name,
            self._caused_by,
            final=gone,
            since=self._now,
            ladder=() if closes is None else (None, None, closes),
            probability=chance,
            opens_at=bounds[on - 1] if on else lowest,
            clears_at=(bounds[on - 1] or 0.0) - gap if on else rule.clears_at,
            value=slack,
            planned=leg.closes,
            expected=None if slack is None else leg.closes + timedelta(seconds=slack),
            node_id=leg.from_node,
            evidence=estimate.evidence,
            model_version=self._version,
        )
        self._judge(kind, index, leg, reading, rule)

    def _dwell(
        self,
        index: int,
        leg: "PlannedLeg",
        memory: "LegMemory",
        state: "Progress",
        watched: set[tuple[AlertKind, int]],
    ) -> None:
        kind = AlertKind.DWELL_EXCEEDED
        since = None
        if memory.arrival is not None:
            if index + 1 < len(self._journey.legs):
                onward = self._journey.memory[index + 1]
                if onward.departure is None and onward.ending is None and not state.passed:
                    since = max(memory.arrival, self._journey.legs[index + 1].planned_departure)
            elif leg.mode in UNLOADS and state.left_node and not self._gated_out(memory.arrival):
                since = memory.arrival
        if since is not None or (kind, leg.sequence) in watched:
            self._lasting(kind, index, leg, since, node_id=leg.to_node)

    def _gated_out(self, arrival: datetime) -> bool:
        return any(
            m.code == "GATED_OUT" and not m.retracted and m.event_time >= arrival
            for m in self._unit.milestones
        )

    def concerns(self) -> None:
        """Judges what customs and locks have told, in order of event time."""
        told = sorted(
            (c for c in self._unit.concerns if not c.retracted and self._is_own(c)),
            key=lambda c: (c.event_time, c.source, c.event_id),
        )
        left = max((s.departure for s in self._states if s.departure is not None), default=None)
        held = _unsettled(told, HELD, RELEASED, by_node=True)
        if held is not None and left is not None and left > held.event_time:
            held = None  # it would not have left
        self._concern(AlertKind.CUSTOMS_HOLD, held)
        self._concern(AlertKind.SEAL_TAMPERED, _unsettled(told, CUT, SEALED, by_node=False))

    def _is_own(self, concern: "Concern") -> bool:
        if concern.shipment_id is not None:
            return concern.shipment_id == self._journey.shipment_id
        for journey in reversed(self._unit.journeys):
            if journey.start <= concern.event_time:
                return journey is self._journey
        return False

    def _concern(self, kind: AlertKind, concern: "Concern | None") -> None:
        known = [
            a
            for a in self._unit.alarms
            if a.kind is kind and a.shipment_id == self._journey.shipment_id
        ]
        if concern is None:
            for alarm in known:
                index = self._index(alarm.sequence)
                self._lasting(kind, index, self._journey.legs[index], None)
            return
        index = next(
            (i for i, memory in enumerate(self._journey.memory) if memory.stage is not Stage.DONE),
            len(self._journey.legs) - 1,
        )
        if known:
            index = self._index(known[0].sequence)
        leg = self._journey.legs[index]
        self._lasting(kind, index, leg, concern.event_time, node_id=concern.node_id)

    def _index(self, sequence: int) -> int:
        for index, leg in enumerate(self._journey.legs):
            if leg.sequence == sequence:
                return index
        return len(self._journey.legs) - 1

    def _lasting(
        self,
        kind: AlertKind,
        index: int,
        leg: "PlannedLeg",
        since: datetime | None,
        *,
        final: bool = False,
        node_id: str | None = None,
    ) -> None:
        """A condition that gets worse the longer it lasts."""
        known = self._find(kind, leg.sequence)
        rule = self.rule(kind, leg)
        if since is None:
            if known is None or known.state is None or known.state is AlertState.RESOLVED:
                return
            reading = Reading(0, 0, rule.name, self._caused_by, final=final, node_id=node_id)
            self._judge(kind, index, leg, reading, rule)
            return
        before = None if known is None else known.reading
        if before is not None and before.since is not None and kind not in (AlertKind.STALLED,):
            since = min(since, before.since)
        ladder = tuple(
            None if bound is None else since + timedelta(seconds=bound) for bound in rule.thresholds
        )
        reading = Reading(
            0,
            0,
            rule.name,
            self._caused_by,
            fact=True,
            since=since,
            ladder=ladder,
            thresholds=rule.thresholds,
            value=max(0.0, (self._now - since).total_seconds()),
            node_id=node_id,
        )
        self._judge(kind, index, leg, reading, rule)

    # alarms --------------------------------------------------------------------------------------

    def _find(self, kind: AlertKind, sequence: int) -> Alarm | None:
        for alarm in self._unit.alarms:
            if (
                alarm.sequence == sequence
                and alarm.kind is kind
                and alarm.shipment_id == self._journey.shipment_id
            ):
                return alarm
        return None

    def _judge(
        self, kind: AlertKind, index: int, leg: "PlannedLeg", reading: Reading, rule: Rule
    ) -> None:
        cause, subject, key = self._key(kind, index, reading.node_id)
        alarm = self._find(kind, leg.sequence)
        if alarm is not None and alarm.key != key:
            # by another run now: what was is over, and what is begins
            machine.end(alarm)
            self._tell(alarm)
            self._unit.alarms.remove(alarm)
            alarm = None
        if alarm is None:
            shipment = self._journey.shipment_id
            alarm = Alarm(kind, shipment, leg.sequence, leg.leg_id, cause, subject, key)
            self._unit.alarms.append(alarm)
        before = alarm.reading
        told = before is not None and before.final and before.on > 0
        if told and reading.final and not alarm.standing:  # it was told that it had ended so
            alarm.reading = reading
            return
        machine.judge(alarm, reading, rule, self._rules, self._now)

    def _key(self, kind: AlertKind, index: int, node_id: str | None) -> tuple[Cause, str, str]:
        """What is at fault: the kind of it, its name, and the key of the incident about it."""
        leg, run = self._journey.legs[index], self._run(index)
        if kind is AlertKind.DWELL_EXCEEDED and node_id is not None:
            onward = run if index + 1 == len(self._journey.legs) else self._run(index + 1)
            if onward is not None:
                return Cause.NODE, node_id, f"{kind}/{Cause.NODE}/{node_id}/{onward}"
        elif kind is AlertKind.MISSED_CONNECTION:
            before = self._run(index - 1)
            if run is not None and before is not None:
                subject = f"{before}>{run}"
                return Cause.CONNECTION, subject, f"{kind}/{Cause.CONNECTION}/{subject}"
        elif kind not in _OF_UNIT and run is not None:
            return Cause.RUN, run, f"{kind}/{Cause.RUN}/{run}/{leg.leg_id}"
        unit, shipment = self._unit.unit_id, self._journey.shipment_id
        place = node_id if kind in _OF_UNIT and node_id is not None else leg.leg_id
        return Cause.UNIT, unit, f"{kind}/{Cause.UNIT}/{unit}/{shipment}/{place}"

    def _run(self, index: int) -> str | None:
        run = self._states[index].run_id if self._states else None
        return run or self._journey.legs[index].run_id

    # what there is to say ------------------------------------------------------------------------

    def say(self) -> None:
        """Tells what has changed of all alarms of the journey."""
        for alarm in self._unit.alarms:
            if alarm.shipment_id == self._journey.shipment_id:
                self._tell(alarm)

    def _tell(self, alarm: Alarm) -> None:
        standing = alarm.standing
        if not standing and (alarm.said is None or alarm.said.state is AlertState.RESOLVED):
            return
        reading = alarm.reading
        assert reading is not None
        assert alarm.state is not None
        said = Said(
            alarm.state if standing else AlertState.RESOLVED,
            alarm.level,
            alarm.flags,
            self._parent(alarm) if standing else None,
            reading.value,
        )
        if alarm.said is not None and not _differs(alarm, alarm.said, said):
            return
        before = None if alarm.said is None else alarm.said.parent
        alarm.said = said
        # by time, so that it ascends even where a unit was forgotten in between
        told = max(self._unit.told + 1, int(self._now.timestamp()))
        self._unit.told = told
        journey, leg = self._journey, self.leg_of(alarm)
        alert = Alert(
            alarm.key,
            alarm.kind,
            alarm.cause,
            alarm.subject,
            self._unit.unit_id,
            alarm.shipment_id,
            alarm.sequence,
            told,
            said.state,
            alarm.level,
            self._now,
            reading,
            journey.corridor_id,
            alarm.leg_id,
            leg.mode,
            leg.from_node,
            leg.to_node,
            journey.parties,
            alarm.flags,
            self._late,
            said.parent,
        )
        if alarm.kind in places.KINDS:
            if before is not None and before != said.parent:
                self._out.append(_of_place(alert, before, AlertState.RESOLVED))
            if said.parent is not None:
                self._out.append(_of_place(alert, said.parent, said.state))
        self._out.append(alert)

    def _parent(self, alarm: Alarm) -> str | None:
        """The incident that explains an alarm: of a place, or of another one of this unit."""
        if alarm.kind in places.KINDS:
            if alarm.cause is not Cause.RUN:
                return None
            if alarm.kind is AlertKind.CANCELLED:
                return _place_key(alarm.kind, self.leg_of(alarm).from_node)
            return self._place(alarm)
        sequence = alarm.sequence
        if alarm.kind is AlertKind.MISSED_CONNECTION:
            index = self._index(sequence)
            sequence = self._journey.legs[max(index - 1, 0)].sequence
        elif alarm.kind is AlertKind.DWELL_EXCEEDED:
            index = self._index(sequence)
            sequence = self._journey.legs[min(index + 1, len(self._journey.legs) - 1)].sequence
        elif alarm.kind is not AlertKind.STALLED:
            return None
        late = self._find(AlertKind.DELAY, sequence)
        return late.key if late is not None and late.standing and late.key != alarm.key else None

    def _place(self, alarm: Alarm) -> str | None:
        """The key of the place by which the leg is late: where most of that was gained."""
        told = None if alarm.said is None else alarm.said.parent
        reading = alarm.reading
        if not self._states or reading is None or not reading.value or reading.value <= 0:
            return told
        index = self._index(alarm.sequence)
        leg, memory = self._journey.legs[index], self._journey.memory[index]
        carried = self._late_from(index)
        if memory.departure is None:
            # who has not left yet and will be late waits where it is
            gained = {leg.from_node: reading.value - carried}
        else:
            left = max((memory.departure - leg.planned_departure).total_seconds(), 0.0)
            # queues at berths, and at borders on the road, are met on the way into a node
            gained = {leg.from_node: left - carried, leg.to_node: reading.value - left}
        for node, seconds in gained.items():
            key = _place_key(alarm.kind, node)
            share = KEPT_SHARE if key == told else GAINED_SHARE
            if seconds >= share * reading.value:
                return key
        return None

    def _late_from(self, index: int) -> float:
        """How late the leg before has arrived, in seconds."""
        if index == 0:
            return 0.0
        arrival = self._journey.memory[index - 1].arrival
        planned = self._journey.legs[index - 1].planned_arrival
        return 0.0 if arrival is None else max((arrival - planned).total_seconds(), 0.0)


def _place_key(kind: AlertKind, node_id: str) -> str:
    node = gazetteer.node(node_id)
    cause = Cause.NODE if node is None else _CAUSES.get(node.kind, Cause.NODE)
    return f"{kind}/{cause}/{node_id}"


def _of_place(alert: Alert, key: str, state: AlertState) -> Alert:
    """The same, as a place is told it."""
    _, cause, node = key.split("/", 2)
    return msgspec.structs.replace(
        alert,
        key=key,
        cause=Cause(cause),
        subject=node,
        state=state,
        parent=None,
        run_key=alert.key,
    )


def _chances(planned: datetime, estimate: "Estimate", rule: Rule) -> list[float | None]:
    """Per level, the probability of being later than its threshold."""
    if estimate.quantiles is None:
        # nothing was learned of how sure it is: it opens by what is likely, and no sooner
        assert estimate.eta is not None
        value = (estimate.eta - planned).total_seconds()
        return [None if t is None else rule.opens_at if value > t else 0.0 for t in rule.thresholds]
    seconds = [(time - planned).total_seconds() for time in estimate.quantiles]
    return [
        None if t is None else round(min(max(1 - probability(seconds, t), 0.0), 1.0), 4)
        for t in rule.thresholds
    ]


def _differs(alarm: Alarm, before: Said, said: Said) -> bool:
    """Whether there is something to tell; what lasts grows by itself, which needs no telling."""
    if before[:-1] != said[:-1]:
        return True
    if alarm.kind not in MOVING or before.value is None or said.value is None:
        return False
    assert alarm.reading is not None
    least = alarm.reading.thresholds[0] if alarm.reading.thresholds else None
    moved = abs(said.value - before.value)
    return moved > max(least or MATERIAL_SECONDS, MATERIAL_SHARE * abs(before.value))


def _reached(value: float | None, rule: Rule) -> int:
    """The highest level whose threshold is passed."""
    if value is None:
        return 0
    return max(
        (n for n, t in enumerate(rule.thresholds, 1) if t is not None and value >= t), default=0
    )


def _unsettled(
    told: Iterable["Concern"], begins: frozenset[str], ends: frozenset[str], *, by_node: bool
) -> "Concern | None":
    """The concern that nothing has settled yet; of several the first."""
    found: dict[str | None, Concern] = {}
    for concern in told:
        where = concern.node_id if by_node else None
        if concern.code in begins:
            found.setdefault(where, concern)
        elif concern.code in ends:
            if where is None:
                found.clear()
            else:
                found.pop(where, None)
                found.pop(None, None)
    return min(found.values(), key=lambda c: c.event_time, default=None)
