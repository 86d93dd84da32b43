"""The database brought to what the code declares: numbered migrations, and the difference.

Migration 1 creates the tables as they are declared today. A later change of a declaration comes
with a migration that brings older databases there and does nothing on a fresh one (`ADD COLUMN IF
NOT EXISTS`). Views hold no data, so they are replaced whenever their text differs; so is the time
that rows are kept, which is a setting.

A database is brought up to date while no sink writes into it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from corridor.settings import Settings
from sinks.clickhouse.client import connect
from sinks.clickhouse.ddl import (
    Keep,
    Place,
    Store,
    add_columns,
    change_feed,
    change_ttl,
    create_database,
    create_feed,
    create_store,
    create_view,
    feed_comment,
    quoted,
    store,
    view_comment,
    window,
)
from sinks.clickhouse.feeds import FEEDS, LANDINGS, LATEST_ESTIMATES, SOURCE_HOURS, Feed
from sinks.clickhouse.tables import (
    DEAD_LETTERS,
    DELIVERIES,
    ESTIMATES,
    INCIDENTS,
    OUTCOMES,
    TABLES,
    Table,
)
from sinks.clickhouse.views import VIEWS

Question = Callable[[Settings], list[str]]
"""`apply` or `diff`."""


class SchemaError(ValueError):
    """What is asked for cannot be; the text says why."""


class Client(Protocol):
    """What the schema needs of a client."""

    def execute(self, query: str, params: Any = None) -> Any:
        """Runs one statement; rows of a SELECT, or rows to INSERT in `params`."""


@dataclass(frozen=True)
class Migration:
    """One step; applied once per database, in ascending order."""

    number: int
    name: str
    statements: Callable[[Place, Keep], Iterable[str]]


def _create(*declared: Table | Feed) -> Callable[[Place, Keep], Iterable[str]]:
    return lambda place, keep: chain.from_iterable(
        create_store(place, store(one, keep)) for one in declared
    )


def _late_and_quarantine(place: Place, keep: Keep) -> Iterator[str]:
    yield from add_columns(place, ESTIMATES, "late", after="as_of")
    yield from add_columns(place, OUTCOMES, "late", after="updated_time")
    yield from add_columns(
        place, DEAD_LETTERS, "origin_format", "origin_channel", after="origin_line"
    )
    yield from add_columns(place, DEAD_LETTERS, "status", after="rejected_time")


def _places_of_estimates(place: Place, keep: Keep) -> Iterator[str]:
    yield from add_columns(place, ESTIMATES, "from_node", "to_node", after="mode")
    yield from add_columns(place, ESTIMATES, "service_id", "carrier_id", after="run_id")
    yield from add_columns(place, ESTIMATES, "actual_departure", after="planned_arrival")


def _connections(place: Place, keep: Keep) -> Iterator[str]:
    names = ("missed_probability", "connection_slack_seconds", "stalled_since")
    yield from add_columns(place, ESTIMATES, *names, after="signal")


def _feeds(place: Place, keep: Keep) -> Iterator[str]:
    """What was there before is told once: nothing fills the feeds yet, so they may be emptied."""
    yield from _create(*FEEDS)(place, keep)
    for feed in FEEDS:
        yield f"TRUNCATE TABLE {place.database}.{place.stored(feed.name)}{place.on_cluster}"
    columns = ", ".join(column.name for column in LANDINGS.columns)
    for table in TABLES:
        # one run without rows: what came of it was not recorded
        yield (
            f"INSERT INTO {place.database}.{LANDINGS.name} ({columns}) "
            f"SELECT {quoted(table.name)}, _topic, _partition, min(_offset), max(_offset), "
            "[min(_offset)], [max(_offset)], 0, 0, min(_record_time), max(_record_time), "
            f"now64(3, 'UTC') FROM {place.database}.{table.name} GROUP BY _topic, _partition"
        )
    for feed in (SOURCE_HOURS, LATEST_ESTIMATES):
        names = ", ".join(f"`{column.name}`" for column in feed.columns)
        for source in feed.sources:
            select = feed.select.format(source=f"{place.database}.{source.name}")
            yield f"INSERT INTO {place.database}.{feed.name} ({names}) {select}"


MIGRATIONS = (
    Migration(1, "create tables", _create(*TABLES)),
    Migration(
        2, "late estimates and outcomes; format and status of dead letters", _late_and_quarantine
    ),
    Migration(3, "nodes, service, carrier and departure of estimates", _places_of_estimates),
    Migration(4, "connections and standstill of estimates", _connections),
    Migration(5, "incidents and deliveries", _create(INCIDENTS, DELIVERIES)),
    Migration(6, "landings, what sources tell by hour, and the latest estimates", _feeds),
)
MIGRATIONS_TABLE = "schema_migrations"

__all__ = ["MIGRATIONS", "SchemaError", "apply", "diff", "quoted", "sql"]


def apply(settings: Settings) -> list[str]:
    """Applies what is missing; returns what was done, one line each. Safe to repeat.

    Raises:
        SchemaError: a setting names a table that there is not.
    """
    with connect(settings) as client:
        return apply_to(client, *_of(settings))


def diff(settings: Settings) -> list[str]:
    """What differs between the database and the declarations, one line each.

    Raises:
        SchemaError: a setting names a table that there is not.
    """
    with connect(settings) as client:
        return diff_of(client, *_of(settings))


def sql(settings: Settings) -> Iterator[str]:
    """The statements that make everything in an empty ClickHouse, in order.

    Raises:
        SchemaError: a setting names a table that there is not.
    """
    place, keep = _of(settings)
    yield create_database(place)
    yield _create_migrations(place)
    for one in (*TABLES, *FEEDS):
        yield from create_store(place, store(one, keep))
    numbers = ", ".join(f"({m.number}, {quoted(m.name)})" for m in MIGRATIONS)
    yield f"INSERT INTO {place.database}.{MIGRATIONS_TABLE} (number, name) VALUES {numbers}"
    for feed, source in _fills():
        yield create_feed(place, feed, source)
    for view in VIEWS:
        yield create_view(place, view)


def apply_to(client: Client, place: Place, keep: Keep) -> list[str]:
    """`apply` with a client at hand."""
    done = []
    client.execute(create_database(place))
    client.execute(_create_migrations(place))
    for migration in _pending(client, place):
        for statement in migration.statements(place, keep):
            client.execute(statement)
        client.execute(
            f"INSERT INTO {place.database}.{MIGRATIONS_TABLE} (number, name) VALUES",
            [(migration.number, migration.name)],
        )
        done.append(f"migration {migration.number}: {migration.name}")
    for one in (*TABLES, *FEEDS):
        wanted = store(one, keep)
        if _ttl(client, place, wanted) != wanted.ttl:
            client.execute(change_ttl(place, wanted))
            done.append(f"{wanted.name} keeps rows {_kept(wanted)}")
    comments = _comments(client, place)
    for feed, source in _fills():
        name = feed.view(source)
        if name not in comments:
            client.execute(create_feed(place, feed, source))
        elif comments[name] != feed_comment(place, feed, source):
            for statement in change_feed(place, feed, source):
                client.execute(statement)
        else:
            continue
        done.append(f"materialized view {name}")
    for view in VIEWS:
        if comments.get(view.name) != view_comment(view):
            client.execute(create_view(place, view))
            done.append(f"view {view.name}")
    return done


def diff_of(client: Client, place: Place, keep: Keep) -> list[str]:
    """`diff` with a client at hand; of a cluster, the server that answers."""
    if not client.execute(f"SELECT 1 FROM system.databases WHERE name = {quoted(place.database)}"):
        return [f"database {place.database} is missing"]
    differences = []
    comments = _comments(client, place)
    if MIGRATIONS_TABLE in comments:
        differences += [
            f"migration {migration.number} ({migration.name}) is not applied"
            for migration in _pending(client, place)
        ]
    else:
        differences.append(f"table {MIGRATIONS_TABLE} is missing")
    for one in (*TABLES, *FEEDS):
        if missing := [name for name in place.tables(one.name) if name not in comments]:
            differences += [f"table {name} is missing" for name in missing]
        else:
            differences += _differences(client, place, store(one, keep))
    wanted = {f.view(s): feed_comment(place, f, s) for f, s in _fills()}
    wanted |= {view.name: view_comment(view) for view in VIEWS}
    for name, comment in wanted.items():
        if name not in comments:
            differences.append(f"view {name} is missing")
        elif comments[name] != comment:
            differences.append(f"view {name} differs")
    return differences


def _of(settings: Settings) -> tuple[Place, Keep]:
    keep = settings.clickhouse_keep_days
    known = {one.name for one in (*TABLES, *FEEDS)}
    if unknown := sorted(keep.keys() - known):
        raise SchemaError(
            f"CORRIDOR_CLICKHOUSE_KEEP_DAYS: there is no table {', '.join(unknown)}; "
            f"there are {', '.join(sorted(known))}"
        )
    return Place(settings.clickhouse_database, settings.clickhouse_cluster), keep


def _fills() -> Iterator[tuple[Feed, Table]]:
    return ((feed, source) for feed in FEEDS for source in feed.sources)


def _create_migrations(place: Place) -> str:
    # on a cluster, all servers hold the same rows
    engine = (
        "ReplicatedReplacingMergeTree("
        "'/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')"
        if place.cluster
        else "ReplacingMergeTree"
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {place.database}.{MIGRATIONS_TABLE}{place.on_cluster} "
        "(number UInt32, name String, applied_time DateTime64(3, 'UTC') DEFAULT now64(3)) "
        f"ENGINE = {engine} ORDER BY number COMMENT 'Migrations that were applied.'"
    )


def _pending(client: Client, place: Place) -> list[Migration]:
    rows = client.execute(f"SELECT DISTINCT number FROM {place.database}.{MIGRATIONS_TABLE}")
    applied = {number for (number,) in rows}
    return [migration for migration in MIGRATIONS if migration.number not in applied]


def _comments(client: Client, place: Place) -> dict[str, str]:
    rows = client.execute(
        f"SELECT name, comment FROM system.tables WHERE database = {quoted(place.database)}"
    )
    return dict(rows)


def _engine(client: Client, place: Place, wanted: Store) -> tuple[str, str, str]:
    """ORDER BY, PARTITION BY and the whole clause of the engine; '' where there is no table."""
    rows = client.execute(
        "SELECT sorting_key, partition_key, engine_full FROM system.tables "
        f"WHERE database = {quoted(place.database)} "
        f"AND name = {quoted(place.stored(wanted.name))}"
    )
    return rows[0] if rows else ("", "", "")


def _ttl(client: Client, place: Place, wanted: Store) -> str:
    _, _, engine = _engine(client, place, wanted)
    found = re.search(r" TTL (.+?)(?: SETTINGS |$)", engine)
    return found[1] if found else ""


def _kept(wanted: Store) -> str:
    return f"{wanted.keep_days} days" if wanted.ttl else "for ever"


def _differences(client: Client, place: Place, wanted: Store) -> list[str]:
    name = wanted.name
    where = f"database = {quoted(place.database)} AND table = {quoted(place.stored(name))}"
    found = {
        column: (type_, codec)
        for column, type_, codec in client.execute(
            f"SELECT name, type, compression_codec FROM system.columns WHERE {where}"
        )
    }
    differences = []
    for column in wanted.columns:
        actual = found.pop(column.name, None)
        declared = (column.type, column.codec)
        if actual is None:
            differences.append(f"{name}.{column.name} is missing")
        elif actual != declared:
            differences.append(
                f"{name}.{column.name} is {' '.join(actual).strip()}, "
                f"not {' '.join(declared).strip()}"
            )
    differences += [f"{name}.{column} is not declared" for column in found]
    sorting, partition, engine = _engine(client, place, wanted)
    differences += [
        f"{name} has {clause} ({present}), not ({declared})"
        for clause, present, declared in (
            ("ORDER BY", sorting, ", ".join(wanted.order_by)),
            ("PARTITION BY", partition, wanted.partition_by),
        )
        if present != declared
    ]
    settings = [f"{setting} = {value}" for setting, value in window(place).items()]
    differences += [
        f"{name} has no {clause}"
        for clause in (f"{wanted.engine}({wanted.parameters}".rstrip("("), *settings)
        # a replicated engine has its path before the parameters
        if (wanted.engine if place.cluster and "(" in clause else clause) not in engine
    ]
    if _ttl(client, place, wanted) != wanted.ttl:
        differences.append(f"{name} does not keep rows {_kept(wanted)}")
    indexes = {
        index
        for (index,) in client.execute(
            f"SELECT name FROM system.data_skipping_indices WHERE {where}"
        )
    }
    differences += [f"{name} has no index {i}" for i in wanted.indexes if i not in indexes]
    return differences
