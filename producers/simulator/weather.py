"""Shocks of weather and congestion: an area and a time that all runs there share."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime

from corridor.codes import Mode
from producers.simulator.chance import DAY, HOUR, Chance, lognormal
from producers.simulator.policy import AREA_DEGREES, DOMAIN, WEATHER

_LONGEST = 8 * DAY


@dataclass(frozen=True)
class Shock:
    """Bad weather in one area."""

    area: str
    begins: float
    ends: float
    factor: float
    """By how much movement is slower."""

    @property
    def name(self) -> str:
        return f"{self.area}-{int(self.begins)}"


def area_of(latitude: float, longitude: float, mode: Mode) -> str:
    """The area that a place is in, for a mode."""
    row = int((latitude + 90) // AREA_DEGREES)
    column = int((longitude + 180) // AREA_DEGREES)
    return f"{DOMAIN[mode]}-{row}-{column}"


class Skies:
    """The weather of all areas, made when it is first asked for."""

    def __init__(self, chance: Chance, begins: float, ends: float) -> None:
        self._chance = chance
        self._begins, self._ends = begins, ends
        self._shocks: dict[str, tuple[list[float], list[Shock]]] = {}

    def passes(
        self, area: str, time: float, nominal: float, known: float
    ) -> tuple[float, list[tuple[Shock, float]]]:
        """How long a movement takes in an area, and how much of it each shock adds.

        Args:
            area: Where.
            time: When it begins.
            nominal: Seconds that it takes in fair weather.
            known: Shocks that begin later are left out.
        """
        starts, shocks = self._of(area)
        index = max(0, bisect_right(starts, time) - 1)
        now, left = time, nominal
        added: list[tuple[Shock, float]] = []
        for shock in shocks[index:]:
            if shock.begins >= now + left or shock.begins > known:
                break
            if shock.ends <= now:
                continue
            if shock.begins > now:
                left -= shock.begins - now
                now = shock.begins
            inside = min(left * shock.factor, shock.ends - now)
            added.append((shock, inside - inside / shock.factor))
            left -= inside / shock.factor
            now += inside
        return now + left - time, added

    def at(self, area: str, time: float) -> Shock | None:
        """The shock that is on now."""
        starts, shocks = self._of(area)
        index = bisect_right(starts, time) - 1
        return shocks[index] if index >= 0 and shocks[index].ends > time else None

    def _of(self, area: str) -> tuple[list[float], list[Shock]]:
        known = self._shocks.get(area)
        if known is None:
            shocks = list(self._made(area))
            known = self._shocks[area] = ([shock.begins for shock in shocks], shocks)
        return known

    def _made(self, area: str) -> list[Shock]:
        policy = WEATHER[area.partition("-")[0]]
        rng = self._chance.stream("weather", area)
        shocks: list[Shock] = []
        time = self._begins
        while True:
            month = datetime.fromtimestamp(time, UTC).month
            gap = policy.gap_days / (2 if month in policy.months else 1)
            time += rng.expovariate(1 / (gap * DAY))
            if time >= self._ends:
                return shocks
            lasts = min(lognormal(rng, policy.hours * HOUR, policy.sigma), _LONGEST)
            shocks.append(Shock(area, time, time + lasts, rng.uniform(*policy.slow)))
            time += lasts
