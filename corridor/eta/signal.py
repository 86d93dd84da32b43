"""How fresh the last word of a source is, measured by the source's own rhythm.

Minutes throughout; moments are minutes from any fixed one.
"""

from enum import StrEnum
from math import exp, log

import msgspec

from corridor.codes import Signal
from corridor.eta.distribution import LEVELS

Z_LEVELS = (-1.64485, -1.28155, -0.67449, 0.0, 0.67449, 1.28155, 1.64485)
"""The standard normal's quantiles at `LEVELS`."""
assert len(Z_LEVELS) == len(LEVELS)
Z95 = Z_LEVELS[-1]

LOST_AFTER = 3.0
"""So many times its 99th percentile of silence, and a source is lost."""
_LEAST_GAP = 0.05
_MOST_GAP = 90 * 24 * 60.0
# each of the two quantiles is at least 1.2 and at most 30 times the one below
_NARROWEST, _WIDEST = log(1.2), log(30.0)
_SLOWEST, _WARM_UP = 0.002, 20  # gain 1 / (n + 20), and no less than 1/500
_LEAP = 0.5


class Kind(StrEnum):
    """What kind of source it is; decides only what is taken for its rhythm at first."""

    LOCK = "LOCK"
    GPS = "GPS"
    AIS = "AIS"
    MILESTONE = "MILESTONE"


FIRST: dict[Kind, tuple[float, float]] = {
    Kind.LOCK: (10.0, 45.0),  # every 5 minutes; tunnels
    Kind.GPS: (20.0, 180.0),  # telematics every 5 to 15 minutes; no cover in steppe and mountains
    Kind.AIS: (30.0, 720.0),  # thinned at the edge; far from the coast only satellites hear it
    Kind.MILESTONE: (24 * 60.0, 96 * 60.0),  # departure, border, arrival
}
"""q90 and q99 of the gaps of a source that has not been heard of, minutes."""


class Rhythm(msgspec.Struct, array_like=True):
    """The gaps between the events of a source. Fields may be appended, never moved."""

    q90: float
    q99: float
    """Natural logarithms of minutes."""
    gaps: int = 0
    """How many it has learned from."""


SAMPLE = 8
"""Gaps that a unit keeps of a source."""


class Heard(msgspec.Struct, array_like=True):
    """When a source was heard of a unit, and a fair sample of the gaps between. Fields may be
    appended, never moved."""

    kind: Kind
    last: float
    """Minutes."""
    gaps: list[float] = []
    every: int = 1
    """One in so many gaps is kept."""
    passed: int = 0
    """Gaps since the last one that was kept."""


def hear(heard: dict[str, Heard], source: str, kind: Kind, time: float) -> None:
    """Notes that a source was heard; what comes late says nothing of its rhythm."""
    known = heard.get(source)
    if known is None:
        heard[source] = Heard(kind, time)
        return
    if time <= known.last:
        return
    known.passed += 1
    if known.passed >= known.every:
        known.passed = 0
        known.gaps.append(time - known.last)
        if len(known.gaps) > SAMPLE:  # every other one, so that none is preferred
            known.gaps = known.gaps[::2]
            known.every *= 2
    known.last = time


def rhythm(kind: Kind) -> Rhythm:
    """Of a source that has not been heard of."""
    q90, q99 = FIRST[kind]
    return Rhythm(log(q90), log(q99))


def learn(rhythm: Rhythm, gap: float) -> None:
    """Takes the minutes between two events of one subject; what is not positive is no gap.

    Stochastic gradient descent on the pinball loss of the gap's logarithm, each step divided by
    the density at its quantile, about 1 - level (Robbins and Monro, 1951, with a constant gain in
    the end: a source may change its habits).
    """
    if not gap > 0:
        return
    value = log(min(max(gap, _LEAST_GAP), _MOST_GAP))
    gain = max(1.0 / (rhythm.gaps + _WARM_UP), _SLOWEST)
    rhythm.gaps += 1
    rhythm.q90 += 9.0 * gain if value > rhythm.q90 else -gain
    rhythm.q99 += min(99.0 * gain, _LEAP) if value > rhythm.q99 else -gain
    rhythm.q90 = min(max(rhythm.q90, log(_LEAST_GAP)), log(_MOST_GAP))
    rhythm.q99 = min(max(rhythm.q99, rhythm.q90 + _NARROWEST), rhythm.q90 + _WIDEST)


def limits(rhythm: Rhythm) -> tuple[float, float, float]:
    """The ages from which on the last event is AGEING, STALE and LOST, minutes."""
    stale = exp(rhythm.q99)
    return exp(rhythm.q90), stale, LOST_AFTER * stale


def signal(rhythm: Rhythm, last: float, now: float) -> Signal:
    """What an event at `last` is worth at `now`."""
    ageing, stale, lost = limits(rhythm)
    if now < last + ageing:
        return Signal.LIVE
    if now < last + stale:
        return Signal.AGEING
    return Signal.STALE if now < last + lost else Signal.LOST


def next_change(rhythm: Rhythm, last: float, now: float) -> float | None:
    """The next moment at which `signal` is another one, if nothing is heard; None: never."""
    for limit in limits(rhythm):
        if now < last + limit:
            return last + limit
    return None
