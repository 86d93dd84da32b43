"""The online model of one mode in one phase.

    the timetable plus the known delay
    + a robust linear model of what recent runs came to, at every level  (Huber-RLS)
    + the same once more, with what that model has lately erred by       (boosting)
    + seven quantiles of what is left                                    (online regression)
    + an offset per level and delay, so that coverage holds              (quantile tracking)

It learns from the first outcome on; there is no training. Errors are in units of `Query.scale`.
"""

from bisect import bisect_left
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np

from corridor.codes import Mode
from corridor.eta import kernels
from corridor.eta.cells import Cells
from corridor.eta.component import Composite, Floats, Numbers
from corridor.eta.distribution import MEDIAN, Quantiles
from corridor.eta.factors import Factors
from corridor.eta.query import DAY, HOUR, KEYS, PARENTS, Phase, Query
from corridor.eta.regression import LEVELS, HuberRegression, QuantileRegression, Standardiser

PACE = {Mode.AIR: 1.0, Mode.TRUCK: 2.4, Mode.RAIL: 5.0, Mode.BARGE: 10.0, Mode.VESSEL: 20.0}
"""How much slower than in the air the state of the network changes, by the length of legs."""

SLOW, RECENT, BOOSTED = 45 * DAY, 10 * DAY, 14 * DAY
"""Time constants of habits; they are people's, and the same in all modes."""

_STRENGTHS = (20, 12, 8, 8, 8, 6, 8, 8, 5, 6, 5, 4)
_FAMILIES = (
    *("target slow", "target recent", "residual 1 h", "residual 8 h"),
    *("error 1 h", "error 6 h", "error 24 h", "error 14 d", "spread 6 h", "spread 14 d"),
)
_PRIOR = [0.0] * 8 + [0.9, 0.9]
_LEAST_SPREAD = np.array([-1.5, -1.2, -0.6, 0.0, 0.6, 1.4, 2.0])
_CUT = (-6.0, 9.0)
"""Beyond this an outcome is cut: it says something other than how long runs take."""


def _places(family: str, keys: str) -> list[int]:
    column = _FAMILIES.index(family)
    return [KEYS.index(key) * len(_FAMILIES) + column for key in keys.split()]


_STATE = (
    _places("target slow", "all carrier to leg carrier-leg service from-time to-time")
    + _places("target recent", "all leg service carrier-leg to from-time leg-hour")
    + _places("residual 1 h", "all from to leg carrier")
    + _places("residual 8 h", "all from to leg carrier")
)
_ERRORS = (
    _places("error 6 h", "all from to leg carrier from-time to-time carrier-to")
    + _places("error 24 h", "all from to leg carrier from-time to-time carrier-to")
    + _places("error 14 d", "leg-hour to-time service service-day from-time carrier-to")
    + _places("error 1 h", "all from to leg from-time")
)
_SPREADS = np.array(
    _places("spread 6 h", "all from to leg carrier service to-time")
    + _places("spread 14 d", "all from to leg carrier service to-time")
)
_LINEAR = np.array(_STATE + _ERRORS)
_OWN, _SHAPE = 18, 8
"""How many features are no means; and how many of those that the spread depends on."""
_FIRST, _SECOND = _OWN + len(_STATE), _OWN + len(_LINEAR)
"""How many features either linear model sees."""
_AROUND = _SHAPE + len(_SPREADS)
_OFFSET_RATE = 0.004
_DELAYS = (0.0, 1.5, 6.0)
"""Bounds of the groups by delay, in scales: early, a little late, late, very late."""

_SAID = slice(0, len(LEVELS))
_RAW = slice(_SAID.stop, _SAID.stop + _SECOND)
_KEPT = _RAW.stop
"""What `kernels.speak` gives: the quantiles, the features, and from here on what is to teach."""
_X = slice(0, _SECOND)
_SPREAD = slice(_SECOND, _SECOND + _AROUND)
_FIRST_SAID, _CENTER = _SPREAD.stop, _SPREAD.stop + 1
_PLAIN = slice(_CENTER + 1, _CENTER + 1 + len(LEVELS))
"""Quantiles before the offsets."""
_HABIT = _PLAIN.stop
"""The slow mean of the service."""
_SERVICE = KEYS.index("service")


class Facts(NamedTuple):
    """What a prediction stood on, kept until its outcome teaches."""

    query: Query
    numbers: bytes
    """In single precision; the slices above say where."""


class Departures(Cells):
    """How late runs have been leaving lately, from and to where: known hours before they arrive."""

    def __init__(self, pace: float) -> None:
        taus = (45 * pace, 240 * pace, 30 * DAY)
        super().__init__(taus, (-1, 0, 0, 0), (10, 2, 2, 2), (0.5, 0.5, 0.5))

    def late(self, query: Query, now: float) -> tuple[Floats, Floats]:
        """Means and weights, each (all, from, to, leg) x (now, lately, usually)."""
        return self.read(query.places(), now)

    def left(self, query: Query, now: float) -> None:
        """Takes a run that has left `query.delay` late."""
        self.add(query.places(), np.full(3, query.delay / query.scale), now)


class Calibration(Numbers):
    """How far quantiles have to be moved, by delay, so that each holds as often as it says."""

    def __init__(self) -> None:
        self._offsets: Floats = np.zeros((len(_DELAYS) + 1, len(LEVELS)))
        self._shift: Floats = np.zeros(1)
        self._learned: Floats = np.zeros(1)
        super().__init__([self._offsets, self._shift, self._learned])

    @property
    def learned(self) -> int:
        """From how many outcomes."""
        return int(self._learned[0])

    @property
    def shift(self) -> float:
        """Of the center."""
        return float(self._shift[0])

    def offsets(self, query: Query) -> Floats:
        """One per level."""
        group: Floats = self._offsets[bisect_left(_DELAYS, query.delay / query.scale)]
        return group

    def learn(self, query: Query, plain: Floats, center: float, exact: float) -> None:
        """Takes an outcome.

        Args:
            query: What was asked.
            plain: Quantiles before the offsets.
            center: The median, shift included.
            exact: What came of it.
        """
        self._learned[0] += 1
        step = max(0.002, 0.1 * self.learned**-0.5)
        self._shift[0] += step * (0.5 if exact > center else -0.5)
        offsets = self.offsets(query)
        offsets += _OFFSET_RATE * (LEVELS - (exact < plain + offsets))
        offsets[MEDIAN] = 0.0
        self.changed = True


class Predictor(Composite):
    """See above."""

    def __init__(self, mode: Mode) -> None:
        pace = PACE[mode]
        hours = (HOUR * pace, 8 * HOUR * pace)
        errors = (HOUR * pace, 6 * HOUR * pace, 24 * HOUR * pace)
        taus = (SLOW, RECENT, *hours, *errors, BOOSTED, 6 * HOUR * pace, BOOSTED)
        self._cells = Cells(taus, PARENTS, _STRENGTHS, _PRIOR)
        self._factors = Factors(4, 4 * HOUR * pace), Factors(4, 12 * HOUR * pace)
        self._scale = Standardiser(_SECOND)
        self._first, self._second = HuberRegression(_FIRST), HuberRegression(_SECOND)
        self._quantiles = QuantileRegression(_AROUND, _LEAST_SPREAD)
        self._calibration = Calibration()
        super().__init__(
            {
                "cells": self._cells,
                "factors 4 h": self._factors[0],
                "factors 12 h": self._factors[1],
                "scale": self._scale,
                "first": self._first,
                "second": self._second,
                "quantiles": self._quantiles,
                "calibration": self._calibration,
            }
        )

    @property
    def learned(self) -> int:
        """From how many outcomes."""
        return self._calibration.learned

    def quantiles(self, query: Query, departures: Departures, now: float) -> Quantiles:
        """Arrival, minutes since 1970."""
        found = self._speak(query, departures, now)
        scale = query.scale
        center = query.naive + scale * float(found[_KEPT + _CENTER])
        return tuple([center + scale * off for off in found[_SAID].tolist()])

    def meet(self, query: Query, departures: Departures, now: float) -> Facts:
        """Looks at a run that is to teach; how features are scaled is learned at once."""
        found = self._speak(query, departures, now)
        self._scale.learn(found[_RAW])
        return Facts(query, found[_KEPT:].astype(np.float32).tobytes())

    def learn(self, facts: Facts, arrival: float, now: float) -> None:
        """Takes an outcome: the arrival that these facts led to, minutes since 1970."""
        query = facts.query
        known = np.frombuffer(facts.numbers, np.float32).astype(np.float64)
        x, center = known[_X], float(known[_CENTER])
        exact = (arrival - query.naive) / query.scale
        target = min(max(exact, _CUT[0]), _CUT[1])
        self._first.learn(x, target)
        self._second.learn(x, target)
        self._quantiles.learn(known[_SPREAD], target - center)
        self._calibration.learn(query, known[_PLAIN], center, exact)
        residual = min(max(exact - float(known[_HABIT]), -4.0), 6.0)
        error = min(max(exact - float(known[_FIRST_SAID]), -3.0), 4.0)
        spread = min(abs(exact - center), 6.0)
        values = (target, target, residual, residual, error, error, error, error, spread, spread)
        self._cells.add(query.keys(), np.array(values), now)
        for factors in self._factors:
            factors.learn(query.leg_id, query.length, residual, now)

    def _speak(self, query: Query, departures: Departures, now: float) -> Floats:
        """What there is to go by now, and what follows; see the slices above."""
        means, _ = self._cells.read(query.keys(), now)
        late, count = departures.late(query, now)
        scale, length = query.scale, query.length
        delay = query.delay / scale
        pieces = (
            min(delay, 0.0),
            min(max(delay, 0.0), 1.5),
            min(max(delay - 1.5, 0.0), 4.5),
            min(max(delay - 6.0, 0.0), 18.0),
        )
        angle = 2 * pi * (query.departure % DAY) / DAY
        lead = 0.0
        if query.phase is Phase.BEFORE:
            lead = min(max(query.departure - now, 0.0) / scale, 20.0) / 10
        sine, cosine = sin(angle), cos(angle)
        own = (
            *(1.0, *pieces, sine, cosine, sin(2 * angle), cos(2 * angle), length, lead),
            *(count[1, 0], late[1, 0], late[1, 1], late[1, 2], late[2, 0]),
            *(factors(query.leg_id, length, now) for factors in self._factors),
        )
        shape = (1.0, *map(abs, pieces), abs(sine), cosine, length)
        found = np.empty(_KEPT + _HABIT + 1)
        kernels.speak(
            np.array(own),
            np.array(shape),
            means.ravel(),
            _LINEAR,
            _SPREADS,
            self._scale.moments,
            self._first.weights,
            self._second.weights,
            self._quantiles.weights,
            self._calibration.offsets(query),
            self._calibration.shift,
            # until it has seen some outcomes, it does not pretend to know
            1 + 0.5 / (1 + self.learned / 50),
            found,
        )
        found[-1] = means[_SERVICE, 0]
        return found
