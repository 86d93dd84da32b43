"""The connection to ClickHouse: how it is made, and how a block is put there."""

import heapq
import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import structlog
from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException
from kafka import TopicPartition

from corridor.metrics import INSERT_FAILURES, INSERT_ROWS, INSERT_SECONDS, ROWS
from corridor.settings import Settings
from sinks.clickhouse.batches import Block

CONNECT_SECONDS = 5
ANSWER_SECONDS = 60
"""An insert that has no answer after this long is taken for lost, and tried again."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5
"""Between two tries of a block; each pause is twice as long as the one before, up to this."""
LEASE_PAUSE_SECONDS = 0.05
"""How soon a block whose lease has to be renewed is looked at again."""
FEW_ROWS = 1_000
"""Of a larger block, most of the time is for its rows, which waiting does not make fewer."""
WEIGHT = 0.1
"""Of the last insert, in the mean."""
FORGOTTEN = float("-inf")
"""The lease of a block that is another's now."""
FAILURES = (Error, OSError, EOFError)
"""What clickhouse-driver raises while a server is away or refuses."""

_log = structlog.get_logger("sinks.clickhouse")


def connect(settings: Settings, *, answer_seconds: float = ANSWER_SECONDS) -> Client:
    """A client that has not connected yet; it does so at its first statement.

    It names no database: statements do, so that a database can be created through it.
    """
    return Client(
        host=settings.clickhouse_host,
        port=settings.clickhouse_port,
        user=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
        connect_timeout=min(CONNECT_SECONDS, answer_seconds),
        send_receive_timeout=answer_seconds,
        client_name="corridor-sink",
        settings={"insert_block_size": 2**31},  # a batch is one block, however large
    )


def insert(client: Client, database: str, block: Block) -> None:
    """Writes a block and returns when ClickHouse has confirmed all of its rows."""
    names = ", ".join(f"`{column.name}`" for column in block.table.all_columns)
    client.execute(
        f"INSERT INTO {database}.{block.table.name} ({names}) VALUES",
        block.columns,
        columnar=True,
        settings=deduplication(block.token),
    )


def deduplication(token: str) -> dict[str, str | int]:
    """Settings of an INSERT by which ClickHouse drops it if it was done before."""
    return {
        "async_insert": 0,  # the default of new servers; confirms before rows are durable
        "distributed_foreground_insert": 1,  # on a cluster: confirmed when the shards have it
        "insert_deduplicate": 1,
        "insert_deduplication_token": token,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "max_partitions_per_insert_block": 0,  # times come from outside: no limit to trip over
    }


class Writer:
    """Writes blocks on a thread of its own, each until ClickHouse has confirmed it.

    Nothing is dropped and nothing is raised: a block that ClickHouse does not take is tried again
    after a pause, in which others have their turn, and `trouble` says why.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        insert: Callable[[Client, str, Block], None] = insert,
        longest_pause: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._settings = settings
        self._client = connect(settings)
        self._database = settings.clickhouse_database
        self._insert = insert
        self._longest_pause = longest_pause
        self._changed = threading.Condition()
        self._waiting: list[_Turn] = []
        self._at: Block | None = None
        self._written: list[Block] = []
        self._failing: dict[TopicPartition, str] = {}
        self._closed = False
        self.insert_seconds = 0.0
        """What an insert of few rows takes: a mean, in which the last ones count most."""
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why a block was not taken, while there is one."""
        return next(iter(self._failing.copy().values()), None)

    def submit(self, block: Block) -> None:
        """Puts a block behind those that wait. It is sent only while its lease lasts."""
        with self._changed:
            heapq.heappush(self._waiting, _Turn(time.monotonic(), block))
            self._changed.notify_all()

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drops the blocks of these partitions; one that is being sent is not tried again."""
        with self._changed:
            self._waiting = [
                turn for turn in self._waiting if turn.block.partition not in partitions
            ]
            heapq.heapify(self._waiting)
            if self._at is not None and self._at.partition in partitions:
                self._at.lease = FORGOTTEN
            for partition in partitions:
                self._failing.pop(partition, None)

    def is_sending(self, partitions: Collection[TopicPartition]) -> bool:
        """True while a block of these partitions is on its way to ClickHouse."""
        with self._changed:
            return self._at is not None and self._at.partition in partitions

    def written(self) -> list[Block]:
        """Blocks confirmed since the last call, in order."""
        with self._changed:
            done, self._written = self._written, []
        return done

    def ping(self) -> str | None:
        """None when ClickHouse answers; safe from any thread."""
        try:
            with connect(self._settings, answer_seconds=CONNECT_SECONDS) as client:
                client.execute("SELECT 1")
        except FAILURES as error:
            return f"ClickHouse does not answer: {summary(error)}"
        return None

    def close(self, deadline: float) -> None:
        """Stops; a block that is not written by `deadline` (of time.monotonic) is left."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            block = turn.block
            try:
                if block.rows:
                    self._write(block)
            except Exception as error:  # whatever it is, the block has to be written
                self._failed(turn, error)
            else:
                with self._changed:
                    self._written.append(block)
                    self._failing.pop(block.partition, None)
            self._at = None

    def _next(self) -> "_Turn | None":
        """The next block whose time has come; waits for it. None when closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if self._waiting and (pause := self._waiting[0].time - now) <= 0:
                    turn = heapq.heappop(self._waiting)
                    # without its lease, another may have gone on from where this block begins
                    if turn.block.lease > now:
                        self._at = turn.block
                        return turn
                    heapq.heappush(self._waiting, turn.later(now + LEASE_PAUSE_SECONDS))
                else:
                    self._changed.wait(pause if self._waiting else None)
        return None

    def _write(self, block: Block) -> None:
        started = time.perf_counter()
        self._insert(self._client, self._database, block)
        seconds, table = time.perf_counter() - started, block.table.name
        if block.rows <= FEW_ROWS:
            self.insert_seconds += WEIGHT * (seconds - self.insert_seconds)
        INSERT_SECONDS.labels(table).observe(seconds)
        INSERT_ROWS.labels(table).observe(block.rows)
        ROWS.labels(table).inc(block.rows)

    def _failed(self, turn: "_Turn", error: Exception) -> None:
        block, tries = turn.block, turn.tries + 1
        code = str(error.code) if isinstance(error, Error) else type(error).__name__
        INSERT_FAILURES.labels(block.table.name, code).inc()
        self._client.disconnect()  # a connection that failed half-way is of no use
        pause = min(self._longest_pause, FIRST_PAUSE_SECONDS * 2.0**tries) * random.uniform(0.5, 1)
        with self._changed:
            if block.lease != FORGOTTEN:
                self._failing[block.partition] = (
                    f"ClickHouse does not take rows of {block.table.name}: {summary(error)}"
                )
                heapq.heappush(self._waiting, turn.later(time.monotonic() + pause, tries))
        _log.warning(
            "insert failed, will be tried again",
            table=block.table.name,
            token=block.token,
            rows=block.rows,
            tries=tries,
            code=code,
            error=summary(error),
        )


@dataclass(frozen=True, order=True)
class _Turn:
    """When a block is to be sent, and how often that was tried."""

    time: float
    block: Block = field(compare=False)
    tries: int = field(default=0, compare=False)

    def later(self, time: float, tries: int | None = None) -> "_Turn":
        return _Turn(time, self.block, self.tries if tries is None else tries)


def summary(error: BaseException | None) -> str:
    """One line of what an error says."""
    text = error.message if isinstance(error, ServerException) else str(error)
    return text.partition("\n")[0][:500] or type(error).__name__
