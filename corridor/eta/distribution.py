"""Arrival as a distribution: seven quantiles, straight lines between them, exponential tails.

Everything is in minutes, from whatever moment the caller counts.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import exp, log

LEVELS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
"""The quantiles that are estimated and published."""

MEDIAN = LEVELS.index(0.50)
_LEAST_SCALE = 1e-6

Quantiles = tuple[float, ...]
"""One value per level, ascending."""


def probability(quantiles: Sequence[float], value: float) -> float:
    """The probability of less than `value`."""
    low, high = quantiles[0], quantiles[-1]
    if value < low:
        return LEVELS[0] * exp((value - low) / _lower_scale(quantiles))
    if value >= high:
        return 1 - (1 - LEVELS[-1]) * exp((high - value) / _upper_scale(quantiles))
    index = bisect_right(quantiles, value) - 1
    left, right = quantiles[index], quantiles[index + 1]
    share = (value - left) / (right - left)
    return LEVELS[index] + share * (LEVELS[index + 1] - LEVELS[index])


def quantile(quantiles: Sequence[float], level: float) -> float:
    """The value that is not reached with probability `level`, between 0 and 1, both excluded."""
    if level <= LEVELS[0]:
        return quantiles[0] + _lower_scale(quantiles) * log(level / LEVELS[0])
    if level >= LEVELS[-1]:
        return quantiles[-1] - _upper_scale(quantiles) * log((1 - level) / (1 - LEVELS[-1]))
    index = bisect_right(LEVELS, level) - 1
    share = (level - LEVELS[index]) / (LEVELS[index + 1] - LEVELS[index])
    return quantiles[index] + share * (quantiles[index + 1] - quantiles[index])


def not_before(quantiles: Sequence[float], now: float) -> Quantiles:
    """The distribution given that it has not happened until `now`: silence is information.

    F(x | X > now) = (F(x) - F(now)) / (1 - F(now)).
    """
    if now >= quantiles[-1]:  # an exponential tail has no memory
        return tuple(now - _upper_scale(quantiles) * log(1 - level) for level in LEVELS)
    passed = probability(quantiles, now)
    if passed < 1e-4:
        return tuple(quantiles)
    left = 1 - passed
    return tuple(max(now, quantile(quantiles, passed + level * left)) for level in LEVELS)


def points(quantiles: Sequence[float], count: int) -> list[float]:
    """Equally likely values that stand for the distribution, ascending; always the same ones."""
    return [quantile(quantiles, (number + 0.5) / count) for number in range(count)]


def of_points(values: Sequence[float]) -> Quantiles:
    """The quantiles of equally likely values."""
    ordered = sorted(values)
    last = len(ordered) - 1
    found = []
    for level in LEVELS:
        place = min(max(level * len(ordered) - 0.5, 0.0), last)
        index = min(int(place), max(last - 1, 0))
        share = place - index
        found.append(ordered[index] + share * (ordered[min(index + 1, last)] - ordered[index]))
    return tuple(found)


def _upper_scale(quantiles: Sequence[float]) -> float:
    """Of an exponential tail through the quantiles at 0.75 and 0.95."""
    return max((quantiles[6] - quantiles[4]) / log(0.25 / 0.05), _LEAST_SCALE)


def _lower_scale(quantiles: Sequence[float]) -> float:
    return max((quantiles[2] - quantiles[0]) / log(0.25 / 0.05), _LEAST_SCALE)
