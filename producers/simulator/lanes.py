"""The simulator's view of the geography: places, and legs cut into parts."""

from dataclasses import dataclass

from corridor.codes import Mode


@dataclass(frozen=True)
class Place:
    """A node."""

    node_id: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    """IANA name."""
    kind: str
    """BORDER, LOCK, or what else the network calls it."""


@dataclass(frozen=True, eq=False)
class Lane:
    """A leg, with what moving along it takes."""

    leg_id: str
    mode: Mode
    origin: Place
    target: Place
    hours: float
    """Median time under way, in fair weather."""
    carriers: tuple[str, ...]
    path: tuple[tuple[float, float, float], ...]
    """Fraction of the way, latitude, longitude."""
    parts: tuple[tuple[float, str], ...]
    """Up to which fraction of the way a run is in which area."""
    run_sigma: float
    """Of the log of a whole run's time."""
    onward: bool
    """Whether it begins in the middle of a route."""

    @property
    def international(self) -> bool:
        return self.origin.country != self.target.country

    @property
    def bound(self) -> str:
        """N, E, S or W: where it goes, more or less."""
        north = self.target.latitude - self.origin.latitude
        east = self.target.longitude - self.origin.longitude
        if abs(north) > abs(east):
            return "N" if north > 0 else "S"
        return "E" if east > 0 else "W"

    def position(self, fraction: float) -> tuple[float, float]:
        """Where a run is that is so far along."""
        for (before, lat, lon), (after, lat2, lon2) in zip(self.path, self.path[1:], strict=False):
            if fraction <= after:
                share = (fraction - before) / (after - before)
                return lat + (lat2 - lat) * share, lon + (lon2 - lon) * share
        return self.target.latitude, self.target.longitude
