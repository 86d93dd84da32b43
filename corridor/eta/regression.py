"""Linear models that learn from one example at a time. Each is a component."""

import numpy as np

from corridor.eta import distribution, kernels
from corridor.eta.component import Floats, Numbers

LEVELS: Floats = np.array(distribution.LEVELS)

MEMORY = 120_000
"""Number of examples after which one counts 1/e. Features have to be scaled as slowly as weights
are forgotten: else what a weight stands for would drift away from under it.
"""


class Standardiser(Numbers):
    """Brings features to mean 0 and deviation 1, by running moments; the first one stays 1."""

    def __init__(self, size: int) -> None:
        self._seen: Floats = np.zeros(1)
        self.moments: Floats = np.stack([np.zeros(size), np.ones(size)])
        """Means and variances."""
        super().__init__([self.moments], [self._seen])

    def learn(self, raw: Floats) -> None:
        """Takes one more example into the moments."""
        self._seen[0] += 1
        kernels.learn_moments(self.moments, raw, max(1 / float(self._seen[0]), 1 / MEMORY))
        self.changed = True

    def __call__(self, raw: Floats) -> Floats:
        scaled = np.empty_like(raw)
        kernels.standardise(self.moments, raw, scaled)
        scaled[0] = 1.0
        return scaled


class HuberRegression(Numbers):
    """Recursive least squares with forgetting, robust: beyond `corner`, errors count linearly.

    Huber (1964) weights in the recursion of e.g. Haykin, Adaptive Filter Theory, ch. 10.
    """

    def __init__(
        self, size: int, *, memory: float = MEMORY, prior: float = 0.01, corner: float = 0.4
    ) -> None:
        """Starts with all weights at 0.

        Args:
            size: Number of features.
            memory: Number of examples after which one counts 1/e.
            prior: How far weights are believed to be from 0: the variance, in that of the noise.
            corner: In typical errors.
        """
        self.weights: Floats = np.zeros(size)
        self._covariance: Floats = np.eye(size) * prior
        self._forget, self._corner, self._most = 1 - 1 / memory, corner, 2 * size * prior
        super().__init__([self.weights], [self._covariance])

    def __call__(self, x: Floats) -> float:
        return kernels.dot(self.weights, x)

    def learn(self, x: Floats, target: float, unit: float = 1.0, spread: float = 1.0) -> None:
        """Takes one example.

        Args:
            x: Features; it sees the first ones.
            target: In the unit of predictions.
            unit: The typical error.
            spread: How much further off than others an example like this is.
        """
        kernels.learn_huber(
            self.weights,
            self._covariance,
            x,
            target,
            self._forget,
            self._corner * unit * spread,
            spread**-2,
            self._most,
        )
        self.changed = True


class QuantileRegression(Numbers):
    """All `LEVELS` at once, by stochastic subgradients of the pinball loss (AdaGrad steps)."""

    def __init__(self, size: int, start: Floats, rate: float = 0.05) -> None:
        """Starts with constants.

        Args:
            size: Number of features; the first is 1.
            start: The quantiles without any evidence.
            rate: Step length.
        """
        self.weights: Floats = np.zeros((len(LEVELS), size))
        self.weights[:, 0] = start
        self._squares: Floats = np.full((len(LEVELS), size), 1e-6)
        self._rate = rate
        super().__init__([self.weights], [self._squares])

    def __call__(self, x: Floats) -> Floats:
        found = np.empty(len(LEVELS))
        kernels.quantiles(self.weights, x, found)
        return found

    def learn(self, x: Floats, target: float) -> None:
        """Takes one example."""
        kernels.learn_quantiles(self.weights, self._squares, LEVELS, x, target, self._rate)
        self.changed = True
