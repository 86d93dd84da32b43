"""What is said of the legs of a journey: by the timetable, or by what has been learned."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from corridor.codes import Stage
from corridor.eta import naive
from corridor.eta.distribution import MEDIAN, Quantiles, not_before, probability
from corridor.eta.model import Model
from corridor.eta.query import EPOCH, Phase, Query, minutes
from corridor.tracking.stages import OVERDUE_AFTER, Progress
from corridor.tracking.unit import PlannedLeg

CHECKPOINTS = (timedelta(hours=24), timedelta(hours=2), timedelta(minutes=30))
"""So long before its departure, a leg is looked at again."""

LEAST_MOVE = timedelta(minutes=2)
LEAST_SHARE = 0.01
"""A median that has moved by less than either, of what is left, is not said again."""

_PATIENCE = timedelta(minutes=15)
_LEAST_STEP = 0.05
"""Of the planned duration; silence is not asked again sooner."""


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


class Estimator(Protocol):
    """Estimates the legs of one journey."""

    @property
    def version(self) -> str:
        """Names the model."""

    def estimates(
        self,
        legs: Sequence[PlannedLeg],
        states: Sequence[Progress],
        stages: Sequence[Stage],
        now: datetime,
    ) -> list[Estimate]:
        """One estimate per leg, as of `now`."""

    def material(self, said: datetime | None, estimate: Estimate, now: datetime) -> bool:
        """Whether an ETA differs enough from the one that was said last."""


class NaiveEstimator:
    """The timetable plus the last known delay; no interval."""

    version = naive.MODEL_VERSION

    def estimates(
        self,
        legs: Sequence[PlannedLeg],
        states: Sequence[Progress],
        stages: Sequence[Stage],
        now: datetime,
    ) -> list[Estimate]:
        return [Estimate(eta, evidence) for eta, evidence in naive.etas(legs, states, stages)]

    def material(self, said: datetime | None, estimate: Estimate, now: datetime) -> bool:
        return said != estimate.eta


NAIVE = NaiveEstimator()


class LearnedEstimator:
    """The naive estimate; that of the leg under way, or next, corrected by what was learned."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def version(self) -> str:
        return self.model.version

    def estimates(
        self,
        legs: Sequence[PlannedLeg],
        states: Sequence[Progress],
        stages: Sequence[Stage],
        now: datetime,
    ) -> list[Estimate]:
        found = []
        current = True
        plain = naive.etas(legs, states, stages)
        for leg, state, stage, (eta, evidence) in zip(legs, states, stages, plain, strict=True):
            estimate = Estimate(eta, evidence)
            open_ = state.arrival is None and stage is not Stage.DONE
            if open_ and current:
                estimate = self._current(leg, state, stage, estimate, now)
            current = current and not open_
            found.append(estimate)
        return found

    def _current(
        self, leg: PlannedLeg, state: Progress, stage: Stage, plain: Estimate, now: datetime
    ) -> Estimate:
        """The leg that the unit is on, or will be on next."""
        query = query_of(leg, state.departure, now)
        quantiles = self.model.predict(query, minutes(now))
        if quantiles is not None:
            return _estimate(query, leg, stage, quantiles, now, plain.evidence)
        if stage is Stage.PLANNED:  # by then, something may have been learned
            return plain._replace(review=_checkpoint(leg, now))
        return plain

    def material(self, said: datetime | None, estimate: Estimate, now: datetime) -> bool:
        if said is None or estimate.eta is None:
            return said is not estimate.eta
        least = max(LEAST_MOVE, LEAST_SHARE * (estimate.eta - now))
        return abs(estimate.eta - said) >= least


def query_of(leg: PlannedLeg, departure: datetime | None, now: datetime) -> Query:
    """What to ask of a model about a leg.

    Args:
        leg: The leg, as planned.
        departure: The actual one, once it is known.
        now: When it is asked.
    """
    planned = minutes(leg.planned_departure)
    if departure is not None:
        phase, delay = Phase.UNDER_WAY, minutes(departure) - planned
    else:
        phase, delay = Phase.BEFORE, max(0.0, minutes(now) - planned)  # as late as it is overdue
    return Query(
        leg.mode,
        phase,
        leg.leg_id,
        leg.from_node,
        leg.to_node,
        leg.service_id,
        leg.carrier_id,
        planned,
        minutes(leg.planned_arrival),
        delay,
    )


def _estimate(
    query: Query,
    leg: PlannedLeg,
    stage: Stage,
    quantiles: Quantiles,
    now: datetime,
    evidence: str,
) -> Estimate:
    if query.phase is Phase.UNDER_WAY:
        quantiles = not_before(quantiles, minutes(now))
        evidence = "LEARNED"
    else:
        evidence = f"LEARNED_{evidence}"
    times = tuple(EPOCH + timedelta(minutes=value) for value in quantiles)
    tolerated = query.arrival + OVERDUE_AFTER[leg.mode].total_seconds() / 60
    late = min(max(1 - probability(quantiles, tolerated), 0.0), 1.0)
    return Estimate(times[MEDIAN], evidence, times, round(late, 4), _review(leg, stage, times, now))


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
