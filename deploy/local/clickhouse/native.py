"""The native protocol: one connection, one session, one query at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog

from deploy.local.clickhouse import compression, inserts, metrics, wire
from deploy.local.clickhouse.blocks import Block, block_columns, read_block, split_blocks
from deploy.local.clickhouse.engine import (
    Engine,
    Insertion,
    Stream,
    quote_name,
)
from deploy.local.clickhouse.errors import Code, ProtocolError, ServerError
from deploy.local.clickhouse.inserts import create_external_table, fill_external_table
from deploy.local.clickhouse.statements import Insert, Statement, parse, refuse_data_after_values
from deploy.local.clickhouse.users import User
from deploy.local.clickhouse.wire import ClientPacket, Progress, ServerPacket, Wire

log = structlog.get_logger("corridor.clickhouse.native")

T = TypeVar("T")

PROGRESS_INTERVAL = 0.2
_HANG_UP_SECONDS = 1.0


@dataclass(frozen=True)
class Timeouts:
    """How long a client may take, in seconds; ClickHouse's own defaults."""

    handshake: float = 10.0
    receive: float = 300.0
    """Between two packets of one query."""

    send: float = 300.0
    """Until a client reads what it was sent; its query waits meanwhile, and holds no worker."""


class _ClientLeft(Exception):
    """The client closed the connection while its query ran."""


class _Cancelled(Exception):
    """The client sent Cancel."""


class _Unreadable(Exception):
    """A block could not be read: where the next packet begins is unknown."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(error.message)
        self.error = error


_DATA = bytes((ServerPacket.DATA,)) + wire.string("")
_NAMES_AND_TYPES = "TabSeparatedRawWithNamesAndTypes"
_COUNTED_KINDS = frozenset(
    ("SELECT", "INSERT", "CREATE", "ALTER", "DROP", "SHOW", "DESCRIBE", "SET")
)
_HTTP_ON_NATIVE_PORT = (
    b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\n"
    b"This port is for ClickHouse's native protocol: use the HTTP port.\r\n"
)


class NativeConnection:
    """Serves one client until it leaves."""

    def __init__(self, wire_: Wire, engine: Engine, user: User, timeouts: Timeouts) -> None:
        self._wire = wire_
        self._engine = engine
        self._user = user
        self._timeouts = timeouts
        self._session = engine.session()
        self._revision = 0
        self._pack: Callable[[bytes], bytes] = _plain_packet
        self._compressed = False
        self._reported = Progress()

    async def serve(self) -> None:
        """Hello, then queries and pings, until the client leaves or sends nonsense."""
        metrics.CONNECTIONS.labels("native").inc()
        try:
            if await self._shake_hands():
                await self._serve_packets()
        except (EOFError, ConnectionError):
            pass
        except TimeoutError:
            log.info("client is too slow, connection ended")
        except ProtocolError as error:
            metrics.MALFORMED.inc()
            log.warning("malformed packet, connection ended", reason=str(error))
        except ServerError as error:
            metrics.MALFORMED.inc()
            log.warning("connection ended", reason=error.message, code=error.code)
            with suppress(EOFError, ConnectionError, TimeoutError):
                await self._send_error(error)
        except Exception:
            log.exception("a fault of the server, connection ended")
        finally:
            metrics.CONNECTIONS.labels("native").dec()
            self._engine.submit(self._session.close_now)
            await self._wire.hang_up(_HANG_UP_SECONDS)

    async def _shake_hands(self) -> bool:
        async with asyncio.timeout(self._timeouts.handshake):
            packet = await wire.read_varint(self._wire)
            if packet in (0x47, 0x50):  # the G of GET, the P of POST
                await self._send(_HTTP_ON_NATIVE_PORT)
                return False
            if packet != ClientPacket.HELLO:
                raise ProtocolError(f"the first packet is {packet}, not Hello")
            hello = await wire.read_hello(self._wire)
        self._wire.forget()
        self._revision = min(hello.revision, wire.REVISION)
        try:
            self._user.check(hello.user, hello.password)
            if hello.revision < wire.REVISION:
                raise ServerError(
                    Code.NOT_IMPLEMENTED,
                    f"Clients need protocol revision {wire.REVISION} or newer, "
                    f"this one speaks {hello.revision}.",
                )
            if hello.database:
                await self._session.step(lambda: self._session.use_now(hello.database))
        except ServerError as error:
            log.info("client refused", code=error.code, reason=error.message)
            await self._send_error(error)
            return False
        major, minor, patch = (int(part) for part in self._engine.version.split(".")[:3])
        await self._send(
            wire.server_hello(
                self._revision,
                (major, minor, patch),
                self._engine.timezone,
                self._engine.display_name,
            )
        )
        return True

    async def _serve_packets(self) -> None:
        while True:
            self._wire.forget()
            packet = await wire.read_varint(self._wire)
            if packet == ClientPacket.PING:
                await self._send(bytes((ServerPacket.PONG,)))
            elif packet == ClientPacket.QUERY:
                async with asyncio.timeout(self._timeouts.receive):
                    query = await wire.read_query(self._wire)
                await self._serve_query(query)
            elif packet == ClientPacket.CANCEL:
                continue  # The query has ended already.
            elif packet == ClientPacket.DATA:
                raise ServerError(
                    Code.UNEXPECTED_PACKET_FROM_CLIENT,
                    "Unexpected packet Data received from client.",
                )
            else:
                raise ServerError(
                    Code.UNKNOWN_PACKET_FROM_CLIENT, f"Unknown packet {packet} from client."
                )

    async def _serve_query(self, query: wire.Query) -> None:
        started = time.monotonic()
        self._use_compression(query)
        kind, outcome = "OTHER", "ok"
        try:
            tables = await self._read_external_tables()
            statement = parse(query.text)
            kind = statement.kind if statement.kind in _COUNTED_KINDS else "OTHER"
            await self._create_external_tables(tables)
            try:
                await self._run(statement, query.settings)
            finally:
                await self._drop_external_tables(tables)
            await self._send(bytes((ServerPacket.END_OF_STREAM,)))
        except ServerError as error:
            outcome = "error"
            await self._send_error(error)
        except _Unreadable as unreadable:
            outcome = "error"
            await self._send_error(unreadable.error)
            raise ProtocolError(unreadable.error.message) from None
        except _Cancelled:
            outcome = "cancelled"
            metrics.KILLED.labels("cancel").inc()
            await self._send(bytes((ServerPacket.END_OF_STREAM,)))
        except _ClientLeft:
            outcome = "cancelled"
            metrics.KILLED.labels("disconnect").inc()
            log.info("client left, its query is cancelled", query=query.text[:200])
            raise EOFError from None
        except TimeoutError:
            outcome = "cancelled"
            metrics.KILLED.labels("slow").inc()
            raise
        finally:
            metrics.QUERIES.labels("native", kind, outcome).inc()
            metrics.QUERY_SECONDS.labels("native").observe(time.monotonic() - started)

    async def _run(self, statement: Statement, settings: dict[str, str]) -> None:
        insert = statement.insert
        if insert is not None and insert.takes_data:
            if data := statement.inline_data:
                await self._watched(self._insert_inline(insert, data, settings))
            else:
                await self._insert_blocks(insert, settings)
        elif statement.streams:
            await self._watched(self._select(statement, settings))
        else:
            await self._watched(self._execute(statement, settings))

    async def _select(self, statement: Statement, settings: dict[str, str]) -> None:
        sql = statement.without_format()
        stream = Stream(self._session)
        rows = blocks = size = 0
        try:
            piece = await stream.start(sql, settings, pack=self._pack)
            if stream.columns:
                await self._send(self._pack(wire.header_block(stream.columns)))
            while True:
                rows += piece.rows
                blocks += len(piece.blocks)
                if piece.blocks:
                    data = b"".join(piece.blocks)
                    size += len(data)
                    await self._send(data)
                if piece.last:
                    break
                piece = await stream.fetch(self._pack)
        finally:
            await stream.close()
        metrics.RESULT_BYTES.labels("native").inc(size)
        await self._send(wire.profile_info(rows, blocks, size))
        await self._send_progress(self._session.progress())

    async def _execute(self, statement: Statement, settings: dict[str, str]) -> None:
        """Everything that is neither SELECT nor data: small results, or none."""
        sql = statement.without_format()

        def work() -> tuple[list[bytes], Progress]:
            self._session.apply_now(settings)
            try:
                rows = self._session.rows_now(sql, "Native")
                self._session.remember_now(statement.kind, sql)
                blocks = split_blocks(rows.data)
                if blocks or statement.reads:
                    blocks.insert(0, wire.header_block(self._columns_now(sql, blocks)))
                return [self._pack(block) for block in blocks], rows.progress
            finally:
                self._session.reset_now()

        packets, progress = await self._session.step(work)
        if packets:
            await self._send(b"".join(packets))
        await self._send_progress(progress)

    def _columns_now(self, sql: str, blocks: list[bytes]) -> list[tuple[str, str]]:
        """The columns of a small result; an empty one is asked again, in a format with names."""
        if blocks:
            return block_columns(blocks[0])
        head = (
            self._session.rows_now(sql, _NAMES_AND_TYPES)
            .data.decode("utf-8", "surrogateescape")
            .split("\n")
        )
        return list(zip(head[0].split("\t"), head[1].split("\t"), strict=True))

    async def _insert_inline(self, insert: Insert, data: str, settings: dict[str, str]) -> None:
        form = insert.format or "Values"
        if form.upper() == "VALUES":
            refuse_data_after_values(data)
        raw = data.encode("utf-8", "surrogateescape")
        metrics.INSERTED_BYTES.labels("native").inc(len(raw))
        insertion = Insertion(self._session)
        try:
            await insertion.append(raw)
            progress = await insertion.insert(insert, form, settings)
        finally:
            insertion.close()
        await self._send_progress(progress)

    async def _insert_blocks(self, insert: Insert, settings: dict[str, str]) -> None:
        """Answers with the columns, takes blocks until an empty one, then inserts all of them."""

        def sample() -> list[tuple[str, str]]:
            self._session.apply_now(settings)
            try:
                return inserts.sample_now(self._session, insert)
            finally:
                self._session.reset_now()

        columns = await self._session.step(sample)
        await self._send(self._pack(wire.header_block(columns)))
        insertion = Insertion(self._session)
        try:
            await self._gather_blocks(insertion)
            progress = await self._watched(insertion.insert(insert, "Native", settings))
        finally:
            insertion.close()
        await self._send_progress(progress)

    async def _gather_blocks(self, insertion: Insertion) -> None:
        rows = 0
        try:
            while (block := await self._read_data()).columns:
                if block.rows:
                    rows += block.rows
                    metrics.INSERTED_BYTES.labels("native").inc(len(block.body))
                    await insertion.append(block.body)
        except (EOFError, ConnectionError):
            raise _ClientLeft from None
        metrics.INSERTED_ROWS.inc(rows)

    async def _read_data(self) -> Block:
        """One Data packet; Cancel instead ends the query."""
        async with asyncio.timeout(self._timeouts.receive):
            packet = await wire.read_varint(self._wire)
            if packet == ClientPacket.CANCEL:
                raise _Cancelled
            if packet != ClientPacket.DATA:
                raise ProtocolError(f"packet {packet} came where Data was expected")
            _, block = await self._read_named_block()
            return block

    async def _read_named_block(self) -> tuple[str, Block]:
        name = await wire.read_string(self._wire)
        self._wire.forget()
        try:
            if self._compressed:
                inner = compression.FrameWindow(self._wire)
                block = await read_block(inner)
                if inner.position != len(inner.data):
                    raise ProtocolError("bytes are left behind a block in its last frame")
            else:
                block = await read_block(self._wire)
        except ServerError as error:
            raise _Unreadable(error) from None
        self._wire.forget()
        return name, block

    async def _read_external_tables(self) -> list[tuple[str, Block]]:
        tables: list[tuple[str, Block]] = []
        async with asyncio.timeout(self._timeouts.receive):
            while True:
                packet = await wire.read_varint(self._wire)
                if packet != ClientPacket.DATA:
                    raise ProtocolError(f"packet {packet} came where Data was expected")
                name, block = await self._read_named_block()
                if not name and not block.columns:
                    return tables
                tables.append((name, block))

    async def _create_external_tables(self, tables: list[tuple[str, Block]]) -> None:
        created: set[str] = set()
        for name, block in tables:
            if name not in created:
                columns = ", ".join(
                    f"{quote_name(column)} {kind}" for column, kind in block.columns
                )
                await create_external_table(self._session, name, columns)
                created.add(name)
            if block.rows:
                await fill_external_table(self._session, name, "Native", block.body)

    async def _drop_external_tables(self, tables: list[tuple[str, Block]]) -> None:
        for name in {name for name, _ in tables}:
            with suppress(ServerError):
                drop = f"DROP TEMPORARY TABLE IF EXISTS {quote_name(name)}"
                await self._session.step(partial(self._session.rows_now, drop, "Null"))

    async def _watched(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a query while looking at the client: it may cancel, leave, or want progress."""
        running = asyncio.create_task(work)
        listening = asyncio.create_task(self._wire.need(1))
        try:
            while True:
                await asyncio.wait(
                    (running, listening),
                    timeout=PROGRESS_INTERVAL,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if running.done():
                    return running.result()
                if listening.done():
                    break
                await self._send_progress(self._session.progress())
            await _stop(running)
            if listening.exception() is not None:
                raise _ClientLeft
            packet = await wire.read_varint(self._wire)
            if packet == ClientPacket.CANCEL:
                raise _Cancelled
            raise ProtocolError(f"packet {packet} came while a query was running")
        except ConnectionError:
            raise _ClientLeft from None
        finally:
            await _stop(running)
            await _stop(listening)

    def _use_compression(self, query: wire.Query) -> None:
        self._reported = Progress()
        self._session.seen = {}
        self._compressed = query.compressed
        if not query.compressed:
            self._pack = _plain_packet
        elif query.settings.get("network_compression_method", "").upper() == "ZSTD":
            self._pack = _zstd_packet
        else:
            self._pack = _lz4_packet

    async def _send_progress(self, now: Progress) -> None:
        step = now.since(self._reported)
        if step.rows or step.written_rows:
            self._reported = now
            await self._send(wire.progress(step, self._revision))

    async def _send_error(self, error: ServerError) -> None:
        metrics.ERRORS.labels(str(error.code)).inc()
        await self._send(wire.exception(error, self._engine.version))

    async def _send(self, data: bytes) -> None:
        await self._wire.send(data, self._timeouts.send)


def _plain_packet(block: bytes) -> bytes:
    return b"".join((_DATA, wire.BLOCK_INFO, block))


def _lz4_packet(block: bytes) -> bytes:
    return _DATA + compression.compress(wire.BLOCK_INFO + block, compression.LZ4)


def _zstd_packet(block: bytes) -> bytes:
    return _DATA + compression.compress(wire.BLOCK_INFO + block, compression.ZSTD)


async def _stop(task: asyncio.Task[Any]) -> None:
    """Cancels a task and waits until it has let go of everything."""
    if not task.done():
        task.cancel()
    with suppress(BaseException):
        await asyncio.shield(asyncio.wait((task,)))
    if not task.cancelled():
        task.exception()
