"""From a message that came in to Kafka: decode, judge, publish. What all gateways share."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog

from corridor import topics
from corridor.codes import Classifier, Reject
from corridor.decoding import Rejected, dead_letter
from corridor.metrics import REJECTED
from corridor.models import Itinerary, Origin, TrackingEvent
from corridor.topics import MESSAGE_BYTES
from producers.adapter import Format, Item
from producers.messages import TOPIC_OF
from producers.publisher import Publisher

log = structlog.get_logger(__name__)

FUTURE = timedelta(hours=24)
"""How far ahead of our clock the past may be; the workers allow the same."""

ITEM_BYTES = MESSAGE_BYTES - 10_000
"""The largest item; with its key, Kafka takes it."""


class Taken(NamedTuple):
    """What became of one message."""

    accepted: list[TrackingEvent | Itinerary]
    rejected: list[Rejected]


class Record(NamedTuple):
    """What goes to Kafka."""

    topic: str
    key: bytes
    value: bytes


class Intake:
    """Takes messages for one publisher. Nothing is on Kafka for certain until that is flushed."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def take(
        self,
        format: Format,
        message: bytes,
        *,
        sender: str,
        channel: str | None = None,
        file: str | None = None,
        names: Collection[str] | None = None,
        whole: bool = False,
    ) -> Taken:
        """Publishes what a message says; what it should not have said goes to the quarantine.

        The quarantine keeps the whole message, once, with the first fault: replayed after a fix,
        it gives all of its events again, and those that were known change nothing.

        Args:
            format: What it is.
            message: The bytes.
            sender: Who sent it.
            channel: How it came: a path, an MQTT topic.
            file: The file that it was.
            names: In whose names the sender may speak; None: in anybody's.
            whole: All or nothing: with one fault, nothing of the message is published.

        Raises:
            PublishError: Kafka cannot have it.
        """
        taken = judge(format, message, sender, names)
        if whole and taken.rejected:
            taken.accepted.clear()
        for item in taken.accepted:
            self._publisher.publish(*record(format, item))
        if taken.rejected:
            self._quarantine(format, message, taken.rejected, sender, channel, file)
        return taken

    def _quarantine(
        self,
        format: Format,
        message: bytes,
        rejected: list[Rejected],
        sender: str,
        channel: str | None,
        file: str | None,
    ) -> None:
        reason, field, detail = rejected[0]
        if len(rejected) > 1:
            detail += f" (and {len(rejected) - 1} more)"
        letter = dead_letter(
            Rejected(reason, field, detail),
            origin=Origin(format=format.name, channel=channel, file=file),
            key=None,
            payload=message,
            time=datetime.now(UTC),
            source=sender,
        )
        REJECTED.labels(format.name, reason).inc()
        self._publisher.publish(
            topics.DEAD_LETTERS.name, letter.dead_letter_id.encode(), letter.to_json()
        )


def judge(
    format: Format, message: bytes, sender: str, names: Collection[str] | None = None
) -> Taken:
    """Decodes a message and says what of it can be used."""
    try:
        items = format.decode(message, sender)
    except Exception as error:
        # a fault of ours must cost neither the message nor the gateway
        log.exception("decoder failed", format=format.name)
        items = [Rejected(Reject.DECODER_FAILED, None, f"{type(error).__name__}: {error}")]
    latest = datetime.now(UTC) + FUTURE
    # a character of a message is at most six in JSON, and hardly ever said more than once
    large = len(message) > MESSAGE_BYTES // 16
    taken = Taken([], [])
    for item in items:
        item = _plausible(item, latest, names)
        if large and not isinstance(item, Rejected) and len(item.to_json()) > ITEM_BYTES:
            detail = f"one event alone is larger than {ITEM_BYTES:,} bytes"
            item = Rejected(Reject.MALFORMED, None, detail)
        if isinstance(item, Rejected):
            taken.rejected.append(item)
        else:
            taken.accepted.append(item)
    return taken


def record(format: Format, item: TrackingEvent | Itinerary) -> Record:
    """Where an item of a message belongs on Kafka."""
    if isinstance(item, Itinerary):
        topic, key = topics.ITINERARIES.name, item.unit_id
    else:
        topic, key = format.topic or TOPIC_OF[item.event_type], item.subject
    return Record(topic, key.encode(), item.to_json())


def _plausible(item: Item, latest: datetime, names: Collection[str] | None) -> Item:
    if isinstance(item, Rejected):
        return item
    if isinstance(item, Itinerary):
        if item.issued_time > latest:
            return Rejected(Reject.FUTURE, "issued_time", "the itinerary is yet to be issued")
        return item
    if names is not None and item.source not in names:
        detail = f"{item.source} is not a name that the sender may speak in"
        return Rejected(Reject.FOREIGN_SOURCE, "source", detail)
    if item.classifier is Classifier.ACTUAL and item.event_time > latest:
        detail = (
            f"it is said to have happened, at {item.event_time.isoformat()}, which is yet to come"
        )
        return Rejected(Reject.FUTURE, "event_time", detail)
    return item
