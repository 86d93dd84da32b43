"""The loop: poll, collect, write, commit.

At least once, into tables that replace by identity: an offset is committed only after ClickHouse
has confirmed every row before it and Kafka every dead letter, so a crash at any line repeats
rows and loses none; a repeated row replaces itself. Exactly once needs the offsets of a block to be
declared before it is written: that belongs into `batches` (what a block covers) and `_settle` here
(when it is committed).

One thread polls and another writes, so that a slow or absent ClickHouse never costs the group
membership: partitions whose batch is full are paused until there is room.
"""

import threading
import time
from collections import deque
from collections.abc import Collection, Mapping
from contextlib import suppress

import structlog
from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError

from corridor import topics
from corridor.metrics import LAG, REBALANCES, RECEIVED, RECORD_TO_ROW_SECONDS
from corridor.settings import Settings
from sinks.clickhouse.batches import Batch, Block, Chunk, Offsets, Policy
from sinks.clickhouse.client import Writer
from sinks.clickhouse.quarantine import Quarantine
from sinks.clickhouse.records import Consumer
from sinks.clickhouse.rows import Reader, Record
from sinks.clickhouse.tables import Table, routes

MAX_POLL_RECORDS = 10_000
LONGEST_WAIT_SECONDS = 0.5
WAIT_WHILE_WRITING_SECONDS = 0.02
COMMIT_SECONDS = 10
SESSION_SECONDS = 10
"""How long the partitions of a member that died wait; heartbeats do not depend on the loop."""
STOP_SECONDS = 20
"""A stop writes what waits, for this long; what is left is read again after the next start."""
STALLED_SECONDS = 60
"""The loop turns several times a second; longer than this is a fault."""

_log = structlog.get_logger("sinks.clickhouse")


class Sink(ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of the sink's consumer group."""

    def __init__(
        self,
        settings: Settings,
        *,
        tables: Mapping[str, Table] | None = None,
        dead_letters: str = topics.DEAD_LETTERS.name,
        writer: Writer | None = None,
    ) -> None:
        """Joins the group at the first turn of the loop.

        Args:
            settings: Where Kafka and ClickHouse are, and how large batches get.
            tables: Which table the records of a topic go to; by default, as declared.
            dead_letters: Topic for what cannot become a row.
            writer: How blocks get to ClickHouse.
        """
        tables = routes() if tables is None else tables
        self._batches = {
            topic: Batch(table, Policy(settings.batch_rows, settings.batch_seconds))
            for topic, table in tables.items()
        }
        by_table: dict[str, Batch] = {}
        for topic, batch in self._batches.items():  # topics of one table share their batch
            self._batches[topic] = by_table.setdefault(batch.table.name, batch)
        self._readers = {batch.table.name: Reader(batch.table) for batch in by_table.values()}
        self._writing: deque[Block] = deque()
        self._written: deque[Block] = deque()
        self._uncommitted: dict[TopicPartition, int] = {}
        self._low: dict[TopicPartition, int] = {}  # first offset that is not committed
        self._stopping = threading.Event()
        self._turned = time.monotonic()
        self._measured = 0.0
        self._writer = writer or Writer(settings)
        self._quarantine = Quarantine(settings, dead_letters)
        self._consumer = Consumer(
            client_id="corridor-sink",
            group_id=f"{settings.group}-clickhouse",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            partition_assignment_strategy=[CooperativeStickyAssignor],
            session_timeout_ms=SESSION_SECONDS * 1000,
            max_poll_records=MAX_POLL_RECORDS,
            metadata_max_age_ms=10_000,  # how soon a topic that is created later is noticed
            **settings.kafka_client(),
        )
        self._consumer.subscribe(topics=sorted(tables), listener=self)

    # what others may ask, from other threads ---------------------------------------------------

    def stop(self) -> None:
        """Makes `run` write what waits, commit and return. Safe in a signal handler."""
        self._stopping.set()

    def healthy(self) -> str | None:
        """None while the loop turns."""
        still = time.monotonic() - self._turned
        return f"no turn of the loop for {still:.0f} s" if still > STALLED_SECONDS else None

    def ready(self) -> str | None:
        """None while partitions are assigned and ClickHouse takes rows."""
        if not self._consumer.assignment():
            return "no partitions are assigned"
        return self._writer.trouble or self._writer.ping()

    # the loop ----------------------------------------------------------------------------------

    def run(self) -> None:
        """Works until `stop`."""
        _log.info("started", topics=len(self._batches))
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        self._hold_back()
        for partition, records in self._poll(self._wait()).items():
            self._collect(partition, records)
        now = time.monotonic()
        self._turned = now
        for batch in self._by_table():
            if batch.due_in(now) == 0 and not self._is_writing(batch):
                self._write(batch)
        self._settle()
        self._measure_lag(now)

    def _poll(self, seconds: float) -> dict[TopicPartition, list[Record]]:
        try:
            polled: dict[TopicPartition, list[Record]] = self._consumer.poll(
                timeout_ms=int(seconds * 1000)
            )
        except KafkaError as error:
            if not error.retriable:
                raise
            _log.warning("poll failed, will be tried again", error=repr(error))
            return {}
        return polled

    def _wait(self) -> float:
        if self._writing or self._written or self._uncommitted:
            return WAIT_WHILE_WRITING_SECONDS
        now = time.monotonic()
        return min(LONGEST_WAIT_SECONDS, *(batch.due_in(now) for batch in self._by_table()))

    def _hold_back(self) -> None:
        """Pauses the partitions whose batch is full and still has to wait for its turn."""
        assigned = self._consumer.assignment()
        held = {p for p in assigned if self._batches[p.topic].full}
        paused = self._consumer.paused()
        self._consumer.pause(*(held - paused))
        self._consumer.resume(*((paused & assigned) - held))

    def _collect(self, partition: TopicPartition, records: list[Record]) -> None:
        batch = self._batches[partition.topic]
        rows = self._readers[batch.table.name].read(partition, records)
        offsets = Offsets(records[0].offset, records[-1].offset + 1)
        self._low.setdefault(partition, offsets.first)
        RECEIVED.labels(partition.topic).inc(len(records))
        chunk = Chunk(
            rows,
            offsets,
            bytes=sum(len(record.value or b"") for record in records),
            oldest=min(record.timestamp for record in records),
        )
        batch.add(partition, chunk, time.monotonic())

    def _write(self, batch: Batch) -> None:
        block = batch.seal(self._consumer.topic_id)
        self._writing.append(block)
        self._writer.submit(block)

    def _settle(self) -> None:
        """Commits what is confirmed: rows by ClickHouse, dead letters by Kafka."""
        for block in self._writer.written():
            self._writing.remove(block)
            self._written.append(block)
            now = time.time()
            for topic, oldest in block.oldest.items():
                RECORD_TO_ROW_SECONDS.labels(topic).observe(max(0.0, now - oldest / 1000))
        while self._written and self._quarantine.deliver(self._written[0].rejected):
            block = self._written.popleft()
            self._uncommitted |= {of: end for of, (_, end) in block.offsets.items()}
        if self._uncommitted:
            self._commit()

    def _commit(self) -> None:
        offsets = {of: OffsetAndMetadata(end, "", -1) for of, end in self._uncommitted.items()}
        try:
            self._consumer.commit(offsets, timeout_ms=COMMIT_SECONDS * 1000)
        except KafkaError as error:
            # a rebalance, most often: after it, those still ours are committed
            _log.info("commit failed, will be tried again", error=repr(error))
            return
        self._low |= self._uncommitted
        self._uncommitted = {}

    def _measure_lag(self, now: float) -> None:
        if now - self._measured < 1:
            return
        self._measured = now
        for partition in self._consumer.assignment():
            end = self._consumer.highwater(partition)
            if end is not None:
                lag = max(0, end - self._low.get(partition, end))
                LAG.labels(partition.topic, partition.partition).set(lag)

    def _by_table(self) -> list[Batch]:
        return list({batch.table.name: batch for batch in self._batches.values()}.values())

    def _is_writing(self, batch: Batch) -> bool:
        return any(block.table is batch.table for block in self._writing)

    def _close(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        for batch in self._by_table():
            if not batch.empty:
                self._write(batch)
        self._writer.close(deadline)
        self._settle()
        if self._writing or self._written or self._uncommitted:
            _log.warning("stopped with rows that will be read again")
        self._consumer.close(timeout_ms=COMMIT_SECONDS * 1000)
        self._quarantine.close(COMMIT_SECONDS)
        _log.info("stopped")

    # rebalance: called by kafka-python on its own thread, while the loop's thread is in poll ----

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Nothing to restore: what is in ClickHouse and not committed is replaced by itself."""
        REBALANCES.inc()
        _log.info("partitions assigned", partitions=len(assigned))

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Gives up what is not written; its next owner reads it again."""
        for batch in self._by_table():
            batch.forget(revoked)
        for block in (*self._writing, *self._written):
            block.forget(revoked)
        for partition in revoked:
            self._uncommitted.pop(partition, None)
            self._low.pop(partition, None)
            with suppress(KeyError):
                LAG.remove(partition.topic, partition.partition)
        _log.info("partitions revoked", partitions=len(revoked))
