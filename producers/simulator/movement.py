"""How a run moves along its leg: parts with their own pace, weather, breakdowns, diversions."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from producers.simulator.chance import HOUR, lognormal
from producers.simulator.lanes import Lane
from producers.simulator.policy import HELD, HELD_HOURS, Movement
from producers.simulator.weather import Shock, Skies


@dataclass(frozen=True)
class Stop:
    """A breakdown."""

    begins: float
    ends: float
    fraction: float


@dataclass(frozen=True)
class Trip:
    """A run's way from its departure to its target, or to the queue before it."""

    times: list[float]
    """When it reached each of `fractions` of its way."""
    fractions: list[float]
    weather: list[tuple[Shock, float]]
    """Seconds that each shock added."""
    stop: Stop | None

    @property
    def ends(self) -> float:
        return self.times[-1]

    def fraction_at(self, time: float) -> float:
        """How far along it is."""
        index = bisect_right(self.times, time)
        if index == 0:
            return 0.0
        if index == len(self.times):
            return self.fractions[-1]
        before, after = self.times[index - 1], self.times[index]
        done, then = self.fractions[index - 1], self.fractions[index]
        return done + (then - done) * (time - before) / (after - before)

    def time_at(self, fraction: float) -> float:
        """When it is so far along."""
        index = bisect_right(self.fractions, fraction)
        if index == len(self.fractions):
            return self.times[-1]
        before, after = self.fractions[index - 1], self.fractions[index]
        then, later = self.times[index - 1], self.times[index]
        return then + (later - then) * (fraction - before) / (after - before)


def travel(
    lane: Lane,
    movement: Movement,
    departed: float,
    rng: Random,
    skies: Skies,
    pace: Callable[[Lane, float], float],
    known: float = math.inf,
) -> Trip:
    """One possible trip.

    Args:
        lane: The leg.
        movement: The mode's numbers.
        departed: When it began.
        rng: What is left to chance.
        skies: The weather.
        pace: Regime: by what factor movement takes longer at a time.
        known: Weather that begins later is left out: nobody can foresee it.
    """
    whole = lognormal(rng, lane.hours * HOUR, lane.run_sigma)
    times, fractions = [departed], [0.0]
    weather: list[tuple[Shock, float]] = []
    stop = None
    now = departed
    broken = rng.random() < lane.hours / movement.breakdown_hours
    broken_at = rng.randrange(len(lane.parts))
    stands = lognormal(rng, movement.stop_hours * HOUR, 0.9)
    for index, (fraction, area) in enumerate(lane.parts):
        nominal = lognormal(rng, whole * (fraction - fractions[-1]), movement.part_sigma)
        took, added = skies.passes(area, now, nominal * pace(lane, now), known)
        weather += added
        now += took
        if broken and index == broken_at:
            # at the end of this part, so that what was drawn before stays as it is
            times.append(now)
            fractions.append(fraction - 1e-6)
            stop = Stop(now, now + stands, fraction)
            now += stands
        times.append(now)
        fractions.append(fraction)
    return Trip(times, fractions, weather, stop)


def starts(
    lane: Lane, movement: Movement, earliest: float, rng: Random, skies: Skies
) -> tuple[float, tuple[Shock, float] | None]:
    """When a run leaves that could leave at `earliest`, and what weather it waited for."""
    leaves = earliest + lognormal(rng, movement.start_minutes * 60, movement.start_sigma)
    shock = skies.at(lane.parts[0][1], leaves)
    if shock is None or shock.factor < HELD:
        return leaves, None
    held = min(shock.ends - leaves, HELD_HOURS * HOUR)
    return leaves + held, (shock, held)
