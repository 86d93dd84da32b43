"""Unit states of one partition, in buckets that are restored exactly.

A changelog record holds one bucket: its units, and the next offset of every source topic that the
bucket has counted. Whatever was counted before a crash is thereby known, record by record, and is
not counted again when it is read again.
"""

import heapq
from collections.abc import Iterator
from datetime import datetime
from zlib import crc32

import msgspec

from corridor.tracking.unit import BEGINNING, Unit
from corridor.tracking.update import Output, advance, next_timer

BUCKETS = 256
"""Buckets of a partition; part of the stored format."""


class Bucket(msgspec.Struct, array_like=True):
    """Some of a partition's units; the first field allows the format to change one day."""

    version: int = 1
    applied: dict[str, int] = {}
    units: dict[str, Unit] = {}


class _Head(msgspec.Struct, array_like=True):
    """A bucket whose units are not decoded yet: most changelog records are soon replaced."""

    version: int
    applied: dict[str, int]
    units: msgspec.Raw


_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_units = msgspec.msgpack.Decoder(dict[str, Unit]).decode
_encode = msgspec.msgpack.Encoder().encode


def bucket_of(unit_key: bytes) -> int:
    """The bucket of a unit, by its record key."""
    return crc32(unit_key) % BUCKETS


class PartitionState:
    """All units whose key falls into one partition, and the event time they have reached."""

    def __init__(self) -> None:
        self.buckets = [Bucket() for _ in range(BUCKETS)]
        self.clock = BEGINNING
        self._topic_clocks: dict[str, datetime] = {}
        self._behind: set[str] = set()
        self._leading: set[str] = set()
        self._dirty: set[int] = set()
        self._loaded: dict[int, _Head] = {}
        self._timers: list[tuple[datetime, str]] = []
        self._timer_of: dict[str, datetime] = {}

    # restore and checkpoint ----------------------------------------------------------------------

    def load(self, key: bytes, value: bytes | None) -> None:
        """Takes one changelog record.

        A bucket that has counted less than what is here is the last word of a worker that did not
        know yet that it had lost the partition; it is passed over.
        """
        if value is None:
            return
        head, index = _decode_head(value), int(key)
        known = self._loaded.get(index)
        if known is None or all(
            head.applied.get(topic, 0) >= offset for topic, offset in known.applied.items()
        ):
            self._loaded[index] = head

    def start(self) -> None:
        """Makes the units and sets their timers, once all is loaded."""
        for index, head in self._loaded.items():
            units = _decode_units(head.units)
            self.buckets[index] = Bucket(head.version, head.applied, units)
        self._loaded.clear()
        for unit in self.units():
            self._schedule(unit)

    def expect(self, topics: set[str]) -> None:
        """Says of which sources there is something to read, before the first batch of them."""
        self._behind = topics

    def dirty(self) -> list[tuple[bytes, bytes]]:
        """Changelog records of the buckets that have changed since `clean`."""
        return [(b"%d" % index, _encode(self.buckets[index])) for index in sorted(self._dirty)]

    def clean(self) -> None:
        """Says that what `dirty` returned is durable."""
        self._dirty.clear()

    def units(self) -> Iterator[Unit]:
        """All units."""
        for bucket in self.buckets:
            yield from bucket.units.values()

    # update --------------------------------------------------------------------------------------

    def counted(self, index: int, topic: str, offset: int) -> bool:
        """Whether the bucket has counted this record already."""
        return offset < self.buckets[index].applied.get(topic, 0)

    def count(self, index: int, topic: str, offset: int) -> None:
        """Marks a record as counted."""
        self.buckets[index].applied[topic] = offset + 1

    def unit(self, index: int, unit_id: str) -> Unit:
        """The unit, new if it is not known."""
        return self.buckets[index].units.get(unit_id) or Unit(unit_id)

    def put(self, index: int, unit: Unit) -> None:
        """Keeps a changed unit, or drops it when nothing of it is left."""
        units = self.buckets[index].units
        if unit.empty:
            units.pop(unit.unit_id, None)
        else:
            units[unit.unit_id] = unit
        self._dirty.add(index)
        self._schedule(unit)

    # time ----------------------------------------------------------------------------------------

    def hear(self, topic: str, time: datetime) -> None:
        """Notes how far a source has come, without letting time pass."""
        self._topic_clocks[topic] = max(time, self._topic_clocks.get(topic, BEGINNING))

    def tick(self, topic: str, time: datetime, out: list[Output]) -> None:
        """Lets the event time of a source pass, and with it that of the partition.

        A source that is being caught up with holds the others back: what it has yet to tell came
        earlier than what they tell. Itineraries only hold back (`hear`), so that no event gives
        up waiting for one that has not been read, and no plan makes things overdue.
        """
        if time <= self._topic_clocks.get(topic, BEGINNING):
            return
        self._topic_clocks[topic] = time
        self._leading.add(topic)
        self._advance(min([time, *self._held(topic)]), out)

    def caught_up(self, topic: str, yes: bool, out: list[Output]) -> None:
        """Says whether a source has been read to its end, after each batch of it."""
        if yes:
            self._behind.discard(topic)
        else:
            self._behind.add(topic)
        if self._leading:
            latest = max(self._topic_clocks[leader] for leader in self._leading)
            self._advance(min([latest, *self._held()]), out)

    def _held(self, but: str = "") -> Iterator[datetime]:
        for topic in self._behind:
            if topic != but:
                yield self._topic_clocks.get(topic, BEGINNING)

    def _advance(self, now: datetime, out: list[Output]) -> None:
        if now <= self.clock:
            return
        self.clock = now
        timers = self._timers
        while timers and timers[0][0] < now:
            time, unit_id = heapq.heappop(timers)
            if self._timer_of.get(unit_id) != time:
                continue  # moved since
            del self._timer_of[unit_id]
            index = bucket_of(unit_id.encode())
            unit = self.buckets[index].units.get(unit_id)
            if unit is not None:
                advance(unit, now, out)
                self.put(index, unit)

    def _schedule(self, unit: Unit) -> None:
        time = next_timer(unit)
        if time is None:
            self._timer_of.pop(unit.unit_id, None)
        elif self._timer_of.get(unit.unit_id) != time:
            self._timer_of[unit.unit_id] = time
            heapq.heappush(self._timers, (time, unit.unit_id))
