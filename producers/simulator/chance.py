"""Chance by name: every purpose draws from a stream of its own.

A draw that is added for one purpose, or for one run, leaves all others as they were.
"""

import math
from random import Random

HOUR = 3600
DAY = 24 * HOUR
WEEK = 7 * DAY


class Chance:
    """All streams of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = str(seed)

    def stream(self, *names: str) -> Random:
        """The stream of a purpose, from its beginning."""
        return Random("\x1f".join((self._seed, *names)))


def lognormal(rng: Random, median: float, sigma: float) -> float:
    """A positive amount, as often below its median as above."""
    return median * math.exp(rng.gauss(0.0, sigma))


def pareto(rng: Random, low: float, shape: float, high: float) -> float:
    """A heavy-tailed amount between `low` and `high`; the smaller the shape, the heavier."""
    span = 1.0 - (low / high) ** shape
    return float(low * (1.0 - rng.random() * span) ** (-1.0 / shape))


def poisson(rng: Random, mean: float) -> int:
    """A count; Knuth's way, for small means."""
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def weighted(rng: Random, weights: list[float]) -> int:
    """An index, by weight."""
    return rng.choices(range(len(weights)), weights)[0]
