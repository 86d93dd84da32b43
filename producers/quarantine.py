"""The way back from the quarantine: a dead letter that can be used after all is published.

It gives the very events that a clean message would have given, with the same ids, so that a letter
that is replayed twice changes nothing.
"""

import base64
from typing import NamedTuple

from corridor import topics
from corridor.codes import Reject, Status
from corridor.decoding import Decoder, Rejected, payload_limit
from corridor.models import DeadLetter, Itinerary, TrackingEvent
from producers.formats import BY_NAME
from producers.intake import judge, record
from producers.publisher import Publisher
from producers.replay.lines import parse

_INPUTS = {topic.name: Decoder(topic.model) for topic in topics.WORKER_TOPICS if topic.model}


class Message(NamedTuple):
    """What a dead letter says, ready for Kafka."""

    topic: str
    key: bytes
    value: bytes


def read(letter: DeadLetter) -> list[Message] | Rejected:
    """What a letter says by today's code, or why it still cannot be used as a whole."""
    payload = base64.b64decode(letter.payload)
    if len(payload) >= payload_limit(letter.origin):
        return Rejected(letter.reason, None, "only its beginning is kept; send it again")
    origin = letter.origin
    if origin.format is not None:
        return _from_format(origin.format, payload, letter.source or "")
    if origin.file is not None:
        record = parse(payload, origin.file, origin.line or 0)
        if isinstance(record, DeadLetter):
            return Rejected(record.reason, record.field, record.detail)
        return [Message(record.topic, record.key, record.value)]
    return _from_topic(origin.topic or "", payload)


def _from_format(name: str, payload: bytes, sender: str) -> list[Message] | Rejected:
    format = BY_NAME.get(name)
    if format is None:
        return Rejected(Reject.UNSUPPORTED, None, f"this release has no format {name}")
    taken = judge(format, payload, sender)
    if taken.rejected:
        return taken.rejected[0]
    return [Message(*record(format, item)) for item in taken.accepted]


def _from_topic(topic: str, payload: bytes) -> list[Message] | Rejected:
    decode = _INPUTS.get(topic)
    if decode is None:
        return Rejected(Reject.UNSUPPORTED, None, f"{topic or '?'} is written by workers alone")
    message = decode(payload)
    if isinstance(message, Rejected):
        return message
    assert isinstance(message, Itinerary | TrackingEvent)
    key = message.unit_id if isinstance(message, Itinerary) else message.subject
    return [Message(topic, key.encode(), payload)]


def settle(letter: DeadLetter, status: Status, publisher: Publisher) -> None:
    """Says what became of a letter; its topic, and so its table, keep the newest word on it."""
    settled = letter.model_copy(update={"status": status})
    publisher.publish(topics.DEAD_LETTERS.name, letter.dead_letter_id.encode(), settled.to_json())
