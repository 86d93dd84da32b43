"""The peers do what their formulas say."""

import pytest

from corridor.codes import Mode
from corridor.eta.peers import HierarchicalMean, TransitKalman, Trip
from corridor.eta.query import DAY

TRIP = Trip(Mode.AIR, "A-B", "carrier", "service", True)


def test_without_outcomes_both_say_the_naive_eta() -> None:
    assert HierarchicalMean().error(TRIP, 0.0) == 0
    assert TransitKalman().error(TRIP, 0.0) == 0


def test_the_mean_of_one_service_is_shrunk_to_that_of_the_leg() -> None:
    peer = HierarchicalMean()
    for _ in range(100):
        peer.learn(TRIP, 30.0, 0.0)
        peer.learn(TRIP._replace(service_id="other"), 0.0, 0.0)
    assert 25 < peer.error(TRIP, 0.0) < 30
    assert 0 < peer.error(TRIP._replace(service_id="other"), 0.0) < 5
    assert peer.error(TRIP._replace(service_id="new"), 0.0) == pytest.approx(15, abs=2)


def test_the_mean_fades() -> None:
    peer = HierarchicalMean()
    peer.learn(TRIP, 30.0, 0.0)
    assert peer.error(TRIP, 90 * DAY) < peer.error(TRIP, 0.0)


def test_before_departure_other_errors_are_learned() -> None:
    for peer in (HierarchicalMean(), TransitKalman()):
        peer.learn(TRIP, 30.0, 0.0)
        assert peer.error(TRIP._replace(departed=False), 0.0) == 0


def test_the_kalman_gain_is_that_of_transit_clock() -> None:
    peer = TransitKalman()
    peer.learn(TRIP, 10.0, 0.0)
    peer.learn(TRIP, 20.0, DAY)
    peer.learn(TRIP._replace(service_id="other"), 40.0, DAY)
    # the history says 15 with a variance of 25; its uncertainty was 100, and then 0: one run has
    # no variance
    gain = (0 + 25) / (0 + 2 * 25)
    assert peer.error(TRIP, 2 * DAY) == pytest.approx((1 - gain) * 40 + gain * 15)


def test_an_old_history_does_not_count() -> None:
    peer = TransitKalman()
    peer.learn(TRIP, 10.0, 0.0)
    peer.learn(TRIP._replace(service_id="other"), 40.0, 30 * DAY)
    assert peer.error(TRIP, 30 * DAY) == 40
