"""Stays, services, others' words and rhythms: restored bit for bit, and told by deltas."""

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.eta.dwell import Visit
from corridor.eta.experts import OWN, Statement
from corridor.eta.habits import Habits
from corridor.eta.signal import Kind

Deed = Callable[[Habits], None]
QUICK = settings(max_examples=30, deadline=None)
MODES = (Mode.RAIL, Mode.VESSEL)
SOURCES = (OWN, "carrier", "port")


def visit(dice: Random) -> Visit:
    return Visit(dice.choice("AB"), dice.choice(MODES), dice.choice(MODES), gap=600.0)


def stay(dice: Random, now: float) -> Deed:
    where, low, more = visit(dice), dice.uniform(1, 500), dice.uniform(0, 500)
    return lambda habits: habits.stayed(where, low, low + more, now)


def plan(dice: Random, now: float) -> Deed:
    day = dice.randrange(60)
    name, cutoff = dice.choice("XY"), dice.choice([None, 1440.0 * day - 60])
    return lambda habits: habits.planned(name, "A-B", 1440.0 * day, cutoff, f"run {day}", now)


def tell(dice: Random, now: float) -> Deed:
    said = Statement(dice.choice(SOURCES), now - 300, now + dice.gauss(0, 60), 300.0)
    return lambda habits: habits.told(Mode.RAIL, [said], now)


def fall_silent(dice: Random, now: float) -> Deed:
    gap = (dice.choice(SOURCES), dice.choice(list(Kind)), dice.expovariate(0.1))
    return lambda habits: habits.silent([gap])


def deeds(seed: int) -> Iterator[Deed]:
    """Things that are learned, without end."""
    dice, now = Random(seed), 20_000.0
    while True:
        now += dice.expovariate(0.01)
        yield dice.choice([stay, plan, tell, fall_silent])(dice, now)


def taught(count: int, seed: int = 1) -> Habits:
    habits = Habits()
    for deed in islice(deeds(seed), count):
        deed(habits)
    return habits


def said(habits: Habits) -> list[Any]:
    dice = Random(0)
    told = [Statement(source, 100.0, 500.0, 300.0) for source in SOURCES]
    quantiles = tuple(300.0 + 10 * number for number in range(7))
    return [
        *(habits.dwell(visit(dice)) for _ in range(10)),
        habits.following("A-B", 30_000.0),
        *(habits.rhythm(source, kind) for source in SOURCES for kind in Kind),
        habits.combined(Mode.RAIL, quantiles, told, 120.0),
    ]


@QUICK
@given(st.integers(0, 1 << 32), st.integers(0, 60), st.integers(0, 60))
@example(47095, 17, 12)  # one run planned twice alike, before the next delta
def test_what_was_loaded_learns_on_as_what_was_saved(seed: int, before: int, after: int) -> None:
    happening = deeds(seed)
    habits, loaded = Habits(), taught(20, seed + 1)
    for deed in islice(happening, before):
        deed(habits)
    loaded.load(habits.snapshot())
    for deed in islice(happening, after):
        deed(habits)
        deed(loaded)
    assert loaded.snapshot() == habits.snapshot()


@QUICK
@given(st.integers(0, 1 << 32), st.integers(0, 40), st.lists(st.integers(0, 20), max_size=6))
def test_a_reader_says_what_the_learner_says_after_every_delta(
    seed: int, before: int, batches: list[int]
) -> None:
    happening = deeds(seed)
    learner, reader = Habits(), Habits()
    for deed in islice(happening, before):
        deed(learner)
    reader.load(learner.snapshot())
    for batch in batches:
        for deed in islice(happening, batch):
            deed(learner)
        delta = learner.delta()
        if delta is not None:
            reader.apply(delta)
        assert said(reader) == said(learner)


@QUICK
@given(st.integers(0, 1 << 32), st.integers(0, 40))
def test_the_next_delta_outlives_a_restart(seed: int, count: int) -> None:
    habits, loaded = taught(count, seed), Habits()
    loaded.load(habits.snapshot())
    assert loaded.delta() == habits.delta()


@QUICK
@given(st.integers(0, 1 << 32), st.integers(1, 60))
def test_a_delta_applied_twice_is_a_delta_applied_once(seed: int, count: int) -> None:
    delta = taught(count, seed).delta()
    assert delta is not None
    once, twice = Habits(), Habits()
    once.apply(delta)
    twice.apply(delta)
    twice.apply(delta)
    assert once.snapshot() == twice.snapshot()


def test_a_delta_says_only_what_has_changed() -> None:
    habits = taught(200)
    whole = habits.delta()
    habits.silent([("carrier", Kind.MILESTONE, 60.0)])
    delta = habits.delta()
    assert whole is not None
    assert delta is not None
    assert len(delta) < len(whole) / 10


def test_where_nothing_was_learned_there_is_no_delta() -> None:
    habits = taught(60)
    habits.delta()
    assert habits.delta() is None


def test_what_was_loaded_replaces_what_was_known() -> None:
    habits = taught(60)
    habits.load(Habits().snapshot())
    assert habits.snapshot() == Habits().snapshot()


def test_to_ask_changes_nothing() -> None:
    habits = taught(60)
    before = habits.snapshot()
    said(habits)
    assert habits.snapshot() == before


@QUICK
@given(st.integers(0, 1 << 32), st.integers(0, 60))
def test_answers_are_good_while_nothing_has_changed(seed: int, count: int) -> None:
    habits, known = Habits(), dict[int, list[Any]]()
    for deed in islice(deeds(seed), count):
        deed(habits)
        answers = said(habits)
        assert known.setdefault(habits.changes, answers) == answers


def test_a_plan_that_was_known_is_no_change() -> None:
    habits = Habits()
    habits.planned("X", "A-B", 1440.0, None, "run", 0.0)
    before = habits.changes
    habits.delta()
    habits.planned("X", "A-B", 1440.0, None, "run", 60.0)
    assert (habits.changes, habits.delta()) == (before, None)


def test_what_was_loaded_or_applied_makes_old_answers_void() -> None:
    habits, learner = Habits(), taught(60)
    seen = [habits.changes]
    habits.load(learner.snapshot())
    seen.append(habits.changes)
    habits.apply(learner.delta() or b"")
    seen.append(habits.changes)
    assert len(set(seen)) == 3
