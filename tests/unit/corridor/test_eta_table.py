"""Rows by key: they are found again, told to readers, and bounded in number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.eta.table import Table

KEEP = 100.0
Step = tuple[int, float]


def touch(table: Table, key: str, value: float, now: float) -> None:
    place = table.claim((key,), now)[0]
    table.rows[place] = value, now


def content(table: Table) -> dict[str, list[float]]:
    return {key: table.rows[table.place(key)].tolist() for key in sorted(table.keys)}


def filled(count: int, most: int = 1 << 18) -> Table:
    table = Table(1, KEEP, most)
    for number in range(count):
        touch(table, f"key {number}", float(number), float(number))
    return table


def test_an_unknown_key_has_no_place() -> None:
    assert Table(1, KEEP).find(["nobody"]).tolist() == [-1]


def test_rows_are_found_again_after_the_table_has_grown() -> None:
    table = Table(1, 1e9)
    for number in range(500):
        touch(table, f"key {number}", float(number), 0.0)
    assert [table.rows[table.place(f"key {n}"), 0] for n in range(500)] == list(range(500))


def test_what_was_not_touched_for_long_is_dropped_before_the_table_grows() -> None:
    table = filled(10_000)
    assert len(table) <= 256


def test_there_are_never_more_rows_than_allowed() -> None:
    table = Table(1, 1e9, most=64)
    for number in range(1000):
        touch(table, f"key {number}", 1.0, float(number))
        assert len(table) <= 64
    assert table.place("key 999") >= 0


def test_the_row_that_was_touched_last_is_never_dropped_for_another() -> None:
    table = Table(1, 1e9, most=64)
    for number in range(1000):
        touch(table, "often", 1.0, float(number))
        touch(table, f"key {number}", 1.0, float(number))
        assert table.place("often") >= 0


def test_nothing_is_told_twice() -> None:
    table = filled(3)
    assert table.delta() is not None
    assert table.delta() is None


STEPS = st.lists(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 200)), max_size=80))


@given(STEPS, st.sampled_from([64, 128, 1 << 18]))
def test_a_reader_of_deltas_knows_what_the_learner_knows(
    batches: list[list[Step]], most: int
) -> None:
    learner, reader = Table(1, KEEP, most), Table(1, KEEP, most)
    now = 0.0
    for batch in batches:
        for key, passed in batch:
            now += passed - 20  # what comes late does
            touch(learner, f"key {key}", passed, now)
        delta = learner.delta()
        if delta is not None:
            reader.apply(delta)
            once = content(reader)
            reader.apply(delta)
            assert content(reader) == once
        assert content(reader) == content(learner)


@given(STEPS)
def test_a_table_that_was_loaded_goes_on_as_the_one_that_was_saved(
    batches: list[list[Step]],
) -> None:
    table, now = Table(1, KEEP, most=64), 0.0
    for batch in batches:
        loaded = Table(1, KEEP, most=64)
        loaded.load(table.snapshot())
        for key, passed in batch:
            now += passed
            for each in (table, loaded):
                touch(each, f"key {key}", passed, now)
        assert loaded.snapshot() == table.snapshot()


def test_a_table_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        Table(2, KEEP).load(filled(3).snapshot())


def test_rows_that_were_dropped_leave_zeros_to_the_next() -> None:
    table = filled(10_000)
    place = table.claim(("new",), 10_000.0)[0]
    assert not np.any(table.rows[place])
