"""The tables, declared as data: the only place where a column is named.

From these declarations come the DDL (`schema`), the way from a message to a row (`rows`), the
inserts (`client`) and `docs/tables.md` (`make docs`).

Rules that every declaration keeps:

- `order_by` is the identity of a row, or begins with columns that never differ between two
  versions of the same identity; otherwise FINAL would keep both versions.
- `partition_by` is empty, or made of `order_by` columns only: ReplacingMergeTree replaces within
  one partition only.
- An id or a code that a message leaves out is '' (the contract forbids empty ids, so '' is never a
  value); a number or a time that it leaves out is NULL.
"""

from dataclasses import dataclass

from corridor import topics
from corridor.models import (
    DeadLetter,
    Delivery,
    Incident,
    Itinerary,
    LegEstimate,
    LegOutcome,
    Message,
    TrackingEvent,
)
from corridor.topics import Topic

DEDUPLICATION_WINDOW = 10_000
"""Inserts that a table remembers by token, so that a repeated one is dropped."""

TEXT = "String"
CODE = "LowCardinality(String)"  # few distinct values: stored once, compared as numbers
TIME = "DateTime64(6, 'UTC')"  # what RFC 3339 in Python carries
OPTIONAL_TIME = f"Nullable({TIME})"

# bits that a whole block shares are cut off; measured on a million times: 5.0 MB sorted by a random
# id (Delta 6.1, DoubleDelta 6.9), 4.8 MB sorted by unit and time (Delta 4.7, DoubleDelta 5.7)
NEARBY = "CODEC(T64, ZSTD(1))"
LONG = "CODEC(ZSTD(3))"  # long text, written once and seldom read


@dataclass(frozen=True)
class Column:
    """One column.

    `path` says where in the message its value is, dotted; by default it is the name. A path through
    a list gives an array, except through the list that the table has a row for `each` of.
    """

    name: str
    type: str
    about: str
    codec: str = ""
    path: str = ""


@dataclass(frozen=True)
class Table:
    """One table: what it holds, where from, and what makes two rows the same."""

    name: str
    about: str
    model: type[Message]
    topics: tuple[Topic, ...]
    columns: tuple[Column, ...]
    order_by: tuple[str, ...]
    version: str  # of two rows of one identity, the one with the higher value stays
    partition_by: str = ""
    shard_by: tuple[str, ...] = ()
    """On a cluster, rows that agree in these are on one shard; by default, those of one identity.
    They never differ between two versions of an identity: FINAL looks at one shard only."""
    why: str = ""
    """Why it is sorted and partitioned so."""
    each: str = ""  # a row for each of this list of the message, instead of one
    indexes: tuple[str, ...] = ()  # columns with a bloom filter, to find the few rows of one value
    keep_days: int | None = None
    """Rows are dropped so many days after Kafka took them, not after their own time, since history
    that is played today would be gone at once; None: never. `CORRIDOR_CLICKHOUSE_KEEP_DAYS`."""

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The columns from the message, then those from the Kafka record."""
        return (*self.columns, *RECORD)


RECORD = (
    Column("_topic", CODE, "Kafka topic that the row came from."),
    Column("_partition", "Int32", "Kafka partition."),
    Column("_offset", "Int64", "Kafka offset.", NEARBY),
    Column("_record_time", "DateTime64(3, 'UTC')", "Kafka timestamp of the record.", NEARBY),
)
"""Where a row came from; not part of its identity."""


ITINERARIES = Table(
    "itineraries",
    "One row per leg of each version of each itinerary.",
    Itinerary,
    (topics.ITINERARIES,),
    (
        Column("unit_id", TEXT, "What is tracked: container, ULD, air waybill, truck."),
        Column("shipment_id", TEXT, "The goods, under one transport document."),
        Column("corridor_id", CODE, "The corridor."),
        Column("version", "UInt32", "Of one unit and shipment the highest version holds."),
        Column("issued_time", TIME, "When this version was issued.", NEARBY),
        Column("parties", f"Array({CODE})", "Who takes part in the shipment."),
        Column("leg_id", CODE, "The leg; stable across runs.", path="legs.leg_id"),
        Column("sequence", "UInt32", "Position of the leg, ascending.", path="legs.sequence"),
        Column("mode", CODE, "RAIL, VESSEL, BARGE, TRUCK or AIR.", path="legs.mode"),
        Column("from_node", CODE, "Where the leg starts.", path="legs.from_node"),
        Column("to_node", CODE, "Where the leg ends.", path="legs.to_node"),
        Column("run_id", TEXT, "The planned train, sailing, flight …", path="legs.run_id"),
        Column("service_id", CODE, "What repeats as runs.", path="legs.service_id"),
        Column("carrier_id", CODE, "Who carries.", path="legs.carrier_id"),
        Column("planned_departure", TIME, "Timetable.", NEARBY, path="legs.planned_departure"),
        Column("planned_arrival", TIME, "Timetable.", NEARBY, path="legs.planned_arrival"),
        Column("cutoff", OPTIONAL_TIME, "Latest hand-in for the run.", path="legs.cutoff"),
    ),
    order_by=("unit_id", "shipment_id", "version", "sequence"),
    shard_by=("unit_id",),
    why="The identity, unit first: people ask for the plan of a unit. Few rows, so one partition.",
    version="_record_time",
    each="legs",
    indexes=("run_id", "leg_id"),
)

EVENTS = Table(
    "events",
    "Every tracking event in its newest version; retracted ones are kept and marked.",
    TrackingEvent,
    (topics.IOT, topics.PORT, topics.CUSTOMS, topics.CARRIER),
    (
        Column("source", CODE, "The party that speaks."),
        Column("event_id", TEXT, "Unique within `source`."),
        Column("event_type", CODE, "TRANSPORT, EQUIPMENT, SHIPMENT, IOT, REEFER or CUSTOMS."),
        Column("code", CODE, "What happened, in the vocabulary of `event_type`."),
        Column("classifier", CODE, "ACTUAL, ESTIMATED or PLANNED."),
        Column("event_time", TIME, "When it happened or is to happen.", NEARBY),
        Column("updated_time", TIME, "When the source last changed the event.", NEARBY),
        Column("retracted", "Bool", "The source took the event back."),
        Column("unit_id", TEXT, "The unit; '' when the event knows only its run."),
        Column("run_id", TEXT, "The run; '' when the event knows only its unit."),
        Column("shipment_id", TEXT, "The shipment, where it is known."),
        Column("mode", CODE, "RAIL, VESSEL, BARGE, TRUCK, AIR or ''."),
        Column("node_id", CODE, "Where, as a node."),
        Column("latitude", "Nullable(Float64)", "Where, WGS 84 degrees."),
        Column("longitude", "Nullable(Float64)", "Where, WGS 84 degrees."),
        Column("delay_reasons", f"Array({CODE})", "SMDG delay codes."),
        Column("attributes", TEXT, "Further values, a JSON object.", LONG),
    ),
    order_by=("source", "event_id"),
    why="Exactly the identity: a correction may change any other column, also `event_time` and "
    "`unit_id`, which is also why there is no partition by month.",
    version="updated_time",
    indexes=("unit_id", "run_id", "shipment_id"),
)

ESTIMATES = Table(
    "estimates",
    "Every ETA as it was stated.",
    LegEstimate,
    (topics.ESTIMATES,),
    (
        Column("estimate_id", TEXT, "Deterministic: the same cause gives the same id."),
        Column("unit_id", TEXT, "The unit."),
        Column("shipment_id", TEXT, "The shipment."),
        Column("corridor_id", CODE, "The corridor."),
        Column("leg_id", CODE, "The leg."),
        Column("sequence", "UInt32", "Position of the leg in the itinerary."),
        Column("mode", CODE, "RAIL, VESSEL, BARGE, TRUCK or AIR."),
        Column("from_node", CODE, "Where the leg starts."),
        Column("to_node", CODE, "Where the leg ends."),
        Column("run_id", TEXT, "The run, where it is known."),
        Column("service_id", CODE, "What repeats as runs."),
        Column("carrier_id", CODE, "Who carries."),
        Column("stage", CODE, "PLANNED, OVERDUE, EN_ROUTE, AT_NODE or DONE."),
        Column("planned_departure", TIME, "Timetable.", NEARBY),
        Column("planned_arrival", TIME, "Timetable.", NEARBY),
        Column("actual_departure", OPTIONAL_TIME, "When it left, once it has.", NEARBY),
        Column("eta_p05", OPTIONAL_TIME, "Arrives before this with probability 0.05.", NEARBY),
        Column("eta_p10", OPTIONAL_TIME, "… 0.10.", NEARBY),
        Column("eta_p25", OPTIONAL_TIME, "… 0.25.", NEARBY),
        Column("eta_p50", OPTIONAL_TIME, "… 0.50: the ETA.", NEARBY),
        Column("eta_p75", OPTIONAL_TIME, "… 0.75.", NEARBY),
        Column("eta_p90", OPTIONAL_TIME, "… 0.90.", NEARBY),
        Column("eta_p95", OPTIONAL_TIME, "… 0.95.", NEARBY),
        Column("delay_seconds", "Nullable(Float64)", "eta_p50 - planned_arrival."),
        Column("late_probability", "Nullable(Float64)", "Probability of being late."),
        Column("evidence", CODE, "What the estimate stands on."),
        Column("signal", CODE, "LIVE, AGEING, STALE or LOST."),
        Column("missed_probability", "Nullable(Float64)", "Of missing the planned service."),
        Column("connection_slack_seconds", "Nullable(Float64)", "Until that service closes."),
        Column("stalled_since", OPTIONAL_TIME, "It does not move, though it should.", NEARBY),
        Column("model_version", CODE, "The model that estimated."),
        Column("as_of", TIME, "What was known then.", NEARBY),
        Column("late", "Bool", "Corrects history: its event was told after a newer one."),
        Column("caused_by", TEXT, "`source/event_id`, `itinerary/version` or `clock`."),
    ),
    order_by=("corridor_id", "leg_id", "unit_id", "as_of", "estimate_id"),
    shard_by=("unit_id",),
    why="All of it is fixed by `estimate_id`, which is derived from unit, leg and cause: one leg's "
    "history is read together, newest last. By month, since it is the largest table and asked for "
    "a time; an estimate's `as_of` never changes.",
    version="_record_time",
    partition_by="toYYYYMM(as_of)",
    indexes=("unit_id",),
)

OUTCOMES = Table(
    "outcomes",
    "Every finished leg in its newest version, with what was predicted for it.",
    LegOutcome,
    (topics.OUTCOMES,),
    (
        Column("outcome_id", TEXT, "Stays the same when a correction changes the outcome."),
        Column("unit_id", TEXT, "The unit."),
        Column("shipment_id", TEXT, "The shipment."),
        Column("corridor_id", CODE, "The corridor."),
        Column("leg_id", CODE, "The leg."),
        Column("sequence", "UInt32", "Position of the leg in the itinerary."),
        Column("mode", CODE, "RAIL, VESSEL, BARGE, TRUCK or AIR."),
        Column("from_node", CODE, "Where the leg started."),
        Column("to_node", CODE, "Where the leg ended."),
        Column("run_id", TEXT, "The run, where it is known."),
        Column("service_id", CODE, "What repeats as runs."),
        Column("carrier_id", CODE, "Who carried."),
        Column("ending", CODE, "ARRIVED, CANCELLED or DIVERTED."),
        Column("retracted", "Bool", "The leg turned out not to be finished."),
        Column("planned_departure", TIME, "Timetable.", NEARBY),
        Column("planned_arrival", TIME, "Timetable.", NEARBY),
        Column("actual_departure", OPTIONAL_TIME, "When it left.", NEARBY),
        Column("actual_arrival", OPTIONAL_TIME, "When it arrived.", NEARBY),
        Column("predictions.stage", f"Array({CODE})", "Stages, in the order they were entered;"),
        Column("predictions.as_of", f"Array({TIME})", "when;"),
        Column("predictions.eta_p50", f"Array({TIME})", "the ETA then;"),
        Column("predictions.evidence", f"Array({CODE})", "what it stood on;"),
        Column("predictions.model_version", f"Array({CODE})", "the model."),
        Column("as_of", TIME, "Event time of the outcome.", NEARBY),
        Column("updated_time", TIME, "When the outcome last changed.", NEARBY),
        Column("late", "Bool", "Corrects history: its event was told after a newer one."),
        Column("caused_by", TEXT, "The event that finished the leg."),
    ),
    order_by=("outcome_id",),
    shard_by=("unit_id",),  # of which outcome_id is derived
    why="Exactly the identity; outcomes are few (one per leg), so a leg's are found by its filter.",
    version="updated_time",
    indexes=("leg_id", "unit_id", "run_id"),
)

DEAD_LETTERS = Table(
    "dead_letters",
    "Messages that could not be used, whole.",
    DeadLetter,
    (topics.DEAD_LETTERS,),
    (
        Column("dead_letter_id", TEXT, "Deterministic: the same message gives the same id."),
        Column("reason", CODE, "Why, from a fixed list."),
        Column("field", CODE, "The field at fault, dotted; '' where there is none."),
        Column("detail", TEXT, "What is wrong with it."),
        Column("source", CODE, "The party that sent it, where it is known."),
        Column("origin_topic", CODE, "Where it was read: topic,", path="origin.topic"),
        Column("origin_partition", "Nullable(Int32)", "partition,", path="origin.partition"),
        Column("origin_offset", "Nullable(Int64)", "offset;", path="origin.offset"),
        Column("origin_file", TEXT, "or file", path="origin.file"),
        Column("origin_line", "Nullable(Int64)", "and line;", path="origin.line"),
        Column("origin_format", CODE, "or the format it was taken for", path="origin.format"),
        Column("origin_channel", CODE, "and the way it came.", path="origin.channel"),
        Column("key", TEXT, "The record's key, base64."),
        Column("payload", TEXT, "The raw bytes, base64: base64Decode(payload).", LONG),
        Column("rejected_time", TIME, "When it was rejected.", NEARBY),
        Column("status", CODE, "OPEN, REPLAYED or DROPPED."),
    ),
    order_by=("dead_letter_id",),
    why="Exactly the identity.",
    version="_record_time",
)

INCIDENTS = Table(
    "incidents",
    "Every revision of every incident.",
    Incident,
    (topics.INCIDENTS,),
    (
        Column("incident_id", TEXT, "Stays the same through all revisions."),
        Column("dedup_key", TEXT, "`kind/cause/subject`."),
        Column("revision", "UInt32", "Of one incident the highest holds; some may be left out."),
        Column("kind", CODE, "DELAY, MISSED_CONNECTION, STALLED, SIGNAL_LOST, …"),
        Column("cause", CODE, "RUN, CONNECTION, NODE, BORDER, LOCK or UNIT: what is at fault;"),
        Column("subject", TEXT, "and which."),
        Column("level", CODE, "MINOR, MAJOR or CRITICAL."),
        Column("state", CODE, "PENDING, OPEN, CLEARING or RESOLVED."),
        Column("flags", f"Array({CODE})", "STALE, FLAPPING."),
        Column("opened_time", OPTIONAL_TIME, "When it first was OPEN.", NEARBY),
        Column("changed_time", TIME, "When state or level last changed.", NEARBY),
        Column("resolved_time", OPTIONAL_TIME, "When it was over.", NEARBY),
        Column("as_of", TIME, "Event time of what the revision takes in.", NEARBY),
        Column("late", "Bool", "Corrects history, and notified nobody."),
        Column("reason", TEXT, "One sentence for people."),
        Column("why_rule", CODE, "The rule that judged;", path="why.rule"),
        Column("why_fact", "Bool", "whether by a fact;", path="why.fact"),
        Column("why_probability", "Nullable(Float64)", "else by this.", path="why.probability"),
        Column("why_opens_at", "Nullable(Float64)", "It opens at this,", path="why.opens_at"),
        Column("why_clears_at", "Nullable(Float64)", "clears at this.", path="why.clears_at"),
        Column(
            "why_threshold_seconds",
            "Nullable(Float64)",
            "Of the level that it has;",
            path="why.threshold_seconds",
        ),
        Column(
            "why_value_seconds",
            "Nullable(Float64)",
            "what was held against it.",
            path="why.value_seconds",
        ),
        Column("why_planned_time", OPTIONAL_TIME, "Planned;", NEARBY, path="why.planned_time"),
        Column("why_expected_time", OPTIONAL_TIME, "expected.", NEARBY, path="why.expected_time"),
        Column("why_since", OPTIONAL_TIME, "Since when it held.", NEARBY, path="why.since"),
        Column("why_node_id", CODE, "Where.", path="why.node_id"),
        Column("why_evidence", CODE, "What the estimate stood on.", path="why.evidence"),
        Column("why_model_version", CODE, "The model.", path="why.model_version"),
        Column("why_caused_by", TEXT, "The event that told.", path="why.caused_by"),
        Column("corridor_id", CODE, "The corridor, where there is one."),
        Column("leg_id", CODE, "The leg."),
        Column("node_id", CODE, "Where, if it is at a node."),
        Column("mode", CODE, "RAIL, VESSEL, BARGE, TRUCK, AIR or ''."),
        Column("affected.unit_id", f"Array({TEXT})", "Units that it concerns, the worst first:"),
        Column("affected.shipment_id", f"Array({TEXT})", "their shipments;"),
        Column("affected.parties", f"Array(Array({CODE}))", "their parties;"),
        Column("affected.leg_id", f"Array({CODE})", "their legs;"),
        Column("affected.level", f"Array({CODE})", "how bad it is for each;"),
        Column("affected.expected_time", f"Array({OPTIONAL_TIME})", "their likely arrivals;"),
        Column(
            "affected.delay_seconds", "Array(Nullable(Float64))", "how much later than planned."
        ),
        Column("unit_count", "UInt32", "All units, also those that are not listed."),
        Column("shipment_count", "UInt32", "All shipments."),
        Column("parties.party", f"Array({CODE})", "Every party that it concerns:"),
        Column("parties.units", "Array(UInt32)", "with how many units;"),
        Column("parties.shipments", "Array(UInt32)", "and shipments."),
        Column("parent", TEXT, "dedup_key of the incident that explains it."),
        Column("children", f"Array({TEXT})", "dedup_keys of those that it explains."),
        Column("handling.order", f"Array({CODE})", "ACK or SILENCE:"),
        Column("handling.party", f"Array({CODE})", "for whom;"),
        Column("handling.by", f"Array({TEXT})", "by whom;"),
        Column("handling.since", f"Array({TIME})", "since when;"),
        Column("handling.until", f"Array({OPTIONAL_TIME})", "until when."),
        Column("caused_by", TEXT, "The event that led to this revision."),
    ),
    order_by=("incident_id", "revision"),  # exactly the identity
    version="_record_time",
    indexes=("dedup_key", "subject", "leg_id"),
)

DELIVERIES = Table(
    "deliveries",
    "Each try to tell a subscriber.",
    Delivery,
    (topics.DELIVERIES,),
    (
        Column("delivery_id", TEXT, "Of subscription, revision and attempt."),
        Column("message_id", TEXT, "`webhook-id`: the same at each try."),
        Column("subscription_id", TEXT, "Who was told;"),
        Column("party", CODE, "and for which party."),
        Column("incident_id", TEXT, "Of what;"),
        Column("revision", "UInt32", "and which revision."),
        Column("channel", CODE, "webhook, email or sse."),
        Column("attempt", "UInt32", "The first is 1."),
        Column("outcome", CODE, "DELIVERED, RETRYING, FAILED, DISABLED or REFUSED."),
        Column("status_code", "Nullable(Int32)", "What the endpoint answered."),
        Column("detail", TEXT, "What went wrong."),
        Column("started_time", TIME, "When it was tried.", NEARBY),
        Column("duration_seconds", "Float64", "How long it took."),
        Column("next_attempt_time", OPTIONAL_TIME, "When it is tried again.", NEARBY),
    ),
    order_by=("subscription_id", "incident_id", "delivery_id"),
    version="_record_time",
    indexes=("message_id", "incident_id"),
)

TABLES = (ITINERARIES, EVENTS, ESTIMATES, OUTCOMES, DEAD_LETTERS, INCIDENTS, DELIVERIES)
"""All of them. `tracking.fanout` has none: it repeats events, once per partition."""


def routes() -> dict[str, Table]:
    """Which table the records of a topic go to."""
    return {topic.name: table for table in TABLES for topic in table.topics}
