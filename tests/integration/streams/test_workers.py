"""Workers on a real Kafka: killed, joined and left, with a broker that dies under them.

What they said in the end is compared with what a single undisturbed tracker says of the same
input topics.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from corridor import topics
from tests.integration.streams.cluster import Cluster, cluster
from tests.support import wait_until

pytestmark = pytest.mark.stack

MESSAGES = 8_000


@pytest.fixture
def flights(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path) as made:
        yield made


def advance(made: Cluster, start: int, share: float) -> None:
    """Waits until the workers have done a share of what there is to do."""
    wait_until(lambda: made.lag() < start * (1 - share), 120, interval=0.1, what="some progress")


def test_a_worker_killed_again_and_again_says_what_an_undisturbed_one_says(
    flights: Cluster,
) -> None:
    dice = random.Random(1)
    flights.publish(MESSAGES)
    for life in range(4):
        flights.start(f"worker{life}")
        advance(flights, MESSAGES, 0.2 * life + dice.random() * 0.2)
        flights.kill(f"worker{life}")
    flights.start("last")
    flights.wait_until_right()


def test_two_workers_that_join_leave_and_die_say_what_one_says(flights: Cluster) -> None:
    flights.publish(MESSAGES)
    flights.start("one")
    advance(flights, MESSAGES, 0.1)
    flights.start("two")  # a join
    advance(flights, MESSAGES, 0.3)
    flights.kill("one")  # a death: its partitions move after the session timeout, or now:
    flights.start("three")
    advance(flights, MESSAGES, 0.5)
    flights.stop("two")  # a leave
    flights.start("four")
    flights.wait_until_right()


@pytest.mark.slow  # in small: tests/chaos
def test_a_broker_that_is_killed_under_the_workers_costs_nothing(flights: Cluster) -> None:
    flights.publish(MESSAGES)
    flights.start("worker")
    advance(flights, MESSAGES, 0.2)
    flights.kill("kafka")
    flights.start("kafka")
    if flights.workers["worker"].poll() is not None:  # it may crash; who supervises starts it anew
        flights.start("again")
    flights.wait_until_right(180)


def test_a_history_that_is_published_again_changes_nothing(flights: Cluster) -> None:
    flights.publish(MESSAGES // 2)
    flights.start("one")
    flights.wait_until_right()
    flights.stop("one")
    before = flights.said()
    flights.start("two")  # with the state that the first one left
    flights.publish(MESSAGES // 2)
    flights.wait_until_done()
    assert flights.said() == before
    assert flights.read([topics.DEAD_LETTERS.name]) == {}
