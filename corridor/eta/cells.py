"""Decayed means of what recent runs came to, by key, shrunk to those of more general keys."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Levels = list[tuple[slice, NDArray[np.intp]]]
"""Keys that are equally far from the most general one, with the positions of their parents."""


def levels_of(parents: Sequence[int]) -> Levels:
    """Groups keys by how far they are from the most general one, so that each group is one step.

    Args:
        parents: For each key, the position of its parent; -1: the prior.
    """
    depths: list[int] = []
    for parent in parents:
        depths.append(0 if parent < 0 else depths[parent] + 1)
    assert depths == sorted(depths), "keys of one depth have to stand together"
    found: Levels = []
    for depth in range(1, max(depths) + 1):
        start, count = depths.index(depth), depths.count(depth)
        members = slice(start, start + count)
        found.append((members, np.array(parents[members])))
    return found


class Cells:
    """One row per key, one column per family of values, each family with its own time constant.

    A cell is (S, W, t): what was added, its weight, and when; both fade with exp(-dt / tau). Its
    mean is (S + k m) / (W + k), m being the mean of its parent key: a key that was never seen
    inherits its parent's, with no special case.
    """

    def __init__(self, taus: Sequence[float]) -> None:
        """Makes an empty table.

        Args:
            taus: Time constant of each family, minutes.
        """
        self._rate = 1.0 / np.asarray(taus)
        self._rows: dict[str, int] = {}
        self._sums = np.zeros((64, len(taus)))
        self._weights = np.zeros((64, len(taus)))
        self._times = np.zeros(64)

    def __len__(self) -> int:
        return len(self._rows)

    def read(
        self,
        keys: Sequence[str],
        levels: Levels,
        strengths: Floats,
        prior: Floats,
        now: float,
    ) -> tuple[Floats, Floats]:
        """Means and weights of some keys, each (keys, families).

        Args:
            keys: From general to special.
            levels: Who inherits from whom; see `levels_of`.
            strengths: For each key, how much evidence outweighs its parent (k).
            prior: What is believed without any evidence, by family.
            now: Minutes.
        """
        get = self._rows.get
        rows = np.array([get(key, -1) for key in keys])
        fade = self._fade(self._times.take(rows), now)
        sums, weights = self._sums.take(rows, axis=0) * fade, self._weights.take(rows, axis=0)
        weights *= fade
        if rows.min() < 0:
            unknown = rows < 0
            sums[unknown] = 0.0
            weights[unknown] = 0.0
        strength = strengths[:, None]
        scale = 1.0 / (weights + strength)
        means: Floats = sums * scale
        pull = strength * scale
        means[0] += pull[0] * prior
        for members, parents in levels:
            means[members] += pull[members] * means.take(parents, axis=0)
        return means, weights

    def add(self, keys: Sequence[str], values: Floats, now: float) -> None:
        """Adds one value of each family to each of some keys.

        Args:
            keys: Each once.
            values: By family.
            now: Minutes; what comes late counts as of now.
        """
        rows = np.array([self._row(key) for key in keys])
        times = self._times.take(rows)
        fade = self._fade(times, now)
        self._sums[rows] = self._sums.take(rows, axis=0) * fade + values
        self._weights[rows] = self._weights.take(rows, axis=0) * fade + 1.0
        self._times[rows] = np.maximum(times, now)

    def _fade(self, times: Floats, now: float) -> Floats:
        # not beyond e^-50: processors are slow at the tiniest numbers
        faded: Floats = (times - now)[:, None] * self._rate
        np.minimum(faded, 0.0, out=faded)
        np.maximum(faded, -50.0, out=faded)
        return np.exp(faded, out=faded)

    def _row(self, key: str) -> int:
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self._rows)
            if row == len(self._times):
                self._sums, self._weights, self._times = (
                    np.concatenate([table, np.zeros_like(table)])
                    for table in (self._sums, self._weights, self._times)
                )
        return row
