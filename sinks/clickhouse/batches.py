"""What is collected between two inserts, and when it is enough.

A batch is a range of one partition, for one table. It begins where the batch before it ended, so
that ranges cover every offset once, also those at which Kafka has nothing (any more).
"""

from dataclasses import dataclass, field

from kafka import TopicPartition

from corridor.models import DeadLetter
from sinks.clickhouse.intents import Intent, Offsets
from sinks.clickhouse.rows import Rows, Values
from sinks.clickhouse.tables import Table


@dataclass(frozen=True)
class Policy:
    """A batch is due at this many rows or bytes, or when its first record is this old."""

    rows: int
    seconds: float
    bytes: int = 64 * 1024 * 1024
    share: float = 0.25
    """Of the time, what inserts of batches that are not full may take: the rest is for merges."""
    oldest: float = 10.0
    """Seconds; but no batch waits longer for that."""
    batches_in_memory: int = 4
    """Rows and bytes of so many full batches may be held, of all partitions together."""

    def age(self, batches: int, insert_seconds: float) -> float:
        """Seconds after which a batch is due.

        Args:
            batches: How many there are.
            insert_seconds: What an insert has taken lately.
        """
        return max(self.seconds, min(batches * insert_seconds / self.share, self.oldest))


@dataclass(frozen=True)
class Chunk:
    """Consecutive records of one partition, as they came from one poll."""

    rows: Rows
    offsets: Offsets
    bytes: int
    oldest: int  # Kafka timestamp, milliseconds


@dataclass(eq=False)
class Block:
    """What one insert writes."""

    partition: TopicPartition
    table: Table
    intent: Intent
    columns: list[Values]
    rows: int
    bytes: int  # of the records
    oldest: int  # Kafka timestamp of the oldest record
    rejected: list[DeadLetter]
    lease: float = 0.0
    """Until then (time.monotonic) nobody else can own the partition; 0: not declared yet."""

    @property
    def token(self) -> str:
        """The name by which ClickHouse knows the block again."""
        return self.intent.token(self.partition.partition)


@dataclass
class Batch:
    """A range that grows until it is due.

    Attributes:
        first: Where the range begins.
        until: Where it has to end, if it was declared before; it is due then, and not earlier.
    """

    partition: TopicPartition
    table: Table
    policy: Policy
    first: int
    until: int | None = None
    rows: int = 0
    bytes: int = 0
    end: int = field(init=False)
    since: float = 0.0
    _chunks: list[Chunk] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.end = self.first

    def add(self, chunk: Chunk, now: float) -> None:
        """Takes the next records.

        Raises:
            ValueError: they are not the next ones, or beyond `until`.
        """
        if chunk.offsets.first < self.end or (self.until and chunk.offsets.end > self.until):
            raise ValueError(f"{self.partition}: {chunk.offsets} after {self.end}")
        if self.empty:
            self.since = now
        self._chunks.append(chunk)
        self.end = chunk.offsets.end
        self.rows += chunk.rows.count
        self.bytes += chunk.bytes

    def read_to(self, position: int) -> None:
        """Tells that there are no more records before `position`."""
        if self.until is not None and position >= self.until:
            self.end = self.until

    @property
    def empty(self) -> bool:
        """Nothing waits, not even offsets without rows."""
        return self.end == self.first

    @property
    def complete(self) -> bool:
        """Takes no more records: as large as it should get, or all that was declared."""
        if self.until is not None:
            return self.end == self.until
        return self.rows >= self.policy.rows or self.bytes >= self.policy.bytes

    def due_in(self, now: float, age: float) -> float:
        """Seconds until it has to be written: 0 when it is due, infinity while that is open.

        Args:
            now: time.monotonic().
            age: Seconds that its first record may wait.
        """
        if self.complete:
            return 0.0
        if self.empty or self.until is not None:
            return float("inf")
        return max(0.0, self.since + age - now)

    def seal(self, topic_id: str) -> Block:
        """All of it, as one block.

        Args:
            topic_id: Kafka's id of the topic.
        """
        columns: list[Values] = [[] for _ in self.table.all_columns]
        for chunk in self._chunks:
            for column, values in zip(columns, chunk.rows.columns, strict=True):
                column.extend(values)
        return Block(
            partition=self.partition,
            table=self.table,
            intent=Intent(topic_id, self.table.name, self.first, self.end),
            columns=columns,
            rows=self.rows,
            bytes=self.bytes,
            oldest=min((chunk.oldest for chunk in self._chunks), default=0),
            rejected=[letter for chunk in self._chunks for letter in chunk.rows.rejected],
        )

    def next(self) -> "Batch":
        """The batch that follows."""
        return Batch(self.partition, self.table, self.policy, self.end)
