"""The statements that make tables and views, of one server or of a cluster, from declarations.

On a cluster, a table is two: `NAME_local` holds the rows of one shard, replicated, and `NAME` is
Distributed over all of them. So what reads and writes says `NAME` in both cases.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from sinks.clickhouse.feeds import Feed
from sinks.clickhouse.tables import DEDUPLICATION_WINDOW, Column, Table
from sinks.clickhouse.views import View

WINDOW_SECONDS = 7 * 86_400
"""A replicated table also forgets tokens by age: not before Kafka forgets the records."""

Keep = Mapping[str, int]
"""Days to keep, by table, where it is not as declared."""


@dataclass(frozen=True)
class Place:
    """Where the schema is: a database of one server, or of every server of a cluster."""

    database: str
    cluster: str = ""

    @property
    def on_cluster(self) -> str:
        return f" ON CLUSTER `{self.cluster}`" if self.cluster else ""

    def stored(self, name: str) -> str:
        """The table that holds the rows."""
        return f"{name}_local" if self.cluster else name

    def tables(self, name: str) -> tuple[str, ...]:
        """Every table that a declaration makes."""
        return (self.stored(name), name) if self.cluster else (name,)


@dataclass(frozen=True)
class Store:
    """What a table or feed is to the engine."""

    name: str
    about: str
    columns: tuple[Column, ...]
    engine: str
    order_by: tuple[str, ...]
    shard_by: tuple[str, ...]
    keep_column: str
    keep_days: int | None
    parameters: str = ""
    partition_by: str = ""
    indexes: tuple[str, ...] = ()

    @property
    def ttl(self) -> str:
        """As the engine spells it; '' for ever."""
        if not self.keep_days:
            return ""
        return f"toDateTime({self.keep_column}) + toIntervalDay({self.keep_days})"

    @property
    def key(self) -> str:
        names = ", ".join(self.order_by)
        return f"({names})" if len(self.order_by) > 1 else names

    def engine_at(self, place: Place) -> str:
        """The engine with its parameters."""
        if not place.cluster:
            return f"{self.engine}({self.parameters})" if self.parameters else self.engine
        path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
        more = f", {self.parameters}" if self.parameters else ""
        return f"Replicated{self.engine}({path}{more})"


def store(declared: Table | Feed, keep: Keep) -> Store:
    """What a declaration is to the engine."""
    keep_days = keep.get(declared.name, declared.keep_days)
    if isinstance(declared, Feed):
        return Store(
            declared.name,
            declared.about,
            declared.columns,
            declared.engine,
            parameters=declared.parameters,
            order_by=declared.order_by,
            shard_by=declared.order_by,
            keep_column=declared.keep_column,
            keep_days=keep_days,
        )
    return Store(
        declared.name,
        declared.about,
        declared.all_columns,
        "ReplacingMergeTree",
        parameters=declared.version,
        order_by=declared.order_by,
        partition_by=declared.partition_by,
        shard_by=declared.shard_by or declared.order_by,
        indexes=declared.indexes,
        keep_column="_record_time",
        keep_days=keep_days,
    )


def window(place: Place) -> dict[str, int]:
    """The settings by which a table remembers inserts."""
    if place.cluster:
        return {
            "replicated_deduplication_window": DEDUPLICATION_WINDOW,
            "replicated_deduplication_window_seconds": WINDOW_SECONDS,
        }
    return {"non_replicated_deduplication_window": DEDUPLICATION_WINDOW}


def create_database(place: Place) -> str:
    return f"CREATE DATABASE IF NOT EXISTS {place.database}{place.on_cluster}"


def create_store(place: Place, store: Store) -> Iterator[str]:
    """CREATE TABLE; on a cluster, the local and the distributed one."""
    lines = [definition(column) for column in store.columns]
    lines += [f"INDEX {name} {name} TYPE bloom_filter GRANULARITY 1" for name in store.indexes]
    columns = ",\n    ".join(lines)
    partition_by = f"PARTITION BY {store.partition_by}\n" if store.partition_by else ""
    ttl = f"TTL {store.ttl}\n" if store.ttl else ""
    settings = ", ".join(f"{name} = {value}" for name, value in window(place).items())
    yield (
        f"CREATE TABLE IF NOT EXISTS {place.database}.{place.stored(store.name)}"
        f"{place.on_cluster} (\n    {columns}\n)\n"
        f"ENGINE = {store.engine_at(place)}\n{partition_by}"
        f"ORDER BY {store.key}\n{ttl}SETTINGS {settings}\n"
        f"COMMENT {quoted(store.about)}"
    )
    if place.cluster:
        yield (
            f"CREATE TABLE IF NOT EXISTS {place.database}.{store.name}{place.on_cluster} "
            f"AS {place.database}.{place.stored(store.name)}\n"
            f"ENGINE = Distributed({quoted(place.cluster)}, {quoted(place.database)}, "
            f"{quoted(place.stored(store.name))}, cityHash64({', '.join(store.shard_by)}))\n"
            f"COMMENT {quoted(store.about)}"
        )


def add_columns(place: Place, table: Table, *names: str, after: str) -> Iterator[str]:
    """Adds columns, as they are declared, to a table made before them."""
    steps = []
    for name in names:
        column = next(column for column in table.columns if column.name == name)
        steps.append(f"ADD COLUMN IF NOT EXISTS {definition(column)} AFTER `{after}`")
        after = name
    for name in place.tables(table.name):
        yield f"ALTER TABLE {place.database}.{name}{place.on_cluster} {', '.join(steps)}"


def change_ttl(place: Place, store: Store) -> str:
    """Brings the time that rows are kept to what is declared."""
    change = f"MODIFY TTL {store.ttl}" if store.ttl else "REMOVE TTL"
    return f"ALTER TABLE {place.database}.{place.stored(store.name)}{place.on_cluster} {change}"


def create_view(place: Place, view: View) -> str:
    """Creates or replaces a view."""
    select = view.select.format(database=place.database)
    if place.cluster:
        # joins of what is on several shards: the right side is asked for once and sent to all
        select = f"SELECT * FROM ({select}) SETTINGS distributed_product_mode = 'global'"
    return (
        f"CREATE OR REPLACE VIEW {place.database}.{view.name}{place.on_cluster}\n"
        f"AS {select}\nCOMMENT {quoted(view_comment(view))}"
    )


def feed_select(place: Place, feed: Feed, source: Table) -> str:
    """What a feed keeps of a block that is inserted into `source`."""
    local = f"{place.database}.{place.stored(source.name)}"
    return feed.select.format(source=local, table=source.name)


def create_feed(place: Place, feed: Feed, source: Table) -> str:
    """Creates a materialized view; on a cluster, each shard counts its own rows."""
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {place.database}.{feed.view(source)}"
        f"{place.on_cluster}\nTO {place.database}.{place.stored(feed.name)}\n"
        f"AS {feed_select(place, feed, source)}\n"
        f"COMMENT {quoted(feed_comment(place, feed, source))}"
    )


def change_feed(place: Place, feed: Feed, source: Table) -> Iterator[str]:
    """Changes a materialized view that exists, so that no insert goes past it meanwhile."""
    alter = f"ALTER TABLE {place.database}.{feed.view(source)}{place.on_cluster}"
    yield f"{alter} MODIFY QUERY {feed_select(place, feed, source)}"
    yield f"{alter} MODIFY COMMENT {quoted(feed_comment(place, feed, source))}"


def definition(column: Column) -> str:
    """A column of a CREATE or ALTER."""
    codec = f" {column.codec}" if column.codec else ""
    return f"`{column.name}` {column.type}{codec} COMMENT {quoted(column.about)}"


def view_comment(view: View) -> str:
    """What tells whether a view in the database is this one."""
    return _signed(view.about, view.select)


def feed_comment(place: Place, feed: Feed, source: Table) -> str:
    """The same of a materialized view."""
    return _signed(f"Fills {feed.name}.", feed_select(place, feed, source))


def _signed(about: str, text: str) -> str:
    # the server rewrites the text of a view, so a digest of ours tells whether it is the same
    return f"{about} [{blake2b(text.encode(), digest_size=6).hexdigest()}]"


def quoted(text: str) -> str:
    """A string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
