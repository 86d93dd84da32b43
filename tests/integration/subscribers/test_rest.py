"""REST of a gateway process: what a party may ask, and what it never gets."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok

from corridor import topics
from corridor.models import AlertCommand
from tests.integration.subscribers.gateway import Gateway, values
from tests.support import unique_name, wait_until
from tests.unit.subscribers.samples import incident

pytestmark = pytest.mark.stack


def listed(client: httpx.Client, **parameters: str) -> list[str]:
    answer = client.get("/incidents", params={"limit": "500", **parameters})
    assert answer.status_code == 200, answer.text
    return [one["subject"] for one in answer.json()["incidents"]]


def test_what_stands_is_listed_page_by_page(gateway: Gateway) -> None:
    trains = {unique_name() for _ in range(5)}
    gateway.say(*(incident(train, corridor_id=sorted(trains)[0]) for train in trains))
    chosen = {"corridor_id": sorted(trains)[0], "limit": "2"}
    with gateway.client("acme") as client:
        wait_until(lambda: trains <= set(listed(client)))
        found: list[str] = []
        while "cursor" not in chosen or chosen["cursor"]:
            page = client.get("/incidents", params=chosen).json()
            found += [one["subject"] for one in page["incidents"]]
            chosen["cursor"] = page["next"] or ""
    assert sorted(found) == sorted(trains)


def test_history_is_told_revision_by_revision(gateway: Gateway) -> None:
    train = unique_name()
    gateway.say(*(incident(train, n) for n in (1, 2, 3)))
    with gateway.client("acme") as client:
        wait_until(lambda: train in listed(client))
        history = client.get(f"/incidents/{incident(train).incident_id}/history").json()
    assert [one["revision"] for one in history["revisions"]] == [1, 2, 3]
    assert history["complete"]


def test_orders_go_to_the_workers_in_the_name_of_the_party(gateway: Gateway) -> None:
    train = unique_name()
    gateway.say(incident(train, units={"acme": ["U1"], "other": ["U2"]}))
    address = f"/incidents/{incident(train).incident_id}"
    with gateway.client("acme") as client:
        wait_until(lambda: train in listed(client))
        for method, path, content in (
            ("POST", "/ack", {"by": "Li", "comment": "on it"}),
            ("DELETE", "/ack", None),
            ("POST", "/silence", {"until": "2026-03-05T00:00:00Z"}),
            ("DELETE", "/silence", None),
        ):
            assert client.request(method, address + path, json=content).status_code == 202
    given = [
        command
        for value in values(gateway.kafka, topics.COMMANDS.name)
        if (command := AlertCommand.model_validate_json(value)).dedup_key.endswith(train)
    ]
    assert [one.order for one in given] == ["ACK", "UNACK", "SILENCE", "UNSILENCE"]
    assert {one.party for one in given} == {"acme"}


def test_no_route_tells_a_party_anything_of_another(gateway: Gateway) -> None:
    train, shared = unique_name(), unique_name()
    gateway.say(incident(train, units={"acme": ["SECRET1"]}))
    gateway.say(incident(shared, units={"acme": ["SECRET2", "SECRET3"], "other": ["MINE"]}))
    hidden = incident(train).incident_id
    seen = incident(shared).incident_id
    theirs = gateway.subscribe("acme", "https://acme.example.org/secret-hook")
    id = theirs["subscription_id"]
    asked = {"channel": {"type": "sse"}}
    told: list[str] = []
    with gateway.client("other") as client, gateway.client("acme") as owner:
        wait_until(lambda: shared in listed(client))
        document = client.get("/openapi.json").json()
        routes = [(path, method) for path, of in document["paths"].items() for method in of]
        for path, method in routes:
            if path in ("/stream", "/health"):
                continue  # streams have a test of their own
            for incident_id in (hidden, seen):
                address = path.format(incident_id=incident_id, subscription_id=id)
                content = asked if method in ("put", "post") and "subscription" in path else None
                if method == "post" and path.startswith("/incidents"):
                    content = {}
                answer = client.request(method, address, json=content)
                told.append(answer.text)
                assert answer.status_code < 500, (method, address)
                if id in address or hidden in address:
                    assert answer.status_code == 404, (method, address)
                    nothing = address.replace(id, "sub_none").replace(hidden, "none")
                    same = client.request(method, nothing, json=content)
                    assert same.json() == answer.json(), "it must not be told that it is there"
        for choice in ({"unit_id": "SECRET2"}, {"shipment_id": "S-SECRET2"}):
            assert listed(client, **choice) == []
        streamed = client.get("/stream", params={"subscription": id})
        assert streamed.status_code == 404
        assert owner.get(f"/subscriptions/{id}").json()["channel"]["secrets"] == 1
    everything = "".join(told)
    assert "SECRET" not in everything
    assert "secret-hook" not in everything
    assert "acme" not in everything
    assert train not in everything


def test_no_answer_without_a_token(gateway: Gateway) -> None:
    document = httpx.get(f"{gateway.url}/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            address = gateway.url + path.format(incident_id="x", subscription_id="x")
            status = httpx.request(method, address).status_code
            assert status == (200 if path == "/health" else 401), (method, path)


def fuzz(gateway: Gateway, examples: int) -> int:
    """Sends what the document allows, to every route; returns how often."""
    sent = 0
    headers = {"Authorization": f"Bearer {gateway.tokens['acme']}"}
    schema = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json").exclude(path="/stream")
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def send(case: schemathesis.Case[Any]) -> None:
            nonlocal sent
            sent += 1
            answer = case.call(headers=headers)
            assert answer.status_code < 500, answer.text

        send()
    return sent


def test_nothing_that_is_sent_is_our_fault(gateway: Gateway) -> None:
    assert fuzz(gateway, 8) > 50


@pytest.mark.slow
def test_nothing_that_is_sent_for_long_is_our_fault(gateway: Gateway) -> None:
    print(f"{fuzz(gateway, 500):,} requests, no 5xx")  # noqa: T201
