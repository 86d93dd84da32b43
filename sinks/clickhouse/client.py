"""The connection to ClickHouse: how it is made, and how a block is put there."""

import queue
import threading
import time
from collections.abc import Callable

import structlog
from clickhouse_driver import Client
from clickhouse_driver.errors import Error
from tenacity import RetryCallState, RetryError, Retrying, wait_random_exponential
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_when_event_set

from corridor.metrics import INSERT_FAILURES, INSERT_ROWS, INSERT_SECONDS, ROWS
from corridor.settings import Settings
from sinks.clickhouse.batches import Block

CONNECT_SECONDS = 5
ANSWER_SECONDS = 60
"""An insert that has no answer after this long is taken for lost, and tried again."""
LONGEST_PAUSE_SECONDS = 5
"""Between two tries; the first pauses are shorter."""

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
        settings={
            "async_insert": 0,  # the default of new servers; confirms before rows are durable
            "insert_deduplicate": 1,
            "insert_deduplication_token": block.token,
            "max_partitions_per_insert_block": 0,  # times come from outside: no limit to trip over
        },
    )


class Writer:
    """Writes blocks in order on a thread of its own, each until ClickHouse has confirmed it.

    Nothing is dropped and nothing is raised: while ClickHouse does not take a block, the blocks
    behind it wait, and `trouble` says why.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        insert: Callable[[Client, str, Block], None] = insert,
        longest_pause: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self.trouble: str | None = None
        self._settings = settings
        self._client = connect(settings)
        self._database = settings.clickhouse_database
        self._insert = insert
        self._blocks: queue.SimpleQueue[Block | None] = queue.SimpleQueue()
        self._written: queue.SimpleQueue[Block] = queue.SimpleQueue()
        self._abandon = threading.Event()
        self._retrying = Retrying(
            wait=wait_random_exponential(0.1, longest_pause),
            stop=stop_when_event_set(self._abandon),
            sleep=sleep_using_event(self._abandon),
            before_sleep=self._failed,
        )
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, block: Block) -> None:
        """Puts a block behind those that wait."""
        self._blocks.put(block)

    def ping(self) -> str | None:
        """None when ClickHouse answers; safe from any thread."""
        try:
            with connect(self._settings, answer_seconds=CONNECT_SECONDS) as client:
                client.execute("SELECT 1")
        except (Error, OSError, EOFError) as error:
            return f"ClickHouse does not answer: {_summary(error)}"
        return None

    def written(self) -> list[Block]:
        """Blocks confirmed since the last call, in order."""
        done = []
        while not self._written.empty():
            done.append(self._written.get())
        return done

    def close(self, deadline: float) -> None:
        """Stops; blocks that are not written by `deadline` (of time.monotonic) are left."""
        self._blocks.put(None)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._abandon.set()

    def _run(self) -> None:
        while (block := self._blocks.get()) is not None:
            try:
                if block.rows:
                    self._retrying(self._write, block)
            except RetryError:
                return  # abandoned
            self.trouble = None
            self._written.put(block)

    def _write(self, block: Block) -> None:
        if self._abandon.is_set():
            raise TimeoutError("closing")
        started = time.perf_counter()
        self._insert(self._client, self._database, block)
        table = block.table.name
        INSERT_SECONDS.labels(table).observe(time.perf_counter() - started)
        INSERT_ROWS.labels(table).observe(block.rows)
        ROWS.labels(table).inc(block.rows)

    def _failed(self, state: RetryCallState) -> None:
        block: Block = state.args[0]
        error = state.outcome.exception() if state.outcome else None
        code = str(error.code) if isinstance(error, Error) else type(error).__name__
        summary = _summary(error)
        INSERT_FAILURES.labels(block.table.name, code).inc()
        self.trouble = f"ClickHouse does not take rows of {block.table.name}: {summary}"
        self._client.disconnect()  # a connection that failed half-way is of no use
        _log.warning(
            "insert failed, will be tried again",
            table=block.table.name,
            rows=block.rows,
            tries=state.attempt_number,
            code=code,
            error=summary,
        )


def _summary(error: BaseException | None) -> str:
    return str(error).partition("\n")[0][:500] or type(error).__name__
