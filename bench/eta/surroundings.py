"""What peers are told of the network: errors and delays of late, as fading means.

They are features that any team would build beside its model; ours are not used, so that the peers
stay the same when ours change.
"""

from math import cos, exp, pi, sin
from typing import NamedTuple

from corridor.eta.query import DAY, HOUR
from corridor.models import LegEstimate

STATIC = ("delay", "early", "late", "very late", "duration", "sin", "cos", "sin 2", "cos 2", "day")
CATEGORIES = ("carrier", "from", "to")
LIVE = (
    *("all 1 h", "from 1 h", "to 1 h", "leg 1 h", "carrier 1 h"),
    *("all 6 h", "from 6 h", "to 6 h", "leg 6 h", "carrier 6 h"),
    *("leg 45 d", "carrier-leg 45 d", "service 45 d", "to-hour 45 d", "from-hour 45 d"),
    *("leaving all 1 h", "leaving from 1 h", "leaving carrier 4 h"),
)


class Features(NamedTuple):
    """Of one run at one moment."""

    static: tuple[float, ...]
    """As named in STATIC."""
    names: tuple[str, ...]
    """As named in CATEGORIES."""
    live: tuple[float, ...]
    """As named in LIVE."""


class Surroundings:
    """Fading means; an unknown one is 0."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, ...], tuple[float, float, float]] = {}

    def features(self, said: LegEstimate, departure: float, arrival: float, now: float) -> Features:
        """What there is to go by now; times are minutes since 1970, planned ones of the run."""
        delay = 0.0
        if said.actual_departure is not None:
            delay = said.actual_departure.timestamp() / 60 - departure
        angle = 2 * pi * (departure % DAY) / DAY
        static = (
            delay,
            min(delay, 0.0),
            min(max(delay - 15.0, 0.0), 45.0),
            max(delay - 60.0, 0.0),
            arrival - departure,
            *(sin(angle), cos(angle), sin(2 * angle), cos(2 * angle)),
            float(departure // DAY % 7),
        )
        live = [self._mean(key, tau, now) for key, tau in _errors(said, departure, arrival)]
        live += [self._mean(key, tau, now) for key, tau in _leaving(said)]
        names = (said.carrier_id or "", said.from_node or "", said.to_node or "")
        return Features(static, names, tuple(live))

    def departed(self, said: LegEstimate, delay: float, now: float) -> None:
        """Takes how late a run has left."""
        for key, tau in _leaving(said):
            self._add(key, tau, delay, now)

    def arrived(
        self, said: LegEstimate, departure: float, arrival: float, error: float, now: float
    ) -> None:
        """Takes by how much a run came later than timetable plus delay."""
        for key, tau in _errors(said, departure, arrival):
            self._add(key, tau, error, now)

    def _mean(self, key: tuple[str, ...], tau: float, now: float) -> float:
        total, weight, at = self._cells.get(key, (0.0, 0.0, now))
        faded = exp((at - now) / tau)
        return total * faded / (weight * faded + 3.0)

    def _add(self, key: tuple[str, ...], tau: float, value: float, now: float) -> None:
        total, weight, at = self._cells.get(key, (0.0, 0.0, now))
        faded = exp(min(at - now, 0.0) / tau)
        self._cells[key] = (total * faded + value, weight * faded + 1.0, max(at, now))


Keys = list[tuple[tuple[str, ...], float]]


def _errors(said: LegEstimate, departure: float, arrival: float) -> Keys:
    carrier, leg = said.carrier_id or "", said.leg_id
    places = (
        ("all", ""),
        ("from", said.from_node or ""),
        ("to", said.to_node or ""),
        ("leg", leg),
        ("carrier", carrier),
    )
    slow = (
        ("leg", leg, "slow"),
        ("carrier-leg", carrier, leg),
        ("service", said.service_id or "", leg),
        ("to-hour", said.to_node or "", str(int(arrival % DAY // HOUR))),
        ("from-hour", said.from_node or "", str(int(departure % DAY // HOUR))),
    )
    return [
        *((("1", *key), HOUR) for key in places),
        *((("6", *key), 6 * HOUR) for key in places),
        *((key, 45 * DAY) for key in slow),
    ]


def _leaving(said: LegEstimate) -> Keys:
    return [
        (("leaving",), HOUR),
        (("leaving from", said.from_node or ""), HOUR),
        (("leaving carrier", said.carrier_id or ""), 4 * HOUR),
    ]
