"""The online model of one mode at one horizon.

    the timetable plus the known delay
    + what runs of this service usually come to
    + a robust linear model of what recent runs came to, at every level  (Huber-RLS)
    + the same once more, with what that model says and has erred by     (boosting)
    + seven quantiles of what is left                                    (online regression)
    + offsets by delay and carrier, so that coverage holds               (quantile tracking)

It learns from the first outcome on; there is no training. Errors are in units of `Query.scale`.
What is large or small among them follows from the typical error, the unit, which is learned too:
so legs of minutes and of weeks, and tails of any weight, need no other constants.
"""

from bisect import bisect_left
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np

from corridor.codes import Mode
from corridor.eta import kernels
from corridor.eta.cells import Cells
from corridor.eta.component import Composite, Floats, Numbers
from corridor.eta.departures import GROUPS, READ, Departures
from corridor.eta.distribution import MEDIAN, Quantiles
from corridor.eta.factors import Factors
from corridor.eta.query import DAY, HOUR, KEYS, PARENTS, Horizon, Query
from corridor.eta.regression import LEVELS, HuberRegression, QuantileRegression, Standardiser
from corridor.eta.table import Table

PACE = {Mode.AIR: 1.0, Mode.TRUCK: 2.4, Mode.RAIL: 5.0, Mode.BARGE: 10.0, Mode.VESSEL: 20.0}
"""How much slower than in the air the state of the network changes, by the length of legs."""

SLOW, RECENT, BOOSTED = 45 * DAY, 10 * DAY, 14 * DAY
"""Time constants of habits; they are people's, and the same in all modes."""

_STRENGTHS = (20, 12, 8, 8, 8, 6, 8, 8, 5, 6, 5, 4)
_FAMILIES = (
    *("target slow", "target recent", "residual 1 h", "residual 8 h"),
    *("error 1 h", "error 6 h", "error 24 h", "error 14 d", "spread 6 h", "spread 14 d"),
)
_PRIOR_VARIANCE = 0.003
"""Of weights: three hundred outcomes weigh as much as the belief that nothing matters but habit."""
_PRIOR = [0.0] * 8 + [0.9, 0.9]
_LEAST_SPREAD = np.array([-1.5, -1.2, -0.6, 0.0, 0.6, 1.4, 2.0])
_CUT = (-6.0, 9.0)
"""Beyond this, in units, an outcome is cut: it says something other than how long runs take."""
_RESIDUAL_CUT, _ERROR_CUT, _SPREAD_CUT = (-4.0, 6.0), (-3.0, 4.0), 6.0
_SURPRISE = 2.0
"""Units; of what is further from what was said, means take so much: medians are what is said."""


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
_SPREAD_KEYS = "all from to leg carrier service to-time"
_SPREADS = np.array(_places("spread 6 h", _SPREAD_KEYS) + _places("spread 14 d", _SPREAD_KEYS))
_OWN, _SHAPE = 18, 8
"""How many features are no means; and how many of those that the spread depends on."""
_PER_GROUP = READ + 1
_FIRST = _OWN + _PER_GROUP * len(GROUPS) + len(_STATE)
"""How many features the first model sees."""
_BENDING = np.array(
    [_OWN + _PER_GROUP * group + READ for group in range(len(GROUPS))]
    + [_FIRST - len(_STATE) + _STATE.index(_places("target slow", "service")[0])]
)
"""Features that are multiplied with what the first model says."""
_SECOND = _FIRST + 4 + len(_BENDING) + len(_ERRORS)
"""How many features the second model sees."""
_AROUND = _SHAPE + len(_SPREADS)
_LEG_SPREAD = _SHAPE + len(_SPREAD_KEYS.split()) + _SPREAD_KEYS.split().index("leg")
_LEG_SPREADS = (0.2, 5.0)
"""Legs are believed to be so much more or less certain than others, at most."""
_STATE_PLACES, _ERROR_PLACES = np.array(_STATE), np.array(_ERRORS)
_OFFSET_RATE, _SHIFT_RATE = 0.004, 0.0003
_OUTSTANDING = 300
"""Outcomes that come late are of one day, and alike: where more than so many are awaited at a time,
each moves the offsets by less, lest they follow yesterday."""
_WHOLE, _WHOLE_RATE = 0.98, 0.01
"""Of so many lately: arrivals are told in whole minutes."""
_FIRST_UNIT, _UNIT_RATE = 2, 0.0005
"""After so many outcomes the typical error is more its own than a scale; it follows this fast."""
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
_SHIFT, _SEEN = _HABIT + 1, _HABIT + 2
"""The shift of the center, and the number of outcomes then."""
_SERVICE = KEYS.index("service")


class Facts(NamedTuple):
    """What a prediction stood on, kept until its outcome teaches."""

    query: Query
    horizon: Horizon
    numbers: bytes
    """In single precision; the slices above say where."""


class Calibration(Composite):
    """The typical error, and how far quantiles have to be moved so that each holds as often as it
    says: by delay, and by carrier.
    """

    def __init__(self) -> None:
        self._offsets: Floats = np.zeros((len(_DELAYS) + 1, len(LEVELS)))
        self._shift: Floats = np.zeros(1)
        self._learned: Floats = np.zeros(1)
        self._unit: Floats = np.ones(1)
        self._whole: Floats = np.zeros(1)
        self._numbers = Numbers(
            [self._offsets, self._shift, self._learned, self._unit, self._whole]
        )
        self._carriers = Table(len(LEVELS), 365 * DAY)
        super().__init__({"numbers": self._numbers, "carriers": self._carriers})

    @property
    def learned(self) -> int:
        """From how many outcomes."""
        return int(self._learned[0])

    @property
    def shift(self) -> float:
        """Of the center, in scales."""
        return float(self._shift[0])

    @property
    def unit(self) -> float:
        """The typical error, in scales."""
        return float(self._unit[0])

    @property
    def whole(self) -> bool:
        """Whether arrivals are told in whole minutes."""
        return bool(self._whole[0] > _WHOLE)

    def offsets(self, query: Query) -> Floats:
        """One per level, in units."""
        offsets: Floats = self._offsets[_group(query)]
        place = self._carriers.place(query.carrier_id or "")
        return offsets if place < 0 else offsets + self._carriers.rows[place, :-1]

    def learn(
        self, query: Query, plain: Floats, center: float, exact: float, since: int, now: float
    ) -> None:
        """Takes an outcome.

        Args:
            query: What was asked.
            plain: Quantiles before the offsets.
            center: The median, shift included.
            exact: What came of it.
            since: Number of outcomes since it was asked.
            now: When.
        """
        self._learned[0] += 1
        unit, error = self.unit, abs(exact - center)
        patience = min(1.0, _OUTSTANDING / max(since, 1))
        step = max(_SHIFT_RATE, 0.05 * self.learned**-0.5) * unit
        self._shift[0] += step if exact > center else -step
        place = self._carriers.claim((query.carrier_id or "",), now)[0]
        kernels.calibrate(
            self._offsets[_group(query)],
            self._carriers.rows[place],
            LEVELS,
            plain,
            unit,
            exact,
            _OFFSET_RATE * patience,
            now,
        )
        rate = max(1 / (self.learned + _FIRST_UNIT), _UNIT_RATE)
        self._unit[0] += rate * (min(error, _SPREAD_CUT * unit) - unit)
        self._numbers.changed = True

    def read(self, arrival: float) -> None:
        """Notes how finely an arrival is told."""
        rate = max(1 / (self.learned + 1), _WHOLE_RATE)
        self._whole[0] += rate * (float(arrival.is_integer()) - self._whole[0])


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
        self._first, self._second = (
            HuberRegression(size, prior=_PRIOR_VARIANCE) for size in (_FIRST, _SECOND)
        )
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
        said = [center + scale * off for off in found[_SAID].tolist()]
        if not self._calibration.whole:
            return tuple(said)
        middle = float(round(said[MEDIAN]))  # the median of whole numbers is one
        early = [min(value, middle) for value in said[:MEDIAN]]
        return (*early, middle, *(max(value, middle) for value in said[MEDIAN + 1 :]))

    def meet(self, query: Query, horizon: Horizon, departures: Departures, now: float) -> Facts:
        """Looks at a run that is to teach; how features are scaled is learned at once."""
        found = self._speak(query, departures, now)
        self._scale.learn(found[_RAW])
        return Facts(query, horizon, found[_KEPT:].astype(np.float32).tobytes())

    def learn(self, facts: Facts, arrival: float, now: float) -> None:
        """Takes an outcome: the arrival that these facts led to, minutes since 1970."""
        query = facts.query
        known = np.frombuffer(facts.numbers, np.float32).astype(np.float64)
        x, center, habit = known[_X], float(known[_CENTER]), float(known[_HABIT])
        exact, unit = (arrival - query.naive) / query.scale, self._calibration.unit
        # outcomes come late: whoever goes by what was said then corrects himself too often
        moved = self._calibration.shift - float(known[_SHIFT])
        target = _cut(exact, _CUT, unit)
        spread = min(max(float(known[_SPREAD][_LEG_SPREAD]), _LEG_SPREADS[0]), _LEG_SPREADS[1])
        self._first.learn(x, target - habit, unit, spread)
        self._second.learn(x, target - habit, unit, spread)
        self._quantiles.learn(known[_SPREAD], (target - center) / unit)
        since = self.learned - int(known[_SEEN])
        self._calibration.read(arrival)
        self._calibration.learn(query, known[_PLAIN] + moved, center + moved, exact, since, now)
        error = _cut(exact - float(known[_FIRST_SAID]), _ERROR_CUT, unit)
        off = min(abs(exact - center) / unit, _SPREAD_CUT)
        target = center + _cut(target - center, (-_SURPRISE, _SURPRISE), unit)
        residual = _cut(target - habit, _RESIDUAL_CUT, unit)
        values = (target, target, residual, residual, error, error, error, error, off, off)
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
        lead = min(max(query.departure - now, 0.0) / scale, 20.0) / 10
        sine, cosine = sin(angle), cos(angle)
        own = (
            *(1.0, *pieces, sine, cosine, sin(2 * angle), cos(2 * angle), length, lead),
            *(count[1, 0], late[1, 0], late[1, 1], late[1, 2], late[2, 0]),
            *(factors(query.leg_id, length, now) for factors in self._factors),
        )
        shape = (1.0, *map(abs, pieces), abs(sine), cosine, length)
        found = np.empty(_KEPT + _SEEN + 1)
        habit = float(means[_SERVICE, 0])
        kernels.speak(
            np.array(own),
            departures.lateness(query, now),
            np.array(shape),
            means.ravel(),
            _STATE_PLACES,
            _ERROR_PLACES,
            _SPREADS,
            _BENDING,
            self._scale.moments,
            self._first.weights,
            self._second.weights,
            self._quantiles.weights,
            self._calibration.offsets(query),
            self._calibration.shift + habit,
            self._calibration.unit,
            # until it has seen some outcomes, it does not pretend to know
            1 + 0.5 / (1 + self.learned / 50),
            found,
        )
        found[-3:] = habit, self._calibration.shift, self.learned
        return found


def _cut(value: float, bounds: tuple[float, float], unit: float) -> float:
    return min(max(value, bounds[0] * unit), bounds[1] * unit)


def _group(query: Query) -> int:
    return bisect_left(_DELAYS, query.delay / query.scale)
