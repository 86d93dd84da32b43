"""What each unchanged client does in its first hour: create, select, insert, and err.

Every client copies 100,000 rows of every type out of one table and into another; the engine
compares the two.
"""

from __future__ import annotations

import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import clickhouse_connect
import clickhouse_driver
import numpy as np
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.integration.clickhouse.conftest import ServerProcess
from tests.support import unique_name

pytestmark = pytest.mark.stack

ROWS = 100_000
SIMPLE = {
    **{f"Int{bits}": f"-toInt{bits}(number % 100)" for bits in (8, 16, 32, 64)},
    **{f"UInt{bits}": f"toUInt{bits}(number % 100)" for bits in (8, 16, 32, 64)},
    "Float32": "toFloat32(number / 4)",
    "Float64": "number / 7",
    "String": "concat('unit-', toString(number), if(number % 9 = 0, '-重庆', ''))",
    "Date": "toDate('2000-01-01') + number % 20000",
    "DateTime('UTC')": "toDateTime(1700000000 + number, 'UTC')",
    "DateTime64(3, 'UTC')": "toDateTime64(1700000000 + number / 1000, 3, 'UTC')",
}
"""Types that clickhouse-driver reads into numpy arrays."""

EVERY = {
    **SIMPLE,
    "LowCardinality(String)": "concat('code-', toString(number % 300))",
    **{f"Int{bits}": f"-toInt{bits}(number)" for bits in (128, 256)},
    **{f"UInt{bits}": f"toUInt{bits}(number)" for bits in (128, 256)},
    "Bool": "number % 3 = 0",
    "Decimal(9, 2)": "toDecimal32(number % 1000 / 4, 2)",
    "Decimal(38, 10)": "toDecimal128(number / 1024, 10)",
    "FixedString(11)": "concat('CKGU', leftPad(toString(number), 7, '0'))",
    "Date32": "toDate32('1930-01-01') + number % 80000",
    "UUID": "reinterpretAsUUID(toUInt128(number) * 77777777777777)",
    "Enum8('sea' = 1, 'rail' = 2)": "if(number % 2 = 0, 'sea', 'rail')",
    "Enum16('in' = 1000, 'out' = -2)": "if(number % 2 = 0, 'in', 'out')",
    "IPv4": "toIPv4(toUInt32(number))",
    "IPv6": "toIPv6(concat('::', hex(number % 65536)))",
    "Nullable(Int32)": "if(number % 3 = 0, NULL, number)",
    "Nullable(String)": "if(number % 3 = 0, NULL, toString(number))",
    "LowCardinality(Nullable(String))": "if(number % 7 = 0, NULL, toString(number % 99))",
    "Array(UInt32)": "range(number % 4)",
    "Array(Nullable(String))": "[NULL, toString(number)]",
    "Tuple(UInt8, String)": "(number % 256, toString(number))",
    "Map(String, UInt64)": "map('a', number, 'b', number + 1)",
    "SimpleAggregateFunction(max, UInt64)": "number",
}


def columns(types: dict[str, str]) -> str:
    return ", ".join(f"c{index} {name}" for index, name in enumerate(types))


class Kit(ABC):
    """One client, and how a person would do these things with it."""

    types = EVERY

    @abstractmethod
    def execute(self, sql: str) -> None: ...

    @abstractmethod
    def copy(self, source: str, target: str) -> None: ...

    @abstractmethod
    def error_of(self, sql: str) -> int: ...


class Driver(Kit):
    def __init__(self, server: ServerProcess, **options: Any) -> None:
        self.client = server.client(**options)

    def execute(self, sql: str) -> None:
        self.client.execute(sql)

    def copy(self, source: str, target: str) -> None:
        data = self.client.execute(f"SELECT * FROM {source}", columnar=True)
        self.client.execute(f"INSERT INTO {target} VALUES", data, columnar=True)

    def error_of(self, sql: str) -> int:
        with pytest.raises(clickhouse_driver.errors.ServerException) as caught:
            self.client.execute(sql)
        return int(caught.value.code)


class NumpyDriver(Driver):
    types = SIMPLE

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server, settings={"use_numpy": True})

    def copy(self, source: str, target: str) -> None:
        data = self.client.execute(f"SELECT * FROM {source}", columnar=True)
        assert all(isinstance(column, np.ndarray) for column in data)
        self.client.execute(f"INSERT INTO {target} VALUES", data, columnar=True)


class Connect(Kit):
    def __init__(self, server: ServerProcess) -> None:
        self.client = clickhouse_connect.get_client(host="127.0.0.1", port=server.http_port)

    def execute(self, sql: str) -> None:
        self.client.command(sql)

    def copy(self, source: str, target: str) -> None:
        result = self.client.query(f"SELECT * FROM {source}")
        self.client.insert(target, result.result_columns, column_oriented=True)

    def error_of(self, sql: str) -> int:
        with pytest.raises(DatabaseError) as caught:
            self.client.command(sql)
        return int(caught.value.code or 0)


class Curl(Kit):
    """The program itself, as in a shell."""

    def __init__(self, server: ServerProcess, directory: Path) -> None:
        if shutil.which("curl") is None:
            pytest.skip("there is no curl on this machine")
        self.server, self.rows = server, directory / "rows.native"

    def _curl(self, *arguments: str) -> str:
        command = ["curl", "--silent", "--show-error", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def execute(self, sql: str) -> None:
        self._curl("--fail", self.server.url(), "--data-binary", sql)

    def copy(self, source: str, target: str) -> None:
        query = f"SELECT * FROM {source} FORMAT Native"
        self._curl("--fail", self.server.url(), "--data-binary", query, "-o", str(self.rows))
        insert = self.server.url(query=f"INSERT INTO {target} FORMAT Native")
        self._curl("--fail", insert, "--data-binary", f"@{self.rows}")

    def error_of(self, sql: str) -> int:
        answer = self._curl("--include", self.server.url(), "--data-binary", sql)
        head = answer.lower().split("x-clickhouse-exception-code: ")[1]
        return int(head.split()[0])


@pytest.fixture(params=["driver", "driver-lz4", "driver-numpy", "connect", "curl"])
def kit(request: pytest.FixtureRequest, server: ServerProcess, tmp_path: Path) -> Kit:
    match request.param:
        case "driver":
            return Driver(server)
        case "driver-lz4":
            return Driver(server, compression="lz4")
        case "driver-numpy":
            return NumpyDriver(server)
        case "connect":
            return Connect(server)
        case _:
            return Curl(server, tmp_path)


def test_a_client_creates_selects_and_inserts_a_hundred_thousand_rows_of_every_type(
    kit: Kit, server: ServerProcess
) -> None:
    source, target = unique_name("source"), unique_name("target")
    admin = server.client()
    for name in (source, target):
        kit.execute(f"CREATE TABLE {name} ({columns(kit.types)}) ENGINE = MergeTree ORDER BY c1")
    admin.execute(
        f"INSERT INTO {source} SELECT {', '.join(kit.types.values())} FROM numbers({ROWS})"
    )
    kit.copy(source, target)
    sums = [
        admin.execute(f"SELECT count(), groupBitXor(sipHash64(*)) FROM {name}")
        for name in (source, target)
    ]
    assert sums[0] == sums[1]
    assert sums[0][0][0] == ROWS


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELEKT 1", 62),
        ("SELECT * FROM there_is_no_such_table", 60),
        ("SELECT toInt32('seven')", 6),
    ],
    ids=["syntax error", "unknown table", "type error"],
)
def test_a_client_is_told_clickhouses_own_error_code(kit: Kit, sql: str, code: int) -> None:
    assert kit.error_of(sql) == code
