"""Arrivals that others state (carriers, AIS, terminals), weighed by how right they have been.

Every source is an expert, and our own model is one of them. What is known of an expert is kept by
mode and by how long before the arrival it spoke: who is good at two hours may be bad at two days.
Weights are those of the exponentially weighted forecaster (Cesa-Bianchi and Lugosi, Prediction,
Learning, and Games, 2006, 2.1) on discounted losses, in units of our own loss.

Minutes throughout; moments are minutes from any fixed one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import exp
from typing import NamedTuple

import msgspec

from corridor.codes import Mode
from corridor.eta.distribution import MEDIAN, Quantiles
from corridor.eta.signal import Z95, Z_LEVELS

OWN = ""
"""The source that our own model is."""

LEADS = tuple(hours * 60.0 for hours in (1, 3, 6, 12, 24, 48, 96))
"""Bounds of the lead buckets."""

ETA = 4.0
"""Learning rate: half of our loss makes e² of our weight."""
MEMORY = 45 * 24 * 60.0
"""An error counts for 1/e after so many minutes."""
OWN_LOSS = 1.0
"""Of our model before it has been told an arrival."""
FOREIGN = 2.5
"""A source that has not been heard of is taken to be so many times as bad as our model."""
PRIOR = 5.0
"""How many errors that counts for."""
WORST = 5.0
"""No single error counts for more than this loss."""
_MAD = 1.2533  # standard deviation of a normal over its mean absolute deviation


class Expert(msgspec.Struct, array_like=True):
    """Decayed sums over the errors of one expert. Fields may be appended, never moved."""

    time: float = 0.0
    """The moment that the sums are decayed to."""
    weight: float = 0.0
    bias: float = 0.0
    """Arrival minus statement, minutes: positive, where it is optimistic."""
    error: float = 0.0
    """Absolute error once the bias that was known is taken away, minutes."""
    loss: float = 0.0
    """The same as a share of `scale(lead)`."""


class Pool(msgspec.Struct, array_like=True):
    """All experts, by source, mode and lead bucket, and by source and mode."""

    experts: dict[str, Expert] = {}


class Statement(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Who said what of an arrival."""

    source: str
    time: float
    """When it was said."""
    eta: float
    lead: float
    """How long before the arrival that was, as far as anybody knew."""


class Combined(NamedTuple):
    """Our quantiles after hearing the others."""

    quantiles: Quantiles
    shift: float
    """By which the median was moved, minutes."""
    weights: dict[str, float]
    """By source, ours included; they add up to 1."""


def statement(source: str, time: float, eta: float, own_eta: float | None = None) -> Statement:
    """Of our own model too (`OWN`). The lead is by our own median where there is one."""
    return Statement(source, time, eta, max((eta if own_eta is None else own_eta) - time, 0.0))


def remember(statements: list[Statement], new: Statement) -> bool:
    """Keeps a statement on a leg until the arrival is known; whether it was news.

    One per source and lead bucket, the latest: who repeats himself is not heard more often.
    """
    bucket = _bucket(new.lead)
    for index, old in enumerate(statements):
        if old.source == new.source and _bucket(old.lead) == bucket:
            if (new.time, new.eta) <= (old.time, old.eta):
                return False
            statements[index] = new
            return True
    statements.append(new)
    return True


def learn(pool: Pool, mode: Mode, statements: Iterable[Statement], arrival: float) -> None:
    """Takes what was said of a leg, now that the arrival is known."""
    for said in statements:
        most = max(60.0, said.lead)
        late = min(max(arrival - said.eta, -most), most)
        names = keys(said.source, mode, said.lead)
        error = abs(arrival - said.eta - _bias(pool.experts.get(names[0])))
        loss = min(error / scale(said.lead), WORST)
        for key in names:
            expert = pool.experts.get(key)
            if expert is None:
                expert = pool.experts[key] = Expert(arrival)
            _add(expert, arrival, late, error, loss)


def scale(lead: float) -> float:
    """The error that counts as a loss of 1, minutes."""
    return max(15.0, 0.1 * lead)


def loss(pool: Pool, source: str, mode: Mode, lead: float) -> float:
    """The decayed loss of an expert; of one little heard of, mostly that of its other leads."""
    own = _loss(pool, keys(OWN, mode, lead), OWN_LOSS)
    return own if source == OWN else _loss(pool, keys(source, mode, lead), FOREIGN * own)


def corrected(pool: Pool, mode: Mode, said: Statement) -> tuple[float, float]:
    """The arrival that a statement stands for, without its source's bias, and its usual error."""
    expert = pool.experts.get(keys(said.source, mode, said.lead)[0])
    error = loss(pool, said.source, mode, said.lead) * scale(said.lead)
    if expert is not None:
        error = (expert.error + PRIOR * error) / (expert.weight + PRIOR)
    return said.eta + _bias(expert), error


def inflation(said: Statement, now: float) -> float:
    """By which the error of an old statement is greater: doubled after half of its lead."""
    return 1.0 + max(now - said.time, 0.0) / max(0.5 * said.lead, 60.0)


def combine(
    pool: Pool,
    mode: Mode,
    quantiles: Sequence[float],
    statements: Iterable[Statement],
    now: float,
) -> Combined:
    """Our quantiles, minutes from `now`, moved to where the pool sees the arrival.

    The median goes to the weighted median of all experts, interpolated between them, so that it
    does not jump when a weight passes one half. The shape stays ours, but the spread is at least
    what the experts disagree about: its sigma, (q95 - q05) / 3.29, is no less than that of their
    weighted mean deviation. Their agreement does not narrow it. Of each source the latest statement
    counts, and none that time has disproved.
    """
    own = quantiles[MEDIAN]
    latest: dict[str, Statement] = {}
    for said in statements:
        if said.source != OWN and said.time <= now:
            before = latest.get(said.source)
            if before is None or (said.time, said.eta) > (before.time, before.eta):
                latest[said.source] = said
    heard: list[tuple[float, str, float]] = [(own, OWN, 1.0)]
    for source in sorted(latest):
        said = latest[source]
        names = keys(source, mode, said.lead)
        value = said.eta + _bias(pool.experts.get(names[0])) - now
        if value >= 0:
            ours = _loss(pool, keys(OWN, mode, said.lead), OWN_LOSS)
            relative = _loss(pool, names, FOREIGN * ours) / ours * inflation(said, now)
            heard.append((value, source, exp(ETA * (1.0 - relative))))
    total = sum(weight for *_, weight in heard)
    weights = {source: weight / total for _, source, weight in heard}
    if len(heard) == 1:
        return Combined(tuple(quantiles), 0.0, weights)
    heard.sort()
    centre = _median(heard, total)
    apart = sum(weight * abs(value - centre) for value, _, weight in heard) / total
    sigma = (quantiles[-1] - quantiles[0]) / (2 * Z95)
    least = _MAD * apart
    if sigma >= least:
        found = tuple(max(centre + value - own, 0.0) for value in quantiles)
    else:
        more = least - sigma
        found = tuple(
            max(centre + value - own + z * more, 0.0)
            for value, z in zip(quantiles, Z_LEVELS, strict=True)
        )
    return Combined(found, centre - own, weights)


def _bucket(lead: float) -> int:
    return bisect_right(LEADS, lead)


def keys(source: str, mode: Mode, lead: float) -> tuple[str, str]:
    """Of the expert at this lead, and at any."""
    whole = f"{source}|{mode.value}"
    return f"{whole}|{_bucket(lead)}", whole


def _loss(pool: Pool, names: tuple[str, str], prior: float) -> float:
    found = prior
    for key in reversed(names):
        expert = pool.experts.get(key)
        if expert is not None:
            found = (expert.loss + PRIOR * found) / (expert.weight + PRIOR)
    return found


def _bias(expert: Expert | None) -> float:
    return 0.0 if expert is None else expert.bias / (expert.weight + PRIOR)


def _add(expert: Expert, time: float, late: float, error: float, loss: float) -> None:
    """Adds an error, decayed if it is older than the sums: in which order they come is the same."""
    share = 1.0
    if time >= expert.time:
        decay = exp((expert.time - time) / MEMORY)
        expert.time = time
        expert.weight *= decay
        expert.bias *= decay
        expert.error *= decay
        expert.loss *= decay
    else:
        share = exp((time - expert.time) / MEMORY)
    expert.weight += share
    expert.bias += share * late
    expert.error += share * error
    expert.loss += share * loss


def _median(heard: Sequence[tuple[float, str, float]], total: float) -> float:
    """The weighted median of ascending values, interpolated between the middles of weights."""
    below = 0.0
    last_place, last = 0.0, heard[0][0]
    for index, (value, _, weight) in enumerate(heard):
        place = below + weight / 2
        if place >= total / 2:
            if index == 0 or place == last_place:
                return value
            return last + (value - last) * (total / 2 - last_place) / (place - last_place)
        below += weight
        last_place, last = place, value
    return last
