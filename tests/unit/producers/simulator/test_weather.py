"""Bad weather slows whatever moves in its area while it lasts."""

import math

import pytest

from corridor.codes import Mode
from producers.simulator.chance import DAY, HOUR, Chance
from producers.simulator.weather import Skies, area_of

AREA = area_of(29.6, 106.4, Mode.RAIL)


@pytest.fixture
def skies() -> Skies:
    return Skies(Chance(1), 0.0, 2000 * DAY)


def first(skies: Skies) -> tuple[float, float, float]:
    """When the first shock begins and ends, and its factor."""
    _, added = skies.passes(AREA, 0.0, 1000 * DAY, math.inf)
    shock = added[0][0]
    return shock.begins, shock.ends, shock.factor


def test_fair_weather_takes_the_usual_time(skies: Skies) -> None:
    begins, _, _ = first(skies)
    assert skies.passes(AREA, begins - DAY, 3 * HOUR, math.inf) == (3 * HOUR, [])


def test_bad_weather_takes_longer_by_its_factor(skies: Skies) -> None:
    begins, _, factor = first(skies)
    took, added = skies.passes(AREA, begins, 60.0, math.inf)
    assert took == pytest.approx(60 * factor)
    assert added[0][1] == pytest.approx(60 * factor - 60)


def test_a_movement_that_runs_into_bad_weather_is_slower_from_then_on(skies: Skies) -> None:
    begins, _, factor = first(skies)
    took, added = skies.passes(AREA, begins - HOUR, HOUR + 60, math.inf)
    assert took == pytest.approx(HOUR + 60 * factor)
    assert sum(seconds for _, seconds in added) == pytest.approx(took - HOUR - 60)


def test_what_outlasts_bad_weather_goes_on_as_usual(skies: Skies) -> None:
    begins, ends, factor = first(skies)
    inside = (ends - begins) / factor
    took, _ = skies.passes(AREA, begins, inside + 60, begins)
    assert took == pytest.approx(ends - begins + 60)


def test_weather_that_is_yet_to_come_can_be_left_out(skies: Skies) -> None:
    begins, _, _ = first(skies)
    assert skies.passes(AREA, begins - HOUR, 5 * HOUR, begins - HOUR) == (5 * HOUR, [])


def test_neighbours_have_the_same_weather_and_seas_their_own() -> None:
    assert area_of(29.6, 106.4, Mode.RAIL) == area_of(28.0, 107.0, Mode.TRUCK)
    assert area_of(20.0, 108.0, Mode.VESSEL) != area_of(20.0, 108.0, Mode.RAIL)
