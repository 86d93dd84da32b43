"""The loops that run for every prediction and every outcome, compiled by numba.

They stand together since numba's cache knows only the file of a function, not what that calls.
Nothing here reorders sums (no fastmath, no threads): every process computes the same bits. What is
compiled is kept next to this file, or in the user's cache, or else made anew by each process.
"""

from collections.abc import Callable
from math import exp, log1p, sqrt
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
def lateness(
    rows: Floats,
    places: Places,
    parents: Places,
    strength: float,
    prior: float,
    rates: Floats,
    now: float,
    out: Floats,
) -> None:
    """How many wait, and how late what was planned lately is; see `corridor.eta.departures`.

    A row has the number of those that wait; per rate the weight and lateness of those that left,
    and the weight, lateness and growth per minute of those that wait; and its time.
    """
    for key in range(len(places)):
        place, parent = places[key], parents[key]
        out[key, 0] = rows[place, 0] if place >= 0 else 0.0
        for memory in range(len(rates)):
            late = weight = 0.0
            if place >= 0:
                row, at = rows[place], 1 + 5 * memory
                since = now - row[-1]
                fade = fading(since, rates[memory])
                weight = (row[at] + row[at + 2]) * fade
                late = (row[at + 1] + row[at + 3] + row[at + 4] * max(since, 0.0)) * fade
            above = prior if parent < 0 else out[parent, 1 + memory]
            out[key, 1 + memory] = (late + strength * above) / (weight + strength)


@compiled
def count_departure(
    rows: Floats,
    places: Places,
    rates: Floats,
    planned: float,
    scale: float,
    waiting: float,
    late: float,
    now: float,
) -> None:
    """Takes a run into rows of `lateness`: as one that has left `late`, if `waiting` is 0.

    Args:
        rows: All.
        places: Of its groups.
        rates: One per memory.
        planned: Its departure, minutes.
        scale: The unit of its lateness, minutes.
        waiting: 1: it waits from now on; -1: no more.
        late: In scales.
        now: Minutes.
    """
    for place in places:
        row = rows[place]
        since = max(now - row[-1], 0.0)
        row[-1] += since
        row[0] = max(row[0] + waiting, 0.0)
        for memory in range(len(rates)):
            at = 1 + 5 * memory
            fade = fading(since, rates[memory])
            row[at + 3] += row[at + 4] * since
            for i in range(at, at + 5):
                row[i] *= fade
            weight = fading(row[-1] - planned, rates[memory])
            if waiting == 0.0:
                row[at] += weight
                row[at + 1] += weight * late
            elif row[0] < 0.5:  # of nobody, nothing may be left by rounding
                row[at + 2] = row[at + 3] = row[at + 4] = 0.0
            else:
                row[at + 2] += waiting * weight
                row[at + 3] += waiting * weight * (row[-1] - planned) / scale
                row[at + 4] += waiting * weight / scale


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
    """Brings features to mean 0 and deviation 1."""
    for i in range(len(raw)):
        scaled = (raw[i] - moments[0, i]) / sqrt(max(moments[1, i], 1e-4))
        out[i] = min(max(scaled, -6.0), 6.0)


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
    trust: float,
    most: float,
) -> None:
    """One step of robust recursive least squares; see `corridor.eta.regression`."""
    size = len(weights)
    error = target - dot(weights, x)
    if abs(error) > corner:
        trust *= corner / abs(error)
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
def calibrate(
    offsets: Floats,
    row: Floats,
    levels: Floats,
    plain: Floats,
    unit: float,
    exact: float,
    rate: float,
    now: float,
) -> None:
    """Moves offsets so that each quantile holds as often as its level says; not the median.

    Args:
        offsets: Of the group, in units.
        row: Those of the carrier on top, and when they were touched.
        levels: Of the quantiles.
        plain: Quantiles without offsets.
        unit: The typical error.
        exact: What came of it.
        rate: Step length.
        now: Minutes.
    """
    for level in range(len(levels)):
        if level != len(levels) // 2:
            said = plain[level] + unit * (offsets[level] + row[level])
            move = rate * (levels[level] - (1.0 if exact < said else 0.0))
            offsets[level] += move
            row[level] += move
    row[-1] = max(row[-1], now)


@compiled
def bend(index: float, x: Floats, bending: Places, out: Floats) -> None:
    """What the second linear model sees of what the first one said, `index`, in typical errors:
    bends, and products with the features `bending`. Lateness is no sum: what makes one run late
    makes an already late one later.
    """
    index = min(max(index, -2.0), 3.0)
    out[0] = index
    for i in range(3):
        out[1 + i] = max(index - 0.5 * i, 0.0)
    for i in range(len(bending)):
        out[4 + i] = index * x[bending[i]]


@compiled
def speak(
    own: Floats,
    lateness: Floats,
    shape: Floats,
    means: Floats,
    state: Places,
    errors: Places,
    spreading: Places,
    bending: Places,
    moments: Floats,
    first: Floats,
    second: Floats,
    spread: Floats,
    offsets: Floats,
    base: float,
    unit: float,
    widen: float,
    out: Floats,
) -> None:
    """From features to quantiles; see `corridor.eta.predictor`.

    Args:
        own: Features that are no means; the first is 1.
        lateness: Of departures, (groups, numbers); see `corridor.eta.departures`.
        shape: Features that the spread depends on.
        means: Of cells, flat.
        state: Which of them are features of both models,
        errors: and which of the second one.
        spreading: Which of them the spread depends on.
        bending: Which features are multiplied with what the first model says.
        moments: Of the features.
        first: Weights of the first linear model; it sees the features that come first.
        second: Of the second one; it sees all.
        spread: Of the quantiles, in units.
        offsets: To be added to each quantile, in units.
        base: To be added to what either model says.
        unit: The typical error.
        widen: How much further from the center the quantiles are.
        out: Quantiles as said, from the center; features raw, features scaled, what the spread
            depends on; what the first model said, and the center; quantiles without offsets.
    """
    size, most, levels = len(second), spread.shape[1], len(spread)
    said, raw, x = out[:levels], out[levels : levels + size], out[levels + size :]
    raw[: len(own)] = own
    at = len(own)
    for group in range(len(lateness)):
        for number in range(lateness.shape[1]):
            raw[at] = lateness[group, number]
            at += 1
        late = lateness[group, 1]
        raw[at] = log1p(late) if late > 0.0 else -log1p(-late)
        at += 1
    for i in range(len(state)):
        raw[at + i] = means[state[i]]
    seen = len(first)
    standardise(moments[:, :seen], raw[:seen], x)
    x[0] = 1.0
    index = dot(first, x) + base
    bent = 4 + len(bending)
    bend(index / unit, x, bending, raw[seen : seen + bent])
    for i in range(len(errors)):
        raw[seen + bent + i] = means[errors[i]]
    standardise(moments[:, seen:], raw[seen:], x[seen:])
    around = x[size : size + most]
    around[: len(shape)] = shape
    for i in range(len(spreading)):
        around[len(shape) + i] = means[spreading[i]]
    center = dot(second, x) + base
    both = x[size + most :]
    both[0], both[1] = index, center
    plain = both[2 : 2 + levels]
    quantiles(spread, around, plain)
    middle = levels // 2
    for level in range(levels):
        plain[level] = center + unit * plain[level]
        said[level] = (plain[level] + unit * offsets[level] - center) * widen
    plain[middle] = center
    said[middle] = 0.0
    ascend(said[:middle])
    ascend(said[middle + 1 :])
    for level in range(levels):
        said[level] = min(said[level], 0.0) if level < middle else max(said[level], 0.0)
