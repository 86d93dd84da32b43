"""Where a block ends, in whatever pieces it comes."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.clickhouse.blocks import (
    MAX_BLOCK,
    block_columns,
    block_rows,
    column_of,
    read_block,
    split_blocks,
    walk_strings,
    with_flags,
    with_zones,
)
from deploy.local.clickhouse.errors import ProtocolError, ServerError
from deploy.local.clickhouse.wire import BLOCK_INFO, string, varint


class Trickle:
    """A window whose bytes come a few at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self.data = bytearray()
        self.position = 0
        self._rest = data
        self._step = step

    async def need(self, count: int) -> None:
        while len(self.data) - self.position < count:
            if not self._rest:
                raise EOFError
            self.data += self._rest[: self._step]
            self._rest = self._rest[self._step :]


def body(rows: int, *columns: tuple[str, bytes]) -> bytes:
    head = varint(len(columns)) + varint(rows)
    return head + b"".join(string(f"c{n}") + string(k) + d for n, (k, d) in enumerate(columns))


def u64(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


LOW_CARDINALITY = u64(1) + u64(1 << 9 | 1 << 10, 2) + b"\x01a\x01b" + u64(3) + b"\0\1\0"
DYNAMIC = b"\x01" + string("Int64")
JSON = (
    u64(2) + varint(1) + string("p") + u64(2) + DYNAMIC + u64(0)  # version, path, types, mode
    + b"\x00\xff\x00" + u64(7, 8)  # two Int64, one NULL
    + u64(0, 0, 0)  # nothing in the shared data
)  # fmt: skip
COLUMNS: dict[str, bytes] = {
    "UInt8": b"\1\2\3",
    "Decimal(20, 3)": bytes(48),
    "DateTime64(3, 'UTC')": bytes(24),
    "Enum8('a, b)' = 1, 'c\\'d' = 2)": b"\1\2\1",
    "FixedString(5)": bytes(15),
    "String": string("") + string("x" * 200) + string("abc"),
    "Nullable(Int32)": b"\0\1\0" + bytes(12),
    "Array(String)": u64(0, 2, 3) + string("a") + string("b") + string("c"),
    "Array(Array(UInt8))": u64(1, 1, 2) + u64(2, 3) + b"abc",
    "Array(LowCardinality(String))": u64(1) + u64(0, 0, 0),
    "Tuple(a UInt8, `b (` Nullable(UInt16))": b"abc" + b"\0\0\0" + bytes(6),
    "Map(String, UInt8)": u64(0, 0, 1) + string("k") + b"v",
    "Nested(a UInt8, b String)": u64(1, 1, 1) + b"a" + string("b"),
    "LowCardinality(String)": LOW_CARDINALITY,
    "LowCardinality(Nullable(String))": LOW_CARDINALITY,
    "SimpleAggregateFunction(max, UInt16)": bytes(6),
    "IntervalDay": bytes(24),
    "Polygon": u64(1, 1, 1) + u64(2) + bytes(16) + bytes(16),
    "Variant(String, UInt8)": u64(0) + b"\x00\x01\xff" + string("s") + b"u",
    "JSON": JSON,
    "JSON(max_dynamic_paths=3, SKIP z)": u64(1) + string("{}") * 3,
}


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_ends_where_its_type_says(kind: str, step: int) -> None:
    whole = body(3, (kind, COLUMNS[kind]), ("UInt8", b"xyz"))
    window = Trickle(BLOCK_INFO + whole + b"next packet", step)
    block = asyncio.run(read_block(window))
    assert block.body == whole


def test_a_block_tells_its_rows_and_columns() -> None:
    whole = body(3, ("UInt8", b"xyz"), ("String", COLUMNS["String"]))
    assert (block_rows(whole), block_columns(whole)) == (3, [("c0", "UInt8"), ("c1", "String")])


def test_blocks_behind_each_other_are_split() -> None:
    one, other = body(3, ("UInt8", b"xyz")), body(1, ("String", string("s")))
    assert split_blocks(one + other + one) == [one, other, one]


def test_time_zones_are_put_back() -> None:
    plain = body(1, ("String", string("s")), ("DateTime", bytes(4)), ("UInt8", b"u"))
    zoned = body(1, ("String", string("s")), ("DateTime('UTC')", bytes(4)), ("UInt8", b"u"))
    assert with_zones(plain, {1: "DateTime('UTC')"}) == zoned


def test_newer_clients_get_a_flag_for_each_column() -> None:
    plain = body(1, ("String", string("s")), ("UInt8", b"u"))
    flagged = plain.replace(b"String", b"String\0").replace(b"UInt8", b"UInt8\0")
    assert with_flags(plain) == flagged


@pytest.mark.parametrize("kind", ["AggregateFunction(sum, UInt8)", "NoSuchType"])
def test_a_type_of_unknown_width_is_refused(kind: str) -> None:
    with pytest.raises(ServerError) as caught:
        column_of(kind)
    assert caught.value.code == 48


@pytest.mark.parametrize("kind", ["FixedString(x)", "Array", "Decimal(99, 1)", "Enum8('a"])
def test_a_type_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises((ServerError, StopIteration)):
        column_of(kind)


def test_types_nested_too_deep_are_refused() -> None:
    with pytest.raises(ServerError):
        column_of("Array(" * 5000 + "UInt8" + ")" * 5000)


def test_a_block_larger_than_the_limit_is_refused_before_it_comes() -> None:
    head = varint(1) + varint(MAX_BLOCK) + string("c") + string("UInt64")
    with pytest.raises(ProtocolError, match="larger than"):
        asyncio.run(read_block(Trickle(BLOCK_INFO + head, 100)))


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=5), st.binary(min_size=11, max_size=11), st.binary(max_size=300)
        ),
        max_size=300,
    ),
    st.integers(0, 40),
)
def test_strings_are_walked_exactly(strings: list[bytes], missing: int) -> None:
    whole = b"".join(string(one) for one in strings)
    have = bytearray(whole[: max(0, len(whole) - missing)])
    done, position = walk_strings(have, 0, len(strings))
    assert position == len(b"".join(string(one) for one in strings[:done]))
    assert done == len(strings) or position + len(string(strings[done])) > len(have)


def test_runs_of_one_length_are_walked_exactly() -> None:
    whole = bytearray(string("CKGU0000001") * 1000 + string("x") * 70 + string("y" * 127) * 130)
    assert walk_strings(whole, 0, 1200) == (1200, len(whole))
