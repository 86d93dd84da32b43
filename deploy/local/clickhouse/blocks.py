"""Finds where a native block ends: the protocol gives no length, only the types tell.

Each type of column is a small skipper. A column's *prefix* (the state that precedes all data, also
of nested columns) and its *data* are skipped apart, in the order in which the engine writes them.
No value is decoded: fixed widths are multiplied, string lengths are walked.
"""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from deploy.local.clickhouse.errors import Code, ProtocolError, ServerError
from deploy.local.clickhouse.types import element_type, parse_type, split_name
from deploy.local.clickhouse.wire import (
    Window,
    read_string,
    read_u8,
    read_u64,
    read_varint,
    string,
)

MAX_BLOCK = 1 << 30
MAX_COLUMNS = 100_000
MAX_ROWS = 1 << 32
MAX_PARENTHESES = 1000
STRINGS_A_TURN = 1 << 15
"""Strings walked before other clients get the event loop."""


@dataclass(frozen=True)
class Block:
    """One block's body as it came, and what its head says."""

    rows: int
    columns: tuple[tuple[str, str], ...]
    body: bytes


async def read_block(window: Window) -> Block:
    """Reads a block with its info fields, and returns the body which the engine reads as Native."""
    await _skip_block_info(window)
    start = window.position
    rows, columns = await _read_body(window)
    return Block(rows, columns, bytes(memoryview(window.data)[start : window.position]))


async def _read_body(window: Window) -> tuple[int, tuple[tuple[str, str], ...]]:
    start = window.position
    column_count = await read_varint(window)
    rows = await read_varint(window)
    if column_count > MAX_COLUMNS or rows > MAX_ROWS:
        raise ProtocolError(f"a block of {column_count} columns and {rows} rows is out of bounds")
    columns = []
    for _ in range(column_count):
        name, kind = await read_string(window), await read_string(window)
        columns.append((name, kind))
        if rows:
            column = column_of(kind)
            await column.prefix(window)
            await column.data(window, rows)
            if window.position - start > MAX_BLOCK:
                raise ProtocolError(f"a block is larger than {MAX_BLOCK} bytes")
    return rows, tuple(columns)


async def _skip_block_info(window: Window) -> None:
    while field := await read_varint(window):
        if field == 1:
            await read_u8(window)
        elif field == 2:
            await _skip(window, 4)
        else:
            raise ProtocolError(f"unknown field {field} in the block info")


async def _skip(window: Window, count: int) -> None:
    if count > MAX_BLOCK:
        raise ProtocolError(f"a column of {count} bytes is larger than {MAX_BLOCK} bytes")
    if len(window.data) - window.position < count:
        await window.need(count)
    window.position += count


class Column(ABC):
    """Skips the columns of one type."""

    async def prefix(self, window: Window) -> None:
        """Skips the state in front of the data; most types have none."""
        return

    @abstractmethod
    async def data(self, window: Window, rows: int) -> None:
        """Skips the data of so many rows."""


class Fixed(Column):
    """Values of one width."""

    def __init__(self, width: int) -> None:
        self.width = width

    async def data(self, window: Window, rows: int) -> None:
        """Skips rows times the width."""
        await _skip(window, rows * self.width)


class String(Column):
    """Values with their length in front."""

    async def data(self, window: Window, rows: int) -> None:
        """Walks from length to length."""
        while rows:
            done, window.position = walk_strings(
                window.data, window.position, min(rows, STRINGS_A_TURN)
            )
            rows -= done
            if not rows:
                return
            if done == STRINGS_A_TURN:
                await asyncio.sleep(0)
                continue
            # The next one is incomplete: wait for all of it.
            start = window.position
            length = await read_varint(window)
            await _skip(window, length)
            if window.position <= start:  # pragma: no cover
                raise ProtocolError("a string without bytes")
            rows -= 1


RUN = 64


def walk_strings(data: bytearray, position: int, limit: int) -> tuple[int, int]:
    """Passes up to `limit` complete strings; returns how many, and the position behind them.

    Codes and identifiers come in long runs of one length. A run is checked with one slice, which is
    exact: if every byte at that stride is the length, then every string has it.
    """
    end = len(data)
    done = 0
    while done < limit and position < end:
        length = data[position]
        if length < 0x80 and limit - done >= RUN:
            stride = length + 1
            stop = position + stride * RUN
            if stop <= end and data[position:stop:stride] == bytes((length,)) * RUN:
                position = stop
                done += RUN
                continue
        # Within this many strings no bounds need be checked: none is longer than 127 bytes.
        before = done
        for _ in range(min(limit - done, RUN, (end - position) >> 7)):
            length = data[position]
            if length >= 0x80:
                break
            position += length + 1
            done += 1
        if done > before:
            continue
        after = _string_end(data, position, end)
        if after < 0:
            break
        position = after
        done += 1
    return done, position


def _string_end(data: bytearray, position: int, end: int) -> int:
    """Where the string that starts here ends, or -1 if not all of it is there."""
    length = shift = 0
    while position < end:
        byte = data[position]
        position += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            position += length
            return position if position <= end else -1
        shift += 7
        if shift > 63:
            raise ProtocolError("a varint is longer than ten bytes")
    return -1


class Nullable(Column):
    """A map of nulls, then the values."""

    def __init__(self, nested: Column) -> None:
        self.nested = nested

    async def prefix(self, window: Window) -> None:
        """The nested one's."""
        await self.nested.prefix(window)

    async def data(self, window: Window, rows: int) -> None:
        """A byte a row, then the nested data."""
        await _skip(window, rows)
        await self.nested.data(window, rows)


class Array(Column):
    """Offsets, then the elements of all rows."""

    def __init__(self, nested: Column) -> None:
        self.nested = nested

    async def prefix(self, window: Window) -> None:
        """The nested one's."""
        await self.nested.prefix(window)

    async def data(self, window: Window, rows: int) -> None:
        """The last offset is the number of elements."""
        if not rows:
            return
        await _skip(window, rows * 8)
        (elements,) = struct.unpack_from("<Q", window.data, window.position - 8)
        if elements > MAX_ROWS:
            raise ProtocolError(f"an array column of {elements} elements is out of bounds")
        await self.nested.data(window, elements)


class Tuple(Column):
    """Its elements, one column after the other."""

    def __init__(self, elements: Sequence[Column]) -> None:
        self.elements = elements

    async def prefix(self, window: Window) -> None:
        """Those of all elements."""
        for element in self.elements:
            await element.prefix(window)

    async def data(self, window: Window, rows: int) -> None:
        """Those of all elements."""
        for element in self.elements:
            await element.data(window, rows)


class LowCardinality(Column):
    """A dictionary, then an index into it for each row."""

    GLOBAL_DICTIONARY = 1 << 8
    ADDITIONAL_KEYS = 1 << 9

    def __init__(self, dictionary: Column) -> None:
        self.dictionary = dictionary

    async def prefix(self, window: Window) -> None:
        """The version of the keys' serialization."""
        if (version := await read_u64(window)) != 1:
            raise ProtocolError(f"unknown LowCardinality version {version}")

    async def data(self, window: Window, rows: int) -> None:
        """One or more pieces, each with its own keys."""
        while rows:
            kind = await read_u64(window)
            width = kind & 0xFF
            if kind & self.GLOBAL_DICTIONARY or width > 3:
                raise ProtocolError(f"unknown LowCardinality serialization 0x{kind:x}")
            if kind & self.ADDITIONAL_KEYS:
                await self.dictionary.data(window, _bounded(await read_u64(window)))
            piece = await read_u64(window)
            if not 0 < piece <= rows:
                raise ProtocolError(f"LowCardinality holds {piece} rows where {rows} are left")
            await _skip(window, piece << width)
            rows -= piece


class Variant(Column):
    """A discriminator for each row, then the values type by type."""

    NULL = 255

    def __init__(self, variants: Sequence[Column]) -> None:
        self.variants = variants

    async def prefix(self, window: Window) -> None:
        """The mode of the discriminators, then the variants' own."""
        if (mode := await read_u64(window)) != 0:
            raise ProtocolError(f"unknown mode {mode} of discriminators")
        for variant in self.variants:
            await variant.prefix(window)

    async def data(self, window: Window, rows: int) -> None:
        """Each variant has as many rows as discriminators name it."""
        start = window.position
        await _skip(window, rows)
        discriminators = bytes(window.data[start : window.position])
        for number, variant in enumerate(self.variants):
            await variant.data(window, discriminators.count(number))


class Dynamic(Column):
    """A variant of types which only the prefix tells."""

    V1, V2 = 1, 2

    def __init__(self) -> None:
        self._variant = Variant(())

    async def prefix(self, window: Window) -> None:
        """The version, the types, and the variant's own prefix."""
        version = await read_u64(window)
        if version not in (self.V1, self.V2):
            raise ProtocolError(f"unknown version {version} of Dynamic")
        if version == self.V1:
            await read_varint(window)  # the most types allowed
        count = await read_varint(window)
        if count > 254:
            raise ProtocolError(f"{count} types in a Dynamic are too many")
        names = [await read_string(window) for _ in range(count)]
        # Values of all other types are strings of their own variant, which sorts among the others.
        columns = {name: column_of(name) for name in names}
        columns["SharedVariant"] = String()
        self._variant = Variant([columns[name] for name in sorted(columns)])
        await self._variant.prefix(window)

    async def data(self, window: Window, rows: int) -> None:
        """The variant's."""
        await self._variant.data(window, rows)


class Json(Column):
    """Typed paths, paths which the prefix names, and all the rest as strings."""

    V1, STRING, V2 = 0, 1, 2

    def __init__(self, typed: Sequence[Column]) -> None:
        self.typed = typed
        self._paths: list[Column] = []
        self._rest: Column = String()

    async def prefix(self, window: Window) -> None:
        """The version, the paths, and the prefix of each."""
        version = await read_u64(window)
        self._paths = []
        if version == self.STRING:
            self._rest = String()
            return
        if version not in (self.V1, self.V2):
            raise ProtocolError(f"unknown version {version} of JSON")
        if version == self.V1:
            await read_varint(window)  # the most paths allowed
        count = await read_varint(window)
        if count > MAX_COLUMNS:
            raise ProtocolError(f"{count} paths in a JSON column are too many")
        for _ in range(count):
            await read_string(window)
        self._rest = Array(Tuple((String(), String())))
        self._paths = [*self.typed, *(Dynamic() for _ in range(count))]
        for path in self._paths:
            await path.prefix(window)

    async def data(self, window: Window, rows: int) -> None:
        """All paths, then the rest."""
        for path in self._paths:
            await path.data(window, rows)
        await self._rest.data(window, rows)


def _bounded(count: int) -> int:
    if count > MAX_ROWS:
        raise ProtocolError(f"{count} rows are out of bounds")
    return count


_WIDTHS: dict[str, int] = {
    **dict.fromkeys(("Int8", "UInt8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("Int16", "UInt16", "Enum16", "Date", "BFloat16"), 2),
    **dict.fromkeys(
        ("Int32", "UInt32", "Float32", "Date32", "DateTime", "IPv4", "Decimal32", "Time"), 4
    ),
    **dict.fromkeys(("Int64", "UInt64", "Float64", "DateTime64", "Decimal64", "Time64"), 8),
    **dict.fromkeys(("Int128", "UInt128", "UUID", "IPv6", "Decimal128"), 16),
    **dict.fromkeys(("Int256", "UInt256", "Decimal256"), 32),
}

_ALIASES: dict[str, str] = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
    "Geometry": "Variant(LineString, MultiLineString, MultiPolygon, Point, Polygon, Ring)",
}


def column_of(text: str) -> Column:
    """The skipper for a type by its name."""
    if text.count("(") > MAX_PARENTHESES:
        raise ServerError(Code.UNKNOWN_TYPE, f"The data type {text[:60]!r}… is nested too deep.")
    name, arguments = parse_type(text)
    if name in _WIDTHS:
        return Fixed(_WIDTHS[name])
    if name == "String":
        return String()
    if name in _ALIASES:
        return column_of(_ALIASES[name])
    if name.startswith("Interval"):
        return Fixed(8)
    try:
        return _compound(name, arguments)
    except (IndexError, ValueError, RecursionError) as error:
        raise ServerError(Code.UNKNOWN_TYPE, f"Cannot parse data type {text!r}.") from error


def _compound(name: str, arguments: tuple[str, ...]) -> Column:
    match name:
        case "FixedString":
            return Fixed(int(arguments[0]))
        case "Decimal":
            digits = int(arguments[0])
            return Fixed(
                next(w for most, w in ((9, 4), (18, 8), (38, 16), (76, 32)) if digits <= most)
            )
        case "Nullable":
            return Nullable(column_of(arguments[0]))
        case "Array":
            return Array(column_of(arguments[0]))
        case "Tuple" if not arguments:
            return Fixed(1)
        case "Tuple":
            return Tuple([column_of(element_type(a)) for a in arguments])
        case "Nested":
            return Array(Tuple([column_of(element_type(a)) for a in arguments]))
        case "Map":
            return Array(Tuple([column_of(a) for a in arguments]))
        case "LowCardinality":
            inner = parse_type(arguments[0])
            return LowCardinality(
                column_of(inner.arguments[0] if inner.name == "Nullable" else arguments[0])
            )
        case "SimpleAggregateFunction":
            return column_of(arguments[1])
        case "Variant":
            return Variant([column_of(a) for a in sorted(arguments)])
        case "Dynamic":
            return Dynamic()
        case "JSON":
            return Json([column_of(kind) for _, kind in _typed_paths(arguments)])
    raise ServerError(
        Code.NOT_IMPLEMENTED,
        f"Columns of type {name} cannot be inserted over the native protocol here.",
    )


def _typed_paths(arguments: tuple[str, ...]) -> list[tuple[str, str]]:
    paths = []
    for argument in arguments:
        name, kind = split_name(argument)
        if name and name != "SKIP" and "=" not in argument.split("(", 1)[0]:
            paths.append((name, kind))
    return sorted(paths)


class _Memory:
    """A window onto bytes that are all there."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.position = 0

    async def need(self, count: int) -> None:
        """There is no more to come."""
        if len(self.data) - self.position < count:
            raise ProtocolError("a block ends before its rows do")


def block_rows(body: bytes) -> int:
    """The number of rows that a block's head tells."""
    position = 0
    while body[position] >= 0x80:
        position += 1
    position += 1
    rows = shift = 0
    while True:
        byte = body[position]
        rows |= (byte & 0x7F) << shift
        if byte < 0x80:
            return rows
        shift += 7
        position += 1


def split_blocks(data: bytes) -> list[bytes]:
    """Cuts Native output of the engine, which may be many blocks, into single ones."""
    window = _Memory(data)
    blocks = []
    while window.position < len(data):
        start = window.position
        _now(_read_body(window))
        blocks.append(data[start : window.position])
    return blocks


def block_columns(body: bytes) -> list[tuple[str, str]]:
    """Names and types of a block."""
    columns: list[tuple[str, str]] = []

    async def read() -> None:
        columns.extend((await _read_body(_Memory(body)))[1])

    _now(read())
    return columns


def zoned_columns(columns: Sequence[tuple[str, str]]) -> dict[int, str]:
    """Which columns are a DateTime with a time zone, by their number."""
    return {n: kind for n, (_, kind) in enumerate(columns) if kind.startswith("DateTime(")}


def with_zones(body: bytes, zoned: dict[int, str]) -> bytes:
    """Puts the time zone of DateTime columns back: the engine's Native format leaves it out.

    It writes for the oldest of clients, which knew no time zones of columns.
    """
    last = max(zoned)

    def replace(number: int, kind: str) -> bytes | None:
        return string(zoned[number]) if number in zoned and kind == "DateTime" else None

    return _rewrite_types(body, replace, last)


def with_flags(body: bytes) -> bytes:
    """Adds to each column the flag that newer revisions have: 0, no special serialization."""
    return _rewrite_types(body, lambda _, kind: string(kind) + b"\x00", None)


def _rewrite_types(
    body: bytes, replace: Callable[[int, str], bytes | None], last: int | None
) -> bytes:
    """Replaces what stands for a column's type, up to the last column of interest."""
    window = _Memory(body)
    pieces: list[bytes] = []
    written = 0

    async def walk() -> None:
        nonlocal written
        count = await read_varint(window)
        rows = await read_varint(window)
        end = count - 1 if last is None else last
        for number in range(end + 1):
            await read_string(window)
            start = window.position
            kind = await read_string(window)
            if (replacement := replace(number, kind)) is not None:
                pieces.extend((body[written:start], replacement))
                written = window.position
            if rows and number < end:
                column = column_of(kind)
                await column.prefix(window)
                await column.data(window, rows)

    _now(walk())
    return b"".join((*pieces, body[written:]))


def _now(reading: Coroutine[Any, Any, Any]) -> None:
    """Runs what reads from memory: it only ever yields to let others run, and here nobody waits."""
    with suppress(StopIteration):
        while True:
            reading.send(None)
