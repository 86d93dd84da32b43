"""Bytes of ClickHouse's native protocol: numbers, strings, packets."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from deploy.local.clickhouse.errors import ProtocolError, ServerError

REVISION = 54429
"""The newest revision without flags per column: the engine's Native format is its block body."""

REVISION_TIMEZONE = 54058
REVISION_QUOTA_KEY = 54060
REVISION_DISPLAY_NAME = 54372
REVISION_VERSION_PATCH = 54401
REVISION_WRITE_INFO = 54420
REVISION_BLOCK_INFO = 51903

REVISION_COLUMN_FLAGS = 54454
REVISION_OTHER_BLOCKS = 54480
"""From here on blocks are laid out in ways which this server does not know."""

BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Two numbered fields, `is_overflows` = 0 and `bucket_num` = -1, and the end of fields."""

MAX_STRING = 1 << 20
MAX_QUERY = 1 << 28


class ClientPacket(IntEnum):
    """What a client may send."""

    HELLO = 0
    QUERY = 1
    DATA = 2
    CANCEL = 3
    PING = 4
    TABLES_STATUS_REQUEST = 5


class ServerPacket(IntEnum):
    """What this server answers."""

    HELLO = 0
    DATA = 1
    EXCEPTION = 2
    PROGRESS = 3
    PONG = 4
    END_OF_STREAM = 5
    PROFILE_INFO = 6
    TABLES_STATUS_RESPONSE = 9


class Window(Protocol):
    """Bytes that have come, with a position, and a way to wait for more of them."""

    data: bytearray
    position: int

    async def need(self, count: int) -> None:
        """Returns when at least `count` bytes lie behind the position."""


def varint(value: int) -> bytes:
    """An unsigned number, seven bits a byte, the lowest first."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def string(value: str | bytes) -> bytes:
    """A length and the bytes."""
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return varint(len(raw)) + raw


async def read_varint(window: Window) -> int:
    """Reads an unsigned number of at most 64 bits."""
    result = shift = 0
    while True:
        if window.position >= len(window.data):
            await window.need(1)
        byte = window.data[window.position]
        window.position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            if result >> 64:
                raise ProtocolError("a varint is longer than 64 bits")
            return result
        shift += 7
        if shift > 63:
            raise ProtocolError("a varint is longer than ten bytes")


async def read_bytes(window: Window, count: int) -> bytes:
    """Reads exactly `count` bytes."""
    if len(window.data) - window.position < count:
        await window.need(count)
    start = window.position
    window.position = start + count
    return bytes(window.data[start : window.position])


async def read_string(window: Window, limit: int = MAX_STRING) -> str:
    """Reads a length and as many bytes of UTF-8; what is not UTF-8 survives as surrogates."""
    length = await read_varint(window)
    if length > limit:
        raise ProtocolError(f"a string of {length} bytes is longer than the limit of {limit}")
    return (await read_bytes(window, length)).decode("utf-8", "surrogateescape")


async def read_u8(window: Window) -> int:
    """Reads one byte."""
    return (await read_bytes(window, 1))[0]


async def read_u64(window: Window) -> int:
    """Reads eight bytes, the lowest first."""
    return int.from_bytes(await read_bytes(window, 8), "little")


@dataclass(frozen=True)
class ClientHello:
    """The first packet of a connection."""

    client_name: str
    version: tuple[int, int]
    revision: int
    database: str
    user: str
    password: str


async def read_hello(window: Window) -> ClientHello:
    """Reads the client's hello behind its packet number."""
    return ClientHello(
        client_name=await read_string(window),
        version=(await read_varint(window), await read_varint(window)),
        revision=await read_varint(window),
        database=await read_string(window),
        user=await read_string(window),
        password=await read_string(window),
    )


def server_hello(revision: int, version: tuple[int, int, int], timezone: str, name: str) -> bytes:
    """The answer to a hello, as much of it as the client's revision knows."""
    out = [
        varint(ServerPacket.HELLO),
        string("ClickHouse"),
        varint(version[0]),
        varint(version[1]),
        varint(REVISION),
    ]
    if revision >= REVISION_TIMEZONE:
        out.append(string(timezone))
    if revision >= REVISION_DISPLAY_NAME:
        out.append(string(name))
    if revision >= REVISION_VERSION_PATCH:
        out.append(varint(version[2]))
    return b"".join(out)


@dataclass(frozen=True)
class Query:
    """A query with what it is to be run under."""

    query_id: str
    text: str
    settings: dict[str, str]
    compressed: bool
    initial_user: str = ""


async def read_query(window: Window) -> Query:
    """Reads a query behind its packet number, in the layout of revision 54429."""
    query_id = await read_string(window)
    initial_user = await _read_client_info(window)
    settings: dict[str, str] = {}
    while name := await read_string(window):
        await read_u8(window)  # flags: important or custom; the engine judges every name
        settings[name] = await read_string(window)
    await read_varint(window)  # stage: always answered completely
    compressed = await read_varint(window)
    if compressed > 1:
        raise ProtocolError(f"compression is 0 or 1, not {compressed}")
    text = await read_string(window, MAX_QUERY)
    return Query(query_id, text, settings, bool(compressed), initial_user)


async def _read_client_info(window: Window) -> str:
    kind = await read_u8(window)
    if kind == 0:
        return ""
    initial_user = await read_string(window)
    await read_string(window)  # initial query id
    await read_string(window)  # initial address
    interface = await read_u8(window)
    if interface == 1:  # TCP
        for _ in range(3):
            await read_string(window)  # OS user, host name, client name
        for _ in range(3):
            await read_varint(window)  # major, minor, revision
    elif interface == 2:  # HTTP
        await read_u8(window)
        await read_string(window)
    else:
        raise ProtocolError(f"unknown interface {interface} in the client information")
    await read_string(window)  # quota key
    if interface == 1:
        await read_varint(window)  # patch
    return initial_user


def exception(error: ServerError, version: str) -> bytes:
    """An exception without a nested one."""
    return b"".join(
        (
            varint(ServerPacket.EXCEPTION),
            struct.pack("<i", error.code),
            string("DB::Exception"),
            string(f"DB::Exception: {error.message} ({error.name}) (version {version} (chdb))"),
            string(""),
            b"\x00",
        )
    )


@dataclass
class Progress:
    """Work done for a query since its start."""

    rows: int = 0
    bytes: int = 0
    total_rows: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_ns: int = 0

    def since(self, earlier: Progress) -> Progress:
        """What was added after `earlier`: the protocol sends increments."""
        return Progress(
            max(0, self.rows - earlier.rows),
            max(0, self.bytes - earlier.bytes),
            max(0, self.total_rows - earlier.total_rows),
            max(0, self.written_rows - earlier.written_rows),
            max(0, self.written_bytes - earlier.written_bytes),
            max(0, self.elapsed_ns - earlier.elapsed_ns),
        )


def progress(value: Progress, revision: int) -> bytes:
    """An increment of the work done."""
    out = bytes((ServerPacket.PROGRESS,)) + varint(value.rows) + varint(value.bytes)
    out += varint(value.total_rows)
    if revision >= REVISION_WRITE_INFO:
        out += varint(value.written_rows) + varint(value.written_bytes)
    return out


def profile_info(rows: int, blocks: int, size: int) -> bytes:
    """How much a result held."""
    return b"".join(
        (
            bytes((ServerPacket.PROFILE_INFO,)),
            varint(rows),
            varint(blocks),
            varint(size),
            b"\x00",
            varint(0),
            b"\x00",
        )
    )


def header_block(columns: list[tuple[str, str]]) -> bytes:
    """A block body with these columns and no rows."""
    names = b"".join(string(name) + string(kind) for name, kind in columns)
    return varint(len(columns)) + b"\x00" + names


class Wire(asyncio.Protocol):
    """One client's socket as a window to read from and a sink that pushes back."""

    HIGH_WATER = 4 << 20

    def __init__(self) -> None:
        self.data = bytearray()
        self.position = 0
        self.closed = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False
        self._discarding = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=4 << 20)

    def data_received(self, data: bytes) -> None:
        """Appends what came, and stops reading when nobody waits for so much."""
        if self._discarding:
            return
        self.data += data
        have = len(self.data) - self.position
        if have >= self._wanted:
            self._wake()
            if have > self.HIGH_WATER and self.transport is not None and not self._paused:
                self._paused = True
                self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more; what it sent before is still served and answered."""
        self._ended = True
        self._wake()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Wakes every waiter for the last time."""
        self._ended = True
        self._wake()
        self._writable.set()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """The client reads slower than it is sent to."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable.set()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def need(self, count: int) -> None:
        """Waits for bytes; `EOFError` if the client is gone before they came."""
        while len(self.data) - self.position < count:
            if self._ended:
                raise EOFError("the client closed the connection")
            self._wanted = count
            if self._paused and self.transport is not None:
                self._paused = False
                self.transport.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
                self._wanted = 0

    def forget(self) -> None:
        """Frees what has been read."""
        if self.position:
            del self.data[: self.position]
            self.position = 0

    async def hang_up(self, seconds: float) -> None:
        """Ends the connection so that the client can still read what it was sent last.

        A socket that is closed with bytes unread resets the connection, and the client loses all
        that it has not read: so what still comes is taken and dropped for a moment.
        """
        if self.transport is None or self.closed.done():
            return
        self._discarding = True
        if not self._ended:
            self.transport.resume_reading()
            self.transport.write_eof()
            await asyncio.wait((self.closed,), timeout=seconds)
        self.transport.close()

    async def send(self, data: bytes, limit: float) -> None:
        """Writes, and waits at most `limit` seconds for a client that does not read."""
        if self.transport is None or self.transport.is_closing():
            raise EOFError("the client closed the connection")
        self.transport.write(data)
        if not self._writable.is_set():
            async with asyncio.timeout(limit):
                await self._writable.wait()
