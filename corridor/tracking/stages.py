"""The stage machine of a leg.

    PLANNED ──▶ OVERDUE ──▶ EN_ROUTE ──▶ AT_NODE ──▶ DONE

A stage is not stored but derived from the milestones, so that a late, corrected or retracted
event leads to the same stage in whatever order it came.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from corridor.codes import Ending, Mode, Stage
from corridor.tracking.unit import Milestone, PlannedLeg

MILESTONES = frozenset({"DEPARTED", "ARRIVED", "DISCHARGED", "GATED_OUT", "CANCELLED", "DIVERTED"})
"""Codes that can change a stage."""

OVERDUE_AFTER = {
    # The thresholds at which each mode calls a run late (research: air 15 min is the US DOT's).
    Mode.AIR: timedelta(minutes=15),
    Mode.TRUCK: timedelta(hours=1),
    Mode.RAIL: timedelta(hours=1),
    Mode.BARGE: timedelta(hours=4),
    Mode.VESSEL: timedelta(hours=12),
}
"""How long after its planned departure a leg that has not departed is overdue."""

UNLOADS = frozenset({Mode.VESSEL, Mode.BARGE, Mode.RAIL})
"""Modes in which a unit is still aboard when its run has arrived."""

_ENDINGS = {"CANCELLED": Ending.CANCELLED, "DIVERTED": Ending.DIVERTED}


class Progress:
    """What has happened on one leg."""

    __slots__ = ("arrival", "departure", "ending", "left_node", "passed")

    def __init__(self) -> None:
        self.departure: datetime | None = None
        self.arrival: datetime | None = None
        self.ending: Ending | None = None
        self.left_node = False  # discharged or gated out
        self.passed = False  # a later leg has begun


def progress(legs: Sequence[PlannedLeg], milestones: Iterable[Milestone]) -> list[Progress]:
    """Folds the milestones of one journey, whatever their order, into the progress of its legs."""
    states = [Progress() for _ in legs]
    for milestone in sorted(
        (m for m in milestones if not m.retracted),
        key=lambda m: (m.event_time, m.source, m.event_id),
    ):
        index = _leg_of(milestone, legs, states)
        if index is None:
            continue
        state, code = states[index], milestone.code
        if code == "DEPARTED":
            if state.departure is None:
                state.departure = milestone.event_time
            if state.ending is Ending.CANCELLED:
                state.ending = None  # it ran after all
        elif code == "ARRIVED":
            if state.arrival is None:
                state.arrival = milestone.event_time
            state.ending = Ending.ARRIVED
        elif code in _ENDINGS:
            if state.arrival is None:
                state.ending = _ENDINGS[code]
        else:
            state.left_node = True
    begun = False
    for state in reversed(states):
        state.passed = begun
        begun = begun or state.departure is not None or state.arrival is not None
    return states


def _leg_of(
    milestone: Milestone, legs: Sequence[PlannedLeg], states: Sequence[Progress]
) -> int | None:
    """The leg that a milestone speaks of: the same run at a fitting node, else a fitting node."""
    departing = milestone.code in ("DEPARTED", "CANCELLED")
    node, run = milestone.node_id, milestone.run_id
    fitting = [
        index
        for index, leg in enumerate(legs)
        if (run is not None and leg.run_id == run and node is None)
        or (node is not None and node == (leg.from_node if departing else leg.to_node))
        or (milestone.code in _ENDINGS and run is not None and leg.run_id == run)
    ]
    if not fitting:
        return None
    same_run = [index for index in fitting if run is not None and legs[index].run_id == run]
    candidates = same_run or fitting
    for index in candidates:  # a node passed twice: the first visit that is still open
        if states[index].arrival is None or not departing:
            return index
    return candidates[-1]


def stage(leg: PlannedLeg, state: Progress, now: datetime) -> Stage:
    """Stage of a leg at a time."""
    if state.arrival is not None:
        waits = leg.mode in UNLOADS and not state.left_node and not state.passed
        return Stage.AT_NODE if waits else Stage.DONE
    if state.ending is not None or state.passed:
        return Stage.DONE
    if state.departure is not None:
        return Stage.EN_ROUTE
    return Stage.OVERDUE if now >= overdue_time(leg) else Stage.PLANNED


def overdue_time(leg: PlannedLeg) -> datetime:
    """When the leg becomes overdue, should it not depart before."""
    return leg.planned_departure + OVERDUE_AFTER[leg.mode]
