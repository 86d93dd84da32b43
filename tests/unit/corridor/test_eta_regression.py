"""Linear models that learn online."""

import random

import numpy as np
import pytest

from corridor.eta.factors import Factors
from corridor.eta.regression import LEVELS, HuberRegression, QuantileRegression, Standardiser


def test_weights_of_a_linear_world_are_found() -> None:
    dice = np.random.default_rng(1)
    model = HuberRegression(3, prior=1.0)
    for _ in range(3000):
        x = np.array([1.0, *dice.normal(size=2)])
        model.learn(x, float(x @ [0.5, -2.0, 1.0] + dice.normal(scale=0.1)))
    assert model(np.array([1.0, 1.0, 1.0])) == pytest.approx(-0.5, abs=0.1)


def test_a_few_absurd_examples_change_little() -> None:
    model = HuberRegression(1, prior=1.0)
    for number in range(2000):
        model.learn(np.array([1.0]), 1000.0 if number % 100 == 0 else 1.0)
    assert model(np.array([1.0])) == pytest.approx(1.0, abs=0.1)


def test_quantiles_of_a_known_distribution_are_found() -> None:
    dice = random.Random(1)
    model = QuantileRegression(1, np.zeros(7))
    for _ in range(20_000):
        model.learn(np.array([1.0]), dice.uniform(0, 1))
    assert model(np.array([1.0])) == pytest.approx(LEVELS, abs=0.06)


def test_quantiles_never_cross() -> None:
    dice = np.random.default_rng(2)
    model = QuantileRegression(3, np.zeros(7))
    for _ in range(500):
        model.learn(np.array([1.0, *dice.normal(size=2)]), float(dice.normal()))
        found = model(np.array([1.0, *dice.normal(scale=5, size=2)]))
        assert list(found) == sorted(found)


def test_standardised_features_are_bounded_and_keep_the_constant() -> None:
    scaler = Standardiser(2)
    for value in (1.0, 2.0, 3.0):
        scaler.learn(np.array([1.0, value]))
    assert scaler(np.array([1.0, 1e9])).tolist() == [1.0, 6.0]


def test_a_leg_of_which_nothing_was_heard_today_learns_from_the_others() -> None:
    dice = random.Random(3)
    factors = Factors(2, tau=100.0)
    loading = {f"leg {n}": dice.uniform(0.3, 2.0) for n in range(20)}
    now = 0.0
    for _ in range(400):
        wind = dice.gauss(0, 1)
        now += 1000.0  # a new day: nothing is left of the last one
        for leg, own in loading.items():
            factors.learn(leg, 1.0, own * wind + dice.gauss(0, 0.1), now)
    now += 1000.0
    for leg, own in list(loading.items())[1:]:
        factors.learn(leg, 1.0, own * 2.0, now)
    first = next(iter(loading))
    assert factors(first, 1.0, now) == pytest.approx(loading[first] * 2.0, abs=0.5)
