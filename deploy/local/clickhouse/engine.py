"""The chdb engine: one per process and data directory, with many sessions.

A session is one connection of the engine: current database, SET and temporary tables are its own.
Work is cut into steps (start a query, fetch a piece, append a block). Steps of all clients run on a
few threads, first come, first served, and a client that reads or writes slowly holds none of them.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO, Any, TypeVar

import structlog

from deploy.local.clickhouse import metrics
from deploy.local.clickhouse.blocks import block_rows, split_blocks, with_zones, zoned_columns
from deploy.local.clickhouse.errors import Code, ServerError, from_engine
from deploy.local.clickhouse.statements import Insert
from deploy.local.clickhouse.wire import Progress

log = structlog.get_logger("corridor.clickhouse")

T = TypeVar("T")

PIECE_BYTES = 1 << 20
PIECE_SECONDS = 0.02
KILL_INTERVAL = 0.05

TAG_SETTING = "stream_like_engine_insert_queue"
"""Marks a session's queries in system.processes: it means nothing but to message queue tables, and
leaves log_comment to the clients. The engine takes no query ids from us."""

_OWN_SETTINGS = frozenset((TAG_SETTING, "implicit_select"))


class DataDirectoryInUse(Exception):
    """Another process holds the data directory."""


@dataclass(frozen=True)
class EngineLimits:
    """What the engine may use: a laptop's share, not a server's."""

    memory_bytes: int = field(default_factory=lambda: _half_of_memory())
    mark_cache_bytes: int = 128 << 20
    workers: int = field(default_factory=lambda: max(4, 2 * (os.cpu_count() or 1)))
    outputs: int = 16
    """Results written as a whole document (JSON, Parquet …) at the same time."""


def _half_of_memory() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1 << 30, total // 2)


class Engine:
    """Opens the data directory, runs steps, hands out sessions."""

    def __init__(self, data: Path, limits: EngineLimits | None = None) -> None:
        self.data = data
        self.spool = data / "spool"
        self.limits = limits or EngineLimits()
        self.version = ""
        self.timezone = ""
        self.display_name = ""
        self._numbers = itertools.count(1)
        self._lock: IO[str] | None = None
        self._chdb: Any = None
        self._admin: Any = None
        self._workers = ThreadPoolExecutor(self.limits.workers, "engine")
        self._outputs = ThreadPoolExecutor(self.limits.outputs, "engine-output")
        self._killers = ThreadPoolExecutor(1, "engine-admin")

    def open(self) -> None:
        """Locks the directory and starts the engine; blocks."""
        self.data.mkdir(parents=True, exist_ok=True)
        self._lock = (self.data / "corridor.lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataDirectoryInUse(
                f"The data directory {self.data} is in use by another ClickHouse: "
                "stop that one first, or name another directory with --data."
            ) from None
        if set(str(self.data)) & set("?&="):
            raise DataDirectoryInUse(
                f"The data directory {self.data} may not have ?, & or = in its path."
            )
        shutil.rmtree(self.spool, ignore_errors=True)  # what a killed process left
        self.spool.mkdir()
        self._chdb = import_module("chdb._chdb")
        # Signals are the server's: the engine must neither catch nor chain them.
        self._chdb.reset_signal_handlers()
        self._chdb.set_signal_handlers_enabled(0)
        options = (
            f"max_server_memory_usage={self.limits.memory_bytes}"
            f"&mark_cache_size={self.limits.mark_cache_bytes}"
        )
        try:
            self._admin = self._chdb.connect(f"{self.data}?{options}")
        except RuntimeError as error:
            raise DataDirectoryInUse(
                f"The data directory {self.data} cannot be opened: {from_engine(error).message}"
            ) from None
        row = self._admin.query("SELECT version(), timezone(), displayName()", "TSV").bytes()
        self.version, self.timezone, self.display_name = row.decode().strip().split("\t")

    def close(self) -> None:
        """Waits for the steps that run, then shuts the engine down; no session may be open."""
        self._workers.shutdown(wait=True)  # with the closing of sessions that is still queued
        self._outputs.shutdown(wait=True)
        self._killers.shutdown(wait=True)
        if self._admin is not None:
            self._admin.close()
            self._admin = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def connect(self) -> Any:
        """A new connection of the engine; blocks for a fraction of a millisecond."""
        return self._chdb.connect(str(self.data))

    def session(self) -> Session:
        """A session that opens itself at its first step."""
        return Session(self, f"corridor-{os.getpid()}-{next(self._numbers)}")

    def submit(self, work: Callable[[], T], *, output: bool = False) -> Future[T]:
        """Queues a step."""
        metrics.WAITING_STEPS.inc()

        def counted() -> T:
            metrics.WAITING_STEPS.dec()
            return work()

        future = (self._outputs if output else self._workers).submit(counted)
        return future

    def kill(self, tag: str) -> Future[None]:
        """Asks the engine to cancel what a session runs, if it runs anything."""

        def work() -> None:
            with suppress(RuntimeError):
                self._admin.query(
                    f"KILL QUERY WHERE Settings['{TAG_SETTING}'] = {quote(tag)} ASYNC", "Null"
                )

        return self._killers.submit(work)


@dataclass(frozen=True)
class Rows:
    """A whole result in one format."""

    data: bytes
    progress: Progress


@dataclass(frozen=True)
class Piece:
    """Some blocks of a streamed result."""

    blocks: list[bytes]
    rows: int
    last: bool


class Session:
    """One client's state in the engine. Only one query runs in it at a time."""

    def __init__(self, engine: Engine, tag: str) -> None:
        self.engine = engine
        self.tag = tag
        self.seen: dict[str, int] = {}
        """The engine's last word on progress, renewed by its own threads."""

        self._connection: Any = None
        self._database: str | None = None
        self._sets: list[str] = []
        self._changed: list[str] = []

    async def step(self, work: Callable[[], T], *, output: bool = False) -> T:
        """Runs a step; if the waiting task is cancelled, so is the engine's query."""
        future = self.engine.submit(work, output=output)
        waiting = asyncio.ensure_future(asyncio.wrap_future(future))
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if future.cancel():
                metrics.WAITING_STEPS.dec()
            else:
                await self._kill_until_done(waiting)
            raise

    async def _kill_until_done(self, waiting: asyncio.Future[Any]) -> None:
        # The engine knows a query only some time after its step began: ask until it ends.
        while not waiting.done():
            self.engine.kill(self.tag)
            await asyncio.wait((waiting,), timeout=KILL_INTERVAL)
        with suppress(Exception, asyncio.CancelledError):
            waiting.result()

    def progress(self) -> Progress:
        """Work done for the current query."""
        seen = self.seen
        return Progress(
            rows=seen.get("read_rows", 0),
            bytes=seen.get("read_bytes", 0),
            total_rows=seen.get("total_rows_to_read", 0),
            written_rows=seen.get("written_rows", 0),
            written_bytes=seen.get("written_bytes", 0),
            elapsed_ns=seen.get("elapsed_ns", 0),
        )

    # What follows runs on the engine's threads.

    def open_now(self) -> Any:
        """The engine's connection, opened when there is none."""
        if self._connection is None:
            self._connection = self.engine.connect()
            self._connection.query(self._own_settings(), "Null")
            self._connection.set_progress_callback(self._on_progress)
            for statement in (self._database, *self._sets):
                if statement:
                    self._connection.query(raw(statement), "Null")
        return self._connection

    def _on_progress(self, values: dict[str, int]) -> None:
        self.seen = values

    def use_now(self, database: str) -> None:
        """Makes a database the current one."""
        statement = f"USE {quote_name(database)}"
        self._query(statement, "Null", None)
        self._database = statement

    def apply_now(self, settings: Mapping[str, str]) -> None:
        """Sets settings for one query; `reset_now` takes them back."""
        self.seen = {}
        connection = self.open_now()
        if not settings:
            return
        for name in settings:
            if not _SETTING_NAME.fullmatch(name):
                raise ServerError(Code.UNKNOWN_SETTING, f"Unknown setting '{name}'.")
        self._changed = list(settings)
        assignments = ", ".join(f"{name} = {quote(value)}" for name, value in settings.items())
        try:
            connection.query(raw(f"SET {assignments}"), "Null")
        except RuntimeError as error:
            self.reset_now()
            raise from_engine(error) from None

    def reset_now(self) -> None:
        """Takes the query's settings back, by a new connection if the engine keeps them."""
        if not self._changed or self._connection is None:
            return
        names, self._changed = self._changed, []
        try:
            try:
                self._connection.query(_reset(names), "Null")
            except RuntimeError as error:
                if from_engine(error).code != Code.UNKNOWN_SETTING:
                    raise
                for name in names:
                    with suppress(RuntimeError):
                        self._connection.query(_reset([name]), "Null")
            if _OWN_SETTINGS & set(names):
                self._connection.query(self._own_settings(), "Null")
            for statement in self._sets:
                self._connection.query(raw(statement), "Null")
        except RuntimeError:
            self.close_now()

    def _own_settings(self) -> str:
        return f"SET {TAG_SETTING} = {quote(self.tag)}, implicit_select = 0"

    def close_now(self) -> None:
        """Closes the connection; the next step opens another with the same state."""
        connection, self._connection = self._connection, None
        self._changed = []
        if connection is not None:
            with suppress(RuntimeError):
                connection.set_progress_callback(None)
            connection.close()

    def _query(self, sql: str, form: str, params: Mapping[str, str] | None) -> Any:
        try:
            return self.open_now().query(raw(sql), form, params=dict(params or {}))
        except RuntimeError as error:
            raise from_engine(error) from None

    def rows_now(self, sql: str, form: str, params: Mapping[str, str] | None = None) -> Rows:
        """Runs a statement to its end."""
        result = self._query(sql, form, params)
        return Rows(
            result.bytes(),
            Progress(
                rows=result.storage_rows_read(),
                bytes=result.storage_bytes_read(),
                written_rows=result.rows_written(),
                written_bytes=result.bytes_written(),
                elapsed_ns=int(result.elapsed() * 1e9),
            ),
        )

    def remember_now(self, kind: str, statement: str) -> None:
        """Keeps a SET or USE that succeeded, for a new connection of this session."""
        if kind == "SET":
            self._sets.append(statement)
        elif kind == "USE":
            self._database = statement


@dataclass
class Stream:
    """A SELECT that is answered piece by piece."""

    session: Session
    handle: Any = None
    done: bool = False
    columns: list[tuple[str, str]] = field(default_factory=list)
    """Names and types, known before the first piece; empty if the engine could not tell."""

    _zoned: dict[int, str] = field(default_factory=dict)

    async def start(
        self,
        sql: str,
        settings: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        pack: Callable[[bytes], bytes] | None = None,
    ) -> Piece:
        """Begins the query and returns its first piece; `pack` runs on the engine's thread."""

        def work() -> Piece:
            self.session.apply_now(settings)
            try:
                connection = self.session.open_now()
                self._describe_now(sql, params)
                self.handle = connection.send_query(raw(sql), "Native", params=dict(params or {}))
            except RuntimeError as error:
                self._finish_now()
                raise from_engine(error) from None
            return self._fetch_now(pack)

        return await self.session.step(work)

    def _describe_now(self, sql: str, params: Mapping[str, str] | None) -> None:
        # Clients want columns also of an empty result, and the time zones which Native leaves out.
        # An analysis only: nothing is read.
        with suppress(ServerError):
            described = self.session.rows_now(f"DESCRIBE TABLE ({sql}\n)", "TSV", params)
            self.columns = [(name, kind) for name, kind, _ in columns_of(described.data)]
            self._zoned = zoned_columns(self.columns)
            self.session.seen = {}

    async def fetch(self, pack: Callable[[bytes], bytes] | None = None) -> Piece:
        """The next piece."""
        return await self.session.step(lambda: self._fetch_now(pack))

    def _fetch_now(self, pack: Callable[[bytes], bytes] | None) -> Piece:
        connection = self.session.open_now()
        blocks: list[bytes] = []
        rows = size = 0
        deadline = time.monotonic() + PIECE_SECONDS
        try:
            while size < PIECE_BYTES:
                result = connection.streaming_fetch_result(self.handle)
                count = 0 if result is None else result.rows_read()
                if not count:
                    self._finish_now()
                    break
                data: bytes = result.bytes()
                size += len(data)
                rows += count
                whole = [data] if block_rows(data) == count else split_blocks(data)
                if self._zoned:
                    whole = [with_zones(block, self._zoned) for block in whole]
                blocks.extend(pack(block) for block in whole) if pack else blocks.extend(whole)
                if time.monotonic() > deadline:
                    break
        except RuntimeError as error:
            self._finish_now()
            raise from_engine(error) from None
        return Piece(blocks, rows, self.done)

    def _finish_now(self) -> None:
        self.done, self.handle = True, None
        self.session.reset_now()

    async def close(self) -> None:
        """Ends the query if it has not ended."""
        if self.done:
            return

        def work() -> None:
            if self.handle is not None:
                with suppress(RuntimeError):
                    self.session.open_now().streaming_cancel_query(self.handle)
            self._finish_now()

        await _uncancelled(self.session, work)


class Insertion:
    """The data of an INSERT, gathered in a file, then inserted by one query of the engine.

    The engine has an interface for pushing data, but it does not report what fails while it
    writes: a violated constraint, a throwing view. INSERT … FROM INFILE reports everything, and is
    an INSERT in all else too (defaults, squashing, deduplication). As a file is inserted only when
    all of it has come, a client that leaves before leaves nothing behind.
    """

    BACKGROUND = 1 << 18
    """Writes of more than this do not run on the event loop's thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        descriptor, name = tempfile.mkstemp(prefix="insert-", dir=session.engine.spool)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb", buffering=0)
        self._path = name

    async def append(self, data: bytes) -> None:
        """Adds data to the file."""
        if len(data) > self.BACKGROUND:
            await asyncio.to_thread(self._write, data)
        elif data:
            self._write(data)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise ServerError(
                Code.NOT_ENOUGH_SPACE, f"Cannot keep the data of the INSERT: {error.strerror}."
            ) from error

    async def insert(self, insert: Insert, form: str, settings: Mapping[str, str]) -> Progress:
        """Inserts; when this returns, the rows are in the table."""
        self._file.close()
        sql = insert.from_file(self._path, form)

        def work() -> Progress:
            self._session.apply_now(settings)
            try:
                done = self._session.rows_now(sql, "Null").progress
            finally:
                self._session.reset_now()
            done.rows, done.bytes = done.written_rows, done.written_bytes
            return done

        return await self._session.step(work)

    def close(self) -> None:
        """Removes the file."""
        self._file.close()
        with suppress(FileNotFoundError):
            os.unlink(self._path)


async def _uncancelled(session: Session, work: Callable[[], None]) -> None:
    """A cleaning step runs to its end even if its task is cancelled meanwhile."""
    await asyncio.shield(asyncio.wrap_future(session.engine.submit(work)))


def _reset(names: Iterable[str]) -> str:
    return "SET " + ", ".join(f"{name} = DEFAULT" for name in names)


_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
)


def raw(sql: str) -> bytes:
    """The bytes as the client sent them: a query may hold any."""
    return sql.encode("utf-8", "surrogateescape")


def quote(value: str) -> str:
    """A string literal."""
    return f"'{value.translate(_ESCAPES)}'"


def quote_name(name: str) -> str:
    """An identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def columns_of(description: bytes) -> Iterable[tuple[str, str, str]]:
    """Name, type and kind of default from a DESCRIBE in TSV."""
    for line in description.decode("utf-8", "surrogateescape").splitlines():
        fields = line.split("\t")
        yield _unescape(fields[0]), _unescape(fields[1]), fields[2] if len(fields) > 2 else ""


def _unescape(field_text: str) -> str:
    if "\\" not in field_text:
        return field_text
    return re.sub(
        r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}.get(m[1], m[1]), field_text
    )
