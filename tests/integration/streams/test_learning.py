"""Workers that are taught as they work: estimates depend on when a model comes, outcomes do not."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from corridor import topics
from tests.integration.streams.cluster import Cluster, cluster
from tests.support import wait_until

pytestmark = pytest.mark.stack

MESSAGES = 8_000
FACTS = ("unit_id", "leg_id", "ending", "actual_departure", "actual_arrival")


def outcomes(values: Iterable[bytes]) -> dict[str, tuple[object, ...]]:
    """What happened, by id: all of an outcome that no estimate is in."""
    found = (json.loads(value) for value in values)
    return {o["outcome_id"]: tuple(map(o.get, FACTS)) for o in found if "outcome_id" in o}


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Flights, all of them done by one worker beside a learner."""
    directory: Path = tmp_path_factory.mktemp("taught")
    with cluster(directory) as made:
        made.start("learner")
        made.start("worker")
        made.publish(MESSAGES)
        made.wait_until_done()
        yield made


def records(made: Cluster) -> list[bytes]:
    names = [topics.ESTIMATES.name, topics.OUTCOMES.name]
    return [r.value or b"" for found in made.read(names).values() for r in found]


def test_no_estimate_or_outcome_is_said_twice_under_one_id(taught: Cluster) -> None:
    said = (json.loads(value) for value in records(taught))
    ids = Counter(m.get("outcome_id") or m.get("estimate_id") for m in said)
    assert [id for id, times in ids.items() if times > 1] == []


def test_outcomes_are_what_they_are_without_a_learner(taught: Cluster) -> None:
    assert outcomes(records(taught)) == outcomes(taught.expected().values())


def test_a_worker_killed_on_the_way_changes_no_outcome(taught: Cluster) -> None:
    taught.publish(2 * MESSAGES)  # the first half is known already
    wait_until(lambda: taught.lag() < MESSAGES, 120, interval=0.1, what="some progress")
    taught.kill("worker")
    taught.start("another")
    taught.wait_until_done()
    assert outcomes(records(taught)) == outcomes(taught.expected().values())


def test_no_departure_or_arrival_is_kept_from_the_learner_by_a_kill(taught: Cluster) -> None:
    assert taught.taught() == taught.to_teach()
