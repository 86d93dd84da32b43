"""`corridor subscriptions`, beside a gateway that delivers."""

import pytest
from standardwebhooks.webhooks import Webhook
from typer.testing import CliRunner, Result

from commands.subscriptions import app
from tests.integration.subscribers.gateway import Gateway
from tests.integration.subscribers.receiver import Receiver
from tests.support import unique_name, wait_until
from tests.unit.subscribers.samples import incident

pytestmark = pytest.mark.stack


def corridor(gateway: Gateway, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=gateway.env)


def test_a_subscription_is_made_tested_listed_and_removed(
    gateway: Gateway, endpoint: Receiver
) -> None:
    path, train, later = f"/{unique_name()}", unique_name(), unique_name()
    url = endpoint.url + path
    made = corridor(gateway, "add", "acme", "--url", url, "--unit", train, "--group-seconds", "0")
    assert made.exit_code == 0, made.stderr
    id, secret = made.stdout.split()
    tested = corridor(gateway, "test", id)
    assert tested.exit_code == 0, tested.stderr
    Webhook(secret).verify(endpoint.got[path][0].body, endpoint.got[path][0].headers)
    assert endpoint.got[path][0].data["subject"] == "TEST"
    gateway.say(incident(train, units={"acme": [train]}))
    wait_until(lambda: len(endpoint.taken(path)) == 2)
    assert url in corridor(gateway, "list").stdout
    assert secret not in corridor(gateway, "list").stdout
    assert corridor(gateway, "remove", id).exit_code == 0
    with gateway.client("acme") as client:
        wait_until(lambda: client.get(f"/subscriptions/{id}").status_code == 404)
    other = gateway.subscribe("acme", f"{endpoint.url}{path}-other")
    gateway.say(incident(train, 2, {"acme": [train]}, delay=50_000), incident(later))
    wait_until(lambda: len(endpoint.taken(f"{path}-other")) >= 2)
    assert len(endpoint.taken(path)) == 2
    corridor(gateway, "remove", other["subscription_id"])


def test_a_subscription_of_nobody_is_refused(gateway: Gateway) -> None:
    refused = corridor(gateway, "add", "nobody", "--url", "https://example.org")
    assert refused.exit_code == 1
    assert "corridor parties add nobody" in refused.stderr
