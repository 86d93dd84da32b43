"""A gateway killed in the midst of it: each receiver's set is complete, and in order."""

import random
from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from corridor.codes import AlertState
from corridor.models import Incident
from tests.integration.subscribers.gateway import Gateway
from tests.integration.subscribers.receiver import Got, Receiver
from tests.support import unique_name, wait_until
from tests.unit.subscribers.samples import incident, worse

pytestmark = pytest.mark.stack


def history(party: str, incidents: int, revisions: int) -> list[Incident]:
    """Revisions of many incidents, each worth telling, the end of each last."""
    units = {party: ["U1"]}
    told = [
        worse(revision, f"{party}{n}", units=units)
        for revision in range(1, revisions)
        for n in range(incidents)
    ]
    return told + [
        incident(f"{party}{n}", revisions, units, state=AlertState.RESOLVED)
        for n in range(incidents)
    ]


def check_order(got: list[Got]) -> None:
    """Revisions of an incident ascend; what comes twice has the same id and comes at once."""
    last: dict[str, tuple[int, str]] = defaultdict(lambda: (0, ""))
    for one in got:
        subject, revision = one.data["subject"], one.data["revision"]
        assert (revision > last[subject][0]) or (revision, one.id) == last[subject]
        last[subject] = (revision, one.id)


def through_kills(directory: Path, kafka: str, endpoint: Receiver, *, kills: int, seed: int) -> int:
    """Tells a healthy and a failing receiver a history while the gateway is killed.

    Returns how many messages came to the healthy one twice.
    """
    chance = random.Random(seed)
    party = unique_name()
    gateway = Gateway(directory, kafka, party)
    healthy, flaky = f"/{unique_name()}", f"/{unique_name()}"
    endpoint.seconds[healthy] = 0.005
    endpoint.answers[flaky] = lambda got: (
        web.Response(status=503) if chance.random() < 0.3 else None
    )
    told = history(party, incidents=12, revisions=5)
    with gateway.running():
        gateway.subscribe(party, endpoint.url + healthy)
        id = gateway.subscribe(party, endpoint.url + flaky)["subscription_id"]
    size = len(told) // (kills + 1)
    for kill in range(kills):
        with gateway.running() as process:
            enough = len(endpoint.got.get(healthy, [])) + chance.randrange(1, size // 2)
            gateway.say(*told[kill * size : (kill + 1) * size])
            wait_until(partial(has_got, endpoint, healthy, enough))
            gateway.kill(process)
    endpoint.answers.clear()
    with gateway.running():
        gateway.say(*told[kills * size :])
        every = {(one.subject, one.revision) for one in told}
        wait_until(lambda: heard(endpoint, healthy) >= every, 60, what="all is heard")
        with gateway.client(party) as client:
            assert client.post(f"/subscriptions/{id}/replay").status_code == 202
        ends = {(one.subject, one.revision) for one in told if one.revision == 5}
        wait_until(lambda: heard(endpoint, flaky) >= ends, 60, what="all ends are heard")
    gateway.close()
    for path in (healthy, flaky):
        check_order(endpoint.taken(path))
    ids = [one.id for one in endpoint.taken(healthy)]
    assert len(set(ids)) == len(told)
    return len(ids) - len(set(ids))


def has_got(endpoint: Receiver, path: str, number: int) -> bool:
    return len(endpoint.got.get(path, [])) >= number


def heard(endpoint: Receiver, path: str) -> set[tuple[str, int]]:
    return {(one.data["subject"], one.data["revision"]) for one in endpoint.taken(path)}


def test_a_killed_gateway_goes_on_where_it_was(
    topics_applied: str, endpoint: Receiver, tmp_path: Path
) -> None:
    through_kills(tmp_path, topics_applied, endpoint, kills=1, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_gateway_that_is_killed_again_and_again_goes_on(
    topics_applied: str, endpoint: Receiver, tmp_path: Path
) -> None:
    twice = 0
    for seed in range(5):
        directory = tmp_path / str(seed)
        directory.mkdir()
        twice += through_kills(directory, topics_applied, endpoint, kills=5, seed=seed)
    print(f"25 kills, none lost, {twice} messages twice")  # noqa: T201
