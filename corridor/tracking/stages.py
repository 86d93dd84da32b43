"""The stage machine of a leg.

    PLANNED ──▶ OVERDUE ──▶ EN_ROUTE ──▶ AT_NODE ──▶ DONE

A stage is not stored but derived from the milestones, so that a late, corrected or retracted
event leads to the same stage in whatever order it came.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from operator import eq

from corridor.codes import Ending, Mode, Stage
from corridor.network.gazetteer import same_place
from corridor.tracking.unit import Milestone, PlannedLeg

MILESTONES = frozenset(
    {"LOADED", "DEPARTED", "ARRIVED", "DISCHARGED", "GATED_OUT", "CANCELLED", "DIVERTED"}
)
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

GEOFENCE = "corridor.geofence"
"""The source of what positions show; see `corridor.tracking.positions`."""

UNLOADS = frozenset({Mode.VESSEL, Mode.BARGE, Mode.RAIL})
"""Modes in which a unit is still aboard when its run has arrived."""

_ENDINGS = {"CANCELLED": Ending.CANCELLED, "DIVERTED": Ending.DIVERTED}
_DEPARTING = frozenset({"LOADED", "DEPARTED", "CANCELLED"})
_ABOARD = frozenset({"LOADED", "DEPARTED", "ARRIVED", "DISCHARGED"})
_LEAVES = frozenset({"DISCHARGED", "GATED_OUT"})


class Progress:
    """What has happened on one leg."""

    __slots__ = ("arrival", "departure", "ending", "left_node", "passed", "run_id", "seen_aboard")

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id  # that it goes by in fact: loaded into, else planned
        self.departure: datetime | None = None
        self.arrival: datetime | None = None
        self.ending: Ending | None = None
        self.left_node = False  # discharged or gated out
        self.passed = False  # a later leg has begun
        self.seen_aboard = False  # something was told of the unit itself, not of its run


def progress(legs: Sequence[PlannedLeg], milestones: Iterable[Milestone]) -> list[Progress]:
    """Folds the milestones of one journey, whatever their order, into the progress of its legs."""
    states = [Progress(leg.run_id) for leg in legs]
    valid = [milestone for milestone in milestones if not milestone.retracted]
    if len(valid) > 1:
        # what a party states outranks what positions show
        valid.sort(key=lambda m: (m.source == GEOFENCE, m.event_time, m.source, m.event_id))
    for milestone in valid:
        if milestone.code == "LOADED" and milestone.run_id is not None:
            _board(milestone.run_id, milestone.node_id, legs, states)
    for milestone in valid:
        index = leg_of(milestone, legs, states)
        if index is None or (milestone.shared and _left_before(milestone, legs[index], valid)):
            continue
        state, code = states[index], milestone.code
        if not milestone.shared and code in _ABOARD:
            state.seen_aboard = True
        if code == "DEPARTED":
            if state.departure is None:
                state.departure = milestone.event_time
            if state.ending is Ending.CANCELLED:
                state.ending = None  # it ran after all
        elif code == "ARRIVED":
            if milestone.source == GEOFENCE and state.ending is not None:
                continue
            if state.arrival is None:
                state.arrival = milestone.event_time
            state.ending = Ending.ARRIVED
        elif code in _ENDINGS:
            if state.arrival is None:
                state.ending = _ENDINGS[code]
        elif code in _LEAVES:
            state.left_node = True
    _leave_behind(states)
    begun = False
    for state in reversed(states):
        state.passed = begun
        begun = begun or state.departure is not None or state.arrival is not None
    return states


def _leave_behind(states: Sequence[Progress]) -> None:
    """Takes back what runs did without the unit: it had not come to where they left from."""
    stranded = False
    for before, state in pairwise(states):
        stranded = stranded or before.ending in (Ending.CANCELLED, Ending.DIVERTED)
        if state.seen_aboard:
            stranded = False
        missed = (
            before.arrival is not None
            and state.arrival is not None
            and before.arrival >= state.arrival
        )
        if stranded or (missed and not state.seen_aboard):
            state.departure = state.arrival = state.ending = None


def _board(
    run_id: str, node_id: str | None, legs: Sequence[PlannedLeg], states: Sequence[Progress]
) -> None:
    """A unit that was loaded goes by that run, whatever was planned."""
    if any(leg.run_id == run_id for leg in legs):
        return
    for leg, state in zip(legs, states, strict=True):
        if leg.from_node == node_id:
            state.run_id = run_id
            return


def _left_before(milestone: Milestone, leg: PlannedLeg, others: Sequence[Milestone]) -> bool:
    """Whether the unit had left the run, short of where it was to go, when this happened to it."""
    return any(
        other.code == "DISCHARGED"
        and not other.shared
        and other.run_id == milestone.run_id
        and other.node_id not in (None, leg.to_node)
        and other.event_time <= milestone.event_time
        for other in others
    )


def leg_of(
    milestone: Milestone, legs: Sequence[PlannedLeg], states: Sequence[Progress]
) -> int | None:
    """The leg that a milestone speaks of: the same run at a fitting node, else a fitting node.

    What is told of a whole run speaks only of legs that go by it. Who names only the place of a
    terminal, or the other way round, is understood where no leg has just that node.
    """
    departing = milestone.code in _DEPARTING
    candidates = _candidates(milestone, legs, states, eq)
    if not candidates and milestone.node_id is not None:
        candidates = _candidates(milestone, legs, states, same_place)
    if not candidates:
        return None
    for index in candidates:  # a node passed twice: the first visit that is still open
        if states[index].arrival is None or not departing:
            return index
    return candidates[-1]


def _candidates(
    milestone: Milestone,
    legs: Sequence[PlannedLeg],
    states: Sequence[Progress],
    same: Callable[[str, str], bool],
) -> list[int]:
    departing = milestone.code in _DEPARTING
    node, run = milestone.node_id, milestone.run_id
    ends = milestone.code in _ENDINGS
    same_run = [i for i, state in enumerate(states) if run is not None and state.run_id == run]
    if node is None:
        return same_run
    fitting = [
        index
        for index, leg in enumerate(legs)
        if same(node, leg.from_node if departing else leg.to_node)
    ]
    if milestone.shared and run is not None:
        return [
            index
            for index in same_run
            if index in fitting
            or (ends and (same(node, legs[index].from_node) or same(node, legs[index].to_node)))
        ]
    if ends:
        fitting += [index for index in same_run if index not in fitting]
    return [index for index in fitting if index in same_run] or fitting


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
