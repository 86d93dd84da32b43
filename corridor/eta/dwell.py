"""How long a unit takes at a node until it could leave: learned by node and pair of modes.

One log-normal per cell, relative to what is assumed for the modes, so that what all modes have in
common (it takes twice as long as assumed) helps those not seen yet. It follows the likelihood of
each stay by natural gradient steps (Amari 1998), which shrink with the cell's decayed weight and so
grow again after a pause.

What is seen is when a unit left, not when it could have. Who waited for a slot was ready some time
before: such a dwell is an interval, and teaches by the probability that it had. Were waiting
learned as handling, the slack before a departure would be used up twice. Two numbers per cell and
no more: who is mostly in time tells little else of the shape.
"""

from math import erf, exp, inf, log, pi, sqrt
from typing import NamedTuple

import msgspec

from corridor.codes import Mode
from corridor.eta.distribution import Quantiles
from corridor.eta.signal import Z_LEVELS

MEMORY = 45 * 1440.0
"""Minutes after which an observation counts 1/e."""
STRENGTH = 8.0
"""Observations that the coarser cell counts for in the finer one."""
UNLOADING_HOURS = {
    Mode.RAIL: 3.0,
    Mode.VESSEL: 12.0,
    Mode.BARGE: 6.0,
    Mode.TRUCK: 1.0,
    Mode.AIR: 3.0,
}
LOADING_HOURS = {Mode.RAIL: 3.0, Mode.VESSEL: 6.0, Mode.BARGE: 3.0, Mode.TRUCK: 1.0, Mode.AIR: 3.0}
"""Medians assumed until something is learned; ours, from no measurement."""
STOP_MINUTES = {
    Mode.RAIL: 2.0,
    Mode.VESSEL: 720.0,
    Mode.BARGE: 240.0,
    Mode.TRUCK: 15.0,
    Mode.AIR: 45.0,
}
"""The same of who goes on with the same conveyance."""
TAIL = 3.5
"""How much longer than the median the assumed 90th percentile is: borders and inspections."""
GRACE = 60.0
"""Minutes after the planned departure from which a leg without timetable did not wait for it."""
LEAST = 0.1
"""The share of the assumed median that handling takes at least."""

SPREAD = log(TAIL) / Z_LEVELS[5]
"""Standard deviation of the logarithm that comes of it."""
SHORTEST = 0.5
"""Minutes; less is told by no clock."""
PATIENCE = 4.0
"""Observations that what is assumed counts for."""
_NARROWEST, _WIDEST, _MOST = 0.2, 2.0, 3.0
_ANY = "*"


class Cell(msgspec.Struct, array_like=True):
    """A log-normal, relative to what is usual, as it is remembered."""

    middle: float = 0.0
    """Mean of the logarithm."""
    spread: float = SPREAD
    """Its standard deviation."""
    weight: float = 0.0
    """Decayed number of observations, at `at`."""
    at: float = 0.0
    """Minutes, of the newest observation."""

    def learn(self, low: float, high: float, at: float) -> None:
        """Takes in that the logarithm was in (low, high], or exactly `low` if they are equal.

        An older observation than the newest counts less, by what it would have decayed since.
        """
        if not self.weight or at >= self.at:
            self.weight = 1 + (self.weight * exp((self.at - at) / MEMORY) if self.weight else 0.0)
            self.at = at
            share = 1.0
        else:
            share = exp((at - self.at) / MEMORY)
            self.weight += share
        step = share / (self.weight + PATIENCE)
        one, other = (low - self.middle) / self.spread, (high - self.middle) / self.spread
        score, of_spread = _scores(one, other)
        self.middle += step * self.spread * min(max(score, -_MOST), _MOST)
        self.spread *= exp(step / 2 * min(max(of_spread, -_MOST), _MOST))
        self.spread = min(max(self.spread, _NARROWEST), _WIDEST)


class Dwells(msgspec.Struct, array_like=True):
    """What was learned: one cell per node and modes, one per modes, one over all."""

    cells: dict[str, Cell] = {}


class Visit(NamedTuple):
    """A stay at a node, as far as it is known beforehand."""

    node_id: str
    arriving: Mode
    leaving: Mode
    through: bool = False
    """It goes on with the same conveyance: nothing is unloaded."""
    gap: float = inf
    """Minutes that the plan gives it."""

    @property
    def usual(self) -> float:
        """Minutes that half of such stays take until they could end, before any is known."""
        if self.through:
            assumed = STOP_MINUTES[self.leaving]
        else:
            assumed = 60 * (UNLOADING_HOURS[self.arriving] + LOADING_HOURS[self.leaving])
        # whoever planned it took care that nine in ten are ready in time
        return min(assumed, max(self.gap, 1.0) / TAIL)

    @property
    def least(self) -> float:
        """Minutes that handling takes at least."""
        return LEAST * self.usual

    def cells(self) -> tuple[str, str, str]:
        """What it has in common with other stays, from general to special."""
        change = "=" if self.through else ">"
        modes = f"{self.arriving}{change}{self.leaving}"
        return f"{_ANY}{change}", modes, f"{self.node_id} {modes}"


def learn(state: Dwells, visit: Visit, low: float, high: float, at: float) -> None:
    """Takes in one unit's stay: it was ready more than `low` and at most `high` minutes after its
    arrival (see `bounds`), and left `at`. Once per stay: it cannot be taken back."""
    if not 0 <= low <= high or high == inf:
        return
    usual = log(visit.usual)
    large = log(max(high, SHORTEST)) - usual
    small = large if low == high else log(max(low, SHORTEST)) - usual if low else -inf
    if small > large:
        small = large
    above = Cell()
    for key in visit.cells():
        cell = state.cells.get(key)
        if cell is None:
            cell = state.cells[key] = Cell(above.middle, above.spread)
        cell.learn(small, large, at)
        above = cell


def dwell(state: Dwells, visit: Visit) -> Quantiles:
    """The quantiles, in minutes, of the time from the arrival until it could leave.

    The finer cell as far as it has evidence, else the coarser, else what is assumed.
    """
    middle, spread = 0.0, SPREAD
    for key in visit.cells():
        cell = state.cells.get(key)
        if cell is not None:
            own = cell.weight / (cell.weight + STRENGTH)
            middle += own * (cell.middle - middle)
            spread += own * (cell.spread - spread)
    usual, least = log(visit.usual), visit.least
    return tuple(max(exp(usual + middle + spread * z), least) for z in Z_LEVELS)


def _scores(one: float, other: float) -> tuple[float, float]:
    """Of the mean and of the logarithm of the deviation, in standard units: the derivatives of
    log(F(other) - F(one)) of the standard normal, or of its density where both are the same."""
    inside = 0.5 * (erf(other / sqrt(2)) - erf(one / sqrt(2)))
    if other > one and inside > 1e-6:
        low, high = _density(one), _density(other)
        of_low = one * low if one > -inf else 0.0
        return (low - high) / inside, (of_low - other * high) / inside
    nearest = one if one > 0 else other
    return nearest, nearest * nearest - 1


def _density(z: float) -> float:
    return exp(-z * z / 2) / sqrt(2 * pi)


def bounds(
    arrival: float, departure: float, closed: float, *, scheduled: bool, missed: float | None = None
) -> tuple[float, float] | None:
    """Between which minutes after its arrival a unit was ready, given when it left.

    `closed`: when the service closed by which it left; for a leg without timetable the planned
    departure, which it would have waited for. `missed`: when the service closed that it was to
    leave by, but did not; always to be told, since those that are fast enough do not say how slow
    the others are. None: it left before it arrived.
    """
    stay = departure - arrival
    if stay < 0:
        return None
    if closed < arrival or (not scheduled and departure > closed + GRACE):
        return stay, stay  # it did not wait
    high = min(closed - arrival, stay)
    low = 0.0 if missed is None else min(max(missed - arrival, 0.0), high)
    return low, high
