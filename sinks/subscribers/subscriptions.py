"""Who wants to hear of what: the compacted topic `alerts.subscriptions`, as it was read last."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import ValidationError

from corridor import topics
from corridor.models import Subscription
from corridor.settings import Settings

Listener = Callable[[str, Subscription | None], None]

_log = structlog.get_logger("sinks.subscribers")


def new_id() -> str:
    """An id that nobody has."""
    return f"sub_{secrets.token_hex(12)}"


class Subscriptions:
    """All subscriptions; what is written counts once it has been read back."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.listeners: list[Listener] = []
        self._producer = producer
        self._all: dict[str, Subscription] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Takes the next record of the topic. One that cannot be read changes nothing."""
        id = (key or b"").decode(errors="replace")
        subscription: Subscription | None = None
        if value is not None:
            try:
                subscription = Subscription.model_validate_json(value)
            except ValidationError as error:
                _log.error("subscription not read", subscription=id, faults=error.error_count())
                return
        if subscription is None:
            self._all.pop(id, None)
        else:
            self._all[id] = subscription
        for listener in self.listeners:
            listener(id, subscription)

    def all(self) -> dict[str, Subscription]:
        """Those that there are now, by id."""
        return self._all

    def get(self, id: str) -> Subscription | None:
        """One of them."""
        return self._all.get(id)

    def of(self, party: str) -> list[Subscription]:
        """Those of a party, by id."""
        found = (one for one in self._all.values() if one.party == party)
        return sorted(found, key=lambda one: one.subscription_id)

    async def write(self, id: str, subscription: Subscription | None) -> int:
        """Makes a subscription durable, or its end; returns the offset.

        Raises:
            KafkaError: it may be durable or not.
        """
        value = None if subscription is None else subscription.to_json()
        record = await self._producer.send_and_wait(
            topics.SUBSCRIPTIONS.name, key=id.encode(), value=value
        )
        return int(record.offset)

    async def disable(self, subscription: Subscription, reason: str) -> None:
        """Switches a subscription off, unless it was changed since."""
        if self._all.get(subscription.subscription_id) is not subscription:
            return
        off = subscription.model_copy(
            update={"enabled": False, "disabled_reason": reason, "updated_time": datetime.now(UTC)}
        )
        await self.write(subscription.subscription_id, off)
        _log.warning("disabled", subscription=subscription.subscription_id, reason=reason)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Subscriptions]:
    """All subscriptions as they are now, to look at and to change: for commands.

    Raises:
        KafkaError: the broker does not answer.
    """
    producer = AIOKafkaProducer(**settings.aiokafka_client(), acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        **settings.aiokafka_client(), group_id=None, enable_auto_commit=False
    )
    try:
        await producer.start()
        await consumer.start()
        found = Subscriptions(producer)
        of = TopicPartition(topics.SUBSCRIPTIONS.name, 0)
        consumer.assign([of])
        await consumer.seek_to_beginning(of)
        end = (await consumer.end_offsets([of]))[of]
        while await consumer.position(of) < end:
            for record in (await consumer.getmany(timeout_ms=500)).get(of, ()):
                found.take(record.key, record.value)
        yield found
    finally:
        await consumer.stop()
        await producer.stop()
