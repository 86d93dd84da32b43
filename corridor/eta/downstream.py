"""From the arrival of one leg to every later leg: time at nodes, cut-offs, next services.

A delay is never copied across a node: whoever is late first uses up the slack, then misses whole
services. All times are minutes from whatever moment the caller counts.

33 equally likely points stand for what is carried on, the same ones at every call, so that an
estimate moves only if its inputs do. To add an independent quantity, each point meets three of the
quantity's own 33, one from every third of its distribution, in the order of fixed permutations; the
99 sums are sorted and thinned to 33 again (array-RQMC: L'Ecuyer, Lécot & Tuffin 2008, with fixed
lattices instead of random numbers). Unpermuted, the latest arrival would always meet the longest
dwell and the slowest transit, as if one cause made all of them: quantiles of sums
then were off by 1.6 standard deviations (root mean square), permuted by 0.06. Sorting is what lets
few permutations do: only two quantities meet at a time, however many legs there are.
"""

from collections.abc import Sequence
from math import gcd, log

import msgspec
import numpy as np
from numpy.typing import NDArray

from corridor.codes import Mode
from corridor.eta.distribution import LEVELS, MEDIAN, Quantiles

POINTS = 33
"""Odd, so that one of them is the median."""

_MIDDLE = POINTS // 2
PARTNERS = 3
"""Points of a quantity that each carried point meets."""
MULTIPLIERS = (19, 26)
"""Of the permutations of dwell and transit: chosen among those in use mod 33 by the true quantiles
of 20 sums of 3 to 14 quantities (normal, log-normal, exponential, uniform; many alike)."""

LEAST_MOVE = 2.0
"""Minutes. A median that moved less is no news."""
LEAST_SHARE = 0.01
"""Of what remains. The same."""

Points = NDArray[np.float64]


class Slot(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One departure of a service by its timetable."""

    departure: float
    cutoff: float | None = None
    """The latest hand-in; without one, the departure."""


class Onward(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A later leg, as far as it is planned, and what is known of such legs."""

    leg_id: str
    mode: Mode
    planned_departure: float
    planned_arrival: float
    cutoff: float | None
    """The latest hand-in for the planned departure."""
    service_id: str | None
    """With this or a cut-off it leaves by timetable; with neither it waits for its load."""
    transit: Quantiles
    """To the arrival: from the departure, of a service from the one by its timetable."""
    dwell: Quantiles
    """At the node before it, from the arrival until it could depart; no waiting for a slot. Of a
    unit that is there already: what `distribution.not_before` leaves of it."""
    next_services: tuple[Slot, ...] | None = None
    """What follows the planned departure, ascending; None if nobody knows."""
    least_dwell: float = 0.0
    """Handling takes this long at least."""

    @property
    def scheduled(self) -> bool:
        return self.cutoff is not None or self.service_id is not None

    @property
    def closes(self) -> float:
        """Until when it has to be ready to leave as planned."""
        return self.planned_departure if self.cutoff is None else self.cutoff


class Passage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is expected of a later leg."""

    leg_id: str
    departure: Quantiles
    arrival: Quantiles
    missed: float
    """The probability of being ready only after the planned service has closed; 0 where nothing
    closes. Less than 1.5 % is given as 0, more than 98.5 % as 1."""
    service: int | None
    """The service that half of all cases reach: 0 the planned one, 1 the next. None: unknown, since
    the planned one is missed and no other is known, or since there is no timetable."""
    slot: float | None
    """When that service leaves by its timetable."""
    slack: float
    """From ready (median) until the planned service closes; where nothing closes, until the planned
    departure. Negative: too late by so much."""


def onward(arrival: Sequence[float], legs: Sequence[Onward]) -> list[Passage]:
    """What the arrival of the current leg, by its quantiles, makes of all later legs, in order.

    The last arrival is the one at the final node. If the planned service is missed and
    `next_services` is None, the leg departs when ready: the earliest that is possible. Past the
    last of the `next_services` more are assumed at the distance of the last two.
    """
    found = np.asarray(arrival, dtype=np.float64)
    low = found[_LOW]
    return carry(low + _SHARE * (found[_HIGH] - low), legs)


def carry(points: Points, legs: Sequence[Onward]) -> list[Passage]:
    """`onward` from 33 ascending points. None of them moved later makes anything earlier."""
    if not legs:
        return []
    given = np.array([leg.dwell + leg.transit for leg in legs])
    low = given.take(_LOW_BY_ROLE, axis=1)
    drawn = low + _SHARE_BY_ROLE * (given.take(_HIGH_BY_ROLE, axis=1) - low)
    least = np.array([leg.least_dwell for leg in legs])
    dwells = np.maximum(drawn[:, 0], least[:, None, None])
    transits = np.maximum(drawn[:, 1], 0.0)
    times: list[Points] = []
    reached: list[tuple[float, int | None, float | None, float]] = []
    for number, leg in enumerate(legs):
        ready = _thinned(points[:, None] + dwells[number])
        middle = float(ready[_MIDDLE])
        slack = leg.closes - middle
        slots: float | Points = leg.planned_departure
        if not leg.scheduled:
            slack = leg.planned_departure - middle
            reached.append((0.0, None, None, slack))
        elif ready[-1] <= leg.closes:
            reached.append((0.0, 0, leg.planned_departure, slack))
        else:
            missed = 1 - _share_by(ready, leg.closes)
            following = _following(leg)
            if following:
                taken, numbers = _slots(ready, leg, following)
                reached.append((missed, int(numbers[_MIDDLE]), float(taken[_MIDDLE]), slack))
                slots = taken
            elif slack >= 0:
                reached.append((missed, 0, leg.planned_departure, slack))
            else:
                reached.append((missed, None, None, slack))
        departure = np.maximum(ready, slots)
        points = _thinned(departure[:, None] + transits[number])
        times += (departure, points)
    table = np.array(times)
    low = table[:, _PLACE]
    quantiles = (low + _BETWEEN * (table[:, _PLACE + 1] - low)).tolist()
    return [
        Passage(leg.leg_id, tuple(quantiles[2 * i]), tuple(quantiles[2 * i + 1]), *reached[i])
        for i, leg in enumerate(legs)
    ]


def moved(before: Sequence[float], after: Sequence[float], now: float) -> bool:
    """Whether quantiles of the same arrival differ enough to compute what follows from it anew.

    The median by more than 2 minutes and by more than 1 % of what remains until then.
    """
    remains = after[MEDIAN] - now
    return abs(after[MEDIAN] - before[MEDIAN]) > max(LEAST_MOVE, LEAST_SHARE * remains)


def _thinned(sums: Points) -> Points:
    flat = sums.ravel()
    flat.sort()
    return flat[PARTNERS // 2 :: PARTNERS]


def _share_by(ready: Points, closes: float) -> float:
    """The share that is ready in time; between two points it grows evenly, so that it is smooth."""
    reached = int(ready.searchsorted(closes, "right"))
    if reached in (0, POINTS):
        return reached / POINTS
    left, right = float(ready[reached - 1]), float(ready[reached])
    return (reached - 0.5 + (closes - left) / (right - left)) / POINTS


def _following(leg: Onward) -> list[Slot]:
    slots = leg.next_services or ()
    return [slot for slot in slots if slot.departure > leg.planned_departure]


def _slots(ready: Points, leg: Onward, following: list[Slot]) -> tuple[Points, NDArray[np.int64]]:
    """Per point the slot of the first service that it reaches, and which one that is."""
    departures = np.array([leg.planned_departure, *(slot.departure for slot in following)])
    closing = np.array(
        [leg.closes, *(s.departure if s.cutoff is None else s.cutoff for s in following)]
    )
    # one that closes before an earlier one does is reached by nobody, as it should be
    closing = np.maximum.accumulate(closing)
    numbers = closing.searchsorted(ready, "left")
    last = len(departures) - 1
    slots: Points = departures[np.minimum(numbers, last)]
    if numbers[-1] > last:
        every = departures[last] - departures[last - 1]
        more = np.maximum(np.ceil((ready - closing[last]) / every), 0.0)
        slots = slots + more * every
        numbers = np.minimum(numbers, last) + more.astype(np.int64)
    return slots, numbers


def permutation(multiplier: int, shift: int = 0) -> list[int]:
    """A fixed order of the points: steps of `multiplier` mod 33 from the middle, moved by `shift`.

    With the shifts -11, 0 and 11 it reads the same from both ends: what is symmetric stays so.
    """
    if gcd(multiplier, POINTS) != 1:
        raise ValueError(multiplier)
    return [(_MIDDLE + multiplier * (place - _MIDDLE) + shift) % POINTS for place in range(POINTS)]


def _lines() -> tuple[NDArray[np.int64], NDArray[np.int64], Points]:
    """Per point: between (or beyond) which two quantiles it lies, and where.

    What `distribution.points` does, as one weight each: its tails are linear in the quantiles too.
    """
    low, high, share = [], [], []
    for number in range(POINTS):
        level = (number + 0.5) / POINTS
        if level < LEVELS[0]:
            left, right, weight = 0, 2, log(level / LEVELS[0]) / log(5)
        elif level >= LEVELS[-1]:
            left, right, weight = 4, 6, 1 - log((1 - level) / (1 - LEVELS[-1])) / log(5)
        else:
            left = max(i for i, bound in enumerate(LEVELS) if bound <= level)
            right, weight = left + 1, (level - LEVELS[left]) / (LEVELS[left + 1] - LEVELS[left])
        low.append(left)
        high.append(right)
        share.append(weight)
    return np.array(low), np.array(high), np.array(share)


_LOW, _HIGH, _SHARE = _lines()
_SHIFTS = [POINTS // PARTNERS * (number - PARTNERS // 2) for number in range(PARTNERS)]
_ORDER = np.array(
    [[permutation(multiplier, shift) for shift in _SHIFTS] for multiplier in MULTIPLIERS]
).transpose(0, 2, 1)
"""By role and carried point: the points that it meets."""
_FIRST = len(LEVELS) * np.arange(len(MULTIPLIERS))[:, None, None]
_LOW_BY_ROLE, _HIGH_BY_ROLE = _FIRST + _LOW[_ORDER], _FIRST + _HIGH[_ORDER]
_SHARE_BY_ROLE = _SHARE[_ORDER]
_WHERE = np.array(LEVELS) * POINTS - 0.5
_PLACE = _WHERE.astype(np.int64)
_BETWEEN = _WHERE - _PLACE
