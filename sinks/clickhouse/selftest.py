"""What the promise rests on, asked of the ClickHouse that answers, before the first row.

Exactly once needs a server that drops a block which it has already, in the tables and in whatever
is behind them. Servers that cannot do this take the same inserts without a word.
"""

import re
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from clickhouse_driver.errors import Error, NetworkError

from corridor.settings import Settings
from sinks.clickhouse.client import connect, deduplication, summary
from sinks.clickhouse.tables import Table

LEAST_WINDOW = 1_000
"""Blocks that a table has to remember. At 20 a second it has forgotten the oldest after 50 s, when
a partition has long got another owner."""
LONGEST_SKEW_SECONDS = 60
"""Clocks may differ so much: windows of replicated tables and TTLs go by the server's."""
PATIENCE_SECONDS = 45
"""How long a server that is away is waited for."""
PAUSE_SECONDS = 0.5

_AWAY = (NetworkError, OSError, EOFError)
_log = structlog.get_logger("sinks.clickhouse")


class Unfit(Exception):
    """This ClickHouse cannot keep the promise; the text says why, one reason a line."""


def run(
    settings: Settings, tables: Iterable[Table], *, stopped: Callable[[], bool] = lambda: False
) -> None:
    """Waits for ClickHouse, and asks it.

    Args:
        settings: `delivery` says whether what is wrong is fatal or a warning.
        tables: Those that are written to.
        stopped: Ends the waiting.

    Raises:
        Unfit: exactly once is asked for and cannot be had, or nobody answers.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not stopped():
        try:
            with connect(settings) as client:
                found = reasons(client, settings.clickhouse_database, tables)
            break
        except _AWAY as error:
            if time.monotonic() > deadline:
                raise Unfit(f"ClickHouse does not answer: {summary(error)}") from None
            time.sleep(PAUSE_SECONDS)
    else:
        return
    if found and settings.delivery == "exactly-once":
        raise Unfit("\n".join(found))
    for reason in found:
        _log.warning("rows may be there more than once", reason=reason)
    if not found:
        _log.info("ClickHouse can keep what is promised: each row once")


def reasons(client: Any, database: str, tables: Iterable[Table]) -> list[str]:
    """Why this server cannot keep a row from being there twice; none, if it can.

    Raises:
        NetworkError, OSError, EOFError: it does not answer.
    """
    found = _clock(client)
    [(version,)] = client.execute("SELECT version()")
    try:
        kept = _rows_of_one_token_sent_twice(client, database)
    except Error as error:
        _raise_if_away(error)
        found.append(f"no scratch table can be made in {database}: {summary(error)}")
    else:
        if kept != 1:
            found.append(
                f"ClickHouse {version} does not heed insert_deduplication_token: a block that "
                "is sent twice is there twice (22.2 and newer do)"
            )
    for table in tables:
        found += _writable(client, database, table)
        found += _windows(client, database, table.name, set())
    return found


def _clock(client: Any) -> list[str]:
    before = time.time()
    [(milliseconds,)] = client.execute("SELECT toUnixTimestamp64Milli(now64(3))")
    # within the time that the question took, nobody is wrong
    skew = max(before - milliseconds / 1000, milliseconds / 1000 - time.time(), 0.0)
    if skew <= LONGEST_SKEW_SECONDS:
        return []
    return [f"the clocks of ClickHouse and of this machine differ by {skew:.0f} s"]


def _rows_of_one_token_sent_twice(client: Any, database: str) -> int:
    scratch = f"{database}.selftest_{uuid.uuid4().hex[:12]}"
    client.execute(
        f"CREATE TABLE {scratch} (number UInt8) ENGINE = MergeTree ORDER BY number "
        "SETTINGS non_replicated_deduplication_window = 10"
    )
    try:
        for number in (1, 2):  # other rows: it is by the token that they have to be known
            client.execute(
                f"INSERT INTO {scratch} (number) VALUES",
                [(number,)],
                settings=deduplication(scratch),
            )
        [(count,)] = client.execute(f"SELECT count() FROM {scratch}")
    finally:
        client.execute(f"DROP TABLE IF EXISTS {scratch}")
    return int(count)


def _writable(client: Any, database: str, table: Table) -> list[str]:
    names = ", ".join(f"`{column.name}`" for column in table.all_columns)
    try:
        client.execute(f"INSERT INTO {database}.{table.name} ({names}) VALUES", [])
    except Error as error:
        _raise_if_away(error)
        return [f"{database}.{table.name} cannot be written to: {summary(error)}"]
    return []


def _windows(client: Any, database: str, name: str, seen: set[tuple[str, str]]) -> list[str]:
    """The windows of a table, and of all that materialized views make of what comes into it."""
    if (database, name) in seen:
        return []
    seen.add((database, name))
    rows = client.execute(
        "SELECT engine, engine_full, toString(uuid), create_table_query, dependencies_database, "
        "dependencies_table FROM system.tables WHERE database = %(database)s AND name = %(name)s",
        {"database": database, "name": name},
    )
    if not rows:
        return [f"{database}.{name} is missing"]
    [(engine, full, uuid_, query, databases, tables)] = rows
    if engine == "MaterializedView":
        target = re.search(r" TO (?:`?(\w+)`?\.)?`?([\w.]+)`?[ (]", query)
        if target is not None:
            return _windows(client, target[1] or database, target[2], seen)
        inner = f".inner_id.{uuid_}" if int(uuid_.replace("-", ""), 16) else f".inner.{name}"
        return _windows(client, database, inner, seen)
    found = _window(client, f"{database}.{name}", engine, full)
    for view in zip(databases, tables, strict=True):
        found += _windows(client, *view, seen)
    return found


def _window(client: Any, name: str, engine: str, full: str) -> list[str]:
    if not engine.endswith("MergeTree"):
        return [f"{name} is a {engine}, which cannot tell that it has a block already"]
    replicated = engine.startswith("Replicated")
    setting = f"{'' if replicated else 'non_'}replicated_deduplication_window"
    stated = re.search(rf"\b{setting} = (\d+)", full)
    if stated is not None:
        window = int(stated[1])
    else:
        defaults = f"system.{'replicated_' * replicated}merge_tree_settings"
        rows = client.execute(f"SELECT value FROM {defaults} WHERE name = '{setting}'")
        window = int(rows[0][0]) if rows else 0
    if window >= LEAST_WINDOW:
        return []
    return [
        f"{name} remembers {window} blocks, not {LEAST_WINDOW}: "
        f"ALTER TABLE {name} MODIFY SETTING {setting} = {10 * LEAST_WINDOW}"
    ]


def _raise_if_away(error: Error) -> None:
    if isinstance(error, _AWAY):
        raise error
