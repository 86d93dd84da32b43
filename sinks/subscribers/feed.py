"""Reads incidents and subscriptions: all that there are at a start, then each new one."""

import asyncio
from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from corridor import topics
from corridor.metrics import RECEIVED, REJECTED
from corridor.settings import Settings
from sinks.subscribers.board import Board
from sinks.subscribers.subscriptions import Subscriptions

SUBSCRIPTIONS = TopicPartition(topics.SUBSCRIPTIONS.name, 0)
POLL_MS = 500
AT_A_TIME = 500
TOPICS_SECONDS = 10.0
"""A topic that is not there for so long is missing."""

_log = structlog.get_logger("sinks.subscribers")


class TopicMissingError(Exception):
    """A topic is not there, or is another one than it was."""


class Feed:
    """A reader of its own, of no group: every gateway knows all that stands."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = AIOKafkaConsumer(
            **settings.aiokafka_client(),
            client_id="corridor-subscribers-feed",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
        self._read = asyncio.Condition()
        self._position = 0
        """Of the subscriptions."""

    async def open(self) -> int:
        """Connects; returns how many partitions of incidents there are.

        Raises:
            TopicMissingError: the topics are not there.
            KafkaError: the broker does not answer.
        """
        await self._consumer.start()
        numbers = await self._partitions(topics.INCIDENTS.name)
        await self._partitions(topics.SUBSCRIPTIONS.name)
        self._incidents = [TopicPartition(topics.INCIDENTS.name, number) for number in numbers]
        every = [*self._incidents, SUBSCRIPTIONS]
        self._consumer.assign(every)
        await self._consumer.seek_to_beginning(*every)
        return len(numbers)

    async def _partitions(self, topic: str) -> list[int]:
        # a broker that is starting, or busy, may not have heard of it yet
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(TopicMissingError),
            stop=stop_after_delay(TOPICS_SECONDS),
            wait=wait_fixed(0.5),
            reraise=True,
        ):
            with attempt:
                await self._consumer._client.force_metadata_update()  # nothing is assigned yet
                found: set[int] | None = self._consumer.partitions_for_topic(topic)
                if not found:
                    raise TopicMissingError(f"there is no topic {topic}: corridor topics apply")
        return sorted(found or ())

    async def read_to_end(self, board: Board, subscriptions: Subscriptions) -> None:
        """Reads all that there is now."""
        every = [*self._incidents, SUBSCRIPTIONS]
        ends: Mapping[TopicPartition, int] = await self._consumer.end_offsets(every)
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                await self.read_more(board, subscriptions)

    async def read_more(self, board: Board, subscriptions: Subscriptions) -> None:
        """Takes what comes next, as soon as there is something.

        Raises:
            TopicMissingError: a topic was made anew; start again.
        """
        polled = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=AT_A_TIME)
        for partition, records in polled.items():
            RECEIVED.labels(partition.topic).inc(len(records))
            for record in records:
                if partition == SUBSCRIPTIONS:
                    subscriptions.take(record.key, record.value)
                    self._position = record.offset + 1
                else:
                    self._take(board, partition, record)
        if SUBSCRIPTIONS in polled:
            async with self._read:
                self._read.notify_all()
        await asyncio.sleep(0)  # whoever waits has a turn, also while there is much to read

    def _take(self, board: Board, partition: TopicPartition, record: object) -> None:
        offset: int = record.offset  # type: ignore[attr-defined]
        if offset < board.positions[partition.partition]:
            raise TopicMissingError(f"{partition.topic} was made anew")
        value: bytes | None = record.value  # type: ignore[attr-defined]
        if value is None:
            return
        try:
            board.take(partition.partition, offset, record.timestamp, value)  # type: ignore[attr-defined]
        except ValidationError as error:
            REJECTED.labels(partition.topic, "MALFORMED").inc()
            _log.error(
                "incident not read",
                partition=partition.partition,
                offset=offset,
                faults=error.error_count(),
            )

    async def reached(self, offset: int, seconds: float) -> bool:
        """Whether this subscription record has been read, after so long at most."""
        try:
            async with asyncio.timeout(seconds), self._read:
                await self._read.wait_for(lambda: self._position > offset)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Disconnects."""
        await self._consumer.stop()
