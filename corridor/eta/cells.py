"""Decayed means of what recent runs came to, by key, shrunk to those of more general keys."""

from collections.abc import Sequence

import numpy as np

from corridor.eta import kernels
from corridor.eta.component import Floats
from corridor.eta.table import Table

_FADED = 5.0
"""Time constants after which less than 1 % is left of a cell that nothing was added to."""


class Cells(Table):
    """One row per key, one column per family of values, each family with its own time constant.

    A cell is (S, W, t): what was added, its weight, and when; both fade with exp(-dt / tau). Its
    mean is (S + k m) / (W + k), m being the mean of its parent key: a key that was never seen
    inherits its parent's, with no special case. Keys come in lists from general to special, all of
    the same form.
    """

    def __init__(
        self,
        taus: Sequence[float],
        parents: Sequence[int],
        strengths: Sequence[float],
        prior: Sequence[float],
    ) -> None:
        """Makes an empty table.

        Args:
            taus: Time constant of each family, minutes.
            parents: For each key, the position of its parent, before it; -1: the prior.
            strengths: For each key, how much evidence outweighs its parent (k).
            prior: What is believed without any evidence, by family.
        """
        super().__init__(2 * len(taus), _FADED * max(taus))
        self._rates: Floats = 1.0 / np.asarray(taus)
        self._parents = np.array(parents)
        self._strengths: Floats = np.array(strengths, float)
        self._prior: Floats = np.array(prior, float)

    def read(self, keys: Sequence[str], now: float) -> tuple[Floats, Floats]:
        """Means and weights, each (keys, families), at `now`, minutes."""
        out: Floats = np.empty((2, len(keys), len(self._rates)))
        places, rates = self.find(keys), self._rates
        kernels.read(
            self.rows, places, self._parents, self._strengths, self._prior, rates, now, out
        )
        return out[0], out[1]

    def add(self, keys: Sequence[str], values: Floats, now: float) -> None:
        """Adds one value of each family to each of some keys.

        Args:
            keys: Each once.
            values: By family.
            now: Minutes; what comes late counts as of now.
        """
        places = self.claim(keys, now)
        kernels.add(self.rows, places, values, self._rates, now)
