"""The registry of topics: what each carries, how it is keyed, and how long it is kept.

Nothing is auto-created: `corridor topics apply` makes the broker match this page.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from corridor.models import (
    AlertCommand,
    DeadLetter,
    Delivery,
    Incident,
    Itinerary,
    LegEstimate,
    LegOutcome,
    Message,
    Subscription,
    TrackingEvent,
)

DAY_MS = 86_400_000
RETENTION_MS = 7 * DAY_MS
QUARANTINE_RETENTION_MS = 90 * DAY_MS
LESSON_RETENTION_MS = 14 * DAY_MS
"""A learner that is down for longer misses some."""
STANDING_RETENTION_MS = 90 * DAY_MS
"""An incident of which nothing was said for longer is forgotten."""

MESSAGE_BYTES = 1_000_000
"""The largest record of a topic that does not say otherwise: Kafka's default, less some room."""
BATCH_ROOM = 64 * 1024
"""What Kafka's limit of a batch leaves for what is around a record."""

_DELETE = {"cleanup.policy": "delete", "retention.ms": str(RETENTION_MS)}
_QUARANTINE = {
    "cleanup.policy": "delete",
    "retention.ms": str(QUARANTINE_RETENTION_MS),
    "max.message.bytes": str(8 * 1024 * 1024),  # every dead letter fits into it
}
_LESSONS = {"cleanup.policy": "delete", "retention.ms": str(LESSON_RETENTION_MS)}
# What is read whole at a start is compacted early and in small segments.
_COMPACTED = {
    "cleanup.policy": "compact",
    "segment.bytes": str(16 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.2",
    "max.message.bytes": str(8 * 1024 * 1024),
}
# What stands must be found at a start, however long ago it was said.
_STANDING = {
    "cleanup.policy": "compact,delete",
    "retention.ms": str(STANDING_RETENTION_MS),
    "min.compaction.lag.ms": str(RETENTION_MS),
}


@dataclass(frozen=True)
class Topic:
    """One topic. `partitions` of None means the unit topics' common count (settings)."""

    name: str
    model: type[Message] | None
    key: str
    about: str
    partitions: int | None = None
    config: dict[str, str] = field(default_factory=lambda: dict(_DELETE))

    @property
    def message_bytes(self) -> int:
        """The largest record, its key included."""
        declared = self.config.get("max.message.bytes")
        return MESSAGE_BYTES if declared is None else int(declared) - BATCH_ROOM


_SUBJECT = "unit_id, else run_id, else shipment_id"

ITINERARIES = Topic("tracking.itineraries", Itinerary, "unit_id", "Planned legs of each unit.")
IOT = Topic(
    "tracking.iot",
    TrackingEvent,
    _SUBJECT,
    "Locks, GPS, reefers, AIS.",
)
PORT = Topic("tracking.port", TrackingEvent, _SUBJECT, "Ports and terminals.")
CUSTOMS = Topic(
    "tracking.customs",
    TrackingEvent,
    _SUBJECT,
    "Customs decisions.",
)
CARRIER = Topic(
    "tracking.carrier",
    TrackingEvent,
    _SUBJECT,
    "Carriers of all modes.",
)
FANOUT = Topic(
    "tracking.fanout",
    TrackingEvent,
    "run_id, else shipment_id",
    "Events of runs and shipments, once per partition: each finds the units aboard in its own.",
)
ESTIMATES = Topic("legs.estimates", LegEstimate, "unit_id", "ETAs as they were stated.")
OUTCOMES = Topic("legs.outcomes", LegOutcome, "unit_id", "Finished legs, with what was predicted.")
DEAD_LETTERS = Topic(
    "dead.letters", DeadLetter, "dead_letter_id", "The quarantine.", config=dict(_QUARANTINE)
)
# one partition each: a model is a function of how many lessons it was taught
LESSONS = Topic(
    "eta.lessons",
    None,
    "run and leg",
    "What the workers tell the learner (msgpack, internal).",
    partitions=1,
    config=dict(_LESSONS),
)
MODELS = Topic(
    "eta.models",
    None,
    "piece",
    "What was learned, for the workers (internal).",
    partitions=1,
    config=dict(_COMPACTED),
)

SIGNALS = Topic(
    "alerts.signals",
    None,
    "dedup_key",
    "Alerts of single units, on their way to the incident that explains them (msgpack, internal).",
)
COMMANDS = Topic(
    "alerts.commands", AlertCommand, "dedup_key", "Acknowledge, silence, close: what people want."
)
INCIDENTS = Topic(
    "alerts.incidents",
    Incident,
    "dedup_key",
    "Incidents, revision by revision; of those older than a week, the last.",
    config=dict(_STANDING),
)
SUBSCRIPTIONS = Topic(
    "alerts.subscriptions",
    Subscription,
    "subscription_id",
    "Who wants to hear of what.",
    partitions=1,
    config=dict(_COMPACTED),
)
DELIVERIES = Topic("alerts.deliveries", Delivery, "subscription_id", "Each try to tell somebody.")
LEDGER = Topic(
    "alerts.ledger",
    None,
    "subscription_id/incident_id",
    "What each subscriber was told last (msgpack, internal); partitioned like alerts.incidents.",
    config=dict(_COMPACTED),
)

TOLD_UNTIL = b"told-until"
"""Key of a record on `tracking.fanout` that says, in microseconds since 1970, until when a replay
has told all: a replay tells in seconds what took days, so a clock that waits for latecomers by
Kafka's time would be days behind."""

UNIT_TOPICS = (ITINERARIES, IOT, PORT, CUSTOMS, CARRIER, FANOUT)
"""What the stream workers read; co-partitioned, so that a unit's state lives in one place."""

WORKER_TOPICS = (*UNIT_TOPICS, SIGNALS, COMMANDS)
"""Those, and what makes incidents of single alerts: an incident lives where its key is read."""

STATE_TABLE = "units"
"""Name of the stream workers' table of unit states."""


def changelog(group: str) -> Topic:
    """The changelog of the worker group's unit states; Faust's name for it."""
    return Topic(
        f"{group}-workers-{STATE_TABLE}-changelog",
        None,
        "partition/bucket",
        "State of all units, in buckets.",
        config=dict(_COMPACTED),
    )


def registry(group: str) -> Iterator[Topic]:
    """Every topic of one installation."""
    yield from UNIT_TOPICS
    yield from (ESTIMATES, OUTCOMES, DEAD_LETTERS, LESSONS, MODELS)
    yield from (SIGNALS, COMMANDS, INCIDENTS, SUBSCRIPTIONS, DELIVERIES, LEDGER)
    yield changelog(group)
