"""What is known of a run or shipment as a whole, for units whose plan is yet to come.

An event of a run is applied at once to every unit aboard. It is also kept here, so that a unit
whose itinerary, or whose loading, is told later still learns of it.
"""

from datetime import datetime, timedelta

import msgspec

from corridor.tracking.unit import BEGINNING, Milestone
from corridor.tracking.update import HOLD_MS, KEEP

MOST_MILESTONES = 256
"""Milestones of one run that are kept; beyond, the oldest are forgotten."""

LATE_PLANS = timedelta(days=60) + KEEP
"""How long after its last event a run is remembered: the longest journeys take two months."""


class Shared(msgspec.Struct, array_like=True):
    """A run, or a shipment."""

    subject: str
    milestones: list[Milestone] = []
    touched_ms: int = 0

    @property
    def release_time(self) -> datetime:
        """The event time at which it may be forgotten."""
        return max((m.event_time for m in self.milestones), default=BEGINNING) + LATE_PLANS

    def held_until(self) -> int:
        """The receiver's time before which it must not be forgotten, in milliseconds."""
        return self.touched_ms + HOLD_MS


def remember(shared: Shared, milestone: Milestone, received_ms: int) -> bool:
    """Keeps the newest version of each milestone; False if this one was known already."""
    for index, known in enumerate(shared.milestones):
        if known.event_id == milestone.event_id and known.source == milestone.source:
            if not milestone.supersedes(known):
                return False
            shared.milestones[index] = milestone
            break
    else:
        shared.milestones.append(milestone)
        shared.milestones.sort(key=lambda m: (m.event_time, m.source, m.event_id))
        del shared.milestones[:-MOST_MILESTONES]
    shared.touched_ms = max(shared.touched_ms, received_ms)
    return True
