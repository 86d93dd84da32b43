"""Decayed means that inherit from more general keys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.eta.cells import Cells

PARENTS = (-1, 0, 1)
STRENGTHS = (10.0, 5.0, 5.0)
PRIOR = (0.0, 2.0)
KEYS = ["all", "leg", "service"]


def table(*taus: float) -> Cells:
    return Cells(taus, PARENTS, STRENGTHS, PRIOR)


def read(cells: Cells, keys: list[str], now: float = 0.0) -> np.ndarray:
    return cells.read(keys, now)[0]


def test_without_any_evidence_the_prior_is_believed() -> None:
    assert read(table(60.0, 60.0), KEYS).tolist() == [[0, 2]] * 3


def test_a_key_that_was_never_seen_inherits_its_parent_s_mean() -> None:
    cells = table(60.0, 60.0)
    cells.add(["all", "leg"], np.array([4.0, 4.0]), 0.0)
    means = read(cells, ["all", "leg", "another service"])
    assert means[2].tolist() == means[1].tolist()


def test_much_evidence_outweighs_the_parent() -> None:
    cells = table(1e9, 1e9)
    for _ in range(1000):
        cells.add(KEYS, np.array([7.0, 7.0]), 0.0)
    assert read(cells, KEYS) == pytest.approx(np.full((3, 2), 7.0), abs=0.1)


def test_what_was_long_ago_is_forgotten() -> None:
    cells = table(60.0, 60.0)
    cells.add(KEYS, np.array([9.0, 9.0]), 0.0)
    assert read(cells, KEYS, 1e6) == pytest.approx(np.array([[0, 2]] * 3))


def test_each_family_forgets_at_its_own_pace() -> None:
    cells = table(10.0, 1e9)
    cells.add(KEYS, np.array([9.0, 9.0]), 0.0)
    fast, slow = read(cells, KEYS, 100.0)[2]
    assert fast < 0.01 < 2.5 < slow


def test_what_comes_late_does_not_turn_time_back() -> None:
    cells = table(60.0, 60.0)
    cells.add(["all"], np.array([1.0, 1.0]), 100.0)
    cells.add(["all"], np.array([1.0, 1.0]), 0.0)
    weights = cells.read(["all"], 100.0)[1]
    assert weights[0, 0] == pytest.approx(2.0)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50))
def test_a_mean_is_between_its_prior_and_what_was_seen(values: list[float]) -> None:
    cells = table(60.0, 60.0)
    for value in values:
        cells.add(KEYS, np.array([value, value]), 0.0)
    low, high = min(0.0, *values), max(0.0, *values)
    assert np.all(read(cells, KEYS)[:, 0] >= low - 1e-9)
    assert np.all(read(cells, KEYS)[:, 0] <= high + 1e-9)


def test_keys_beyond_the_first_table_are_kept() -> None:
    cells = table(1e9, 1e9)
    for number in range(500):
        cells.add([f"key {number}"], np.array([float(number), 0.0]), 0.0)
    weights = cells.read(["key 499"], 0.0)[1]
    assert weights[0, 0] == 1.0
