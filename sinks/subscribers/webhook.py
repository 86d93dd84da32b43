"""Webhooks: a CloudEvent, signed by Standard Webhooks, posted to the subscriber's server."""

import time
from datetime import UTC, datetime
from functools import partial

import aiohttp

from corridor.codes import DeliveryOutcome
from corridor.models import Subscription, WebhookSettings
from sinks.subscribers.attempt import DELIVERED, Attempt, Letter, retry_after
from sinks.subscribers.guard import ForbiddenTargetError, GuardedResolver, check_url, open_socket
from sinks.subscribers.message import CONTENT_TYPE
from sinks.subscribers.signing import SecretError, signature

SECONDS = 15.0
"""A server may take so long to answer."""
CONNECTIONS = 1_000
GONE = 410
ASKS_TO_WAIT = (429, 502, 503, 504)


class Webhooks:
    """The way to subscribers' servers."""

    def __init__(self, *, private: bool) -> None:
        """Connects to nobody yet; needs a running loop.

        Args:
            private: Private addresses may be called too: for tests.
        """
        self._private = private
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=GuardedResolver(private=private),
                socket_factory=partial(open_socket, private=private),
                use_dns_cache=False,  # what was judged is what is connected to
                limit=CONNECTIONS,
                limit_per_host=0,
            ),
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": "corridor"},
        )

    async def send(self, subscription: Subscription, letter: Letter) -> Attempt:
        """Posts once. 2xx is success and nothing else is; 410 ends the subscription."""
        channel = subscription.channel
        assert isinstance(channel, WebhookSettings)
        try:
            check_url(channel.url, private=self._private)
            headers = self._headers(channel, letter)
            async with self._session.post(
                channel.url, data=letter.body, headers=headers, allow_redirects=False
            ) as response:
                return self._judge(response)
        except (ForbiddenTargetError, SecretError) as error:
            return Attempt(DeliveryOutcome.REFUSED, detail=str(error))
        except TimeoutError:
            return Attempt(DeliveryOutcome.RETRYING, detail=f"no answer within {SECONDS:.0f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            detail = str(error) or type(error).__name__
            return Attempt(DeliveryOutcome.RETRYING, detail=detail[:200])

    async def close(self) -> None:
        """Lets go of connections."""
        await self._session.close()

    def _headers(self, channel: WebhookSettings, letter: Letter) -> dict[str, str]:
        timestamp = int(time.time())
        return {
            "Content-Type": CONTENT_TYPE,
            "webhook-id": letter.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(
                channel.secrets, letter.message_id, timestamp, letter.body
            ),
        }

    def _judge(self, response: aiohttp.ClientResponse) -> Attempt:
        status = response.status
        if 200 <= status < 300:
            return DELIVERED._replace(status_code=status)
        if status == GONE:
            return Attempt(DeliveryOutcome.DISABLED, status, "the endpoint is gone")
        wait = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        return Attempt(DeliveryOutcome.RETRYING, status, f"answered {status}", wait)
