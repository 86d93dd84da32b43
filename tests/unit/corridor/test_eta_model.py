"""The online model: it learns from the first outcome, once per run, and says how sure it is."""

import random

import pytest

from corridor.codes import Mode
from corridor.eta.model import Model
from corridor.eta.query import Horizon, Phase, Query


def query(number: int, delay: float, phase: Phase = Phase.UNDER_WAY, leg: str = "A-B") -> Query:
    departure = 10_000.0 + 60 * number
    return Query(
        Mode.RAIL,
        phase,
        leg,
        leg[0],
        leg[-1],
        f"S{number % 3}",
        "R",
        departure,
        departure + 600,
        delay,
    )


def taught(runs: int, seed: int = 1, slower: float = 40.0) -> Model:
    """A model of a railway whose trains take `slower` minutes more than the timetable says."""
    dice, model = random.Random(seed), Model()
    for number in range(runs):
        asked = query(number, dice.expovariate(0.1))
        now = asked.departure + asked.delay
        model.ask(f"run {number}", asked, now)
        arrival = asked.naive + slower + dice.gauss(0, 10)
        model.arrived(f"run {number}", arrival, arrival)
    return model


def test_nothing_is_said_before_the_first_outcome() -> None:
    assert Model().predict(query(0, 0.0), 0.0) is None


def test_what_trains_always_do_is_learned() -> None:
    asked = query(400, 5.0)
    quantiles = taught(400).predict(asked, asked.departure + 5)
    assert quantiles is not None
    assert abs(quantiles[3] - (asked.naive + 40)) < 5


def test_intervals_hold_what_they_promise() -> None:
    dice, model = random.Random(5), taught(500)
    inside = 0
    for number in range(500, 1500):
        asked = query(number, dice.expovariate(0.1))
        now = asked.departure + asked.delay
        quantiles = model.predict(asked, now)
        assert quantiles is not None
        arrival = asked.naive + 40 + dice.gauss(0, 10)
        inside += quantiles[0] <= arrival <= quantiles[6]
        model.ask(f"run {number}", asked, now)
        model.arrived(f"run {number}", arrival, arrival)
    assert 0.86 <= inside / 1000 <= 0.94


def test_quantiles_are_in_order() -> None:
    model = taught(50)
    for delay in (-30.0, 0.0, 20.0, 500.0, 5000.0):
        quantiles = model.predict(query(60, delay), 20_000.0)
        assert quantiles is not None
        assert list(quantiles) == sorted(quantiles)


def test_a_run_teaches_once_however_many_boxes_it_carries() -> None:
    one, many = Model(), Model()
    for number in range(30):
        asked = query(number, 3.0)
        for model, boxes in ((one, 1), (many, 50)):
            for _ in range(boxes):
                model.ask(f"run {number}", asked, asked.departure)
            for _ in range(boxes):
                model.arrived(f"run {number}", asked.naive + 40, asked.naive + 40)
    assert one.learned == many.learned == 30


def test_an_outcome_is_learned_once() -> None:
    model = taught(30)
    model.arrived("run 3", 0.0, 0.0)
    assert model.learned == 30


def test_a_run_has_taught_once_its_outcome_is_known() -> None:
    model = taught(30)
    assert model.taught("run 29")
    assert not model.taught("run 30")


def test_what_is_said_of_a_run_after_its_outcome_teaches_nothing() -> None:
    model = taught(30)
    before = model.snapshot()
    model.ask("run 29", query(29, 0.0), 20_000.0)
    assert model.snapshot() == before


def test_of_too_many_open_runs_the_oldest_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corridor.eta.model.MOST_OPEN", 3)
    model = Model()
    for number in range(4):
        model.ask(f"run {number}", query(number, 0.0), 20_000.0)
    model.arrived("run 0", 20_000.0, 20_000.0)
    assert model.predict(query(4, 0.0), 20_000.0) is None
    model.arrived("run 1", 20_000.0, 20_000.0)
    assert model.predict(query(4, 0.0), 20_000.0) is not None


def test_a_cancelled_run_teaches_nothing() -> None:
    model = Model()
    model.ask("run", query(0, 0.0), 0.0)
    model.ended("run", 0.0)
    model.arrived("run", 1.0, 1.0)
    assert model.predict(query(1, 0.0), 0.0) is None


def test_a_leg_that_was_never_seen_is_told_by_its_mode() -> None:
    asked = query(400, 0.0, leg="C-D")
    quantiles = taught(400).predict(asked, asked.departure)
    assert quantiles is not None
    assert abs(quantiles[3] - (asked.naive + 40)) < 20


def test_the_same_history_gives_the_same_model() -> None:
    asked = query(100, 7.0)
    assert taught(100).predict(asked, 20_000.0) == taught(100).predict(asked, 20_000.0)


def test_before_departure_another_model_speaks() -> None:
    assert taught(100).predict(query(100, 0.0, Phase.BEFORE), 20_000.0) is None


@pytest.mark.parametrize(
    ("lead", "horizon"),
    [(1440, "AHEAD"), (120, "TODAY"), (30, "SOON"), (0, "OVERDUE"), (-60, "OVERDUE")],
)
def test_how_far_ahead_it_is_asked_decides_which_model_speaks(lead: float, horizon: str) -> None:
    asked = query(0, 0.0, Phase.BEFORE)
    assert asked.horizon(asked.departure - lead) is Horizon(horizon)


def test_until_a_horizon_has_learned_the_next_one_speaks_for_it() -> None:
    model, asked = Model(), query(0, 0.0, Phase.BEFORE)
    model.ask("run", asked, asked.departure - 120)
    model.arrived("run", asked.arrival + 40, asked.arrival + 40)
    later = query(50, 0.0, Phase.BEFORE)
    assert model.predict(later, later.departure - 30) is not None


def taught_by(asks: int) -> bytes:
    """A model that one run has taught, asked for so often half an hour before it left."""
    model, asked = Model(), query(0, 0.0, Phase.BEFORE)
    for _ in range(asks):
        model.ask("run", asked, asked.departure - 30)
    model.arrived("run", asked.arrival + 40, asked.arrival + 40)
    return model.snapshot()


def test_a_run_is_asked_for_once_per_horizon() -> None:
    assert taught_by(1) == taught_by(30)


def test_a_departure_teaches_however_long_it_was_awaited() -> None:
    model, asked = Model(), query(0, 0.0, Phase.BEFORE)
    for hour in range(30):
        late = 60.0 * hour
        model.ask("run", asked._replace(delay=late), asked.departure + late)
    model.ask("run", query(0, 1800.0), asked.departure + 1800)
    model.arrived("run", asked.arrival + 1800, asked.arrival + 1800)
    later = query(50, 5.0)
    assert model.predict(later, later.departure + 5) is not None


def closed(model: Model, start: str, day: int) -> None:
    """From one place nobody leaves at the planned time, but three hours later; from the other one
    all leave as planned. Places change every day.
    """
    for number in range(24):
        asked = query(day * 24 + number, 0.0, Phase.BEFORE, f"{'AB'[number % 2]}-C")
        late = 180.0 if asked.from_node == start else 0.0
        run = f"{day} {number}"
        model.ask(run, asked, asked.departure - 30)
        if late:
            model.ask(run, asked, asked.departure)
        else:
            left = asked._replace(phase=Phase.UNDER_WAY)
            model.departed(run, left, asked.departure)
        arrival = asked.arrival + late
        model.arrived(run, arrival, arrival)


def test_that_nobody_leaves_delays_those_who_are_next() -> None:
    model = Model()
    for day in range(40):
        closed(model, "AB"[day * 7 % 3 % 2], day)
    now = query(41 * 24, 0.0).departure
    for number in range(12):
        stuck = query(41 * 24 - number, 0.0, Phase.BEFORE, "A-C")
        model.ask(f"stuck {number}", stuck, now - 30)
        gone = query(41 * 24 - number, 0.0, Phase.UNDER_WAY, "B-C")
        model.departed(f"gone {number}", gone, now - 30)
    said = [
        model.predict(query(41 * 24, 0.0, Phase.BEFORE, leg), now - 30) for leg in ("A-C", "B-C")
    ]
    assert said[0] is not None
    assert said[1] is not None
    assert said[0][3] > said[1][3] + 20
