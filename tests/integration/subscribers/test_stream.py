"""Server-sent events of a gateway process, read by an ordinary client library."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from corridor.codes import AlertState, Level
from tests.integration.subscribers.gateway import Gateway
from tests.support import unique_name
from tests.unit.subscribers.samples import incident

pytestmark = pytest.mark.stack


@contextmanager
def stream(
    gateway: Gateway, party: str, last: str | None = None, **parameters: str
) -> Iterator[Iterator[ServerSentEvent]]:
    headers = {"Last-Event-ID": last} if last else {}
    with (
        gateway.client(party) as client,
        connect_sse(
            client, "GET", "/stream", headers=headers, params=parameters, timeout=20
        ) as source,
    ):
        yield source.iter_sse()


def until(events: Iterator[ServerSentEvent], name: str) -> list[ServerSentEvent]:
    """Events up to the first of this name."""
    found: list[ServerSentEvent] = []
    for event in events:
        found.append(event)
        if event.event == name:
            return found
    raise AssertionError(f"no {name} in {found}")


def said(event: ServerSentEvent) -> tuple[str, int]:
    data: dict[str, Any] = event.json()["data"]
    return data["subject"], data["revision"]


def test_a_client_gets_what_stands_and_then_each_revision(gateway: Gateway) -> None:
    stands, over, comes = unique_name(), unique_name(), unique_name()
    gateway.say(incident(stands), incident(over), incident(over, 2, state=AlertState.RESOLVED))
    with stream(gateway, "acme") as events:
        first = until(events, "position")
        subjects = [said(event) for event in first[:-1]]
        assert (stands, 1) in subjects
        assert over not in dict(subjects)
        gateway.say(incident(comes), incident(comes, 2, level=Level.CRITICAL))
        gateway.say(incident(comes, 3, state=AlertState.RESOLVED))
        assert [said(next(events)) for _ in range(3)] == [(comes, 1), (comes, 2), (comes, 3)]


def test_a_client_that_comes_back_misses_nothing_and_hears_nothing_twice(
    gateway: Gateway,
) -> None:
    trains = [unique_name() for _ in range(6)]
    with stream(gateway, "acme") as events:
        place = until(events, "position")[-1].id
        gateway.say(*(incident(train) for train in trains[:3]))
        heard = [next(events) for _ in range(2)]
    gateway.say(*(incident(train) for train in trains[3:]))
    with stream(gateway, "acme", heard[-1].id) as events:
        until(events, "position")
        heard += [next(events) for _ in range(4)]
    assert sorted(said(event)[0] for event in heard) == sorted(trains)
    with stream(gateway, "acme", place) as events:
        until(events, "position")
        again = [next(events) for _ in range(6)]
    assert sorted(map(said, again)) == sorted(map(said, heard))


def test_a_place_that_is_no_longer_there_is_a_gap_and_then_what_stands(gateway: Gateway) -> None:
    train = unique_name()
    gateway.say(incident(train))
    for place in ("999999999.999999999", "nonsense", "1.2.3"):
        with stream(gateway, "acme", place) as events:
            found = until(events, "position")
        assert found[0].event == "gap"
        assert (train, 1) in [said(event) for event in found[1:-1]]


def test_a_client_hears_only_of_its_own_units_and_of_what_it_asked_for(gateway: Gateway) -> None:
    mine, others, minor = unique_name(), unique_name(), unique_name()
    asked = {"channel": {"type": "sse"}, "filters": {"level": "MAJOR"}}
    with gateway.client("other") as client:
        id = client.post("/subscriptions", json=asked).json()["subscription_id"]
    with stream(gateway, "other", subscription=id) as events:
        until(events, "position")
        gateway.say(incident(others, units={"acme": ["SECRET1"]}))
        gateway.say(incident(minor, units={"other": ["MINE"]}, level=Level.MINOR))
        gateway.say(incident(mine, units={"acme": ["SECRET2"], "other": ["MINE"]}))
        event = next(events)
    assert said(event) == (mine, 1)
    assert "SECRET" not in event.data
    assert event.json()["data"]["unit_count"] == 1


def test_late_revisions_are_no_news(gateway: Gateway) -> None:
    late, fresh = unique_name(), unique_name()
    with stream(gateway, "acme") as events:
        until(events, "position")
        gateway.say(incident(late, late=True), incident(fresh))
        assert said(next(events)) == (fresh, 1)


def test_a_stream_needs_a_token(gateway: Gateway) -> None:
    answer = httpx.get(f"{gateway.url}/stream", headers={"Authorization": "Bearer corridor_a_b"})
    assert answer.status_code == 401
