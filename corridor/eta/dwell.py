"""How long a unit takes at a node until it could leave: learned by node and pair of modes.

Seven quantiles per cell, followed by pinball SGD (Koenker & Bassett 1978: the gradient of quantile
tau is tau - 1[y < q]) on asinh(minutes / 10), less that of the median assumed for the modes:
quantiles survive a monotone transform, a step then is a share of the dwell, not a number of
minutes, and what all modes have in common (it takes twice as long as assumed) helps those not seen
yet. A cell's step shrinks with its decayed weight and so grows again after a pause.

What is seen is when a unit left, not when it could have. Who waited for a slot was ready some time
before: such a dwell is an interval, and each quantile moves by what the interval is expected to
say, given the distribution so far (self-consistency: Efron 1967, Turnbull 1976). Were waiting
learned as handling, the slack before a departure would be used up twice.
"""

from math import asinh, exp, inf, log, sinh, sqrt
from typing import NamedTuple

import msgspec

from corridor.codes import Mode
from corridor.eta.distribution import LEVELS, Quantiles, probability

LINEAR = 10.0
"""Minutes up to which the scale is linear rather than logarithmic."""
MEMORY = 45 * 1440.0
"""Minutes after which an observation counts 1/e."""
STRENGTH = 8.0
"""Observations that the coarser cell counts for in the finer one."""
STEP = 1.2
"""The first step, in units of asinh; it falls with the square root of the weight."""

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
SPARE = 0.8
"""A plan leaves at least this share of the time that it gives for what there is to do."""
TAIL = 3.5
"""How much longer than the median the assumed 90th percentile is: borders and inspections."""
GRACE = 60.0
"""Minutes after the planned departure from which a leg without timetable did not wait for it."""
LEAST = 0.1
"""The share of the assumed median that handling takes at least."""

_NORMAL = (-1.6448536, -1.2815516, -0.6744898, 0.0, 0.6744898, 1.2815516, 1.6448536)
_ASSUMED = [log(TAIL) / _NORMAL[5] * normal for normal in _NORMAL]
_ANY = "*"


class Cell(msgspec.Struct, array_like=True):
    """The quantiles of one quantity, as they are remembered."""

    values: list[float]
    """On the transformed scale, ascending."""
    weight: float = 0.0
    """Decayed number of observations, at `at`."""
    at: float = 0.0
    """Minutes, of the newest observation."""

    def learn(self, low: float, high: float, at: float, step: float = STEP) -> None:
        """Takes in that the value was in (low, high], or exactly `low` if they are equal.

        An older observation than the newest counts less, by what it would have decayed since.
        """
        if not self.weight or at >= self.at:
            self.weight = 1 + (self.weight * exp((self.at - at) / MEMORY) if self.weight else 0.0)
            self.at = at
            share = 1.0
        else:
            share = exp((at - self.at) / MEMORY)
            self.weight += share
        step *= share / sqrt(self.weight)
        values = self.values
        under = probability(values, low) if low > -inf else 0.0
        inside = probability(values, high) - under if high > low else 0.0
        if inside > 1e-3:
            moved = [
                value + step * (level - min(max((level - under) / inside, 0.0), 1.0))
                for value, level in zip(values, LEVELS, strict=True)
            ]
        else:  # exact, or where nothing was expected
            nearest = low if low > -inf else high
            moved = [
                value + step * (level - (nearest < value))
                for value, level in zip(values, LEVELS, strict=True)
            ]
        moved.sort()  # quantiles do not cross
        self.values = moved


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
        return min(assumed, SPARE * self.gap) if self.gap > 0 else assumed

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
    usual = scaled(visit.usual)
    large = scaled(high) - usual
    small = large if low == high else scaled(low) - usual if low else -inf
    above: list[float] = _ASSUMED
    for key in visit.cells():
        cell = state.cells.get(key)
        if cell is None:
            cell = state.cells[key] = Cell(list(above))
        cell.learn(small, large, at)
        above = cell.values


def dwell(state: Dwells, visit: Visit) -> Quantiles:
    """The quantiles, in minutes, of the time from the arrival until it could leave.

    The finer cell as far as it has evidence, else the coarser, else what is assumed.
    """
    values = _ASSUMED
    for key in visit.cells():
        cell = state.cells.get(key)
        if cell is not None:
            own = cell.weight / (cell.weight + STRENGTH)
            values = [v + own * (c - v) for v, c in zip(values, cell.values, strict=True)]
    usual, least = scaled(visit.usual), visit.least
    return tuple(max(unscaled(usual + value), least) for value in values)


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


def scaled(minutes: float) -> float:
    """Linear near nothing, logarithmic beyond; also of negative minutes."""
    return asinh(minutes / LINEAR)


def unscaled(value: float) -> float:
    """Minutes."""
    return LINEAR * sinh(value)
