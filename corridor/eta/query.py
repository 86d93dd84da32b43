"""What is asked: when will this run arrive at the end of this leg?"""

from datetime import UTC, datetime
from enum import StrEnum
from math import sqrt
from sys import intern
from typing import NamedTuple

from corridor.codes import Mode

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

DAY = 1440.0
HOUR = 60.0


class Phase(StrEnum):
    """Before and after departure: what can be known, and so what is learned, differs."""

    BEFORE = "BEFORE"
    UNDER_WAY = "UNDER_WAY"


class Horizon(StrEnum):
    """How far ahead it is asked: the nearer, the more the state of the hour says."""

    AHEAD = "AHEAD"
    TODAY = "TODAY"
    SOON = "SOON"
    OVERDUE = "OVERDUE"
    """It should have left, and nothing was heard: another question than how late it will leave."""
    UNDER_WAY = "UNDER_WAY"


_TODAY, _SOON = 7 * HOUR, HOUR
"""Minutes before departure, about half way (as ratios) between a day, two and half an hour: the
moments at which runs are looked at."""


def minutes(time: datetime) -> float:
    """Minutes since 1970."""
    return (time - EPOCH).total_seconds() / 60


class Query(NamedTuple):
    """One run on one leg; times in minutes since 1970."""

    mode: Mode
    phase: Phase
    leg_id: str
    from_node: str
    to_node: str
    service_id: str | None
    carrier_id: str | None
    departure: float
    """Planned."""
    arrival: float
    """Planned."""
    delay: float
    """How late it has departed; before that, how late it will be at least, as far as is known."""

    @property
    def naive(self) -> float:
        """The timetable plus the last known delay: what is corrected, and scored against."""
        return self.arrival + self.delay

    @property
    def scale(self) -> float:
        """The unit in which errors are learned, minutes: longer legs err by more."""
        if self.mode is Mode.AIR:
            return 10.0
        return max(5.0, 2.0 * sqrt(self.arrival - self.departure))

    @property
    def length(self) -> float:
        """The planned duration, as a feature."""
        return (self.arrival - self.departure) / self.scale / 10

    def horizon(self, now: float) -> Horizon:
        """How far ahead it is asked, at `now`, minutes."""
        if self.phase is Phase.UNDER_WAY:
            return Horizon.UNDER_WAY
        lead = self.departure - now
        if lead > _TODAY:
            return Horizon.AHEAD
        if lead > _SOON:
            return Horizon.TODAY
        return Horizon.SOON if lead > 0 else Horizon.OVERDUE

    def lasting(self) -> "Query":
        """The same, with texts that all queries share: to be kept."""
        return self._replace(
            leg_id=intern(self.leg_id),
            from_node=intern(self.from_node),
            to_node=intern(self.to_node),
            service_id=self.service_id and intern(self.service_id),
            carrier_id=self.carrier_id and intern(self.carrier_id),
        )

    def places(self) -> list[str]:
        """Where it leads: everywhere, from, to, and both."""
        return ["", f"from {self.from_node}", f"to {self.to_node}", f"leg {self.leg_id}"]

    def keys(self) -> list[str]:
        """What it has in common with other runs, from general to special; see `PARENTS`."""
        leg, carrier, service = self.leg_id, self.carrier_id or "", self.service_id or ""
        out, home = int(self.departure % DAY), int(self.arrival % DAY)
        day = int(self.departure // DAY) % 7
        return [
            "",
            f"carrier {carrier}",
            f"from {self.from_node}",
            f"to {self.to_node}",
            f"leg {leg}",
            f"carrier-leg {carrier} {leg}",
            f"from-time {self.from_node} {out // 30}",
            f"to-time {self.to_node} {home // 30}",
            f"leg-hour {leg} {out // 60}",
            f"carrier-to {carrier} {self.to_node}",
            f"service {service} {leg}",
            f"service-day {service} {leg} {day}",
        ]


KEYS = (
    "all",
    "carrier",
    "from",
    "to",
    "leg",
    "carrier-leg",
    "from-time",
    "to-time",
    "leg-hour",
    "carrier-to",
    "service",
    "service-day",
)
"""The names of `Query.keys`, in their order."""

PARENTS = (-1, 0, 0, 0, 0, 4, 2, 3, 4, 3, 5, 10)
"""For each key, the position of the more general one. Those as far from the first one as each
other stand together."""
