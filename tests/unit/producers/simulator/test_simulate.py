"""The simulated world keeps its promises; what is told of it ends in its truth."""

import json
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest

from corridor.codes import Classifier, Reject
from corridor.models import Itinerary, LegOutcome, TrackingEvent
from corridor.network import corridors
from corridor.tracking.shared import Shared, remember
from corridor.tracking.unit import Unit
from corridor.tracking.update import (
    Output,
    apply_event,
    apply_itinerary,
    apply_shared,
    milestone_of,
)
from producers.replay.lines import parse
from producers.replay.ordering import Sorter
from producers.replay.record import Record, to_line, to_time
from producers.simulator.simulate import Parameters, Replay, simulate

CORRIDORS = [corridor.corridor_id for corridor in corridors.corridors()]
FUTURE = timedelta(hours=24)
Row = dict[str, Any]


@cache
def simulated(
    corridor_id: str, shipments: int = 60, seed: int = 1, noise: str = "normal", loss: float = 0.0
) -> tuple[tuple[Record, ...], tuple[Row, ...]]:
    sorter = Sorter()
    lines: list[bytes] = []
    parameters = Parameters(corridor_id, shipments, seed, noise=noise, loss=loss, days=60)
    simulate(parameters, Replay(sorter), lines.append)
    return tuple(sorter.sorted()), tuple(json.loads(line) for line in lines)


def rows(corridor_id: str, kind: str, **options: Any) -> list[Row]:
    return [row for row in simulated(corridor_id, **options)[1] if row["kind"] == kind]


def events(corridor_id: str, **options: Any) -> list[Row]:
    return [
        json.loads(record.value)
        for record in simulated(corridor_id, **options)[0]
        if not record.is_itinerary
    ]


def itineraries(corridor_id: str, **options: Any) -> list[Row]:
    return [
        json.loads(record.value)
        for record in simulated(corridor_id, **options)[0]
        if record.is_itinerary
    ]


class Kernel:
    """What the workers do with messages, in one process."""

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}
        self.shared: dict[str, Shared] = {}
        self.out: list[Output] = []

    def take(self, record: Record) -> Reject | None:
        line = to_line(record).strip()
        known = parse(line, "simulated", 1)
        if not isinstance(known, Record):
            return known.reason
        if record.is_itinerary:
            itinerary = Itinerary.model_validate_json(record.value)
            unit = self.units.setdefault(itinerary.unit_id, Unit(itinerary.unit_id))
            apply_itinerary(unit, itinerary, self.out)
            self._board(unit)
            return None
        event = TrackingEvent.model_validate_json(record.value)
        if (
            event.classifier is Classifier.ACTUAL
            and event.event_time > to_time(record.available) + FUTURE
        ):
            return Reject.FUTURE
        milestone = milestone_of(event)
        if milestone is None:
            return None
        if event.unit_id is not None:
            unit = self.units.setdefault(event.unit_id, Unit(event.unit_id))
            apply_event(unit, event, self.out)
            self._board(unit)
            return None
        shared = self.shared.setdefault(event.subject, Shared(event.subject))
        if remember(shared, milestone, 0):
            for unit in self.units.values():
                if event.subject in unit.subjects():
                    apply_shared(unit, milestone, self.out)
        return None

    def _board(self, unit: Unit) -> None:
        for subject in sorted(unit.subjects() & self.shared.keys()):
            for milestone in self.shared[subject].milestones:
                apply_shared(unit, milestone, self.out)

    def outcomes(self) -> dict[tuple[str, str, int], LegOutcome]:
        last = {
            (o.unit_id, o.shipment_id, o.sequence): o for o in self.out if isinstance(o, LegOutcome)
        }
        return {key: outcome for key, outcome in last.items() if not outcome.retracted}


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@pytest.mark.parametrize("noise", ["none", "normal", "harsh"])
@pytest.mark.parametrize("corridor_id", CORRIDORS)
def test_what_is_told_ends_in_the_truth(corridor_id: str, noise: str) -> None:
    kernel = Kernel()
    for record in simulated(corridor_id, 30, noise=noise)[0]:
        kernel.take(record)
    told = {
        key: (o.ending, o.actual_departure, o.actual_arrival, o.run_id)
        for key, o in kernel.outcomes().items()
    }
    true = {
        (row["unit_id"], row["shipment_id"], row["sequence"]): (
            row["ending"],
            moment(row["actual_departure"]),
            moment(row["actual_arrival"]),
            row["run_id"],
        )
        for row in rows(corridor_id, "unit_leg", shipments=30, noise=noise)
        if row["ending"] is not None
    }
    assert {
        key: (told.get(key), value) for key, value in true.items() if told.get(key) != value
    } == {}
    assert told.keys() <= true.keys()
