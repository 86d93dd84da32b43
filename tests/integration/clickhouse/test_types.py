"""Every type that clickhouse-driver can write comes back equal, over every way of sending it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.integration.clickhouse.conftest import ServerProcess

pytestmark = pytest.mark.stack

ROWS = 100_000
FEW = 500

UTC = dt.UTC
SHANGHAI = ZoneInfo("Asia/Shanghai")
EPOCH = dt.datetime(2024, 1, 1, tzinfo=UTC)

# Type and the value of row i. Types that are slow to make in Python are tried with few rows.
TYPES: dict[str, Callable[[int], Any]] = {
    "Int8": lambda i: i % 256 - 128,
    "Int16": lambda i: i % 65536 - 32768,
    "Int32": lambda i: -i,
    "Int64": lambda i: -i << 20,
    "Int128": lambda i: -i << 70,
    "Int256": lambda i: -i << 150,
    "UInt8": lambda i: i % 256,
    "UInt16": lambda i: i % 65536,
    "UInt32": lambda i: i,
    "UInt64": lambda i: i << 30,
    "UInt128": lambda i: i << 70,
    "UInt256": lambda i: i << 150,
    "Float32": lambda i: i / 4,
    "Float64": lambda i: i / 7,
    "Bool": lambda i: i % 3 == 0,
    "Decimal(9, 2)": lambda i: Decimal(i) / 4,
    "Decimal(18, 4)": lambda i: Decimal(-i) / 16,
    "Decimal(38, 10)": lambda i: Decimal(i) / 1024,
    "Decimal(76, 20)": lambda i: Decimal(-i) / 1024,
    "String": lambda i: "é" * (i % 300) if i % 50 == 0 else f"unit-{i}",
    "FixedString(11)": lambda i: f"CKGU{i:07d}",
    "Date": lambda i: dt.date(2000, 1, 1) + dt.timedelta(days=i % 20000),
    "Date32": lambda i: dt.date(1930, 1, 1) + dt.timedelta(days=i % 80000),
    "DateTime('UTC')": lambda i: EPOCH + dt.timedelta(seconds=i),
    "DateTime64(6, 'Asia/Shanghai')": lambda i: (
        EPOCH + dt.timedelta(seconds=i, microseconds=i)
    ).astimezone(SHANGHAI),
    "UUID": lambda i: uuid.UUID(int=i << 64 | i),
    "Enum8('sea' = 1, 'rail' = 2, 'a, b)' = -3)": lambda i: ("sea", "rail", "a, b)")[i % 3],
    "Enum16('gate in' = 1000, 'gate out' = -2)": lambda i: ("gate in", "gate out")[i % 2],
    "IPv4": lambda i: ipaddress.IPv4Address(i),
    "IPv6": lambda i: ipaddress.IPv6Address(i << 64),
    "Nullable(Int32)": lambda i: i if i % 3 else None,
    "Nullable(String)": lambda i: f"s{i}" if i % 3 else None,
    "LowCardinality(String)": lambda i: f"code-{i % 300}",
    "LowCardinality(Nullable(String))": lambda i: f"code-{i % 300}" if i % 7 else None,
    "Array(UInt32)": lambda i: [i] * (i % 4),
    "Array(String)": lambda i: [f"x{i}"] * (i % 3),
    "Array(Array(Nullable(Int8)))": lambda i: [[1, None]] * (i % 3),
    "Array(LowCardinality(String))": lambda i: [f"c{i % 9}"] * (i % 3),
    "Tuple(UInt8, String)": lambda i: (i % 256, f"t{i}"),
    "Tuple(a Int32, `b c` Array(String))": lambda i: (i, ["v"] * (i % 2)),
    "Map(String, UInt64)": lambda i: {f"k{n}": i for n in range(i % 3)},
    "SimpleAggregateFunction(max, UInt64)": lambda i: i,
    "IntervalDay": lambda i: i,
    "IntervalSecond": lambda i: -i,
    "Point": lambda i: (i / 2, -i / 2),
    "Ring": lambda i: [(0.0, float(i))] * (i % 4),
    "Polygon": lambda i: [[(0.0, float(i))] * 2] * (i % 2),
    "MultiPolygon": lambda i: [[[(0.0, float(i))]]] * (i % 2),
    "JSON": lambda i: {"a": i, "b": {"c": f"s{i}"}} if i % 2 else {"z": [1, 2]},
}
NUMPY: dict[str, Any] = {
    "Int8": np.arange(ROWS).astype(np.int8),
    "Int32": np.arange(ROWS, dtype=np.int32),
    "UInt64": np.arange(ROWS, dtype=np.uint64),
    "Float64": np.arange(ROWS) / 7,
    "String": np.array([f"unit-{i}" for i in range(ROWS)], dtype=object),
    "LowCardinality(String)": np.array([f"code-{i % 300}" for i in range(ROWS)], dtype=object),
    "DateTime64(3, 'UTC')": np.datetime64("2024-01-01", "ns")
    + np.arange(ROWS) * np.timedelta64(1_000_000, "ns"),
}


def table(server: ServerProcess, database: str, types: list[str], **options: Any) -> Any:
    client = server.client(database=database, **options)
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(types))
    client.execute(
        f"CREATE TABLE t (n UInt32, {columns}) ENGINE = MergeTree ORDER BY n "
        "SETTINGS allow_suspicious_indices = 1",
        settings={"allow_suspicious_low_cardinality_types": 1},
    )
    return client


@pytest.mark.parametrize("kind", TYPES)
def test_a_type_comes_back_equal(server: ServerProcess, database: str, kind: str) -> None:
    client = table(server, database, [kind])
    values = [TYPES[kind](i) for i in range(FEW)]
    client.execute("INSERT INTO t VALUES", [list(range(FEW)), list(values)], columnar=True)
    (found,) = client.execute("SELECT c0 FROM t ORDER BY n", columnar=True)
    client.disconnect()
    assert list(found) == values


def comes_back_equal(client: Any, kinds: list[str], count: int) -> None:
    """Inserts rows into all columns of `table`, and compares what is selected."""
    values = [[TYPES[kind](i) for i in range(count)] for kind in kinds]
    given = [list(range(count)), *(list(column) for column in values)]
    client.execute("INSERT INTO t VALUES", given, columnar=True)
    names = ", ".join(f"c{n}" for n in range(len(kinds)))
    found = client.execute(f"SELECT {names} FROM t ORDER BY n", columnar=True)
    client.disconnect()
    assert [list(column) for column in found] == values


@pytest.mark.parametrize("compression", [False, "lz4", "lz4hc", "zstd"])
def test_all_types_in_one_block_come_back_equal(
    server: ServerProcess, database: str, compression: str | bool
) -> None:
    client = table(server, database, list(TYPES), compression=compression)
    comes_back_equal(client, list(TYPES), FEW)


LARGE = [
    *("Int64", "UInt8", "Float64", "Bool", "String", "FixedString(11)", "Date", "DateTime('UTC')"),
    *("Nullable(String)", "LowCardinality(String)", "Array(UInt32)"),
    *("Enum8('sea' = 1, 'rail' = 2, 'a, b)' = -3)", "Decimal(18, 4)", "UUID"),
]


@pytest.mark.parametrize("compression", [False, "lz4", "zstd"])
def test_100_000_rows_come_back_equal(
    server: ServerProcess, database: str, compression: str | bool
) -> None:
    client = table(server, database, LARGE, compression=compression)
    comes_back_equal(client, LARGE, ROWS)


@pytest.mark.parametrize("compression", [False, "lz4"])
def test_numpy_columns_come_back_equal(
    server: ServerProcess, database: str, compression: str | bool
) -> None:
    client = table(
        server, database, list(NUMPY), compression=compression, settings={"use_numpy": True}
    )
    given = [np.arange(ROWS, dtype=np.uint32), *NUMPY.values()]
    client.execute("INSERT INTO t VALUES", given, columnar=True)
    names = ", ".join(f"c{n}" for n in range(len(NUMPY)))
    found = client.execute(f"SELECT {names} FROM t ORDER BY n", columnar=True)
    client.disconnect()
    for column, expected in zip(found, NUMPY.values(), strict=True):
        assert list(column) == list(expected)


def test_nested_columns_are_offered_flat_and_come_back_equal(
    server: ServerProcess, database: str
) -> None:
    client = table(server, database, ["Nested(code String, hours UInt16)"])
    rows = [(i, [f"c{i}"] * (i % 3), [i % 100] * (i % 3)) for i in range(FEW)]
    client.execute("INSERT INTO t VALUES", list(rows))
    found = client.execute("SELECT * FROM t ORDER BY n")
    client.disconnect()
    assert found == rows
