"""A simulated history in tables of its own, and the same as Python sees it."""

from dataclasses import dataclass
from typing import Any

from clickhouse_driver import Client

from bench.cookbook.history import history
from bench.cookbook.told import Told
from bench.directly import Log, land
from corridor.settings import Settings
from sinks.clickhouse import schema
from sinks.clickhouse.tables import TABLES
from tests.support import ClickHouse, unique_name

BLOCK_ROWS = 500


@dataclass
class Landed:
    """A database and what was put into it."""

    name: str
    settings: Settings
    client: Client
    log: Log
    told: Told

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement that names tables without their database."""
        rows: list[tuple[Any, ...]] = self.client.execute(sql)
        return rows


def settings_of(server: ClickHouse, database: str) -> Settings:
    return Settings(
        clickhouse_host=server.host,
        clickhouse_port=server.port,
        clickhouse_http_port=server.http_port,
        clickhouse_database=database,
    )


def landed(server: ClickHouse) -> Landed:
    """Simulates, plays and lands; rows that are replaced stay, since nothing is merged."""
    name = unique_name()
    settings = settings_of(server, name)
    schema.apply(settings)
    client = Client(server.host, server.port, database=name)
    for table in TABLES:
        client.execute(f"SYSTEM STOP MERGES {name}.{table.name}")
    log = history()
    land(client, name, log, block_rows=BLOCK_ROWS)
    return Landed(name, settings, client, log, Told(log))
