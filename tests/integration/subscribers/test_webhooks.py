"""Webhooks of a gateway process, against a real Kafka and a real server."""

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from corridor import topics
from corridor.codes import AlertState, Level
from corridor.models import Delivery
from tests.integration.subscribers.gateway import Gateway, values
from tests.integration.subscribers.receiver import Receiver
from tests.support import unique_name, wait_until
from tests.unit.subscribers.samples import incident, worse

pytestmark = pytest.mark.stack


def revisions(endpoint: Receiver, path: str, subject: str) -> list[int]:
    return [one.data["revision"] for one in endpoint.taken(path) if one.data["subject"] == subject]


def test_a_message_is_signed_as_the_reference_library_verifies(
    gateway: Gateway, endpoint: Receiver
) -> None:
    path, train = f"/{unique_name()}", unique_name()
    made = gateway.subscribe("acme", endpoint.url + path)
    gateway.say(incident(train))
    wait_until(lambda: revisions(endpoint, path, train))
    got = next(one for one in endpoint.taken(path) if one.data["subject"] == train)
    Webhook(made["secret"]).verify(got.body, got.headers)
    with gateway.client("acme") as client:
        secret = client.post(f"/subscriptions/{made['subscription_id']}/secret").json()["secret"]
    gateway.say(incident(train, 2, level=Level.CRITICAL))
    wait_until(lambda: len(revisions(endpoint, path, train)) == 2)
    got = [one for one in endpoint.taken(path) if one.data["subject"] == train][-1]
    Webhook(made["secret"]).verify(got.body, got.headers)
    Webhook(secret).verify(got.body, got.headers)


def test_revisions_of_an_incident_come_in_order_and_its_end_comes_last(
    gateway: Gateway, endpoint: Receiver
) -> None:
    path, train = f"/{unique_name()}", unique_name()
    gateway.subscribe("acme", endpoint.url + path)
    gateway.say(*(worse(n, train) for n in range(1, 5)))
    gateway.say(incident(train, 5, state=AlertState.RESOLVED, late=True))
    wait_until(lambda: len(revisions(endpoint, path, train)) >= 5)
    assert revisions(endpoint, path, train) == [1, 2, 3, 4, 5]


def test_a_party_hears_only_of_its_own_units(gateway: Gateway, endpoint: Receiver) -> None:
    path, train = f"/{unique_name()}", unique_name()
    gateway.subscribe("other", endpoint.url + path)
    gateway.say(incident(unique_name(), units={"acme": ["SECRET1"]}))
    gateway.say(incident(train, units={"acme": ["SECRET2", "SECRET3"], "other": ["MINE"]}))
    wait_until(lambda: revisions(endpoint, path, train))
    bodies = b"".join(one.body for one in endpoint.got[path])
    assert b"SECRET" not in bodies
    assert b"acme" not in bodies
    assert endpoint.taken(path)[-1].data["unit_count"] == 1


def test_a_failing_endpoint_is_tried_again_and_gets_the_newest_in_the_end(
    gateway: Gateway, endpoint: Receiver
) -> None:
    path, train = f"/{unique_name()}", unique_name()
    endpoint.answers[path] = lambda got: web.Response(status=503)
    gateway.subscribe("acme", endpoint.url + path, filters={"unit_ids": [train]})
    units = {"acme": [train]}
    gateway.say(incident(train, 1, units))
    wait_until(lambda: endpoint.got.get(path))
    gateway.say(incident(train, 2, units, level=Level.CRITICAL))
    del endpoint.answers[path]
    wait_until(lambda: endpoint.taken(path), 30)
    assert revisions(endpoint, path, train) == [2]
    tries = [Delivery.model_validate_json(v) for v in values(gateway.kafka, topics.DELIVERIES.name)]
    mine = [one for one in tries if one.incident_id == incident(train).incident_id]
    assert {"RETRYING", "DELIVERED"} <= {one.outcome for one in mine if one.subscription_id}


def test_an_endpoint_that_is_gone_ends_its_subscription(
    gateway: Gateway, endpoint: Receiver
) -> None:
    path, train = f"/{unique_name()}", unique_name()
    endpoint.answers[path] = lambda got: web.Response(status=410)
    made = gateway.subscribe("acme", endpoint.url + path)
    gateway.say(incident(train))
    with gateway.client("acme") as client:
        address = f"/subscriptions/{made['subscription_id']}"
        wait_until(lambda: not client.get(address).json()["enabled"])
        tried = len(endpoint.got[path])
        del endpoint.answers[path]
        gateway.say(incident(train, 2, level=Level.CRITICAL))
        assert client.post(f"{address}/replay").json()["enabled"]
    # what still stands, once
    wait_until(lambda: revisions(endpoint, path, train))
    assert revisions(endpoint, path, train) == [2]
    assert tried >= 1


def test_a_redirect_is_not_followed(gateway: Gateway, endpoint: Receiver) -> None:
    path, train = f"/{unique_name()}", unique_name()
    elsewhere = f"/{unique_name()}"
    endpoint.answers[path] = lambda got: web.Response(
        status=302, headers={"Location": endpoint.url + elsewhere}
    )
    gateway.subscribe("acme", endpoint.url + path)
    gateway.say(incident(train))
    wait_until(lambda: endpoint.got.get(path))
    assert elsewhere not in endpoint.got


def test_a_new_subscriber_hears_once_of_what_stands(gateway: Gateway, endpoint: Receiver) -> None:
    path, train, over = f"/{unique_name()}", unique_name(), unique_name()
    gateway.say(*(incident(train, n, delay=7200.0 * n) for n in (1, 2, 3)))
    gateway.say(incident(over, 1), incident(over, 2, state=AlertState.RESOLVED))
    gateway.subscribe("acme", endpoint.url + path)
    wait_until(lambda: revisions(endpoint, path, train))
    last = unique_name()
    gateway.say(incident(last))
    wait_until(lambda: revisions(endpoint, path, last))
    assert revisions(endpoint, path, train) == [3]
    assert revisions(endpoint, path, over) == []
