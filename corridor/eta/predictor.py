"""The online model of one mode in one phase.

    the timetable plus the known delay
    + a robust linear model of what recent runs came to, at every level  (Huber-RLS)
    + the same once more, with what that model has lately erred by       (boosting)
    + seven quantiles of what is left                                    (online regression)
    + an offset per level and delay, so that coverage holds              (quantile tracking)

It learns from the first outcome on; there is no training. Errors are in units of `Query.scale`.
"""

from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corridor.codes import Mode
from corridor.eta.cells import Cells, levels_of
from corridor.eta.distribution import LEVELS, MEDIAN, Quantiles
from corridor.eta.factors import Factors
from corridor.eta.query import DAY, HOUR, KEYS, PARENTS, Phase, Query
from corridor.eta.regression import HuberRegression, QuantileRegression, Standardiser

Floats = NDArray[np.float64]

PACE = {Mode.AIR: 1.0, Mode.TRUCK: 2.4, Mode.RAIL: 5.0, Mode.BARGE: 10.0, Mode.VESSEL: 20.0}
"""How much slower than in the air the state of the network changes, by the length of legs."""

SLOW, RECENT, BOOSTED = 45 * DAY, 10 * DAY, 14 * DAY
"""Time constants of habits; they are people's, and the same in all modes."""

_LEVELS = levels_of(PARENTS)
_DEPARTURE_LEVELS = levels_of((-1, 0, 0, 0))
_STRENGTHS = np.array([20, 12, 8, 8, 8, 6, 8, 8, 5, 6, 5, 4.0])
_FAMILIES = (
    *("target slow", "target recent", "residual 1 h", "residual 8 h"),
    *("error 1 h", "error 6 h", "error 24 h", "error 14 d", "spread 6 h", "spread 14 d"),
)
_PRIOR = np.array([0.0] * 8 + [0.9, 0.9])
_LEAST_SPREAD = np.array([-1.5, -1.2, -0.6, 0.0, 0.6, 1.4, 2.0])
_CUT = (-6.0, 9.0)
"""Beyond this an outcome is cut: it says something other than how long runs take."""


def _places(family: str, keys: str) -> list[int]:
    column = _FAMILIES.index(family)
    return [KEYS.index(key) * len(_FAMILIES) + column for key in keys.split()]


_STATE = np.array(
    _places("target slow", "all carrier to leg carrier-leg service from-time to-time")
    + _places("target recent", "all leg service carrier-leg to from-time leg-hour")
    + _places("residual 1 h", "all from to leg carrier")
    + _places("residual 8 h", "all from to leg carrier")
)
_ERRORS = np.array(
    _places("error 6 h", "all from to leg carrier from-time to-time carrier-to")
    + _places("error 24 h", "all from to leg carrier from-time to-time carrier-to")
    + _places("error 14 d", "leg-hour to-time service service-day from-time carrier-to")
    + _places("error 1 h", "all from to leg from-time")
)
_SPREADS = np.array(
    _places("spread 6 h", "all from to leg carrier service to-time")
    + _places("spread 14 d", "all from to leg carrier service to-time")
)
_OWN = 18
_OFFSET_RATE = 0.004
_DELAYS = (0.0, 1.5, 6.0)
"""Bounds of the groups by delay, in scales: early, a little late, late, very late."""


class Facts(NamedTuple):
    """What a prediction stood on, kept until its outcome teaches."""

    query: Query
    raw_state: Floats
    raw_errors: Floats
    state: Floats
    boosted: Floats
    spread: Floats
    first: float
    """What the first linear model said,"""
    center: float
    """and both together."""
    habit: float
    """The slow mean of its service."""
    raw: Floats
    """Quantiles before the offsets."""


class Departures:
    """How late runs have been leaving lately, from and to where: known hours before they arrive."""

    def __init__(self, pace: float) -> None:
        self._cells = Cells([45 * pace, 240 * pace, 30 * DAY])

    def read(self, query: Query, now: float) -> tuple[Floats, Floats]:
        """Means and weights, each (all, from, to, leg) x (now, lately, usually)."""
        prior = np.full(3, 0.5)
        return self._cells.read(
            self._keys(query), _DEPARTURE_LEVELS, np.array([10, 2, 2, 2.0]), prior, now
        )

    def add(self, query: Query, now: float) -> None:
        """Takes a run that has left `query.delay` late."""
        self._cells.add(self._keys(query), np.full(3, query.delay / query.scale), now)

    @staticmethod
    def _keys(query: Query) -> list[str]:
        return ["", f"from {query.from_node}", f"to {query.to_node}", f"leg {query.leg_id}"]


class Predictor:
    """See above."""

    def __init__(self, mode: Mode) -> None:
        pace = PACE[mode]
        hours = (HOUR * pace, 8 * HOUR * pace)
        errors = (HOUR * pace, 6 * HOUR * pace, 24 * HOUR * pace)
        self._cells = Cells([SLOW, RECENT, *hours, *errors, BOOSTED, 6 * HOUR * pace, BOOSTED])
        self._factors = [Factors(4, 4 * HOUR * pace), Factors(4, 12 * HOUR * pace)]
        size = _OWN + len(_STATE)
        self._state_scale = Standardiser(size)
        self._error_scale = Standardiser(1 + len(_ERRORS))
        self._first = HuberRegression(size)
        self._second = HuberRegression(size + len(_ERRORS))
        self._quantiles = QuantileRegression(8 + len(_SPREADS), _LEAST_SPREAD)
        self._offsets = np.zeros((len(_DELAYS) + 1, len(LEVELS)))
        self._shift = 0.0
        self.learned = 0
        """How many outcomes it has learned from."""

    def meet(self, facts: Facts) -> None:
        """Lets the features of a run that is to teach count for how features are scaled."""
        self._state_scale.learn(facts.raw_state)
        self._error_scale.learn(facts.raw_errors)

    def facts(self, query: Query, departures: Departures, now: float) -> Facts:
        """What there is to go by now."""
        means, _ = self._cells.read(query.keys(), _LEVELS, _STRENGTHS, _PRIOR, now)
        flat = means.ravel()
        late, count = departures.read(query, now)
        delay = query.delay / query.scale
        pieces = (
            min(delay, 0.0),
            min(max(delay, 0.0), 1.5),
            min(max(delay - 1.5, 0.0), 4.5),
            min(max(delay - 6.0, 0.0), 18.0),
        )
        angle = 2 * pi * (query.departure % DAY) / DAY
        length = (query.arrival - query.departure) / query.scale / 10
        lead = 0.0
        if query.phase is Phase.BEFORE:
            lead = min(max(query.departure - now, 0.0) / query.scale, 20.0) / 10
        own = (
            *(1.0, *pieces, sin(angle), cos(angle), sin(2 * angle), cos(2 * angle), length, lead),
            *(count[1, 0], late[1, 0], late[1, 1], late[1, 2], late[2, 0]),
            *(factors(query.leg_id, length, now) for factors in self._factors),
        )
        raw_state = np.concatenate([own, flat[_STATE]])
        raw_errors = np.concatenate([[1.0], flat[_ERRORS]])
        state, errors = self._state_scale(raw_state), self._error_scale(raw_errors)
        boosted = np.concatenate([state, errors[1:]])
        shape = (1.0, *map(abs, pieces), abs(sin(angle)), cos(angle), length)
        spread = np.concatenate([shape, flat[_SPREADS]])
        center = self._second(boosted) + self._shift
        raw = center + self._quantiles(spread)
        raw[MEDIAN] = center
        habit = float(means[KEYS.index("service"), 0])
        first = self._first(state)
        return Facts(
            query, raw_state, raw_errors, state, boosted, spread, first, center, habit, raw
        )

    def quantiles(self, facts: Facts) -> Quantiles:
        """Arrival, minutes since 1970."""
        query = facts.query
        # until it has seen some outcomes, it does not pretend to know
        widen = 1 + 0.5 / (1 + self.learned / 50)
        off = (facts.raw + self._offsets[_group(query)] - facts.center) * widen
        off[:MEDIAN].sort()
        off[MEDIAN + 1 :].sort()
        np.minimum(off[:MEDIAN], 0.0, out=off[:MEDIAN])
        np.maximum(off[MEDIAN:], 0.0, out=off[MEDIAN:])
        return tuple((query.naive + query.scale * (facts.center + off)).tolist())

    def learn(self, facts: Facts, arrival: float, now: float) -> None:
        """Takes an outcome: the arrival that these facts led to, minutes since 1970."""
        query = facts.query
        exact = (arrival - query.naive) / query.scale
        target = min(max(exact, _CUT[0]), _CUT[1])
        self._first.learn(facts.state, target)
        self._second.learn(facts.boosted, target)
        self.learned += 1
        step = max(0.002, 0.1 * self.learned**-0.5)
        self._shift += step * (0.5 if exact > facts.center else -0.5)
        self._quantiles.learn(facts.spread, target - facts.center)
        group = _group(query)
        below = exact < facts.raw + self._offsets[group]
        self._offsets[group] += _OFFSET_RATE * (np.asarray(LEVELS) - below)
        self._offsets[group, MEDIAN] = 0.0
        residual = min(max(exact - facts.habit, -4.0), 6.0)
        error = min(max(exact - facts.first, -3.0), 4.0)
        spread = min(abs(exact - facts.center), 6.0)
        values = (target, target, residual, residual, error, error, error, error, spread, spread)
        self._cells.add(query.keys(), np.array(values), now)
        length = (query.arrival - query.departure) / query.scale / 10
        for factors in self._factors:
            factors.learn(query.leg_id, length, residual, now)


def _group(query: Query) -> int:
    delay = query.delay / query.scale
    return sum(delay > bound for bound in _DELAYS)
