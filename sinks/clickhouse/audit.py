"""The proof that ClickHouse holds what Kafka holds, for each partition.

Three things are compared, from where Kafka's retention has come to, to what the sink has committed:

1. **Deliveries.** `landings` says which offsets each insert brought; merges do not touch it. They
   are set against the records that Kafka still has: each once, none missing, no more.
2. **Rows.** Every record is read again by the sink's own reader, into a temporary table, and joined
   with the table by identity: its row is there, column by column, or a newer version of it.
3. **Refusals.** A record that cannot be a row has a dead letter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from clickhouse_driver import Client
from kafka import TopicPartition
from numpy.typing import NDArray

from corridor import topics
from corridor.models import DeadLetter
from corridor.settings import Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.ddl import definition, quoted
from sinks.clickhouse.feeds import LANDINGS
from sinks.clickhouse.records import Consumer
from sinks.clickhouse.rows import Reader, Record, Rows
from sinks.clickhouse.tables import DEAD_LETTERS, Table, routes

CHUNK_ROWS = 50_000
COMPACTED = frozenset(
    topic.name for topic in topics.registry("") if "compact" in topic.config["cleanup.policy"]
)
SILENCE_MS = 10_000
"""Kafka that has more records, but gives none for so long, does not answer."""


class AuditError(Exception):
    """The audit could not be made; the text says why."""


class Landing(NamedTuple):
    """What one insert brought of one partition."""

    first: int
    last: int
    starts: Sequence[int]
    ends: Sequence[int]
    rows: int
    """0: from before landings were recorded."""


@dataclass
class Verdict:
    """What was found of one partition."""

    topic: str
    partition: int
    start: int
    """First offset that was compared,"""
    end: int
    """and the one after the last."""
    rows: int = 0
    """Rows that the records in between are."""
    gaps: int = 0
    """Records that no insert brought, or that have neither row nor dead letter."""
    duplicates: int = 0
    """Deliveries beyond the first."""
    foreign: int = 0
    """Offsets that were delivered, but that Kafka does not have."""
    missing: int = 0
    """Rows that the table has not, nor a newer version of them."""
    differing: int = 0
    """Rows that the table has with other values."""
    refused: int = 0
    """Records that are dead letters."""
    waiting: int = 0
    """Records that the sink has not committed yet; they are not compared."""

    @property
    def ok(self) -> bool:
        return not (self.gaps or self.duplicates or self.foreign or self.missing or self.differing)


@dataclass
class _Expected:
    """What Kafka has of one partition."""

    offsets: list[NDArray[np.int64]] = field(default_factory=list)
    rows: int = 0
    letters: list[DeadLetter] = field(default_factory=list)


def audit(settings: Settings, tables: Mapping[str, Table] | None = None) -> Iterator[Verdict]:
    """Compares every partition of every topic that has a table; those of the quarantine last.

    Args:
        settings: Where Kafka and ClickHouse are.
        tables: Which table the records of a topic go to; by default, as declared.

    Raises:
        AuditError: Kafka holds records that it does not give.
        kafka.errors.KafkaError: Kafka does not answer.
        clickhouse_driver.errors.Error: ClickHouse does not answer as it should.
    """
    tables = routes() if tables is None else tables
    consumer = Consumer(
        client_id="corridor-audit",
        group_id=f"{settings.group}-clickhouse",  # only to ask what it has committed
        enable_auto_commit=False,
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        **settings.kafka_client(),
    )
    with connect(settings) as client:
        try:
            yield from _Audit(consumer, client, settings.clickhouse_database, tables).verdicts()
        finally:
            consumer.close(autocommit=False)


class _Audit:
    def __init__(
        self, consumer: Consumer, client: Client, database: str, tables: Mapping[str, Table]
    ) -> None:
        self._consumer, self._client, self._database = consumer, client, database
        self._tables = tables

    def verdicts(self) -> Iterator[Verdict]:
        partitions = [
            TopicPartition(topic, number)
            for topic, table in sorted(
                self._tables.items(), key=lambda item: (item[1] is DEAD_LETTERS, item[0])
            )
            for number in sorted(self._consumer.partitions_for_topic(topic) or ())
        ]
        begins = self._consumer.beginning_offsets(partitions)
        for partition in partitions:
            # committed first: whatever is before it had landed when landings are read
            committed = self._consumer.committed(partition) or begins[partition]
            landings = self._landings(partition)
            start = _start(begins[partition], landings)
            verdict = Verdict(partition.topic, partition.partition, start, max(start, committed))
            [high] = self._consumer.end_offsets([partition]).values()
            verdict.waiting = max(0, high - verdict.end)
            self._compare(partition, landings, verdict)
            yield verdict

    def _landings(self, partition: TopicPartition) -> list[Landing]:
        rows = self._client.execute(
            f"SELECT first, last, starts, ends, rows FROM {self._database}.{LANDINGS.name} "
            f"WHERE topic = {quoted(partition.topic)} AND partition = {partition.partition} "
            "ORDER BY first"
        )
        return [Landing(*row) for row in rows]

    def _compare(
        self, partition: TopicPartition, landings: list[Landing], verdict: Verdict
    ) -> None:
        table = self._tables[partition.topic]
        expected = _Expected()
        self._client.execute("DROP TEMPORARY TABLE IF EXISTS audited")
        columns = ", ".join(definition(column) for column in table.all_columns)
        self._client.execute(f"CREATE TEMPORARY TABLE audited ({columns}) ENGINE = Memory")
        for rows, offsets in self._read(partition, verdict):
            refused = {letter.origin.offset for letter in rows.rejected}
            expected.offsets.append(np.array([o for o in offsets if o not in refused], np.int64))
            expected.letters += rows.rejected
            expected.rows += rows.count
            if rows.count:
                self._find(table, rows, verdict)
        verdict.rows, verdict.refused = expected.rows, len(expected.letters)
        held = np.concatenate([np.zeros(0, np.int64), *expected.offsets])
        compacted = partition.topic in COMPACTED
        _count(landings, held, expected.rows, verdict, compacted=compacted)
        verdict.gaps += self._unexplained(expected.letters)

    def _read(
        self, partition: TopicPartition, verdict: Verdict
    ) -> Iterator[tuple[Rows, list[int]]]:
        """Everything between two offsets, as rows."""
        consumer, reader = self._consumer, Reader(self._tables[partition.topic])
        consumer.assign([partition])
        consumer.seek(partition, verdict.start)
        chunk: list[Record] = []
        while consumer.position(partition) < verdict.end:
            polled = consumer.poll(timeout_ms=SILENCE_MS, max_records=10_000)
            if not polled and consumer.position(partition) < verdict.end:
                raise AuditError(
                    f"Kafka gives no records of {partition.topic}, partition "
                    f"{partition.partition}, from offset {consumer.position(partition)} on"
                )
            chunk += [record for record in polled.get(partition, ()) if record.offset < verdict.end]
            if len(chunk) >= CHUNK_ROWS:
                yield reader.read(partition, chunk), [record.offset for record in chunk]
                chunk = []
        if chunk:
            yield reader.read(partition, chunk), [record.offset for record in chunk]

    def _find(self, table: Table, rows: Rows, verdict: Verdict) -> None:
        """Looks every row up in its table."""
        names = [f"`{column.name}`" for column in table.all_columns]
        identity = ", ".join(table.order_by)
        self._client.execute("TRUNCATE TABLE audited")
        self._client.execute(
            f"INSERT INTO audited ({', '.join(names)}) VALUES",
            rows.columns,
            columnar=True,
            settings={"async_insert": 0},
        )
        what = (
            f"SELECT {identity}, {table.version} AS held_version, _partition AS held_partition, "
            "_topic AS held_topic, _offset AS held_offset, "
            f"cityHash64(toString(tuple({', '.join(names)}))) AS held_digest"
        )
        same_place = (
            "held.held_topic = a.held_topic AND held.held_partition = a.held_partition "
            "AND held.held_offset = a.held_offset"
        )
        [(missing, differing)] = self._client.execute(
            "SELECT countIf(held.held_topic = '' OR held.held_version < a.held_version), "
            f"countIf({same_place} AND held.held_digest != a.held_digest) "
            f"FROM ({what} FROM audited) AS a LEFT JOIN ({what} "
            f"FROM {self._database}.{table.name} FINAL "
            f"WHERE ({identity}) GLOBAL IN (SELECT {identity} FROM audited)) AS held "
            f"USING ({identity}) SETTINGS join_use_nulls = 0"
        )
        verdict.missing += missing
        verdict.differing += differing

    def _unexplained(self, letters: Sequence[DeadLetter]) -> int:
        """How many of these are neither in ClickHouse nor on their way to it."""
        ids = {letter.dead_letter_id for letter in letters}
        if not ids:
            return 0
        listed = ", ".join(map(quoted, sorted(ids)))
        found = self._client.execute(
            f"SELECT dead_letter_id FROM {self._database}.{DEAD_LETTERS.name} FINAL "
            f"WHERE dead_letter_id IN ({listed})",
            settings={"max_query_size": 2**30},
        )
        ids -= {id_ for (id_,) in found}
        return len(ids - self._on_their_way()) if ids else 0

    def _on_their_way(self) -> set[str]:
        """Dead letters that the sink has not committed yet."""
        waiting: set[str] = set()
        for topic, table in self._tables.items():
            if table is DEAD_LETTERS:
                for number in self._consumer.partitions_for_topic(topic) or ():
                    partition = TopicPartition(topic, number)
                    begin = self._consumer.beginning_offsets([partition])[partition]
                    start = self._consumer.committed(partition) or begin
                    [end] = self._consumer.end_offsets([partition]).values()
                    at = table.columns.index(
                        next(c for c in table.columns if c.name == "dead_letter_id")
                    )
                    verdict = Verdict(topic, number, start, end)
                    for rows, _ in self._read(partition, verdict):
                        waiting |= set(rows.columns[at])
        return waiting


def _start(begin: int, landings: Sequence[Landing]) -> int:
    """The first offset from which landings are whole: after one that Kafka holds in part only,
    or that is from before they were recorded."""
    start = begin
    for landing in landings:
        if landing.last >= start and (landing.first < start or landing.rows == 0):
            start = landing.last + 1
    return start


def _count(
    landings: Sequence[Landing],
    offsets: NDArray[np.int64],
    rows: int,
    verdict: Verdict,
    *,
    compacted: bool = False,
) -> None:
    """Sets deliveries against the offsets that Kafka has, ascending.

    Of a compacted topic Kafka drops what newer records replace: that it was delivered is right.
    """
    start, end = verdict.start, verdict.end
    landings = [one for one in landings if one.first < end and one.last >= start]
    runs = sorted(
        (max(run_start, start), min(run_end, end - 1))
        for one in landings
        for run_start, run_end in zip(one.starts, one.ends, strict=True)
        if run_start < end and run_end >= start
    )
    delivered = sum(last - first + 1 for first, last in runs)
    merged = _merged(runs)
    distinct = sum(last - first + 1 for first, last in merged)
    firsts = np.array([first for first, _ in merged], np.int64)
    lasts = np.array([-1, *(last for _, last in merged)], np.int64)
    covered = int((lasts[np.searchsorted(firsts, offsets, "right")] >= offsets).sum())
    verdict.duplicates = delivered - distinct
    verdict.gaps = len(offsets) - covered
    verdict.foreign = 0 if compacted else distinct - covered
    whole = all(one.first >= start and one.last < end for one in landings)
    if not compacted and verdict.ok and whole:
        # one record is several rows where a table has one for each leg
        more = sum(one.rows for one in landings) - rows
        verdict.duplicates, verdict.gaps = max(0, more), max(0, -more)


def _merged(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same offsets as runs that neither overlap nor touch; given ascending."""
    found: list[tuple[int, int]] = []
    for first, last in runs:
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def as_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What `corridor audit --json` prints."""
    return {
        "partitions": [
            {
                "topic": v.topic,
                "partition": v.partition,
                "from": v.start,
                "to": v.end,
                "rows": v.rows,
                "gaps": v.gaps,
                "duplicates": v.duplicates,
                "foreign": v.foreign,
                "missing": v.missing,
                "differing": v.differing,
                "refused": v.refused,
                "waiting": v.waiting,
            }
            for v in verdicts
        ],
        "ok": all(v.ok for v in verdicts),
    }
