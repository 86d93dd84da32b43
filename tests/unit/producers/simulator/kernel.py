"""What the workers do with messages, in one process; and what has to come of it."""

from datetime import datetime, timedelta
from typing import Any

from corridor.codes import Ending
from corridor.models import Itinerary, LegOutcome, TrackingEvent
from corridor.tracking.shared import Shared, remember
from corridor.tracking.unit import Unit
from corridor.tracking.update import (
    Output,
    apply_event,
    apply_itinerary,
    apply_shared,
    milestone_of,
)

FUTURE = timedelta(hours=24)

Leg = tuple[str, str, int]
"""Unit, shipment, sequence."""
Fate = tuple[Ending, datetime | None, datetime | None, str | None]
"""Ending, departure, arrival, run."""


class Kernel:
    """Takes messages in order; keeps what is said about them."""

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}
        self.shared: dict[str, Shared] = {}
        self.out: list[Output] = []

    def take(self, message: Itinerary | TrackingEvent, available: datetime) -> None:
        if isinstance(message, Itinerary):
            unit = self.units.setdefault(message.unit_id, Unit(message.unit_id))
            apply_itinerary(unit, message, self.out)
            self._board(unit)
            return
        milestone = milestone_of(message)
        if milestone is None or message.event_time > available + FUTURE:
            return
        if message.unit_id is not None:
            unit = self.units.setdefault(message.unit_id, Unit(message.unit_id))
            apply_event(unit, message, self.out)
            self._board(unit)
            return
        shared = self.shared.setdefault(message.subject, Shared(message.subject))
        if remember(shared, milestone, 0):
            for unit in self.units.values():
                if message.subject in unit.subjects():
                    apply_shared(unit, milestone, self.out)

    def _board(self, unit: Unit) -> None:
        for subject in sorted(unit.subjects() & self.shared.keys()):
            for milestone in self.shared[subject].milestones:
                apply_shared(unit, milestone, self.out)

    def fates(self) -> dict[Leg, Fate]:
        """What was said last of each leg that has ended."""
        last = {
            (o.unit_id, o.shipment_id, o.sequence): o for o in self.out if isinstance(o, LegOutcome)
        }
        return {
            key: (o.ending, o.actual_departure, o.actual_arrival, o.run_id)
            for key, o in last.items()
            if not o.retracted
        }


def true_fates(rows: list[dict[str, Any]]) -> dict[Leg, Fate]:
    """The same from the `unit_leg` rows of a truth."""
    return {
        (row["unit_id"], row["shipment_id"], row["sequence"]): (
            Ending(row["ending"]),
            _moment(row["actual_departure"]),
            _moment(row["actual_arrival"]),
            row["run_id"],
        )
        for row in rows
        if row["ending"] is not None
    }


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
