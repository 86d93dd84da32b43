"""A distribution by its quantiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.eta.distribution import (
    LEVELS,
    not_before,
    of_points,
    points,
    probability,
    quantile,
)

values = st.floats(-1e5, 1e5, allow_nan=False)
distributions = st.lists(values, min_size=7, max_size=7).map(lambda v: tuple(sorted(v)))
levels = st.floats(0.001, 0.999)


@given(distributions, values, values)
def test_probability_never_falls(quantiles: tuple[float, ...], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= probability(quantiles, low) <= probability(quantiles, high) <= 1


@given(distributions, levels, levels)
def test_quantiles_never_fall(quantiles: tuple[float, ...], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert quantile(quantiles, low) <= quantile(quantiles, high) + 1e-6


@given(st.lists(st.floats(0.1, 100), min_size=7, max_size=7), levels)
def test_probability_and_quantile_are_each_other_s_inverse(
    steps: list[float], level: float
) -> None:
    quantiles = tuple(sum(steps[: n + 1]) for n in range(7))
    assert probability(quantiles, quantile(quantiles, level)) == pytest.approx(level, abs=1e-6)


@given(distributions)
def test_the_published_levels_are_what_was_given(quantiles: tuple[float, ...]) -> None:
    assert [quantile(quantiles, level) for level in LEVELS] == pytest.approx(list(quantiles))


@given(distributions, values)
def test_what_has_not_happened_yet_is_not_expected_in_the_past(
    quantiles: tuple[float, ...], now: float
) -> None:
    later = not_before(quantiles, now)
    assert list(later) == sorted(later)
    if probability(quantiles, now) >= 1e-4:
        assert min(later) >= now


@given(distributions, values)
def test_silence_makes_nothing_earlier(quantiles: tuple[float, ...], now: float) -> None:
    for before, after in zip(quantiles, not_before(quantiles, now), strict=True):
        assert after >= before - 1e-6 * max(1, abs(before))


def test_long_silence_leaves_the_tail() -> None:
    quantiles = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    late = not_before(quantiles, 100.0)
    assert 100 < late[3] < 102


@given(st.lists(st.floats(1, 50), min_size=7, max_size=7))
def test_points_stand_for_their_distribution(steps: list[float]) -> None:
    quantiles = tuple(sum(steps[: n + 1]) for n in range(7))
    again = of_points(points(quantiles, 201))
    assert list(again) == pytest.approx(list(quantiles), abs=max(steps) * 0.2)
