"""What is said of the legs of a journey: by the timetable, and by what has been learned.

The leg that a unit is on, or will be on next, is asked of the model; positions and what others say
are heard; and what follows from its arrival is carried on to the later legs.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Generic, NamedTuple, TypeVar

from corridor.alerting.rules import Rules, packaged
from corridor.codes import Signal, Stage
from corridor.eta import naive, progress, signal
from corridor.eta.distribution import LEVELS, MEDIAN, Quantiles, not_before, probability
from corridor.eta.downstream import LEAST_MOVE, LEAST_SHARE, Onward, Passage, moved, onward
from corridor.eta.dwell import Visit
from corridor.eta.model import Model
from corridor.eta.query import EPOCH, Phase, Query, minutes
from corridor.eta.services import by_timetable
from corridor.eta.signal import Heard
from corridor.eta.ways import way_of
from corridor.tracking.stages import OVERDUE_AFTER, Progress
from corridor.tracking.unit import Journey, LegMemory, PlannedLeg

T = TypeVar("T")

CHECKPOINTS = (timedelta(hours=24), timedelta(hours=2), timedelta(minutes=30), timedelta())
"""So long before its departure, a leg is looked at again, and what is known then will teach."""

MISS_BANDS = (0.1, 0.3, 0.5, 0.8)
"""Crossing one of them is said at once."""

_PATIENCE = timedelta(minutes=15)
_LEAST_STEP = 0.05
"""Of the planned duration; silence is not asked again sooner."""
_REMEMBERED = 256


class Memory(Generic[T]):
    """The newest answers."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, answer: Callable[[], T]) -> T:
        """What was answered, or is answered now."""
        if key in self._known:
            return self._known[key]
        found = self._known[key] = answer()
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


class Estimate(NamedTuple):
    """What there is to say of one leg."""

    eta: datetime | None
    """None where there will be no arrival."""
    evidence: str
    quantiles: tuple[datetime, ...] | None = None
    """One per level of `corridor.eta.distribution.LEVELS`."""
    late_probability: float | None = None
    """Of being later than the mode tolerates (`OVERDUE_AFTER`)."""
    review: datetime | None = None
    """When silence alone will have changed it."""
    signal: Signal = Signal.LIVE
    missed: float | None = None
    """The probability of being ready only after the planned service has closed."""
    slack: float | None = None
    """Seconds from being ready, as is likely, until the planned service closes."""
    stalled: datetime | None = None
    """Since when it has not moved, though it should."""
    own: datetime | None = None
    """The median before others were heard."""
    unchanged: bool = False
    """What was said last still holds: nothing that it follows from has moved."""


class Estimator:
    """With an empty model it says the timetable, then the timetable plus the last known delay."""

    def __init__(self, model: Model, rules: Rules | None = None) -> None:
        self.model = model
        self.rules = rules or packaged()
        """What of that is an alert."""
        # all boxes of a run ask the same, one after the other
        self._asked = Memory[Quantiles | None]()
        self._legs = Memory[Onward | None]()
        self._passages = Memory[list[Passage]]()

    @property
    def version(self) -> str:
        """Names the model."""
        return self.model.version

    def estimates(
        self,
        journey: Journey,
        states: Sequence[Progress],
        stages: Sequence[Stage],
        heard: Mapping[str, Heard],
        now: datetime,
    ) -> list[Estimate]:
        """One estimate per leg, as of `now`.

        Args:
            journey: Its `carried` is changed: what was carried on to the later legs.
            states: What has happened on each leg.
            stages: The stage of each.
            heard: When each source last told something of the unit.
            now: When it is asked.
        """
        found = [Estimate(*plain) for plain in naive.etas(journey.legs, states, stages)]
        current = _current(states, stages)
        if current is None:
            return found
        leg, state, stage = journey.legs[current], states[current], stages[current]
        upstream = states[current - 1].arrival if current else None
        if stage is not Stage.EN_ROUTE and upstream is not None:
            # it waits where its last leg ended
            arrived = (minutes(upstream),) * len(LEVELS)
            self._carry(journey, states, stages, current - 1, arrived, found, now)
            if found[current].quantiles is None:
                review = _checkpoint(leg, _since(journey, leg, now))
                found[current] = found[current]._replace(review=review)
            return found
        memory = journey.memory[current]
        since = _since(journey, leg, now)
        found[current] = self._leg(leg, state, stage, memory, found[current], heard, now, since)
        quantiles = found[current].quantiles
        if quantiles is not None and current + 1 < len(journey.legs):
            arrival = tuple(minutes(time) for time in quantiles)
            self._carry(journey, states, stages, current, arrival, found, now)
        return found

    def material(self, memory: LegMemory, estimate: Estimate, now: datetime) -> bool:
        """Whether an estimate differs enough from what was said last to be said."""
        said = memory.eta
        if estimate.quantiles is None:
            return said != estimate.eta or estimate.evidence != memory.evidence
        if (
            said is None
            or estimate.eta is None
            or estimate.evidence != memory.evidence
            or estimate.signal is not memory.signal
            or (estimate.stalled is None) != (memory.stalled is None)
            or _band(estimate.missed) != _band(memory.missed)
        ):
            return True
        least = max(timedelta(minutes=LEAST_MOVE), LEAST_SHARE * (estimate.eta - now))
        return abs(estimate.eta - said) >= least

    # the leg under way, or next ------------------------------------------------------------------

    def _leg(
        self,
        leg: PlannedLeg,
        state: Progress,
        stage: Stage,
        memory: LegMemory,
        plain: Estimate,
        heard: Mapping[str, Heard],
        now: datetime,
        since: datetime,
    ) -> Estimate:
        query = query_of(leg, state.departure, now)
        time = minutes(now)
        quantiles = self._predict(query, time)
        under_way = query.phase is Phase.UNDER_WAY
        evidence = "LEARNED" if under_way else f"LEARNED_{plain.evidence}"
        motion, stalled = memory.motion, None
        if under_way and motion is not None and (way := way_of(leg)) is not None:
            history = None if quantiles is None else [value - time for value in quantiles]
            left = progress.remaining(motion, way, time, history)
            if left is not None:
                evidence = f"{evidence}+POSITIONS" if quantiles is not None else "POSITIONS"
                quantiles = tuple(time + value for value in left)
            if motion.stalled is not None:
                stalled = EPOCH + timedelta(minutes=motion.stalled)
        elif under_way and quantiles is not None:
            quantiles = not_before(quantiles, time)
        freshness, fades = self._signal(heard, stage, time)
        if quantiles is None:
            # by then, something may have been learned
            review = _checkpoint(leg, since) if stage in (Stage.PLANNED, Stage.OVERDUE) else None
            return plain._replace(review=review)
        own = quantiles[MEDIAN]
        if memory.stated:
            combined = self.model.habits.combined(
                leg.mode, tuple(value - time for value in quantiles), memory.stated, time
            )
            if len(combined.weights) > 1:
                evidence += "+STATED"
                quantiles = tuple(time + value for value in combined.quantiles)
        times = _times(quantiles)
        review = _review(leg, stage, times, since)
        if fades is not None:
            # rounded up, else it would still be what it was, and be looked at for ever
            gone = max(EPOCH + timedelta(minutes=fades), since) + timedelta(seconds=1)
            review = gone if review is None else min(review, gone)
        return Estimate(
            times[MEDIAN],
            evidence,
            times,
            _late(leg, quantiles),
            review,
            freshness,
            stalled=stalled,
            own=EPOCH + timedelta(minutes=own),
        )

    def _signal(
        self, heard: Mapping[str, Heard], stage: Stage, now: float
    ) -> tuple[Signal, float | None]:
        """The class of the freshest source, and when it will be another."""
        if stage is not Stage.EN_ROUTE or not heard:
            return Signal.LIVE, None
        found: list[tuple[int, float | None, Signal]] = []
        for source, known in heard.items():
            rhythm = self.model.habits.rhythm(source, known.kind)
            freshness = signal.signal(rhythm, known.last, now)
            order = _FRESHNESS.index(freshness)
            found.append((order, signal.next_change(rhythm, known.last, now), freshness))
        best = min(order for order, _, _ in found)
        changes = [inf if change is None else change for order, change, _ in found if order == best]
        change = max(changes)
        return _FRESHNESS[best], None if change == inf else change

    # the later legs ------------------------------------------------------------------------------

    def _carry(
        self,
        journey: Journey,
        states: Sequence[Progress],
        stages: Sequence[Stage],
        arrived: int,
        arrival: Quantiles,
        found: list[Estimate],
        now: datetime,
    ) -> None:
        """Carries the arrival at the end of leg `arrived` on to all later ones."""
        later = range(arrived + 1, len(journey.legs))
        time = minutes(now)
        key = [float(arrived), *arrival]
        waits = arrival[0] == arrival[-1]
        if (
            not waits
            and journey.carried[:1] == key[:1]
            and not moved(journey.carried[1:], arrival, time)
            and all(journey.memory[index].stage is stages[index] for index in later)
        ):
            for index in later:
                found[index] = found[index]._replace(unchanged=True)
            return
        asked: list[Onward] = []
        reached = arrival[MEDIAN]
        for index in later:
            before, leg = journey.legs[index - 1], journey.legs[index]
            aboard = waits and states[index].seen_aboard
            what = self._onward(before, leg, reached, time, waits, aboard)
            if what is None:
                break
            asked.append(what)
            waits = False
            ready = reached + what.dwell[MEDIAN]
            reached = max(ready, what.planned_departure) + what.transit[MEDIAN]
        journey.carried = key
        waited = arrival[0] == arrival[-1]
        for index, what, passage in zip(later, asked, self._follow(arrival, asked), strict=False):
            leg, stage = journey.legs[index], stages[index]
            times = _times(passage.arrival)
            next_ = waited and index == arrived + 1
            found[index] = Estimate(
                times[MEDIAN],
                f"{'CONNECTION' if what.scheduled else 'FOLLOWS'}_{stage}",
                times,
                _late(leg, passage.arrival),
                _review(leg, stage, times, _since(journey, leg, now)) if next_ else None,
                missed=round(passage.missed, 3) if what.scheduled else None,
                slack=round(passage.slack * 60, 1) if what.scheduled else None,
                own=times[MEDIAN],
            )

    def _follow(self, arrival: Quantiles, legs: list[Onward]) -> list[Passage]:
        return self._passages.get((arrival, *legs), lambda: onward(arrival, legs)) if legs else []

    def _predict(self, query: Query, now: float) -> Quantiles | None:
        key = (query, now, self.model.changes)
        return self._asked.get(key, lambda: self.model.predict(query, now))

    def _onward(
        self,
        before: PlannedLeg,
        leg: PlannedLeg,
        reached: float,
        now: float,
        waits: bool,
        aboard: bool,
    ) -> Onward | None:
        known = self.model.changes, self.model.habits.changes
        key = (before, leg, reached, now, waits, aboard, known)
        return self._legs.get(key, lambda: self._look(before, leg, reached, now, waits, aboard))

    def _look(
        self,
        before: PlannedLeg,
        leg: PlannedLeg,
        reached: float,
        now: float,
        waits: bool,
        aboard: bool,
    ) -> Onward | None:
        """What is known of a later leg; None: nothing of how long it takes."""
        visit = visit_of(before, leg)
        dwell = self.model.habits.dwell(visit)
        planned = minutes(leg.planned_departure)
        scheduled = not visit.through and by_timetable(leg.mode, leg.service_id, leg.cutoff)
        if waits and not scheduled and now > planned:
            dwell = not_before(dwell, now - reached)  # were it ready, it would have left
        elif aboard or (waits and now >= minutes(leg.closes)):
            dwell = _READY  # who misses a service is told so by a new plan
        if scheduled:
            # it goes by its own timetable, however late the unit comes
            departure = None
            overdue = max(0.0, now - planned) if waits else 0.0
            query = _query(leg, Phase.BEFORE, overdue)
        else:
            departure = max(reached + dwell[MEDIAN], planned)
            query = _query(leg, Phase.UNDER_WAY, departure - planned)
        quantiles = self._predict(query, now)
        if quantiles is None:
            return None
        since = planned if departure is None else departure
        return Onward(
            leg.leg_id,
            leg.mode,
            planned,
            minutes(leg.planned_arrival),
            None if leg.cutoff is None or not scheduled else minutes(leg.cutoff),
            leg.service_id if scheduled else None,
            tuple(value - since for value in quantiles),
            dwell,
            self.model.habits.following(leg.leg_id, planned) if scheduled else None,
            least_dwell=0.0 if dwell is _READY else visit.least,
        )


_READY = (0.0,) * len(LEVELS)
_FRESHNESS = (Signal.LIVE, Signal.AGEING, Signal.STALE, Signal.LOST)


def query_of(leg: PlannedLeg, departure: datetime | None, now: datetime) -> Query:
    """What to ask of a model about a leg.

    Args:
        leg: The leg, as planned.
        departure: The actual one, once it is known.
        now: When it is asked.
    """
    planned = minutes(leg.planned_departure)
    if departure is not None:
        return _query(leg, Phase.UNDER_WAY, minutes(departure) - planned)
    return _query(leg, Phase.BEFORE, max(0.0, minutes(now) - planned))  # so late at least


def visit_of(before: PlannedLeg, leg: PlannedLeg) -> Visit:
    """The stay between two legs, as planned."""
    gap = (leg.closes - before.planned_arrival).total_seconds() / 60
    return Visit(leg.from_node, before.mode, leg.mode, goes_through(before, leg), gap)


def goes_through(before: PlannedLeg, leg: PlannedLeg) -> bool:
    """Whether one conveyance does both legs: nobody changes, and nothing is missed."""
    if before.mode is not leg.mode:
        return False
    if leg.run_id is not None and leg.run_id == before.run_id:
        return True
    if leg.service_id is not None or before.service_id is not None:
        return leg.service_id == before.service_id and leg.carrier_id == before.carrier_id
    return leg.run_id is None and before.run_id is None


def _query(leg: PlannedLeg, phase: Phase, delay: float) -> Query:
    return Query(
        leg.mode,
        phase,
        leg.leg_id,
        leg.from_node,
        leg.to_node,
        leg.service_id,
        leg.carrier_id,
        minutes(leg.planned_departure),
        minutes(leg.planned_arrival),
        delay,
    )


def _current(states: Sequence[Progress], stages: Sequence[Stage]) -> int | None:
    """The leg that the unit is on, or will be on next."""
    for index, (state, stage) in enumerate(zip(states, stages, strict=True)):
        if state.arrival is None and stage is not Stage.DONE:
            return index
    return None


def _times(quantiles: Quantiles) -> tuple[datetime, ...]:
    return tuple(EPOCH + timedelta(minutes=value) for value in quantiles)


def _late(leg: PlannedLeg, quantiles: Quantiles) -> float:
    tolerated = minutes(leg.planned_arrival) + OVERDUE_AFTER[leg.mode].total_seconds() / 60
    return round(min(max(1 - probability(quantiles, tolerated), 0.0), 1.0), 4)


def _since(journey: Journey, leg: PlannedLeg, now: datetime) -> datetime:
    """After which it is looked at again: not before its plan was known, as long as it is no
    history."""
    return max(now, journey.known_at) if leg.planned_arrival > journey.known_at else now


def _band(missed: float | None) -> int:
    return sum(missed >= bound for bound in MISS_BANDS) if missed is not None else -1


def _review(
    leg: PlannedLeg, stage: Stage, times: tuple[datetime, ...], now: datetime
) -> datetime | None:
    """When it is worth a look again, though nothing was told."""
    duration = leg.planned_arrival - leg.planned_departure
    soonest = now + max(_PATIENCE, duration * _LEAST_STEP)
    if stage is Stage.EN_ROUTE:
        due = next((time for time in times[MEDIAN:] if time > now), now)
        # beyond all quantiles, as long again as it is late already
        return max(due, soonest, now + (now - leg.planned_arrival) / 4)
    if stage is Stage.OVERDUE:
        return max(soonest, now + (now - leg.planned_departure))
    return _checkpoint(leg, now)


def _checkpoint(leg: PlannedLeg, now: datetime) -> datetime | None:
    times = (leg.planned_departure - before for before in CHECKPOINTS)
    return next((time for time in times if time > now), None)


NAIVE = Estimator(Model())
"""Has learned nothing."""
