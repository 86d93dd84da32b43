"""Puts messages on Kafka: each once, in order per key, and confirmed before it says so."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import TopicPartition

from corridor import topics
from corridor.metrics import PUBLISH_FAILURES, PUBLISHED
from corridor.settings import Settings
from corridor.topics import MESSAGE_BYTES
from producers.batches import Batch, Headers, Records, murmur2

BATCH_BYTES: Final = 256 * 1024
"""A batch is sent when it holds this much,"""
LINGER_MS: Final = 20
"""or when its first record is this old."""
IN_FLIGHT_BYTES: Final = 32 * 1024 * 1024
"""Memory for what Kafka has not confirmed yet; `publish` waits when it is used up."""
LIMITS: Final = {topic.name: topic.message_bytes for topic in topics.registry("")}
"""The largest message of each topic; of one that we do not know, `MESSAGE_BYTES`."""
DELIVERY_SECONDS: Final = 120
"""How long a message may take, broker restarts included, before it counts as failed."""
KEYS_REMEMBERED: Final = 200_000
BOOTSTRAP_MS: Final = 10_000
METADATA_MS: Final = 3_000


class PublishError(Exception):
    """A message is not on Kafka, or cannot be known to be."""


class MissingTopicError(PublishError):
    """A topic does not exist; nothing is auto-created."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"Kafka has no topic {topic}: run `corridor topics apply`")


class Publisher:
    """An idempotent publisher, safe to use from several threads.

    A failure is final: later calls raise the first one, since going on would leave a hole in the
    order of a key. Open a new publisher and publish again what was not confirmed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        in_flight_bytes: int = IN_FLIGHT_BYTES,
        delivery_seconds: float = DELIVERY_SECONDS,
    ) -> None:
        """Connects to Kafka.

        Args:
            settings: Where Kafka is and how to log in.
            in_flight_bytes: Memory for messages that are not confirmed yet.
            delivery_seconds: Time after which a message that Kafka does not take has failed.

        Raises:
            PublishError: Kafka cannot be reached.
        """
        self._bound = in_flight_bytes
        self._delivery_seconds = delivery_seconds
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._batches: set[Batch] = set()
        self._reserved = 0
        self._confirmed = 0
        self._failure: PublishError | None = None
        self._hashes: dict[bytes, int] = {}
        self._partitions: dict[str, list[TopicPartition]] = {}
        self._open: dict[TopicPartition, tuple[threading.Lock, Batch]] = {}
        try:
            self._producer = KafkaProducer(
                **settings.kafka_client(),
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                linger_ms=LINGER_MS,
                batch_size=BATCH_BYTES,
                max_request_size=8 * 1024 * 1024,
                request_timeout_ms=min(30_000, int(delivery_seconds * 500)),
                delivery_timeout_ms=int(delivery_seconds * 1000),
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=BOOTSTRAP_MS,
                max_block_ms=METADATA_MS,
                reconnect_backoff_max_ms=1000,
                metrics_enabled=False,
            )
        except (KafkaError, OSError) as error:
            raise PublishError(f"no Kafka at {settings.kafka}: {_text(error)}") from error
        self._accumulator = self._producer._accumulator
        self._sender = self._producer._sender

    @property
    def confirmed(self) -> int:
        """Messages that are on Kafka for certain."""
        return self._confirmed

    @property
    def in_flight_bytes(self) -> int:
        """Memory that stands for what is not settled yet."""
        return self._reserved

    def publish(self, topic: str, key: bytes, value: bytes, headers: Headers = ()) -> None:
        """Takes a message; `flush` tells whether it arrived.

        Waits while more than `in_flight_bytes` are unconfirmed.

        Raises:
            MissingTopicError: the topic does not exist.
            PublishError: the message is too large, or an earlier one failed.
        """
        if self._failure is not None:
            raise self._failure
        hashed = self._hashes.get(key)
        if hashed is None:
            hashed = self._hash(key)
        partitions = self._partitions.get(topic)
        if partitions is None:
            partitions = self._find(topic)
        partition = partitions[hashed % len(partitions)]
        now = int(time.time() * 1000)
        open_ = self._open.get(partition)
        if open_ is not None:
            lock, batch = open_
            with lock:
                if batch.records.add(key, value, headers, now):
                    return
        self._begin(partition, key, value, headers, now)

    def flush(self) -> None:
        """Returns when all that was published is on Kafka.

        Raises:
            PublishError: the first failure.
        """
        accumulator = self._accumulator
        accumulator.begin_flush()
        try:
            self._sender.wakeup()
            with self._settled:
                waited_for = set(self._batches)
                self._wait_until(lambda: waited_for.isdisjoint(self._batches))
        finally:
            accumulator._flushes_in_progress.decrement()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Gives up what is not confirmed and disconnects."""
        with self._settled:
            self._failure = self._failure or PublishError("the publisher is closed")
        self._producer._unregister_cleanup()
        self._producer._closed = True
        self._sender.force_close()
        self._sender.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Flushes, unless something went wrong, and closes."""
        try:
            if kind is None:
                self.flush()
        finally:
            self.close()

    def _hash(self, key: bytes) -> int:
        if len(self._hashes) >= KEYS_REMEMBERED:
            self._hashes.clear()
        hashed = self._hashes[key] = murmur2(key) & 0x7FFFFFFF
        return hashed

    def _find(self, topic: str) -> list[TopicPartition]:
        try:
            numbers = self._producer.partitions_for(topic)
        except KafkaTimeoutError as error:
            raise MissingTopicError(topic) from error
        except KafkaError as error:
            raise PublishError(f"cannot publish to {topic}: {_text(error)}") from error
        if not numbers:
            raise MissingTopicError(topic)
        found = [TopicPartition(topic, number) for number in sorted(numbers)]
        self._partitions[topic] = found
        return found

    def _begin(
        self, partition: TopicPartition, key: bytes, value: bytes, headers: Headers, now: int
    ) -> None:
        """Starts a partition's next batch with a message."""
        size = len(key) + len(value) + sum(len(name) + len(text) for name, text in headers)
        limit = LIMITS.get(partition.topic, MESSAGE_BYTES)
        if size > limit:
            raise PublishError(
                f"a message of {size:,} bytes for {partition.topic} (key {key!r}) is over the"
                f" limit of {limit:,}"
            )
        with self._settled:
            reserved = max(BATCH_BYTES, size)
            self._wait_until(lambda: not self._reserved or self._reserved + reserved <= self._bound)
            if self._failure is not None:
                raise self._failure
            lock = self._accumulator._tp_lock(partition)
            with lock:
                open_ = self._open.get(partition)  # another thread may have begun it
                if open_ is not None and open_[1].records.add(key, value, headers, now):
                    return
                records = Records(BATCH_BYTES)
                records.add(key, value, headers, now)
                batch = Batch(partition, records, reserved, self._settle)
                self._accumulator._batches[partition].append(batch)
                self._accumulator._incomplete.add(batch)
                self._open[partition] = (lock, batch)
            self._batches.add(batch)
            self._reserved += reserved
        self._sender.wakeup()

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits with the lock held; what does not settle after all time allowed is a failure."""
        if not self._settled.wait_for(
            lambda: condition() or self._failure is not None, self._delivery_seconds + 30
        ):
            self._failure = PublishError(
                f"Kafka has not answered for {self._delivery_seconds + 30:.0f} seconds"
            )

    def _settle(self, batch: Batch, count: int, error: Exception | None) -> None:
        """Runs on the sender's thread, once per batch, or per piece of it when it was split."""
        topic = batch.topic_partition.topic
        if error is None:
            PUBLISHED.labels(topic).inc(count)
        else:
            PUBLISH_FAILURES.labels(topic).inc(count)
        with self._settled:
            if error is None:
                self._confirmed += count
            elif self._failure is None:
                self._failure = PublishError(
                    f"Kafka did not take {count} messages for {topic}: {_text(error)}"
                )
            batch.settled += count
            if batch.settled == batch.record_count:
                self._batches.discard(batch)
                self._reserved -= batch.reserved
            self._settled.notify_all()


def _text(error: Exception) -> str:
    """kafka-python's own errors begin with their names, others do not."""
    name, text = type(error).__name__, str(error)
    return text if text.startswith((name, "[Error")) else f"{name}: {text}"
