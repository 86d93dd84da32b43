"""kafka-python's consumer with record batches read by compiled code.

kafka-python reads a record in 6 µs of Python, which is more than all the rest that the sink does
with it. aiokafka carries a compiled reader of the same format (0.5 µs). Only the unpacking of a
fetched batch is replaced, by subclassing; fetching, positions, groups and commits are untouched.
The two libraries are pinned, and `tests/unit/sinks/test_records.py` compares the two ways.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatch
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one fetch of one partition."""

    next_fetch_offset: int

    def take(self, n: int | None = None) -> list[Any]:
        records: list[Any] = super().take(n)
        if records:  # at the end of a batch the iterator knows better: offsets may be missing
            self.next_fetch_offset = max(self.next_fetch_offset, records[-1].offset + 1)
        return records

    def _unpack_records(
        self, tp: Any, records: Any, key_deserializer: Any, value_deserializer: Any
    ) -> Iterator[Any]:
        if self.aborted_transactions:  # rare enough to leave it to those who know
            yield from super()._unpack_records(tp, records, key_deserializer, value_deserializer)
            return
        yield from self._unpack_compiled(records)

    def _unpack_compiled(self, records: Any) -> Iterator[Any]:
        batch = None
        while (raw := records.next_batch()) is not None:
            if raw.magic != 2:
                raise CorruptRecordError(f"{self.topic_partition} has records of before Kafka 0.11")
            batch = DefaultRecordBatch(bytes(raw._buffer))
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(
                    f"{self.topic_partition} at offset {batch.base_offset} failed its checksum"
                )
            self.leader_epoch = raw.leader_epoch
            if not batch.is_control_batch:
                self.bytes_read += raw.size_in_bytes
                self.records_read += raw.records_count
                yield from batch
        if batch is not None:
            self.next_fetch_offset = batch.next_offset
        self.drain()


class _Fetcher(Fetcher):  # type: ignore[misc]
    PartitionRecords = _PartitionRecords
    _next_partition_records: Any

    def fetched_records(
        self, max_records: int | None = None, update_offsets: bool = True
    ) -> tuple[dict[Any, list[Any]], bool]:
        # What was set aside for a pause comes back only where the slot for the records in hand is
        # None, and kafka-python 3.0.12 leaves it with what is used up: partitions that were paused
        # in the middle of a fetch would never be read again.
        if not self._next_partition_records:
            self._next_partition_records = None
        found: tuple[dict[Any, list[Any]], bool] = super().fetched_records(
            max_records, update_offsets
        )
        return found


class Consumer(KafkaConsumer):  # type: ignore[misc]
    """A consumer whose records have `offset`, `timestamp`, `key`, `value` and `headers` only."""

    def __init__(self, *topics: str, **configs: Any) -> None:
        # the library's own metrics cost time for each record, and ours say the same
        super().__init__(*topics, metrics_enabled=False, **configs)
        self._fetcher = _Fetcher(self._client, self._subscription, **self.config)

    def poll(self, *arguments: Any, **options: Any) -> dict[TopicPartition, list[Any]]:
        # A join for the sake of new metadata (a topic has come) is forgotten by kafka-python 3.0.12
        # when the poll that began it ends before it: the member would wait for ever.
        if self._coordinator.rejoining:
            self._coordinator.request_rejoin()
        polled: dict[TopicPartition, list[Any]] = super().poll(*arguments, **options)
        return polled

    def topic_id(self, topic: str) -> str:
        """Kafka's id of a topic: another one when the topic is deleted and made again."""
        return str(self._cluster.topic_id(topic) or topic)

    def commits(
        self, partitions: Collection[TopicPartition], seconds: float
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """The group's commits for these partitions, by one request; none where there is none.

        Raises:
            KafkaError: no answer in time.
        """
        found: dict[TopicPartition, OffsetAndMetadata] = self._coordinator.fetch_committed_offsets(
            partitions, timeout_ms=seconds * 1000
        )
        return {partition: commit for partition, commit in found.items() if commit.offset >= 0}

    def is_stable(self) -> bool:
        """False amid a rebalance, which a poll has to end before anything can be committed."""
        return self._coordinator.generation_if_stable() is not None

    # inside of a rebalance, where kafka-python's loop must not be blocked -------------------------

    async def commit_amid_rebalance(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], seconds: float
    ) -> None:
        """`commit` for a listener's coroutines."""
        await self._coordinator._commit_offsets_sync_async(offsets, timeout_ms=seconds * 1000)

    async def pause_amid_rebalance(self, seconds: float) -> None:
        """Lets heartbeats go on meanwhile."""
        await self._coordinator._net.sleep(seconds)
