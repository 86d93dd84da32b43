"""The loops that run for every prediction and every outcome, compiled by numba.

They stand together since numba's cache knows only the file of a function, not what that calls.
Nothing here reorders sums (no fastmath, no threads): every process computes the same bits. What is
compiled is kept next to this file, or in the user's cache, or else made anew by each process.
"""

from collections.abc import Callable
from math import exp, sqrt
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

F = TypeVar("F", bound=Callable[..., Any])


def compiled(loop: F) -> F:
    """Compiles at the first call, or takes what an earlier process compiled."""
    try:
        return cast(F, numba.njit(cache=True)(loop))
    except RuntimeError:  # there is no directory that could be written to
        return cast(F, numba.njit(loop))


@compiled
def fading(since: float, rate: float) -> float:
    """What is left of a weight after `since` minutes; of what comes late, all."""
    # not beyond e^-50: processors are slow at the tiniest numbers
    return exp(max(min(-since * rate, 0.0), -50.0))


@compiled
def read(
    rows: Floats,
    places: Places,
    parents: Places,
    strengths: Floats,
    prior: Floats,
    rates: Floats,
    now: float,
    out: Floats,
) -> None:
    """Means and weights of cells; see `corridor.eta.cells`. `out` is (2, keys, families)."""
    families = len(rates)
    for key in range(len(places)):
        place, parent, strength = places[key], parents[key], strengths[key]
        for family in range(families):
            total = weight = 0.0
            if place >= 0:
                fade = fading(now - rows[place, 2 * families], rates[family])
                total = rows[place, family] * fade
                weight = rows[place, families + family] * fade
            above = prior[family] if parent < 0 else out[0, parent, family]
            scale = 1.0 / (weight + strength)
            out[0, key, family] = total * scale + strength * scale * above
            out[1, key, family] = weight


@compiled
def add(rows: Floats, places: Places, values: Floats, rates: Floats, now: float) -> None:
    """Adds one value per family to each of some cells."""
    families = len(rates)
    for place in places:
        row = rows[place]
        since = now - row[2 * families]
        for family in range(families):
            fade = fading(since, rates[family])
            row[family] = row[family] * fade + values[family]
            row[families + family] = row[families + family] * fade + 1.0
        row[2 * families] = max(row[2 * families], now)


@compiled
def factors(moments: Floats, fade: float, ridge: float) -> Floats:
    """The state f that solves (fade A + ridge I) f = fade b, by elimination.

    Args:
        moments: A, symmetric and positive, and b as its last column.
        fade: How much of them still counts.
        ridge: How strongly f is held at 0.
    """
    size = len(moments)
    system = moments * fade
    for i in range(size):
        system[i, i] += ridge
    for i in range(size):
        for j in range(i + 1, size):
            share = system[j, i] / system[i, i]
            for k in range(i, size + 1):
                system[j, k] -= share * system[i, k]
    state = np.empty(size)
    for i in range(size - 1, -1, -1):
        rest = system[i, size]
        for k in range(i + 1, size):
            rest -= system[i, k] * state[k]
        state[i] = rest / system[i, i]
    return state


@compiled
def expected(loading: Floats, moments: Floats, since: float, rate: float, ridge: float) -> float:
    """The residual of a leg of this loading, `since` minutes after the last run."""
    state = factors(moments, fading(since, rate), ridge)
    total = 0.0
    for i in range(len(state)):
        total += loading[i] * state[i]
    return total


@compiled
def learn_factors(
    loading: Floats,
    moments: Floats,
    since: float,
    rate: float,
    ridge: float,
    step: float,
    residual: float,
) -> None:
    """Takes one run into the loading of its leg and the moments of all legs."""
    fade = fading(since, rate)
    state = factors(moments, fade, ridge)
    size = len(state)
    error, norm = residual, 1.0
    for i in range(size):
        error -= loading[i] * state[i]
        norm += state[i] * state[i]
    for i in range(size):
        loading[i] += step * error * state[i] / norm
    for i in range(size):
        for j in range(size):
            moments[i, j] = moments[i, j] * fade + loading[i] * loading[j]
        moments[i, size] = moments[i, size] * fade + loading[i] * residual


@compiled
def learn_moments(moments: Floats, raw: Floats, rate: float) -> None:
    """Takes one example into running means and variances, the rows of `moments`."""
    for i in range(len(raw)):
        off = raw[i] - moments[0, i]
        moments[0, i] += rate * off
        moments[1, i] += rate * (off * (raw[i] - moments[0, i]) - moments[1, i])


@compiled
def standardise(moments: Floats, raw: Floats, out: Floats) -> None:
    """Brings features to mean 0 and deviation 1; the first one is 1."""
    for i in range(len(raw)):
        scaled = (raw[i] - moments[0, i]) / sqrt(max(moments[1, i], 1e-4))
        out[i] = min(max(scaled, -6.0), 6.0)
    out[0] = 1.0


@compiled
def dot(weights: Floats, x: Floats) -> float:
    """As far as there are weights."""
    total = 0.0
    for i in range(len(weights)):
        total += weights[i] * x[i]
    return total


@compiled
def learn_huber(
    weights: Floats,
    covariance: Floats,
    x: Floats,
    target: float,
    forget: float,
    corner: float,
    most: float,
) -> None:
    """One step of robust recursive least squares; see `corridor.eta.regression`."""
    size = len(weights)
    error = target - dot(weights, x)
    trust = 1.0 if abs(error) <= corner else corner / abs(error)
    spread = np.zeros(size)
    for i in range(size):  # by rows, which are columns too: so the inner loop is a vector's
        for j in range(size):
            spread[j] += covariance[i, j] * x[i]
    norm = forget / trust + dot(spread, x)
    for i in range(size):
        weights[i] += spread[i] * (error / norm)
        spread[i] *= 1.0 / sqrt(norm)
    trace = 0.0
    for i in range(size):
        trace += covariance[i, i]
    # what is never excited would grow for ever
    grow = 1.0 / forget if trace < most else 1.0
    for i in range(size):
        for j in range(size):
            # a vector times itself, so that the matrix stays symmetric
            covariance[i, j] = (covariance[i, j] - spread[i] * spread[j]) * grow


@compiled
def quantiles(weights: Floats, x: Floats, out: Floats) -> None:
    """The rows of `weights` times x, ascending."""
    for level in range(len(weights)):
        out[level] = dot(weights[level], x)
    ascend(out)


@compiled
def ascend(values: Floats) -> None:
    """Sorts a few values in place."""
    for i in range(1, len(values)):
        value, j = values[i], i
        while j and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


@compiled
def learn_quantiles(
    weights: Floats, squares: Floats, levels: Floats, x: Floats, target: float, rate: float
) -> None:
    """One subgradient step of the pinball loss per level."""
    for level in range(len(levels)):
        missed = levels[level] - (1.0 if target < dot(weights[level], x) else 0.0)
        for i in range(weights.shape[1]):
            slope = missed * x[i]
            squares[level, i] += slope * slope
            weights[level, i] += rate * slope / sqrt(squares[level, i])


@compiled
def speak(
    own: Floats,
    shape: Floats,
    means: Floats,
    linear: Places,
    spreading: Places,
    moments: Floats,
    first: Floats,
    second: Floats,
    spread: Floats,
    offsets: Floats,
    shift: float,
    widen: float,
    out: Floats,
) -> None:
    """From features to quantiles; see `corridor.eta.predictor`.

    Args:
        own: Features that are no means; the first is 1.
        shape: Those that the spread depends on.
        means: Of cells, flat.
        linear: Which of them are features.
        spreading: Which of them the spread depends on.
        moments: Of the features.
        first: Weights of the first linear model; it sees the features that come first.
        second: Of the second one; it sees all.
        spread: Of the quantiles.
        offsets: To be added to each quantile.
        shift: To be added to the center.
        widen: How much further from the center the quantiles are.
        out: Quantiles as said, from the center; features raw, features scaled, what the spread
            depends on; what the first model said, and the center; quantiles without offsets.
    """
    size, most, levels = len(second), spread.shape[1], len(spread)
    said, raw, x = out[:levels], out[levels : levels + size], out[levels + size :]
    raw[: len(own)] = own
    for i in range(len(linear)):
        raw[len(own) + i] = means[linear[i]]
    standardise(moments, raw, x)
    around = x[size : size + most]
    around[: len(shape)] = shape
    for i in range(len(spreading)):
        around[len(shape) + i] = means[spreading[i]]
    center = dot(second, x) + shift
    both = x[size + most :]
    both[0], both[1] = dot(first, x), center
    plain = both[2 : 2 + levels]
    quantiles(spread, around, plain)
    middle = levels // 2
    for level in range(levels):
        plain[level] += center
        said[level] = (plain[level] + offsets[level] - center) * widen
    plain[middle] = center
    said[middle] = 0.0
    ascend(said[:middle])
    ascend(said[middle + 1 :])
    for level in range(levels):
        said[level] = min(said[level], 0.0) if level < middle else max(said[level], 0.0)
