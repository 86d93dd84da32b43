"""How late runs leave, those included that should have left and have not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.eta.departures import GROUPS, Departures
from corridor.eta.query import Phase, Query

FROM = GROUPS.index("from")
NOW = 20_000.0


def query(departure: float, delay: float = 0.0, start: str = "A", carrier: str = "R") -> Query:
    return Query(
        Mode.AIR,
        Phase.BEFORE,
        f"{start}-Z",
        start,
        "Z",
        "S",
        carrier,
        departure,
        departure + 200,
        delay,
    )


def waiting(departures: Departures, start: str, now: float) -> float:
    return float(departures.lateness(query(now, start=start), now)[FROM, 0])


def lateness(departures: Departures, start: str, now: float) -> float:
    """Of what was planned lately, in scales."""
    return float(departures.lateness(query(now, start=start), now)[FROM, 1])


def test_who_has_not_left_is_later_with_every_minute() -> None:
    departures = Departures(1.0)
    for number in range(20):
        departures.due(f"run {number}", query(NOW), NOW)
    found = [lateness(departures, "A", NOW + after) for after in (0, 30, 60)]
    assert found == sorted(found)
    assert found[2] > 3


def test_a_place_where_nobody_leaves_is_told_from_one_where_all_do() -> None:
    departures = Departures(1.0)
    for number in range(20):
        departures.due(f"closed {number}", query(NOW + number, start="A"), NOW + number)
        departures.left(f"open {number}", query(NOW + number, start="B"), NOW + number)
    assert lateness(departures, "A", NOW + 60) > lateness(departures, "B", NOW + 60) + 2


def test_who_has_left_waits_no_more() -> None:
    departures = Departures(1.0)
    departures.due("run", query(NOW), NOW)
    assert waiting(departures, "A", NOW + 5) == 1
    departures.left("run", query(NOW, delay=10.0), NOW + 10)
    assert waiting(departures, "A", NOW + 15) == 0


def test_who_is_cancelled_waits_no_more() -> None:
    departures = Departures(1.0)
    departures.due("run", query(NOW), NOW)
    departures.ended("run", NOW + 10)
    assert waiting(departures, "A", NOW + 15) == 0


def test_a_run_waits_once_however_often_it_is_missed() -> None:
    departures = Departures(1.0)
    for after in range(5):
        departures.due("run", query(NOW), NOW + after)
    assert waiting(departures, "A", NOW + 5) == 1


def test_who_left_unheard_is_given_up() -> None:
    departures = Departures(1.0)
    departures.due("unheard", query(NOW), NOW)
    departures.due("next", query(NOW + 2000), NOW + 2000)
    assert waiting(departures, "A", NOW + 2000) == 1


def test_a_carrier_is_told_from_the_others_of_its_place() -> None:
    departures = Departures(1.0)
    for number in range(20):
        departures.left(f"late {number}", query(NOW, 60.0, carrier="L"), NOW + 60)
        departures.left(f"good {number}", query(NOW, 0.0, carrier="G"), NOW)
    late, good = (
        departures.lateness(query(NOW, carrier=carrier), NOW + 60)[-1, 1] for carrier in "LG"
    )
    assert late > good + 3


@given(st.integers(0, 1 << 32))
def test_when_all_have_left_it_is_as_if_nobody_had_waited(seed: int) -> None:
    dice = random.Random(seed)
    waited, prompt = Departures(1.0), Departures(1.0)
    runs = {f"run {n}": query(NOW + dice.uniform(0, 60)) for n in range(20)}
    for run, one in runs.items():
        waited.due(run, one, max(NOW + 30, one.departure))
    for run, one in runs.items():
        left = one._replace(delay=dice.uniform(0, 60))
        for departures in (waited, prompt):
            departures.left(run, left, NOW + 120)
    asked = query(NOW + 200)
    assert waited.lateness(asked, NOW + 200) == pytest.approx(
        prompt.lateness(asked, NOW + 200), abs=1e-9
    )
