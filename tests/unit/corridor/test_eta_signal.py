"""How fresh a source's last word is, by its own rhythm."""

from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Signal
from corridor.eta.signal import (
    FIRST,
    Kind,
    Rhythm,
    learn,
    limits,
    next_change,
    rhythm,
    signal,
)

ORDER = [Signal.LIVE, Signal.AGEING, Signal.STALE, Signal.LOST]
kinds = st.sampled_from(list(Kind))
gaps = st.lists(st.floats(-10, 1e6), max_size=60)
moments = st.floats(0, 1e8)
distributions = st.lists(st.floats(-1e5, 1e5), min_size=7, max_size=7).map(sorted)


def taught(kind: Kind, values: list[float]) -> Rhythm:
    found = rhythm(kind)
    for value in values:
        learn(found, value)
    return found


@pytest.mark.parametrize("kind", list(Kind))
def test_a_source_not_heard_of_has_the_rhythm_of_its_kind(kind: Kind) -> None:
    q90, q99 = FIRST[kind]
    assert limits(rhythm(kind)) == pytest.approx((q90, q99, 3 * q99))


@given(kinds, gaps)
def test_the_limits_are_in_order_whatever_was_learned(kind: Kind, values: list[float]) -> None:
    ageing, stale, lost = limits(taught(kind, values))
    assert 0 < ageing < stale < lost


@given(kinds, gaps, moments, st.lists(st.floats(0, 1e6), min_size=2, max_size=9))
def test_an_event_never_gets_fresher(
    kind: Kind, values: list[float], last: float, ages: list[float]
) -> None:
    found = taught(kind, values)
    classes = [ORDER.index(signal(found, last, last + age)) for age in sorted(ages)]
    assert classes == sorted(classes)


@given(kinds, gaps, moments)
def test_a_timer_set_for_the_next_change_finds_it_done(
    kind: Kind, values: list[float], last: float
) -> None:
    found = taught(kind, values)
    now: float | None = last
    seen = []
    while now is not None:
        seen.append(signal(found, last, now))
        following = next_change(found, last, now)
        assert following is None or following > now
        now = following
    assert seen[-1] is Signal.LOST
    assert all(ORDER.index(one) < ORDER.index(other) for one, other in pairwise(seen))


@given(kinds, gaps, gaps)
def test_a_restored_rhythm_learns_on_alike(
    kind: Kind, before: list[float], after: list[float]
) -> None:
    kept = taught(kind, before)
    restored = msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=Rhythm)
    for value in after:
        learn(kept, value)
        learn(restored, value)
    assert kept == restored


@given(kinds, st.lists(st.floats(-1e6, 0), min_size=1))
def test_what_is_no_gap_teaches_nothing(kind: Kind, values: list[float]) -> None:
    assert taught(kind, values) == rhythm(kind)


@pytest.mark.parametrize("mean", [2.0, 60.0, 600.0])
@pytest.mark.parametrize("kind", list(Kind))
def test_the_quantiles_of_a_source_s_gaps_are_found(kind: Kind, mean: float) -> None:
    random = Random(3)
    found = taught(kind, [random.expovariate(1 / mean) for _ in range(6000)])
    q90, q99, _ = limits(found)
    gaps = [random.expovariate(1 / mean) for _ in range(5000)]
    assert 0.85 <= sum(gap < q90 for gap in gaps) / len(gaps) <= 0.95
    assert 0.97 <= sum(gap < q99 for gap in gaps) / len(gaps) <= 0.999


def test_a_source_that_slows_down_is_followed() -> None:
    random = Random(4)
    found = taught(Kind.LOCK, [random.uniform(4, 6) for _ in range(2000)])
    assert limits(found)[0] < 7
    for _ in range(2000):
        learn(found, random.uniform(50, 70))
    assert 55 < limits(found)[0] < 80
