"""Last wills: a device leaves with the broker, when it connects, what is told when it falls silent.

So a will cannot say when that was. The gateway adds when it got it, as `received`; decoders stay
pure. What tells one will from another is when its connection began (`connected`) or a number.
"""

from datetime import datetime

import orjson

from corridor.codes import EventType
from producers.iot.spelling import spelled
from producers.iot.words import CODE_OF, plain

LARGEST = 4096
_MARKS = (b"lost", b"offline", b"will", b"disconn", b"silent", b"nosignal", b"no_signal")


def stamped(message: bytes, received: datetime) -> bytes:
    """A will without a time, with when it was received; anything else as it is."""
    if len(message) > LARGEST or not any(mark in message.lower() for mark in _MARKS):
        return message
    try:
        said = orjson.loads(message)
    except orjson.JSONDecodeError:
        return message
    if not isinstance(said, dict) or not is_timeless_will(said):
        return message
    return orjson.dumps({**said, "received": received.isoformat()})


def is_timeless_will(said: dict[str, object]) -> bool:
    """Whether a message says that a signal was lost, and not when."""
    fields = spelled(said).fields
    words = [fields.get(field) for field in ("event", "state")]
    lost = any(
        CODE_OF.get(plain(word)) == (EventType.IOT, "SIGNAL_LOST")
        for word in words
        if isinstance(word, str)
    )
    return lost and "time" not in fields and "received" not in fields
