"""Where webhooks may not go."""

import asyncio
import socket

import pytest
from aiohttp import web

from corridor.codes import Channel, DeliveryOutcome
from corridor.models import WebhookSettings
from sinks.subscribers.guard import (
    ForbiddenTargetError,
    GuardedResolver,
    check_url,
    is_public,
    open_socket,
)
from sinks.subscribers.sample import trial
from sinks.subscribers.webhook import Webhooks
from tests.unit.subscribers.samples import SECRET, subscription


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "fe80::1%eth0", "fc00::1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "::"),
    ],
)
def test_an_address_that_only_we_can_reach_is_refused(address: str) -> None:
    assert not is_public(address)
    host = address if "." in address and ":" not in address else f"[{address.partition('%')[0]}]"
    with pytest.raises(ForbiddenTargetError):
        check_url(f"http://{host}/hook", private=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_an_address_of_the_internet_is_allowed(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.org", "http://user:pw@example.org", "http://localhost", "https://", "x"),
        *("http://a.internal", "http://example.org:0/", "http://[::1", "http://example.org:99999"),
        *(
            "http://127。0。0。1/",
            "http://\uff11\uff12\uff17.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
        ),
        *("http://LOCALHOST./", "http://[::ffff:7f00:1]/"),
    ],
)
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenTargetError):
        check_url(url, private=False)


def test_the_socket_is_judged_however_it_came_about() -> None:
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    with pytest.raises(ForbiddenTargetError):
        open_socket(address, private=False)
    open_socket(address, private=True).close()


@pytest.mark.parametrize("name", ["localhost", "127.1", "0x7f.1", "2130706433"])
def test_a_name_that_means_us_is_refused_when_it_is_resolved(name: str) -> None:
    async def resolve() -> None:
        await GuardedResolver(private=False).resolve(name, 80)

    with pytest.raises(ForbiddenTargetError):
        asyncio.run(resolve())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "localtest"])
def test_nothing_is_sent_to_an_address_of_ours(host: str) -> None:
    called: list[str] = []

    async def hook(request: web.Request) -> web.Response:
        called.append(request.path)
        return web.Response()

    async def send() -> DeliveryOutcome:
        application = web.Application()
        application.router.add_post("/", hook)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        webhooks = Webhooks(private=False)
        channel = WebhookSettings(
            type=Channel.WEBHOOK, url=f"http://{host}:{port}/", secrets=(SECRET,)
        )
        try:
            to = subscription(channel=channel)
            return (await webhooks.send(to, trial(to, ""))).outcome
        finally:
            await webhooks.close()
            await runner.cleanup()

    expected = DeliveryOutcome.RETRYING if host == "localtest" else DeliveryOutcome.REFUSED
    assert asyncio.run(send()) is expected
    assert not called
