"""What legs have in common at a time: wind, weather, a queue at a border, without knowing which."""

from math import exp

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RIDGE = 3.0
_STEPS = 10
"""In so many steps of a time constant the state fades while nothing is heard."""


class Factors:
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
        self._size, self._tau, self._rate = size, tau, rate
        self._loadings: dict[str, Floats] = {}
        self._matrix = np.zeros((size, size))
        self._vector = np.zeros(size)
        self._time = 0.0
        self._state: tuple[int, Floats] | None = None

    def __call__(self, leg_id: str, length: float, now: float) -> float:
        """The residual that is to be expected of a leg now; `length` is its planned duration."""
        return float(self._loading(leg_id, length) @ self._at(now))

    def learn(self, leg_id: str, length: float, residual: float, now: float) -> None:
        """Takes one run."""
        state, loading = self._at(now), self._loading(leg_id, length)
        error = residual - float(loading @ state)
        loading = loading + self._rate * error * state / (1.0 + float(state @ state))
        self._loadings[leg_id] = loading
        fade = self._fade(now)
        self._time = max(self._time, now)
        self._matrix = self._matrix * fade + np.multiply.outer(loading, loading)
        self._vector = self._vector * fade + loading * residual
        self._state = None

    def _at(self, now: float) -> Floats:
        """The state, the less believed the longer nothing was heard."""
        step = int((now - self._time) * _STEPS / self._tau)
        if self._state is None or self._state[0] != step:
            fade = self._fade(now)
            matrix = self._matrix * fade + RIDGE * np.eye(self._size)
            self._state = (step, np.asarray(np.linalg.solve(matrix, self._vector * fade)))
        return self._state[1]

    def _fade(self, now: float) -> float:
        return exp(max(min(self._time - now, 0.0) / self._tau, -50.0))

    def _loading(self, leg_id: str, length: float) -> Floats:
        known = self._loadings.get(leg_id)
        if known is not None:
            return known
        # any start that differs from leg to leg will do; it has to be the same in every process
        seed = int.from_bytes(leg_id.encode()[-8:].rjust(8), "little")
        spread = [
            ((seed * (2654435761 * (n + 1)) >> 16) % 201 - 100) / 333 for n in range(1, self._size)
        ]
        return length * np.array([1.0, *spread])
