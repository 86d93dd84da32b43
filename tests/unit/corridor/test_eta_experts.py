"""Arrivals that others state, weighed by how right they have been."""

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.eta.experts import (
    LEADS,
    OWN,
    Combined,
    Pool,
    Statement,
    combine,
    corrected,
    inflation,
    learn,
    loss,
    remember,
    statement,
)

LEAD = 10 * 60.0
OURS = (480.0, 500.0, 550.0, 600.0, 660.0, 720.0, 760.0)
sources = st.sampled_from(["carrier", "ais", "terminal", OWN])
said = st.builds(
    statement, sources, st.floats(0, 1e4), st.floats(0, 2e4), st.none() | st.floats(0, 2e4)
)
distributions = st.lists(st.floats(0, 1e5), min_size=7, max_size=7).map(sorted)
legs = st.lists(st.tuples(st.lists(said, max_size=6), st.floats(0, 2e4)), max_size=8)


def taught(
    legs: int = 60, own: float = 60.0, seed: int = 1, **others: tuple[float, float]
) -> tuple[Pool, float]:
    """Our errors have a standard deviation of `own`; of a source, its lateness and deviation."""
    random = Random(seed)
    pool = Pool()
    time = 0.0
    for _ in range(legs):
        time += 600
        arrival = time + LEAD
        stated = [statement(OWN, time, arrival + random.gauss(0, own))]
        for source, (late, sigma) in others.items():
            stated.append(statement(source, time, arrival - late + random.gauss(0, sigma)))
        learn(pool, Mode.VESSEL, stated, arrival)
    return pool, time


def heard(pool: Pool, now: float, age: float = 0.0, **others: float) -> Combined:
    """Each source says that it takes so many minutes from now."""
    stated = [Statement(source, now - age, now + eta, LEAD) for source, eta in others.items()]
    return combine(pool, Mode.VESSEL, OURS, stated, now)


def test_alone_our_quantiles_stay_as_they_are() -> None:
    found = combine(Pool(), Mode.RAIL, OURS, [], 0.0)
    assert found == Combined(OURS, 0.0, {OWN: 1.0})


def test_a_source_never_heard_of_has_little_weight() -> None:
    pool, now = taught()
    for one in (Pool(), pool, taught(own=600.0)[0]):
        found = heard(one, now, stranger=900.0)
        assert found.weights["stranger"] < 0.02
        assert abs(found.shift) < 6


def test_a_fresh_source_of_small_errors_wins() -> None:
    pool, now = taught(carrier=(0.0, 10.0))
    found = heard(pool, now, carrier=700.0)
    assert found.weights["carrier"] > 0.8
    assert found.quantiles[3] == pytest.approx(700, abs=20)


def test_the_same_source_loses_weight_as_its_word_gets_old() -> None:
    pool, now = taught(carrier=(0.0, 10.0))
    weights = [heard(pool, now, age, carrier=700.0).weights["carrier"] for age in (0, 200, 600)]
    assert weights == sorted(weights, reverse=True)
    assert weights[2] < weights[0] - 0.05


def test_an_optimistic_source_is_taken_to_mean_later() -> None:
    pool, now = taught(carrier=(120.0, 10.0))
    eta, error = corrected(pool, Mode.VESSEL, Statement("carrier", now, now + 580, LEAD))
    assert eta - now == pytest.approx(700, abs=15)
    assert error < 35
    assert heard(pool, now, carrier=580.0).quantiles[3] == pytest.approx(700, abs=30)


def test_a_source_worse_than_we_are_is_hardly_listened_to() -> None:
    pool, now = taught(own=20.0, carrier=(0.0, 120.0))
    assert heard(pool, now, carrier=900.0).weights["carrier"] < 0.02


def test_one_among_several_does_not_carry_the_median_away() -> None:
    pool, now = taught(a=(0.0, 30.0), b=(0.0, 30.0), c=(0.0, 30.0))
    found = heard(pool, now, a=610.0, b=620.0, c=5000.0)
    assert 600 <= found.quantiles[3] <= 650


def test_disagreement_widens_and_agreement_does_not_narrow() -> None:
    pool, now = taught(own=40.0, a=(0.0, 40.0), b=(0.0, 40.0))

    def width(found: Combined) -> float:
        return found.quantiles[6] - found.quantiles[0]

    ours = OURS[6] - OURS[0]
    assert width(heard(pool, now, a=600.0, b=601.0)) == pytest.approx(ours)
    assert width(heard(pool, now, a=2000.0, b=3000.0)) > 3 * ours


def test_what_time_has_disproved_is_left_out() -> None:
    pool, now = taught(carrier=(0.0, 10.0))
    stated = [Statement("carrier", now - 300, now - 60, LEAD)]
    assert combine(pool, Mode.VESSEL, OURS, stated, now).weights == {OWN: 1.0}


def test_only_the_latest_word_of_a_source_counts() -> None:
    pool, now = taught(carrier=(0.0, 10.0))
    old = Statement("carrier", now - 90, now + 2000, LEAD)
    new = Statement("carrier", now - 10, now + 700, LEAD)
    future = Statement("carrier", now + 10, now + 3000, LEAD)
    both = combine(pool, Mode.VESSEL, OURS, [new, old, future], now)
    assert both == combine(pool, Mode.VESSEL, OURS, [new], now)


def test_what_is_known_of_a_source_at_one_lead_helps_at_another() -> None:
    pool, _ = taught(carrier=(0.0, 10.0))
    known = loss(pool, "carrier", Mode.VESSEL, 40 * 60.0)
    assert known < 0.5 * loss(pool, "stranger", Mode.VESSEL, 40 * 60.0)


def test_a_source_s_errors_are_forgotten_in_time() -> None:
    pool, now = taught(carrier=(300.0, 10.0))
    learn(pool, Mode.VESSEL, [], now)
    year = now + 365 * 1440
    for number in range(20):
        time = year + number * 600
        learn(pool, Mode.VESSEL, [statement("carrier", time, time + LEAD)], time + LEAD)
    eta, _ = corrected(pool, Mode.VESSEL, Statement("carrier", year, year + LEAD, LEAD))
    assert eta == pytest.approx(year + LEAD, abs=5)


def test_nobody_is_heard_more_often_for_repeating_himself() -> None:
    kept: list[Statement] = []
    for minute in range(30):
        assert remember(kept, statement("carrier", float(minute), 700.0, 700.0))
    assert not remember(kept, statement("carrier", 10.0, 900.0, 700.0))
    assert kept == [statement("carrier", 29.0, 700.0, 700.0)]
    assert remember(kept, statement("carrier", 650.0, 710.0, 700.0))
    assert len(kept) == 2


@given(st.lists(said, max_size=60))
def test_what_is_remembered_of_a_leg_is_bounded(statements: list[Statement]) -> None:
    kept: list[Statement] = []
    for one in statements:
        remember(kept, one)
    assert len(kept) <= 4 * (len(LEADS) + 1)


@given(said, st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_statement_never_gets_better_with_age(one: Statement, first: float, more: float) -> None:
    now = one.time + first
    assert 1 <= inflation(one, now) <= inflation(one, now + more)


@given(legs, distributions, st.lists(said, max_size=8), st.floats(0, 2e4))
def test_quantiles_are_never_negative_and_never_fall_and_weights_add_up(
    past: list[tuple[list[Statement], float]],
    quantiles: list[float],
    stated: list[Statement],
    now: float,
) -> None:
    pool = Pool()
    for statements, arrival in past:
        learn(pool, Mode.TRUCK, statements, arrival)
    found = combine(pool, Mode.TRUCK, quantiles, stated, now)
    assert min(found.quantiles) >= 0
    assert list(found.quantiles) == sorted(found.quantiles)
    assert sum(found.weights.values()) == pytest.approx(1)
    candidates = [corrected(pool, Mode.TRUCK, one)[0] - now for one in stated]
    low, high = min([quantiles[3], *candidates]), max([quantiles[3], *candidates])
    assert low - 1e-6 <= quantiles[3] + found.shift <= high + 1e-6


@given(distributions, st.permutations(range(4)), st.floats(0, 2e4))
def test_the_order_in_which_statements_are_listed_does_not_matter(
    quantiles: list[float], order: list[int], now: float
) -> None:
    pool, _ = taught(10, s0=(50.0, 10.0), s2=(-20.0, 50.0))
    stated = [Statement(f"s{n}", now - n, now + 100.0 * n, LEAD) for n in range(4)]
    shuffled = [stated[n] for n in order]
    assert combine(pool, Mode.VESSEL, quantiles, stated, now) == combine(
        pool, Mode.VESSEL, quantiles, shuffled, now
    )


@given(legs, legs)
def test_a_restored_pool_learns_on_alike(
    before: list[tuple[list[Statement], float]], after: list[tuple[list[Statement], float]]
) -> None:
    kept = Pool()
    for statements, arrival in before:
        learn(kept, Mode.AIR, statements, arrival)
    restored = msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=Pool)
    assert restored == kept
    for statements, arrival in after:
        learn(kept, Mode.AIR, statements, arrival)
        learn(restored, Mode.AIR, statements, arrival)
    assert restored == kept


def test_the_pool_is_seldom_worse_than_its_best_member() -> None:
    random = Random(5)
    pool, now = taught(100, own=60.0, good=(30.0, 15.0), bad=(-100.0, 200.0))
    ours = best = mixed = 0.0
    for _ in range(400):
        arrival = now + LEAD
        median = LEAD + random.gauss(0, 60)
        good = arrival - 30 + random.gauss(0, 15)
        stated = [
            Statement("good", now, good, LEAD),
            Statement("bad", now, arrival + 100 + random.gauss(0, 200), LEAD),
        ]
        shifted = [value + median - 600 for value in OURS]
        found = combine(pool, Mode.VESSEL, shifted, stated, now)
        ours += abs(median - LEAD)
        best += abs(good + 30 - arrival)
        mixed += abs(found.quantiles[3] - LEAD)
    assert mixed < 0.5 * ours
    assert mixed < 1.6 * best
