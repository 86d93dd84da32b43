"""Teaches a model by what the workers say: departures and plans from estimates, then outcomes."""

import heapq
from collections import OrderedDict
from datetime import datetime
from typing import TypeVar

from corridor.codes import Ending, Stage
from corridor.eta.model import MOST_OPEN, Model
from corridor.eta.query import Phase, Query, minutes
from corridor.models import LegEstimate, LegOutcome

T = TypeVar("T")

LEADS = (120.0, 30.0)
"""Minutes before departure at which it is noted what was known then."""


class Learner:
    """The only one that changes a model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._due: list[tuple[float, str, Query]] = []
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._planned: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def hear(self, said: LegEstimate | LegOutcome) -> None:
        """Takes what a worker has said; each unit of a run says the same, and counts once."""
        run = run_of(said)
        if isinstance(said, LegOutcome):
            self._outcome(run, said)
        elif said.stage is Stage.EN_ROUTE:
            self._departed(run, said)
        elif said.stage in (Stage.PLANNED, Stage.OVERDUE) and run not in self._gone:
            self._planned_to(run, said)

    def advance(self, now: datetime) -> None:
        """Notes what is known of the runs that are to leave soon."""
        reached = minutes(now)
        while self._due and self._due[0][0] <= reached:
            time, run, query = heapq.heappop(self._due)
            if run not in self._gone and self._planned.get(run) == (query.departure, query.arrival):
                self.model.ask(run, query, time)

    def _planned_to(self, run: str, said: LegEstimate) -> None:
        now, query = minutes(said.as_of), _query(said, Phase.BEFORE, 0.0)
        if said.stage is Stage.OVERDUE:
            overdue = query._replace(delay=max(0.0, now - query.departure))
            self.model.ask(run, overdue, now)
            return
        plan = (query.departure, query.arrival)
        if self._planned.get(run) == plan:
            return
        _note(self._planned, run, plan)
        for lead in LEADS:
            if query.departure - lead > now:
                heapq.heappush(self._due, (query.departure - lead, run, query))

    def _departed(self, run: str, said: LegEstimate) -> None:
        if run in self._gone or said.actual_departure is None:
            return
        _note(self._gone, run, None)
        delay = minutes(said.actual_departure) - minutes(said.planned_departure)
        query, now = _query(said, Phase.UNDER_WAY, delay), minutes(said.as_of)
        self.model.ask(run, query, now)
        self.model.departed(query, now)

    def _outcome(self, run: str, said: LegOutcome) -> None:
        _note(self._gone, run, None)
        if said.ending is Ending.ARRIVED and said.actual_arrival is not None and not said.retracted:
            self.model.arrived(run, minutes(said.actual_arrival), minutes(said.as_of))
            self.model.learned_until = max(said.as_of, self.model.learned_until or said.as_of)
        else:
            self.model.ended(run)


def run_of(said: LegEstimate | LegOutcome) -> str:
    """Names a run on a leg; a unit that travels alone is its own run."""
    run = said.run_id or f"{said.unit_id} {said.shipment_id} {said.sequence}"
    return f"{run} {said.leg_id}"


def _query(said: LegEstimate, phase: Phase, delay: float) -> Query:
    return Query(
        said.mode,
        phase,
        said.leg_id,
        said.from_node or "",
        said.to_node or "",
        said.service_id,
        said.carrier_id,
        minutes(said.planned_departure),
        minutes(said.planned_arrival),
        delay,
    )


def _note(table: OrderedDict[str, T], run: str, value: T) -> None:
    table[run] = value
    if len(table) > MOST_OPEN:
        table.popitem(last=False)
