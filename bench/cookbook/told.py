"""What holds after a history, in Python over the messages themselves: no SQL, no tables.

Answers of SQL are compared with what is computed from this.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from pydantic import ValidationError

from bench.directly import Log
from corridor import topics
from corridor.models import (
    DeadLetter,
    Itinerary,
    Leg,
    LegEstimate,
    LegOutcome,
    Message,
    TrackingEvent,
)
from corridor.topics import Topic

M = TypeVar("M", bound=Message)

Journey = tuple[str, str]
"""Unit and shipment."""
LegKey = tuple[str, str, int]
"""Unit, shipment and sequence."""

A_DAY = timedelta(days=1)


class Heard(NamedTuple):
    """One delivery of an event."""

    event: TrackingEvent
    time: datetime
    """When Kafka took it."""


class Said(NamedTuple):
    """One estimate, in the order in which they were said."""

    as_of: datetime
    time: datetime
    offset: int
    estimate: LegEstimate


class Stay(NamedTuple):
    """A unit between two legs."""

    unit_id: str
    shipment_id: str
    node_id: str
    arrived: datetime
    departed: datetime | None
    planned_seconds: float


class Told:
    """All messages of a log, and what of them holds."""

    def __init__(self, log: Log) -> None:
        """Reads the log."""
        self._log = log
        sources = (topics.IOT, topics.PORT, topics.CUSTOMS, topics.CARRIER)
        self.heard = [
            Heard(event, time)
            for topic in sources
            for event, time, _ in self._of(topic, TrackingEvent)
        ]
        self.plans = [plan for plan, _, _ in self._of(topics.ITINERARIES, Itinerary)]
        self.outcomes_said = [said for said, _, _ in self._of(topics.OUTCOMES, LegOutcome)]
        self.dead_letters = [letter for letter, _, _ in self._of(topics.DEAD_LETTERS, DeadLetter)]

    def _of(self, topic: Topic, model: type[M]) -> Iterator[tuple[M, datetime, int]]:
        """Messages with the time and offset of their records; not what is none."""
        for record in self._log.of(topic):
            with suppress(ValidationError):
                message = model.model_validate_json(record.value)
                yield message, datetime.fromtimestamp(record.timestamp / 1000, UTC), record.offset

    @cached_property
    def estimates(self) -> dict[LegKey, list[Said]]:
        """Of each leg, in order."""
        found: dict[LegKey, list[Said]] = defaultdict(list)
        for said, time, offset in self._of(topics.ESTIMATES, LegEstimate):
            key = (said.unit_id, said.shipment_id, said.sequence)
            found[key].append(Said(said.as_of, time, offset, said))
        for of_leg in found.values():
            of_leg.sort(key=lambda one: one[:3])
        return found

    @cached_property
    def newest(self) -> dict[tuple[str, str], Heard]:
        """Every event in its newest version, also those taken back."""
        found: dict[tuple[str, str], Heard] = {}
        for heard in self.heard:
            key = (heard.event.source, heard.event.event_id)
            if key not in found or heard.event.updated_time >= found[key].event.updated_time:
                found[key] = heard
        return found

    @cached_property
    def events(self) -> list[Heard]:
        """Those that hold."""
        return [heard for heard in self.newest.values() if not heard.event.retracted]

    @cached_property
    def happened(self) -> list[TrackingEvent]:
        """Those that hold, have happened, and are not yet to come."""
        return [
            event
            for event, time in self.events
            if event.classifier == "ACTUAL" and event.event_time <= time + A_DAY
        ]

    @cached_property
    def itineraries(self) -> dict[Journey, Itinerary]:
        """The highest version of each."""
        found: dict[Journey, Itinerary] = {}
        for plan in self.plans:
            key = (plan.unit_id, plan.shipment_id)
            if key not in found or plan.version >= found[key].version:
                found[key] = plan
        return found

    @cached_property
    def legs(self) -> dict[LegKey, Leg]:
        """Every planned leg."""
        return {
            (unit, shipment, leg.sequence): leg
            for (unit, shipment), plan in self.itineraries.items()
            for leg in plan.legs
        }

    @cached_property
    def outcomes(self) -> dict[LegKey, LegOutcome]:
        """Every finished leg that holds."""
        found: dict[str, LegOutcome] = {}
        for said in self.outcomes_said:
            before = found.get(said.outcome_id)
            if before is None or said.updated_time >= before.updated_time:
                found[said.outcome_id] = said
        return {
            (o.unit_id, o.shipment_id, o.sequence): o for o in found.values() if not o.retracted
        }

    @cached_property
    def arrivals(self) -> list[LegOutcome]:
        """Finished legs that arrived."""
        return [
            outcome
            for outcome in self.outcomes.values()
            if outcome.ending == "ARRIVED" and outcome.actual_arrival is not None
        ]

    def believed(self, key: LegKey, moment: datetime) -> LegEstimate | None:
        """What was estimated of a leg at a moment."""
        of_leg = self.estimates.get(key, [])
        index = bisect_right(of_leg, moment, key=lambda said: said.as_of)
        return of_leg[index - 1].estimate if index else None

    @cached_property
    def stays(self) -> list[Stay]:
        """Every stay of a unit between two legs."""
        found = []
        for (unit, shipment), plan in self.itineraries.items():
            for leg, onward in pairwise(plan.legs):
                outcome = self.outcomes.get((unit, shipment, leg.sequence))
                if outcome is None or outcome.actual_arrival is None:
                    continue
                if leg.to_node == onward.from_node:
                    planned = onward.planned_departure - leg.planned_arrival
                    departed = self.departure((unit, shipment, onward.sequence))
                    found.append(
                        Stay(
                            unit,
                            shipment,
                            leg.to_node,
                            outcome.actual_arrival,
                            departed,
                            planned.total_seconds(),
                        )
                    )
        return found

    def departure(self, key: LegKey) -> datetime | None:
        """When a leg began, by its outcome or else by what was said of it last."""
        outcome = self.outcomes.get(key)
        if outcome is not None and outcome.actual_departure is not None:
            return outcome.actual_departure
        said = self.estimates.get(key)
        return said[-1].estimate.actual_departure if said else None


def delay(outcome: LegOutcome) -> float:
    """Seconds after the planned arrival."""
    assert outcome.actual_arrival is not None
    return (outcome.actual_arrival - outcome.planned_arrival).total_seconds()


def quantile(values: Iterable[float], level: float) -> float:
    """Linear between two values."""
    return float(np.quantile(np.array(list(values), float), level))
