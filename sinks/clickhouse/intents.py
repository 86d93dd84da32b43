"""What a commit says beside its offset: the range that is about to be written.

Kafka keeps a line of text with each committed offset. The sink declares there, before it sends a
block, which offsets the block covers; whoever owns the partition next sends exactly these again.
"""

from typing import NamedTuple

from kafka import OffsetAndMetadata

VERSION = "1"


class Offsets(NamedTuple):
    """Offsets from `first` up to, but without, `end`."""

    first: int
    end: int


class Intent(NamedTuple):
    """All rows before `first` are in the table; those up to `end` may be, or may not yet.

    Where both are the same, nothing is under way.
    """

    topic_id: str
    """Kafka's id of the topic: one that is made again has other records at the same offsets."""
    table: str
    first: int
    end: int

    def commit(self) -> OffsetAndMetadata:
        """What is committed to Kafka."""
        return OffsetAndMetadata(self.first, "|".join(map(str, (VERSION, *self))), -1)

    def token(self, partition: int) -> str:
        """The name by which ClickHouse knows the block of this intent again."""
        return f"{self.topic_id}:{partition}:{self.first}:{self.end}:{self.table}"


class Start(NamedTuple):
    """Where a new owner of a partition goes on."""

    first: int
    until: int | None = None
    """Where the range ends that was declared and has to be sent again as it was."""
    lost: Offsets | None = None
    """What retention has deleted before it was confirmed."""


def start(committed: OffsetAndMetadata | None, topic_id: str, beginning: int) -> Start:
    """Reads what the former owner has left.

    Args:
        committed: The group's commit, if there is one; one without an intent is a plain offset.
        topic_id: Kafka's id of the topic as it is now.
        beginning: The first offset that is still there.
    """
    if committed is None:
        return Start(beginning)
    intent = _read(committed.metadata)
    if intent is not None and intent.topic_id != topic_id:
        return Start(beginning)
    first = committed.offset
    until = intent.end if intent is not None and intent.end > first else None
    if beginning <= first:
        return Start(first, until)
    if until is not None and until <= beginning:
        until = None
    return Start(first, until, Offsets(first, beginning))


def _read(metadata: str | None) -> Intent | None:
    match (metadata or "").split("|"):
        case [version, topic_id, table, first, end] if version == VERSION:
            return Intent(topic_id, table, int(first), int(end))
    return None
