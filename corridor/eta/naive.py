"""The first estimator: the timetable, then the timetable plus the last known delay.

It states no interval, since it knows none. What the learned engine must beat.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from corridor.codes import Stage
from corridor.tracking.stages import OVERDUE_AFTER, Progress
from corridor.tracking.unit import PlannedLeg

MODEL_VERSION = "naive-1"


def etas(
    legs: Sequence[PlannedLeg], states: Sequence[Progress], stages: Sequence[Stage]
) -> Iterator[tuple[datetime | None, str]]:
    """Yields (arrival, evidence) per leg; no arrival where there will be none.

    A delay is not copied across a node: the slack between two legs is used up first.
    """
    upstream: datetime | None = None
    for leg, state, stage in zip(legs, states, stages, strict=True):
        eta: datetime | None
        if state.arrival is not None:
            eta, evidence = state.arrival, "ARRIVED"
        elif stage is Stage.DONE:
            eta, evidence = None, "PASSED" if state.ending is None else state.ending.value
        elif state.departure is not None:
            eta, evidence = leg.planned_arrival + (state.departure - leg.planned_departure), "DELAY"
        else:
            eta, evidence = leg.planned_arrival, "TIMETABLE"
            if stage is Stage.OVERDUE:
                eta, evidence = eta + OVERDUE_AFTER[leg.mode], "OVERDUE"
            if upstream is not None:
                knock_on = leg.planned_arrival + (upstream - leg.planned_departure)
                if knock_on > eta:
                    eta, evidence = knock_on, "UPSTREAM"
        upstream = eta
        yield eta, evidence
