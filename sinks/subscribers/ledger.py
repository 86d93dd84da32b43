"""What each subscriber was told last, so that a restart tells nothing twice and forgets nothing.

One record for each subscription and incident on a compacted topic, in the partition that the
incident has on `alerts.incidents`: whoever delivers for that partition reads and writes it. A
record is written after the subscriber has answered. If the process dies in between, the message is
sent once more, with the same `webhook-id`.
"""

from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from corridor import topics
from corridor.models import Delivery
from corridor.settings import Settings
from sinks.subscribers.grouping import Told


class Line(msgspec.Struct, array_like=True, frozen=True):
    """One subscription and incident. Fields may be appended, never moved."""

    told: Told | None = None
    failures: int = 0
    """Tries since then that have failed."""
    retry_at: float = 0.0
    """Unix seconds; not before then."""
    given_up: int = 0
    """The revision that was tried for the last time."""
    offset: int = -1
    """Of the record that was told."""


class Key(NamedTuple):
    """Whose line it is."""

    subscription_id: str
    incident_id: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Line).decode
_key = msgspec.json.Encoder().encode
_key_back = msgspec.json.Decoder(tuple[str, str]).decode


class Ledger:
    """The topic of lines, and the log of deliveries."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self._settings = settings
        self._producer = producer

    async def read(self, partition: int) -> dict[Key, Line]:
        """All lines of a partition.

        Raises:
            KafkaError: the broker does not answer.
        """
        of = TopicPartition(topics.LEDGER.name, partition)
        consumer = AIOKafkaConsumer(
            **self._settings.aiokafka_client(), group_id=None, enable_auto_commit=False
        )
        lines: dict[Key, Line] = {}
        await consumer.start()
        try:
            consumer.assign([of])
            await consumer.seek_to_beginning(of)
            end = (await consumer.end_offsets([of]))[of]
            while await consumer.position(of) < end:
                for record in (await consumer.getmany(timeout_ms=500)).get(of, ()):
                    key = Key(*_key_back(record.key))
                    if record.value is None:
                        lines.pop(key, None)
                    else:
                        lines[key] = _decode(record.value)
        finally:
            await consumer.stop()
        return lines

    async def write(self, partition: int, key: Key, line: Line | None) -> None:
        """Returns when the line is durable; None removes it."""
        await self._producer.send_and_wait(
            topics.LEDGER.name,
            key=_key(key),
            value=None if line is None else _encode(line),
            partition=partition,
        )

    async def log(self, delivery: Delivery) -> None:
        """Returns when the try is on `alerts.deliveries`."""
        await self._producer.send_and_wait(
            topics.DELIVERIES.name,
            key=delivery.subscription_id.encode(),
            value=delivery.to_json(),
        )
