"""Two plain estimators that learn from the same outcomes: what ETAs are held against.

Each says by how many minutes the timetable plus the last known delay will err. Neither knows a
distribution, nor what else goes on in the network today.
"""

from math import exp
from typing import NamedTuple, Protocol

from corridor.codes import Mode
from corridor.eta.query import DAY


class Trip(NamedTuple):
    """What a peer knows a run by."""

    mode: Mode
    leg_id: str
    carrier_id: str | None
    service_id: str | None
    departed: bool
    """Before departure the delay is not known, and other errors are to be expected."""


class Peer(Protocol):
    """See above. Times and errors are minutes."""

    def error(self, trip: Trip, now: float) -> float:
        """By how much a run will be later than timetable plus delay."""

    def learn(self, trip: Trip, error: float, now: float) -> None:
        """Takes by how much a run has been later."""


Cell = list[float]
"""What was added, its weight, and when; both fade."""


class HierarchicalMean:
    """The fading mean of a service, shrunk to that of its carrier on the leg, the leg, the mode.

    m = (S + k parent) / (W + k); S and W fade with exp(-dt / 45 days).
    """

    _FADE = 1 / (45 * DAY)
    _STRENGTHS = (20.0, 8.0, 8.0, 8.0)

    def __init__(self) -> None:
        self._cells: dict[tuple[object, ...], Cell] = {}
        self._chains: dict[Trip, tuple[Cell, ...]] = {}

    def error(self, trip: Trip, now: float) -> float:
        mean = 0.0
        for (total, weight, at), strength in zip(self._chain(trip), self._STRENGTHS, strict=True):
            faded = exp((at - now) * self._FADE)
            mean = (total * faded + strength * mean) / (weight * faded + strength)
        return mean

    def learn(self, trip: Trip, error: float, now: float) -> None:
        for cell in self._chain(trip):
            total, weight, at = cell
            faded = exp(min(at - now, 0.0) * self._FADE)
            cell[:] = (total * faded + error, weight * faded + 1.0, max(at, now))

    def _chain(self, trip: Trip) -> tuple[Cell, ...]:
        """From general to special; what was never seen weighs nothing."""
        chain = self._chains.get(trip)
        if chain is None:
            mode, leg, carrier, service, departed = trip
            keys = ((mode,), (mode, leg), (mode, leg, carrier), (mode, leg, carrier, service))
            cells = (self._cells.setdefault((departed, *key), [0.0, 0.0, 0.0]) for key in keys)
            chain = self._chains[trip] = tuple(cells)
        return chain


class _History(NamedTuple):
    """Of one service on one leg."""

    errors: tuple[tuple[float, float], ...]
    """When, and by how much; the newest last."""
    uncertainty: float


class TransitKalman:
    """What TheTransitClock does for buses: the last vehicle, blended with the same trip lately.

    g = (e + var) / (e + 2 var);  (1 - g) last + g mean;  then e = g var
    over the last three runs of the service within 21 days, and the last run on the leg, whoever
    ran it. Without one of them it rests on the other, without both on the timetable.
    """

    _MOST = 3
    _DAYS = 21 * DAY
    _UNCERTAINTY = 100.0

    def __init__(self) -> None:
        self._last: dict[tuple[bool, str], float] = {}
        self._services: dict[Trip, _History] = {}

    def error(self, trip: Trip, now: float) -> float:
        return self._blend(trip, now)[0]

    def learn(self, trip: Trip, error: float, now: float) -> None:
        _, uncertainty = self._blend(trip, now)
        known = self._services.get(trip)
        errors = () if known is None else known.errors[1 - self._MOST :]
        self._services[trip] = _History((*errors, (now, error)), uncertainty)
        self._last[trip.departed, trip.leg_id] = error

    def _blend(self, trip: Trip, now: float) -> tuple[float, float]:
        """The error, and how uncertain it is then."""
        last = self._last.get((trip.departed, trip.leg_id))
        known = self._services.get(trip)
        lately = [] if known is None else [e for at, e in known.errors if at > now - self._DAYS]
        if known is None or not lately:
            return last or 0.0, self._UNCERTAINTY
        mean = sum(lately) / len(lately)
        if last is None:
            return mean, known.uncertainty
        variance = sum((error - mean) ** 2 for error in lately) / len(lately)
        total = known.uncertainty + 2 * variance
        gain = (known.uncertainty + variance) / total if total else 0.5
        return (1 - gain) * last + gain * mean, variance * gain
