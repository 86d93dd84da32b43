"""What was learned is restored bit for bit, and told to readers by deltas."""

import random
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.eta import model as models
from corridor.eta.component import Component, Composite, Family, Numbers
from corridor.eta.departures import Departures
from corridor.eta.distribution import Quantiles
from corridor.eta.factors import Factors
from corridor.eta.kernels import compiled
from corridor.eta.model import Model, OtherModel, State
from corridor.eta.predictor import Calibration, Predictor
from corridor.eta.query import Horizon, Phase, Query
from corridor.eta.regression import HuberRegression, QuantileRegression, Standardiser

Deed = Callable[[Model], None]

QUICK = settings(max_examples=15, deadline=None)


def query(dice: random.Random, now: float) -> Query:
    start, end = dice.sample("ABCDE", 2)
    departure = now + dice.choice([-60.0, 60.0, 300.0])
    return Query(
        dice.choice([Mode.RAIL, Mode.TRUCK]),
        dice.choice(list(Phase)),
        f"{start}-{end}",
        start,
        end,
        dice.choice([None, "S1", "S2"]),
        dice.choice([None, "R"]),
        departure,
        departure + dice.uniform(60, 600),
        dice.expovariate(0.05),
    )


def deeds(dice: random.Random) -> Iterator[Deed]:
    """Things that happen to a model, without end."""
    now, asked = 20_000.0, dict[str, Query]()
    while True:
        now += dice.expovariate(0.1)
        run = f"run {dice.randrange(60)}"
        what = dice.random()
        if what < 0.5:
            asked[run] = one = query(dice, now)
            yield lambda model, r=run, q=one, t=now: model.ask(r, q, t)  # type: ignore[misc]
        elif what < 0.6:
            one = query(dice, now)
            yield lambda model, r=run, q=one, t=now: model.departed(r, q, t)  # type: ignore[misc]
        elif what < 0.65:
            yield lambda model, r=run, t=now: model.ended(r, t)  # type: ignore[misc]
        elif run in asked:
            arrival = asked[run].naive + dice.gauss(20, 30)
            yield lambda model, r=run, a=arrival, t=now: model.arrived(r, a, t)  # type: ignore[misc]


def said(model: Model, seed: int = 0) -> list[Quantiles | None]:
    dice = random.Random(seed)
    return [model.predict(query(dice, now), now) for now in (20_000.0, 20_500.0, 30_000.0) * 10]


def taught(count: int, seed: int = 1) -> Model:
    model = Model()
    for _, deed in zip(range(count), deeds(random.Random(seed)), strict=False):
        deed(model)
    return model


@QUICK
@given(st.integers(0, 1 << 32), st.integers(0, 400), st.integers(0, 200))
def test_a_model_that_was_loaded_learns_on_as_the_one_that_was_saved(
    seed: int, before: int, after: int
) -> None:
    model, loaded, happening = Model(), taught(50, seed + 1), deeds(random.Random(seed))
    for _ in range(before):
        next(happening)(model)
    loaded.load(model.snapshot())
    for _ in range(after):
        deed = next(happening)
        deed(model)
        deed(loaded)
    assert loaded.snapshot() == model.snapshot()


@QUICK
@given(st.integers(0, 1 << 32), st.integers(0, 200), st.lists(st.integers(0, 60), max_size=6))
def test_a_reader_says_what_the_learner_says_after_every_delta(
    seed: int, before: int, batches: list[int]
) -> None:
    learner, reader, happening = Model(), Model(), deeds(random.Random(seed))
    for _ in range(before):
        next(happening)(learner)
    reader.load(learner.snapshot())
    for batch in batches:
        for _ in range(batch):
            next(happening)(learner)
        delta = learner.delta()
        if delta is not None:
            reader.apply(delta)
        assert said(reader) == said(learner)
        assert reader.version == learner.version


def test_a_delta_applied_twice_is_a_delta_applied_once() -> None:
    learner, once, twice = taught(300), Model(), Model()
    delta = learner.delta()
    assert delta is not None
    once.apply(delta)
    twice.apply(delta)
    twice.apply(delta)
    assert once.snapshot() == twice.snapshot()


def test_deltas_alone_are_enough_to_predict() -> None:
    learner, reader = taught(300), Model()
    reader.apply(learner.delta() or b"")
    assert said(reader) == said(learner)


def test_where_nothing_was_learned_there_is_no_delta() -> None:
    model = taught(300)
    model.delta()
    assert model.delta() is None


def test_to_predict_changes_nothing() -> None:
    model = taught(300)
    before = model.snapshot()
    said(model)
    assert model.snapshot() == before


def test_a_model_that_is_loaded_forgets_what_it_knew() -> None:
    model = taught(300)
    model.load(Model().snapshot())
    assert model.snapshot() == Model().snapshot()


def test_a_snapshot_restores_which_runs_have_taught() -> None:
    model, loaded = taught(300), Model()
    loaded.load(model.snapshot())
    assert loaded.learned == model.learned > 0
    for number in range(60):
        loaded.ask(f"run {number}", query(random.Random(number), 30_000.0), 30_000.0)
    for number in range(60):
        model.ask(f"run {number}", query(random.Random(number), 30_000.0), 30_000.0)
    assert loaded.snapshot() == model.snapshot()


def test_the_header_says_how_far_a_delta_has_come() -> None:
    model = taught(300)
    delta = model.delta()
    assert delta is not None
    assert models.decode(delta).learned == model.learned


def test_the_state_of_another_kind_of_model_is_refused() -> None:
    other = msgspec.msgpack.encode(State("other-1", 0, None, b"\x80"))
    with pytest.raises(OtherModel, match="other-1"):
        Model().load(other)


def example(dice: random.Random, size: int) -> np.ndarray:
    return np.array([1.0, *(dice.gauss(0, 1) for _ in range(size - 1))])


def teach_factors(factors: Factors, dice: random.Random) -> None:
    for now in range(100):
        factors.learn(f"leg {dice.randrange(99)}", 1.0, dice.gauss(0, 1), 10.0 * now)


def teach_departures(departures: Departures, dice: random.Random) -> None:
    run, one = f"run {dice.randrange(9)}", query(dice, 20_000.0)
    do = departures.left if dice.random() < 0.5 else departures.due
    do(run, one, 20_000.0 + 100 * dice.random())


def teach_calibration(calibration: Calibration, dice: random.Random) -> None:
    asked, plain = query(dice, 20_000.0), np.array([-1.5, -1, -0.5, 0, 0.5, 1, 1.5])
    calibration.learn(asked, plain, 0.0, dice.gauss(0, 1), 1, 20_000.0)


def teach_family(family: Family[Numbers], dice: random.Random) -> None:
    one = family[f"member {dice.randrange(5)}"]
    one._told[0][0] = dice.random()
    one.changed = True


COMPONENTS: list[tuple[Callable[[], Component], Callable[..., None]]] = [
    (lambda: Standardiser(5), lambda part, dice: part.learn(example(dice, 5))),
    (lambda: HuberRegression(5), lambda part, dice: part.learn(example(dice, 5), dice.random())),
    (
        lambda: QuantileRegression(5, np.zeros(7)),
        lambda part, dice: part.learn(example(dice, 5), dice.random()),
    ),
    (lambda: Factors(4, 60.0), teach_factors),
    (lambda: Departures(1.0), teach_departures),
    (lambda: Family(lambda name: Numbers([np.zeros(1)])), teach_family),
    (
        lambda: Predictor(Mode.RAIL),
        lambda part, dice: part.learn(
            part.meet(query(dice, 20_000.0), Horizon.SOON, Departures(1.0), 20_000.0),
            21_000.0,
            21_000.0,
        ),
    ),
    (Calibration, teach_calibration),
]


@pytest.mark.parametrize(("make", "teach"), COMPONENTS)
def test_every_component_is_restored_bit_for_bit(
    make: Callable[[], Component], teach: Callable[..., None]
) -> None:
    part, loaded, dice = make(), make(), random.Random(1)
    for _ in range(20):
        teach(part, dice)
    loaded.load(part.snapshot())
    assert loaded.snapshot() == part.snapshot()


@pytest.mark.parametrize(("make", "teach"), COMPONENTS)
def test_every_component_tells_what_has_changed_once(
    make: Callable[[], Component], teach: Callable[..., None]
) -> None:
    part = make()
    assert part.delta() is None
    teach(part, random.Random(1))
    assert part.delta() is not None
    assert part.delta() is None


def test_a_composite_tells_only_of_parts_that_have_changed() -> None:
    quiet, busy = Numbers([np.zeros(1000)]), Numbers([np.zeros(1)])
    both = Composite({"quiet": quiet, "busy": busy})
    busy.changed = True
    delta = both.delta()
    assert delta is not None
    assert len(delta) < 100


def test_numbers_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        Numbers([np.zeros(2)]).load(Numbers([np.zeros(3)]).snapshot())


def test_loops_run_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def njit(loop: object = None, *, cache: bool = False) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return loop

    monkeypatch.setattr("numba.njit", njit)
    assert compiled(abs)(-1) == 1
