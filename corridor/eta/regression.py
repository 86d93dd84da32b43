"""Linear models that learn from one example at a time."""

import numpy as np
from numpy.typing import NDArray

from corridor.eta import distribution

Floats = NDArray[np.float64]

LEVELS = np.array(distribution.LEVELS)


class Standardiser:
    """Brings features to mean 0 and deviation 1, by running moments; the first one stays 1."""

    def __init__(self, size: int) -> None:
        self._seen = 0
        self._mean = np.zeros(size)
        self._variance = np.ones(size)

    def learn(self, raw: Floats) -> None:
        """Takes one more example into the moments."""
        self._seen += 1
        rate = max(1 / self._seen, 1e-4)
        off = raw - self._mean
        self._mean += rate * off
        self._variance += rate * (off * (raw - self._mean) - self._variance)

    def __call__(self, raw: Floats) -> Floats:
        scaled: Floats = (raw - self._mean) / np.sqrt(np.maximum(self._variance, 1e-4))
        np.clip(scaled, -6, 6, out=scaled)
        scaled[0] = 1.0
        return scaled


class HuberRegression:
    """Recursive least squares with forgetting, robust: beyond `corner`, errors count linearly.

    Huber (1964) weights in the recursion of e.g. Haykin, Adaptive Filter Theory, ch. 10.
    """

    def __init__(
        self, size: int, *, memory: float = 120_000, prior: float = 0.01, corner: float = 0.4
    ) -> None:
        """Starts with all weights at 0.

        Args:
            size: Number of features.
            memory: Number of examples after which one counts 1/e.
            prior: How far weights are believed to be from 0 (variance).
            corner: In units of the target.
        """
        self._weights = np.zeros(size)
        self._covariance = np.eye(size) * prior
        self._forget = 1 - 1 / memory
        self._corner = corner

    def __call__(self, x: Floats) -> float:
        return float(self._weights @ x)

    def learn(self, x: Floats, target: float) -> None:
        """Takes one example."""
        error = target - float(self._weights @ x)
        size = abs(error)
        trust = 1.0 if size <= self._corner else self._corner / size
        spread = self._covariance @ x
        norm = self._forget / trust + float(x @ spread)
        self._weights += spread * (error / norm)
        spread *= norm**-0.5
        # a vector times itself, so that the matrix stays symmetric
        self._covariance -= np.multiply.outer(spread, spread)
        self._covariance *= 1 / self._forget


class QuantileRegression:
    """All `LEVELS` at once, by stochastic subgradients of the pinball loss (AdaGrad steps)."""

    def __init__(self, size: int, start: Floats, rate: float = 0.05) -> None:
        """Starts with constants.

        Args:
            size: Number of features; the first is 1.
            start: The quantiles without any evidence.
            rate: Step length.
        """
        self._weights = np.zeros((len(LEVELS), size))
        self._weights[:, 0] = start
        self._squares = np.full((len(LEVELS), size), 1e-6)
        self._rate = rate

    def __call__(self, x: Floats) -> Floats:
        return np.sort(self._weights @ x)

    def learn(self, x: Floats, target: float) -> None:
        """Takes one example."""
        slope = np.multiply.outer(LEVELS - (target < self._weights @ x), x)
        self._squares += slope * slope
        self._weights += self._rate * slope / np.sqrt(self._squares)
