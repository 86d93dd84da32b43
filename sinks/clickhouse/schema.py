"""The database brought to what the code declares: numbered migrations, and the difference.

Migration 1 creates the tables as they are declared today. A later change of a declaration comes
with a migration that brings older databases there and does nothing on a fresh one (`ADD COLUMN IF
NOT EXISTS`). Views hold no data, so they are replaced whenever their text differs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from corridor.settings import Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.tables import (
    DEAD_LETTERS,
    DEDUPLICATION_WINDOW,
    DELIVERIES,
    ESTIMATES,
    INCIDENTS,
    OUTCOMES,
    TABLES,
    Column,
    Table,
)
from sinks.clickhouse.views import VIEWS, View

Question = Callable[[Settings], list[str]]
"""`apply` or `diff`."""


class Client(Protocol):
    """What the schema needs of a client."""

    def execute(self, query: str, params: Any = None) -> Any:
        """Runs one statement; rows of a SELECT, or rows to INSERT in `params`."""


@dataclass(frozen=True)
class Migration:
    """One step; applied once per database, in ascending order."""

    number: int
    name: str
    statements: Callable[[str], Sequence[str]]


MIGRATIONS = (
    Migration(
        1, "create tables", lambda database: [create_table(database, table) for table in TABLES]
    ),
    Migration(
        2,
        "late estimates and outcomes; format and status of dead letters",
        lambda database: [
            _add_columns(database, ESTIMATES, "late", after="as_of"),
            _add_columns(database, OUTCOMES, "late", after="updated_time"),
            _add_columns(
                database, DEAD_LETTERS, "origin_format", "origin_channel", after="origin_line"
            ),
            _add_columns(database, DEAD_LETTERS, "status", after="rejected_time"),
        ],
    ),
    Migration(
        3,
        "nodes, service, carrier and departure of estimates",
        lambda database: [
            _add_columns(database, ESTIMATES, "from_node", "to_node", after="mode"),
            _add_columns(database, ESTIMATES, "service_id", "carrier_id", after="run_id"),
            _add_columns(database, ESTIMATES, "actual_departure", after="planned_arrival"),
        ],
    ),
    Migration(
        4,
        "connections and standstill of estimates",
        lambda database: [
            _add_columns(
                database,
                ESTIMATES,
                "missed_probability",
                "connection_slack_seconds",
                "stalled_since",
                after="signal",
            )
        ],
    ),
    Migration(
        5,
        "incidents and deliveries",
        lambda database: [create_table(database, INCIDENTS), create_table(database, DELIVERIES)],
    ),
)
MIGRATIONS_TABLE = "schema_migrations"


def apply(settings: Settings) -> list[str]:
    """Applies what is missing; returns what was done, one line each. Safe to repeat."""
    with connect(settings) as client:
        return apply_to(client, settings.clickhouse_database)


def diff(settings: Settings) -> list[str]:
    """What differs between the database and the declarations, one line each."""
    with connect(settings) as client:
        return diff_of(client, settings.clickhouse_database)


def apply_to(client: Client, database: str) -> list[str]:
    """`apply` with a client at hand."""
    done = []
    client.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
    client.execute(
        f"CREATE TABLE IF NOT EXISTS {database}.{MIGRATIONS_TABLE} "
        "(number UInt32, name String, applied_time DateTime64(3, 'UTC') DEFAULT now64(3)) "
        "ENGINE = ReplacingMergeTree ORDER BY number COMMENT 'Migrations that were applied.'"
    )
    for migration in _pending(client, database):
        for statement in migration.statements(database):
            client.execute(statement)
        client.execute(
            f"INSERT INTO {database}.{MIGRATIONS_TABLE} (number, name) VALUES",
            [(migration.number, migration.name)],
        )
        done.append(f"migration {migration.number}: {migration.name}")
    comments = _comments(client, database)
    for view in VIEWS:
        if comments.get(view.name) != _comment(view):
            client.execute(create_view(database, view))
            done.append(f"view {view.name}")
    return done


def diff_of(client: Client, database: str) -> list[str]:
    """`diff` with a client at hand."""
    if not client.execute(f"SELECT 1 FROM system.databases WHERE name = {_quoted(database)}"):
        return [f"database {database} is missing"]
    differences = []
    comments = _comments(client, database)
    if MIGRATIONS_TABLE in comments:
        differences += [
            f"migration {migration.number} ({migration.name}) is not applied"
            for migration in _pending(client, database)
        ]
    else:
        differences.append(f"table {MIGRATIONS_TABLE} is missing")
    for table in TABLES:
        if table.name in comments:
            differences += _table_differences(client, database, table)
        else:
            differences.append(f"table {table.name} is missing")
    for view in VIEWS:
        if view.name not in comments:
            differences.append(f"view {view.name} is missing")
        elif comments[view.name] != _comment(view):
            differences.append(f"view {view.name} differs")
    return differences


def create_table(database: str, table: Table) -> str:
    """The CREATE TABLE statement of a declaration."""
    lines = [_definition(column) for column in table.all_columns]
    lines += [f"INDEX {name} {name} TYPE bloom_filter GRANULARITY 1" for name in table.indexes]
    partition_by = f"PARTITION BY {table.partition_by} " if table.partition_by else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {database}.{table.name} ({', '.join(lines)}) "
        f"ENGINE = ReplacingMergeTree({table.version}) {partition_by}"
        f"ORDER BY {_key(table)} "
        f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW} "
        f"COMMENT {_quoted(table.about)}"
    )


def _add_columns(database: str, table: Table, *names: str, after: str) -> str:
    """The statement that adds columns, as they are declared, to a table made before them."""
    steps = []
    for name in names:
        column = next(column for column in table.columns if column.name == name)
        steps.append(f"ADD COLUMN IF NOT EXISTS {_definition(column)} AFTER `{after}`")
        after = name
    return f"ALTER TABLE {database}.{table.name} {', '.join(steps)}"


def _definition(column: Column) -> str:
    return f"`{column.name}` {column.type} {column.codec} COMMENT {_quoted(column.about)}"


def create_view(database: str, view: View) -> str:
    """The statement that creates or replaces a view."""
    return (
        f"CREATE OR REPLACE VIEW {database}.{view.name} "
        f"AS {view.select.format(database=database)} COMMENT {_quoted(_comment(view))}"
    )


def _key(table: Table) -> str:
    names = ", ".join(table.order_by)
    return f"({names})" if len(table.order_by) > 1 else names


def _pending(client: Client, database: str) -> list[Migration]:
    rows = client.execute(f"SELECT DISTINCT number FROM {database}.{MIGRATIONS_TABLE}")
    applied = {number for (number,) in rows}
    return [migration for migration in MIGRATIONS if migration.number not in applied]


def _comments(client: Client, database: str) -> dict[str, str]:
    rows = client.execute(
        f"SELECT name, comment FROM system.tables WHERE database = {_quoted(database)}"
    )
    return dict(rows)


def _comment(view: View) -> str:
    # the server rewrites the text of a view, so a digest of ours tells whether it is the same
    return f"{view.about} [{blake2b(view.select.encode(), digest_size=6).hexdigest()}]"


def _table_differences(client: Client, database: str, table: Table) -> list[str]:
    where = f"database = {_quoted(database)} AND table = {_quoted(table.name)}"
    found = {
        name: (type_, codec)
        for name, type_, codec in client.execute(
            f"SELECT name, type, compression_codec FROM system.columns WHERE {where}"
        )
    }
    differences = []
    for column in table.all_columns:
        actual = found.pop(column.name, None)
        wanted = (column.type, column.codec)
        if actual is None:
            differences.append(f"{table.name}.{column.name} is missing")
        elif actual != wanted:
            differences.append(
                f"{table.name}.{column.name} is {' '.join(actual).strip()}, "
                f"not {' '.join(wanted).strip()}"
            )
    differences += [f"{table.name}.{name} is not declared" for name in found]
    [(sorting, partition, engine)] = client.execute(
        "SELECT sorting_key, partition_key, engine_full FROM system.tables "
        f"WHERE database = {_quoted(database)} AND name = {_quoted(table.name)}"
    )
    differences += [
        f"{table.name} has {clause} ({present}), not ({declared})"
        for clause, present, declared in (
            ("ORDER BY", sorting, ", ".join(table.order_by)),
            ("PARTITION BY", partition, table.partition_by),
        )
        if present != declared
    ]
    differences += [
        f"{table.name} has no {setting}"
        for setting in (
            f"ReplacingMergeTree({table.version})",
            f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}",
        )
        if setting not in engine
    ]
    indexes = {
        name
        for (name,) in client.execute(
            f"SELECT name FROM system.data_skipping_indices WHERE {where}"
        )
    }
    differences += [f"{table.name} has no index {i}" for i in table.indexes if i not in indexes]
    return differences


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
