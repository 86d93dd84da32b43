"""What is counted as it comes: tables that materialized views fill with each insert.

They hold what is delivered, which nothing replaces, and what was said last. They have a window of
their own: a block that is sent twice is counted once. What a correction may change is never counted
here.
"""

from dataclasses import dataclass

from sinks.clickhouse.tables import CODE, ESTIMATES, EVENTS, NEARBY, TABLES, Column, Table

LATENESS = (0.5, 0.9, 0.99)
"""Quantiles of how late a source tells."""

_LATENESS = ", ".join(map(str, LATENESS))

HAPPENED = "classifier = 'ACTUAL' AND event_time <= _record_time + toIntervalDay(1)"
"""What has happened; not what is said to have, but is yet to come: the workers reject it."""


@dataclass(frozen=True)
class Feed:
    """A table that inserts into others fill; `select` names the other as `{source}`."""

    name: str
    about: str
    why: str
    columns: tuple[Column, ...]
    engine: str
    order_by: tuple[str, ...]
    sources: tuple[Table, ...]
    select: str
    keep_column: str
    parameters: str = ""
    """Of the engine."""
    keep_days: int | None = None
    """Rows are dropped so many days after `keep_column`; None: never."""

    def view(self, source: Table) -> str:
        """Name of the materialized view that reads one source."""
        return f"{self.name}_from_{source.name}"


LANDINGS = Feed(
    "landings",
    "What each insert brought of each Kafka partition: the proof that `corridor audit` rests on.",
    "Replaced rows are merged away, so what was delivered cannot be counted in the tables. One row "
    "for each insert and partition: consecutive offsets are one run, so a record costs nearly "
    "nothing. Kept somewhat longer than Kafka keeps anything.",
    (
        Column("table", CODE, "The table."),
        Column("topic", CODE, "Kafka topic."),
        Column("partition", "Int32", "Kafka partition."),
        Column("first", "Int64", "Lowest offset.", NEARBY),
        Column("last", "Int64", "Highest offset.", NEARBY),
        Column("starts", "Array(Int64)", "Where each run of offsets starts,", NEARBY),
        Column("ends", "Array(Int64)", "and its last offset.", NEARBY),
        Column("records", "UInt64", "Distinct offsets."),
        Column("rows", "UInt64", "Rows."),
        Column("oldest", "DateTime64(3, 'UTC')", "Kafka timestamp of the oldest record."),
        Column("newest", "DateTime64(3, 'UTC')", "Kafka timestamp of the newest record."),
        Column("inserted_time", "DateTime64(3, 'UTC')", "When it was inserted."),
    ),
    "MergeTree",
    ("topic", "partition", "first"),
    TABLES,
    "SELECT '{table}' AS table, _topic AS topic, _partition AS partition, "
    "offsets[1] AS first, offsets[-1] AS last, "
    "arrayMap(run -> run[1], runs) AS starts, arrayMap(run -> run[-1], runs) AS ends, "
    "length(offsets) AS records, rows, oldest, newest, now64(3, 'UTC') AS inserted_time "
    "FROM (SELECT _topic, _partition, arraySort(groupUniqArray(_offset)) AS offsets, "
    "arraySplit((offset, step) -> step > 1, offsets, arrayDifference(offsets)) AS runs, "
    "count() AS rows, min(_record_time) AS oldest, max(_record_time) AS newest "
    "FROM {source} GROUP BY _topic, _partition)",
    "inserted_time",
    keep_days=120,
)

SOURCE_HOURS = Feed(
    "source_hours",
    "What each source delivered in each hour of Kafka's time; `source_health` reads it.",
    "Repeats can only be counted as they come. `versions` holds 8 bytes for each version of an "
    "event, since an estimate of their number would be as wrong as repeats are rare.",
    (
        Column("source", CODE, "The party that speaks."),
        Column("hour", "DateTime('UTC')", "Hour in which Kafka took it."),
        Column("deliveries", "SimpleAggregateFunction(sum, UInt64)", "Records."),
        Column("versions", "AggregateFunction(uniqExact, UInt64)", "Versions of events."),
        Column(
            "lateness",
            f"AggregateFunction(quantilesTDigest({_LATENESS}), Float64)",
            "From happening to Kafka, of what has happened; seconds.",
        ),
        Column(
            "first_told",
            "SimpleAggregateFunction(min, DateTime64(3, 'UTC'))",
            "Kafka timestamp of the first,",
        ),
        Column(
            "last_told",
            "SimpleAggregateFunction(max, DateTime64(3, 'UTC'))",
            "and of the last record.",
        ),
    ),
    "AggregatingMergeTree",
    ("source", "hour"),
    (EVENTS,),
    "SELECT source, toStartOfHour(_record_time) AS hour, count() AS deliveries, "
    "uniqExactState(cityHash64(event_id, updated_time)) AS versions, "
    f"quantilesTDigestStateIf({_LATENESS})("
    "toFloat64(_record_time) - toFloat64(event_time), "
    f"{HAPPENED} AND NOT retracted) AS lateness, "
    "min(_record_time) AS first_told, max(_record_time) AS last_told "
    "FROM {source} GROUP BY source, hour",
    "hour",
)

_ESTIMATE = ", ".join(f"`{column.name}`" for column in ESTIMATES.all_columns)

LATEST_ESTIMATES = Feed(
    "latest_estimates",
    "The latest estimate for each leg of each unit; query it by `current_estimates`.",
    "What holds now is one of some dozens that were said, and everybody asks for it. An estimate "
    "is never changed, only followed by another: so the latest is the same however often and in "
    "whatever order they come. Sorted by its identity.",
    (
        *ESTIMATES.all_columns,
        Column("said", "UInt128", "Order: `as_of`, then Kafka's timestamp, then its offset."),
    ),
    "ReplacingMergeTree",
    ("unit_id", "shipment_id", "sequence", "leg_id", "corridor_id"),
    (ESTIMATES,),
    f"SELECT {_ESTIMATE}, "
    "bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Micro(as_of)), 75), "
    "bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Milli(_record_time)), 32), "
    "toUInt128(bitAnd(_offset, 4294967295)))) AS said FROM {source}",
    "_record_time",
    parameters="said",
)

FEEDS = (LANDINGS, SOURCE_HOURS, LATEST_ESTIMATES)
"""All of them."""
