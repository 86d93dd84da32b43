"""What is collected between two inserts, and when it is enough.

A batch is where the promise to ClickHouse is made: a block names the offsets of every partition in
it, so that they can be committed once its rows are confirmed, and its token is a function of these
offsets, so that the same block sent twice can be recognised.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kafka import TopicPartition

from corridor.identity import derived_id
from corridor.models import DeadLetter
from sinks.clickhouse.rows import Rows, Values
from sinks.clickhouse.tables import Table


class Offsets(NamedTuple):
    """Offsets from `first` up to, but without, `end`."""

    first: int
    end: int


@dataclass(frozen=True)
class Policy:
    """A batch is due at this many rows or bytes, or when its first record is this old."""

    rows: int
    seconds: float
    bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True)
class Chunk:
    """Consecutive records of one partition, as they came from one poll."""

    rows: Rows
    offsets: Offsets
    bytes: int
    oldest: int  # Kafka timestamp, milliseconds


@dataclass
class Block:
    """What one insert writes, and what may be committed after it."""

    table: Table
    columns: list[Values]
    rows: int
    token: str
    offsets: dict[TopicPartition, Offsets]
    oldest: dict[str, int]  # Kafka timestamp of the oldest record of each topic
    rejected: list[DeadLetter]

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """These partitions are another's now; their offsets must not be committed."""
        for partition in partitions:
            self.offsets.pop(partition, None)


@dataclass
class Batch:
    """Chunks for one table that wait for their insert."""

    table: Table
    policy: Policy
    rows: int = 0
    bytes: int = 0
    since: float = 0.0
    _chunks: dict[TopicPartition, list[Chunk]] = field(default_factory=dict)

    def add(self, partition: TopicPartition, chunk: Chunk, now: float) -> None:
        """Takes the next records of a partition.

        Records that come again (a position that was reset) replace those that wait, so that the
        offsets of a batch are in order and without repetition.
        """
        waiting = self._chunks.get(partition)
        if waiting and chunk.offsets.first < waiting[-1].offsets.end:
            self.forget([partition])
        if not self._chunks:
            self.since = now
        self._chunks.setdefault(partition, []).append(chunk)
        self.rows += chunk.rows.count
        self.bytes += chunk.bytes

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drops what waits of these partitions; whoever owns them next reads it again."""
        for partition in partitions:
            for chunk in self._chunks.pop(partition, ()):
                self.rows -= chunk.rows.count
                self.bytes -= chunk.bytes

    @property
    def empty(self) -> bool:
        """Nothing waits, not even offsets without rows."""
        return not self._chunks

    @property
    def full(self) -> bool:
        """As large as a batch should get."""
        return self.rows >= self.policy.rows or self.bytes >= self.policy.bytes

    def due_in(self, now: float) -> float:
        """Seconds until it has to be written; 0 when it is due, infinity when it is empty."""
        if self.empty:
            return float("inf")
        if self.full:
            return 0.0
        return max(0.0, self.since + self.policy.seconds - now)

    def seal(self, topic_id: Callable[[str], object]) -> Block:
        """Everything that waits, as one block; the batch is empty afterwards.

        Args:
            topic_id: Kafka's id of a topic, which changes when it is deleted and made again.
        """
        chunks = [chunk for partition in sorted(self._chunks) for chunk in self._chunks[partition]]
        offsets = {
            partition: Offsets(of[0].offsets.first, of[-1].offsets.end)
            for partition, of in sorted(self._chunks.items())
        }
        oldest: dict[str, int] = {}
        for partition, of in self._chunks.items():
            times = [chunk.oldest for chunk in of]
            oldest[partition.topic] = min(oldest.get(partition.topic, times[0]), *times)
        columns: list[Values] = [[] for _ in self.table.all_columns]
        for chunk in chunks:
            for column, values in zip(columns, chunk.rows.columns, strict=True):
                column.extend(values)
        block = Block(
            table=self.table,
            columns=columns,
            rows=self.rows,
            token=_token(self.table, offsets, topic_id),
            offsets=offsets,
            oldest=oldest,
            rejected=[letter for chunk in chunks for letter in chunk.rows.rejected],
        )
        self._chunks, self.rows, self.bytes = {}, 0, 0
        return block


def _token(
    table: Table, offsets: Mapping[TopicPartition, Offsets], topic_id: Callable[[str], object]
) -> str:
    # by id, since a topic that is made again has other records at the same offsets
    return derived_id(
        table.name,
        *(
            f"{topic_id(of.topic)}:{of.partition}:{first}:{end}"
            for of, (first, end) in offsets.items()
        ),
    )
