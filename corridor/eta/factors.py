"""What legs have in common at a time: wind, weather, a queue at a border, without knowing which."""

import numpy as np

from corridor.eta import kernels
from corridor.eta.component import Composite, Floats, Numbers
from corridor.eta.table import Table

RIDGE = 3.0
KEEP = 365 * 1440.0
"""Minutes after which a leg that nothing was heard of is forgotten: it may be one of a season."""


class Factors(Composite):
    """Residuals r of legs as u_leg . f(now): loadings u learned slowly, the state f found anew.

    f minimises the decayed squares of r - u.f over recent runs of all legs (ridge); u follows by
    normalised gradient steps. So a leg of which nothing was heard today learns from the others.
    """

    def __init__(self, size: int, tau: float, rate: float = 0.03) -> None:
        """Makes an empty model.

        Args:
            size: Number of factors.
            tau: How long a run says something about others, minutes.
            rate: Step length of the loadings.
        """
        self._size, self._fading, self._rate = size, 1 / tau, rate
        self._loadings = Table(size, KEEP)
        self._moments: Floats = np.zeros((size, size + 1))
        self._time: Floats = np.zeros(1)
        self._numbers = Numbers([self._moments, self._time])
        super().__init__({"loadings": self._loadings, "state": self._numbers})

    def __call__(self, leg_id: str, length: float, now: float) -> float:
        """The residual that is to be expected of a leg now; `length` is its planned duration."""
        place = self._loadings.place(leg_id)
        loading = self._start(leg_id, length) if place < 0 else self._loadings.rows[place]
        since = now - float(self._time[0])
        return kernels.expected(loading, self._moments, since, self._fading, RIDGE)

    def learn(self, leg_id: str, length: float, residual: float, now: float) -> None:
        """Takes one run."""
        known = self._loadings.place(leg_id) >= 0
        place = self._loadings.claim((leg_id,), now)[0]  # which may make another array of the rows
        loading = self._loadings.rows[place]
        if not known:
            loading[:-1] = self._start(leg_id, length)
        loading[-1] = max(float(loading[-1]), now)
        time = float(self._time[0])
        kernels.learn_factors(
            loading, self._moments, now - time, self._fading, RIDGE, self._rate, residual
        )
        self._time[0] = max(time, now)
        self._numbers.changed = True

    def _start(self, leg_id: str, length: float) -> Floats:
        # any start that differs from leg to leg will do; it has to be the same in every process
        seed = int.from_bytes(leg_id.encode()[-8:].rjust(8), "little")
        spread = [
            ((seed * (2654435761 * (n + 1)) >> 16) % 201 - 100) / 333 for n in range(1, self._size)
        ]
        return length * np.array([1.0, *spread])
