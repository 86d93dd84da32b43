"""The loop: poll, collect, declare, write, confirm.

Exactly once, by declared batches. Which offsets a block covers is committed to Kafka before the
block is sent; who owns the partition next sends exactly these again, and ClickHouse knows the block
by its token. A commit is fenced by the generation of the group, so only one can declare:

1. a due batch of a partition becomes a block (`Lane.seal`);
2. one commit declares the blocks of all partitions, and confirms what was written before;
3. the writer sends each block until ClickHouse has confirmed it;
4. what could not become a row is put on Kafka;
5. the next commit confirms the block; while nothing is due, one of its own does.

One thread polls and another writes, so that a slow or absent ClickHouse never costs the group
membership: partitions whose batch is full are paused until there is room.
"""

import threading
import time
from collections import deque
from collections.abc import Collection, Mapping
from contextlib import suppress

import structlog
from kafka import AsyncConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import (
    CommitFailedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
)

from corridor import topics
from corridor.metrics import (
    EXPIRED,
    LAG,
    REBALANCES,
    RECEIVED,
    RECORD_TO_ROW_SECONDS,
    REPEATED_BLOCKS,
)
from corridor.settings import Settings
from sinks.clickhouse.batches import Batch, Block, Chunk, Policy
from sinks.clickhouse.client import Writer
from sinks.clickhouse.intents import Intent, Offsets, start
from sinks.clickhouse.lanes import Lane
from sinks.clickhouse.quarantine import Quarantine
from sinks.clickhouse.records import Consumer
from sinks.clickhouse.rows import Reader, Record
from sinks.clickhouse.tables import Table, routes

MAX_POLL_RECORDS = 10_000
LONGEST_WAIT_SECONDS = 0.5
WAIT_WHILE_WRITING_SECONDS = 0.02
CONFIRM_SECONDS = 0.5
"""What is written is confirmed with the next intents, or by a commit of its own after this long."""
ANSWER_SECONDS = 10
"""Kafka has so long for an answer; then the request is made again."""
SESSION_SECONDS = 10
"""How long the partitions of a member that died wait; heartbeats do not depend on the loop."""
REVOKE_SECONDS = 3
"""A rebalance waits so long for blocks that are being sent; then the next owner repeats them."""
STOP_SECONDS = 20
"""A stop writes what waits, for this long; what is left is read again after the next start."""
STALLED_SECONDS = 60
"""The loop turns several times a second; longer than this is a fault."""

_REBALANCES = (CommitFailedError, RebalanceInProgressError)

_log = structlog.get_logger("sinks.clickhouse")


class Sink(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """One member of the sink's consumer group."""

    def __init__(
        self,
        settings: Settings,
        *,
        tables: Mapping[str, Table] | None = None,
        dead_letters: str = topics.DEAD_LETTERS.name,
        writer: Writer | None = None,
        session_seconds: float = SESSION_SECONDS,
    ) -> None:
        """Joins the group at the first turn of the loop.

        Args:
            settings: Where Kafka and ClickHouse are, and how large batches get.
            tables: Which table the records of a topic go to; by default, as declared.
            dead_letters: Topic for what cannot become a row.
            writer: How blocks get to ClickHouse.
            session_seconds: How long the group waits for a member that is not heard of.
        """
        self._tables = routes() if tables is None else tables
        self._policy = Policy(settings.batch_rows, settings.batch_seconds)
        self._readers = {table.name: Reader(table) for table in self._tables.values()}
        self._lanes: dict[TopicPartition, Lane] = {}
        self._new: set[TopicPartition] = set()  # assigned, and not taken over yet
        self._written: deque[Block] = deque()  # their dead letters may still be ours
        self._unsaid_since: float | None = None
        self._session = session_seconds
        self._stopping = threading.Event()
        self._turned = time.monotonic()
        self._measured = 0.0
        self._writer = writer or Writer(settings)
        self._quarantine = Quarantine(settings, dead_letters)
        self._consumer = Consumer(
            client_id="corridor-sink",
            group_id=f"{settings.group}-clickhouse",
            enable_auto_commit=False,
            auto_offset_reset="none",  # where to go on is never for the library to guess
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            # A rebalance takes everything over anew, which costs a batch of each partition.
            # Cooperative ones keep that, but with kafka-python 3.0.12 also partitions of a
            # membership that was lost amid a rebalance, and leave others without an owner.
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            session_timeout_ms=int(session_seconds * 1000),
            heartbeat_interval_ms=int(min(3.0, session_seconds / 4) * 1000),
            max_poll_records=MAX_POLL_RECORDS,
            metadata_max_age_ms=10_000,  # how soon a topic that is created later is noticed
            **settings.kafka_client(),
        )
        self._consumer.subscribe(topics=sorted(self._tables), listener=self)

    # what others may ask, from other threads ---------------------------------------------------

    def stop(self) -> None:
        """Makes `run` write what waits, commit and return. Safe in a signal handler."""
        self._stopping.set()

    def stopped(self) -> bool:
        """`stop` was called."""
        return self._stopping.is_set()

    def healthy(self) -> str | None:
        """None while the loop turns."""
        still = time.monotonic() - self._turned
        return f"no turn of the loop for {still:.0f} s" if still > STALLED_SECONDS else None

    def ready(self) -> str | None:
        """None while partitions are assigned and ClickHouse takes rows."""
        if not self._lanes:
            return "no partitions are assigned"
        return self._writer.trouble or self._writer.ping()

    # the loop ----------------------------------------------------------------------------------

    def run(self) -> None:
        """Works until `stop`."""
        _log.info("started", topics=len(self._tables))
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        self._hold_back()
        polled = self._poll(self._wait())
        for partition, records in polled.items():
            if partition in self._lanes:
                self._collect(partition, records)
        self._take_over()
        now = time.monotonic()
        self._turned = now
        self._settle()
        self._seal(now)
        self._declare()
        self._measure_lag(now)

    def _poll(self, seconds: float) -> dict[TopicPartition, list[Record]]:
        try:
            polled: dict[TopicPartition, list[Record]] = self._consumer.poll(
                timeout_ms=int(seconds * 1000)
            )
        except NoOffsetForPartitionError:
            return {}  # a new partition, which is taken over in this turn
        except OffsetOutOfRangeError as error:
            for partition, position in error.args[0].items():
                self._jump(partition, position)
            return {}
        except KafkaError as error:
            if not error.retriable:
                raise
            _log.warning("poll failed, will be tried again", error=repr(error))
            return {}
        for partition, lane in self._lanes.items():
            if lane.batch.until is not None and not polled.get(partition):
                lane.batch.read_to(self._consumer.position(partition))
        return polled

    def _wait(self) -> float:
        if not self._consumer.is_stable():
            return LONGEST_WAIT_SECONDS  # a join that ends between two polls is begun again
        if self._unsaid_since is not None or any(lane.block for lane in self._lanes.values()):
            return WAIT_WHILE_WRITING_SECONDS
        now = time.monotonic()
        age = self._age()
        due = (lane.batch.due_in(now, age) for lane in self._lanes.values())
        return min(LONGEST_WAIT_SECONDS, *due) if self._lanes else LONGEST_WAIT_SECONDS

    def _age(self) -> float:
        """How old a batch gets."""
        waiting = sum(not lane.batch.empty for lane in self._lanes.values())
        return self._policy.age(waiting, self._writer.insert_seconds)

    def _hold_back(self) -> None:
        """Pauses partitions whose batch is full, and all while too much waits for its turn."""
        batches = {partition: lane.batch for partition, lane in self._lanes.items()}
        blocks = [lane.block for lane in self._lanes.values() if lane.block is not None]
        in_memory: list[Batch | Block] = [*batches.values(), *blocks]
        most = self._policy.batches_in_memory
        crowded = (
            sum(part.rows for part in in_memory) >= most * self._policy.rows
            or sum(part.bytes for part in in_memory) >= most * self._policy.bytes
        )
        held = self._new | {
            partition
            for partition, batch in batches.items()
            # what was declared can only be written when all of it has been read
            if batch.complete or (crowded and batch.until is None)
        }
        assigned = self._consumer.assignment()
        paused = self._consumer.paused()
        self._consumer.pause(*((held & assigned) - paused))
        self._consumer.resume(*((paused & assigned) - held))

    # taking over -------------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Goes on where the former owner of a partition was: first with what it has declared."""
        new = sorted(self._new & self._consumer.assignment())
        if not new:
            return
        try:
            commits = self._consumer.commits(new, ANSWER_SECONDS)
            beginnings = self._consumer.beginning_offsets(new, timeout_ms=ANSWER_SECONDS * 1000)
        except KafkaError as error:
            _log.warning("no word of where to go on, will be asked again", error=repr(error))
            return
        for partition in new:
            topic_id = self._consumer.topic_id(partition.topic)
            first, until, lost = start(commits.get(partition), topic_id, beginnings[partition])
            table = self._tables[partition.topic]
            lane = Lane(topic_id, Batch(partition, table, self._policy, first, until))
            self._lanes[partition] = lane
            self._consumer.seek(partition, first)
            if until is not None:
                REPEATED_BLOCKS.labels(table.name).inc()
                _log.info("a declared block is sent again", of=lane.batch.partition, until=until)
            if lost is not None:
                self._report(lane, lost)
                self._consumer.seek(partition, lost.end)
        self._new.difference_update(new)

    def _start_anew(self, partitions: Collection[TopicPartition]) -> None:
        self._drop(partitions)
        self._consumer.pause(*partitions)
        self._new.update(partitions)

    def _jump(self, partition: TopicPartition, position: int) -> None:
        """Kafka has nothing at the position any more: what is missing is told, never skipped."""
        try:
            beginning = self._consumer.beginning_offsets([partition])[partition]
            end = self._consumer.end_offsets([partition])[partition]
        except KafkaError as error:
            _log.warning("poll failed, will be tried again", error=repr(error))
            return
        lane = self._lanes[partition]
        if lane.topic_id != self._consumer.topic_id(partition.topic):
            _log.warning("the topic was made again", partition=partition)
            self._start_anew([partition])
        elif position < beginning:
            if lane.batch.until is not None and lane.batch.until <= beginning:
                lane.batch.until = None
            self._report(lane, Offsets(position, beginning))
            self._consumer.seek(partition, beginning)
        elif position > end:
            _log.error(
                "Kafka has lost records that were read before",
                partition=partition,
                first=end,
                end=position,
            )
            self._drop([partition])
            self._lanes[partition] = Lane(
                lane.topic_id,
                Batch(partition, lane.batch.table, self._policy, end),
            )
            self._consumer.seek(partition, end)

    def _report(self, lane: Lane, lost: Offsets) -> None:
        """Puts a letter about records that retention has deleted into the lane, as their row."""
        batch = lane.batch
        EXPIRED.labels(batch.partition.topic).inc(lost.end - lost.first)
        _log.error(
            "retention has deleted unconfirmed records", partition=batch.partition, **lost._asdict()
        )
        rows = self._readers[batch.table.name].expired(batch.partition, lost)
        batch.add(Chunk(rows, lost, 0, int(time.time() * 1000)), time.monotonic())

    # collecting --------------------------------------------------------------------------------

    def _collect(self, partition: TopicPartition, records: list[Record]) -> None:
        batch = self._lanes[partition].batch
        if batch.until is not None and records[-1].offset >= batch.until:
            records = [record for record in records if record.offset < batch.until]
            self._consumer.seek(partition, batch.until)
        if records:
            RECEIVED.labels(partition.topic).inc(len(records))
            chunk = Chunk(
                self._readers[batch.table.name].read(partition, records),
                Offsets(records[0].offset, records[-1].offset + 1),
                bytes=sum(len(record.value or b"") for record in records),
                oldest=min(record.timestamp for record in records),
            )
            batch.add(chunk, time.monotonic())
        if batch.until is not None:
            batch.read_to(self._consumer.position(partition))

    def _seal(self, now: float, *, all_of_it: bool = False) -> None:
        age = self._age()
        for lane in self._lanes.values():
            batch = lane.batch
            due = batch.due_in(now, age) == 0
            rest = all_of_it and not batch.empty and batch.until is None
            if lane.block is None and (due or rest):
                lane.seal()

    # declaring, writing, confirming ------------------------------------------------------------

    def _declare(self, *, at_once: bool = False) -> None:
        """Commits intents and confirmations, then hands declared blocks to the writer."""
        now = time.monotonic()
        unsaid = {p: lane for p, lane in self._lanes.items() if lane.statement != lane.said}
        leases = {
            partition: lane
            for partition, lane in self._lanes.items()
            if lane.block is not None and lane.block.lease < now + self._session / 2
        }
        if not unsaid:
            self._unsaid_since = None
        elif self._unsaid_since is None:
            self._unsaid_since = now
        overdue = self._unsaid_since is not None and now >= self._unsaid_since + CONFIRM_SECONDS
        if not (leases or overdue or (unsaid and at_once)) or not self._consumer.is_stable():
            return
        lanes = unsaid | leases
        statements = {partition: lane.statement for partition, lane in lanes.items()}
        try:
            self._commit({p: self._offset(intent) for p, intent in statements.items()})
        except KafkaError as error:
            # a rebalance, most often: after it, what is still ours is committed
            if not error.retriable and not isinstance(error, _REBALANCES):
                raise
            _log.info("commit failed, will be tried again", error=repr(error))
            return
        self._unsaid_since = None
        for partition, lane in lanes.items():
            lane.said = statements[partition]
            if lane.block is not None:
                declared, lane.block.lease = lane.block.lease > 0, now + self._session
                if not declared:
                    self._writer.submit(lane.block)

    def _commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        self._consumer.commit(offsets, timeout_ms=ANSWER_SECONDS * 1000)

    def _offset(self, intent: Intent) -> OffsetAndMetadata:
        return intent.commit()

    def _settle(self) -> None:
        """Confirms blocks: their rows are in ClickHouse, now their dead letters are on Kafka."""
        self._collect_written()
        while self._written and self._quarantine.deliver(self._written[0].rejected):
            self._confirm(self._written.popleft())

    def _collect_written(self) -> None:
        for block in self._writer.written():
            self._written.append(block)
            RECORD_TO_ROW_SECONDS.labels(block.partition.topic).observe(
                max(0.0, time.time() - block.oldest / 1000)
            )

    def _confirm(self, block: Block) -> None:
        lane = self._lanes.get(block.partition)
        if lane is not None and lane.block is block:  # otherwise it is another's by now
            lane.confirm()

    def _measure_lag(self, now: float) -> None:
        if now - self._measured < 1:
            return
        self._measured = now
        for partition, lane in self._lanes.items():
            end = self._consumer.highwater(partition)
            if end is not None:
                LAG.labels(partition.topic, partition.partition).set(max(0, end - lane.confirmed))

    def _close(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            # nothing more is read, but a rebalance goes on only within a poll
            self._consumer.pause(*self._consumer.assignment())
            self._poll(self._wait())
            self._seal(time.monotonic(), all_of_it=True)
            self._declare(at_once=True)
            self._settle()
            if all(
                lane.block is None and lane.statement == lane.said for lane in self._lanes.values()
            ):
                break
        else:
            _log.warning("stopped with rows that will be read again")
        self._writer.close(deadline)
        self._consumer.close(timeout_ms=ANSWER_SECONDS * 1000)
        self._quarantine.close(ANSWER_SECONDS)
        _log.info("stopped")

    # rebalance: kafka-python's own thread, while the loop's thread waits in poll or close --------

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Nothing is read before it is known where to go on."""
        REBALANCES.inc()
        self._start_anew(assigned)
        _log.info("partitions assigned", partitions=len(assigned))

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Ends what is being sent, for a while, and confirms it.

        What is declared beyond that is sent again by the next owner, who cannot begin before this
        returns.
        """
        self._writer.forget(revoked)
        deadline = time.monotonic() + min(REVOKE_SECONDS, self._session / 3)
        while self._writer.is_sending(revoked) and time.monotonic() < deadline:
            await self._consumer.pause_amid_rebalance(WAIT_WHILE_WRITING_SECONDS)
        self._collect_written()
        for block in self._written:
            if not block.rejected:
                self._confirm(block)
        statements = {
            partition: self._offset(lane.statement)
            for partition in revoked
            if (lane := self._lanes.get(partition)) is not None
            and lane.block is None
            and lane.statement != lane.said
        }
        with suppress(KafkaError):  # then the next owner repeats them
            await self._consumer.commit_amid_rebalance(
                statements, max(0.1, deadline - time.monotonic())
            )
        self._drop(revoked)
        _log.info("partitions revoked", partitions=len(revoked))

    async def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """Another may own them already: nothing of them is sent or said any more."""
        self._drop(lost)
        _log.warning("partitions lost", partitions=len(lost))

    def _drop(self, partitions: Collection[TopicPartition]) -> None:
        self._writer.forget(partitions)
        self._new.difference_update(partitions)
        for partition in partitions:
            self._lanes.pop(partition, None)
            with suppress(KeyError):
                LAG.remove(partition.topic, partition.partition)
