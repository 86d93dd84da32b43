"""One try to tell a subscriber, and when the next one is due."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

from corridor.codes import DeliveryOutcome
from corridor.models import Incident, Subscription

SCHEDULE = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds from one try to the next: those of Standard Webhooks. After the last it is given up."""
JITTER = 0.2
MOST_RETRY_AFTER = 86_400.0


class Letter(NamedTuple):
    """What is to be told."""

    message_id: str
    incident: Incident
    """As the subscriber sees it."""
    body: bytes
    """The CloudEvent."""


class Attempt(NamedTuple):
    """What became of a try."""

    outcome: DeliveryOutcome
    status_code: int | None = None
    detail: str = ""
    retry_after: float | None = None
    """Seconds that the other side asks for."""


DELIVERED = Attempt(DeliveryOutcome.DELIVERED)


class Channel(Protocol):
    """A way to tell subscribers."""

    async def send(self, subscription: Subscription, letter: Letter) -> Attempt:
        """Tries once; never raises, and never takes for ever."""

    async def close(self) -> None:
        """Lets go of connections."""


def pause(failures: int, retry_after: float | None = None) -> float | None:
    """Seconds until the next try; None: there is none.

    Args:
        failures: Tries so far; at least 1.
        retry_after: What the other side has asked for; it is waited for at least.
    """
    if failures > len(SCHEDULE):
        return None
    seconds = SCHEDULE[failures - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return max(seconds, min(retry_after or 0.0, MOST_RETRY_AFTER))


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for: a number, or a date."""
    if not header:
        return None
    if header.strip().isdecimal():
        return min(float(header), MOST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, min((until - now).total_seconds(), MOST_RETRY_AFTER))
