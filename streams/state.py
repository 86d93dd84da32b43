"""Unit states of one partition, in buckets that are restored exactly.

A changelog record holds one bucket: its units, and the next offset of every source topic that the
bucket has counted. Whatever was counted before a crash is thereby known, record by record, and is
not counted again when it is read again.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Set
from datetime import datetime
from zlib import crc32

import msgspec

from corridor.tracking.shared import Shared
from corridor.tracking.unit import BEGINNING, Unit
from corridor.tracking.update import KEEP, Output, advance, next_timers
from streams.timers import Timers

BUCKETS = 256
"""Buckets of a partition; part of the stored format."""


SKEW_MS = 5_000
"""How much later than one source another one may tell what came first."""

LEAD_STEP_MS = 100
"""How finely event time is kept while it ripens."""


class Bucket(msgspec.Struct, array_like=True):
    """Some of a partition's units; the first field allows the format to change one day.

    Units stay encoded: most of them are finished and only kept for corrections, so that a bucket
    is written at the cost of copying it, and the collector has nothing to walk.
    """

    version: int = 1
    applied: dict[str, int] = {}
    units: dict[str, msgspec.Raw] = {}
    shared: dict[str, msgspec.Raw] = {}
    """Runs and shipments."""


class Clock(msgspec.Struct, array_like=True):
    """How far event time had come. Written after the buckets of its checkpoint, to the same
    partition of the changelog, so that a restored clock is never ahead of the restored units."""

    lead: tuple[int, datetime] | None = None
    heard: dict[str, datetime] = {}
    now: datetime = BEGINNING


CLOCK_KEY = b"clock"


class _Head(msgspec.Struct, array_like=True):
    """A bucket whose units are not decoded yet: most changelog records are soon replaced."""

    version: int
    applied: dict[str, int]
    units: msgspec.Raw
    shared: msgspec.Raw = msgspec.Raw(b"\x80")


_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_clock = msgspec.msgpack.Decoder(Clock).decode
_decode_raws = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_unit = msgspec.msgpack.Decoder(Unit).decode
_decode_shared = msgspec.msgpack.Decoder(Shared).decode
_encode = msgspec.msgpack.Encoder().encode


def bucket_of(unit_key: bytes) -> int:
    """The bucket of a unit, by its record key."""
    return crc32(unit_key) % BUCKETS


class PartitionState:
    """All units whose key falls into one partition, and the event time they have reached."""

    def __init__(self) -> None:
        self.buckets = [Bucket() for _ in range(BUCKETS)]
        self.clock = self._saved = BEGINNING
        self.waiting: dict[str, int] = {}
        """How many events of a unit wait for their itinerary, where some do."""
        self._heard: dict[str, datetime] = {}
        self._leads: deque[tuple[int, datetime]] = deque()
        self._ripe = BEGINNING
        self._changed: dict[str, tuple[int, Unit]] = {}
        self._changed_shared: dict[str, tuple[int, Shared]] = {}
        self._aboard: defaultdict[str, set[str]] = defaultdict(set)
        self._loaded: dict[int, _Head] = {}
        self._timers = Timers[datetime]()
        self._receiver_timers = Timers[int]()
        self._shared_timers = Timers[datetime]()

    # restore and checkpoint ----------------------------------------------------------------------

    def load(self, key: bytes, value: bytes | None) -> None:
        """Takes one changelog record.

        A bucket that has counted less than what is here is the last word of a worker that did not
        know yet that it had lost the partition; it is passed over.
        """
        if value is None:
            return
        if key == CLOCK_KEY:
            clock = _decode_clock(value)
            for topic, time in clock.heard.items():
                self.hear(topic, time)
            if clock.lead is not None:
                self._leads.append(clock.lead)
            self.clock = self._saved = max(self.clock, clock.now)
            return
        head, index = _decode_head(value), int(key)
        known = self._loaded.get(index)
        if known is None or all(
            head.applied.get(topic, 0) >= offset for topic, offset in known.applied.items()
        ):
            self._loaded[index] = head

    def start(self) -> None:
        """Takes the last word on each bucket, and sets the timers of its units."""
        for index, head in self._loaded.items():
            self.buckets[index] = Bucket(
                head.version, head.applied, _copied(head.units), _copied(head.shared)
            )
            for raw in self.buckets[index].shared.values():
                shared = _decode_shared(raw)
                self._shared_timers.set(shared.subject, shared.release_time)
        self._loaded.clear()
        for unit in self.units():
            self._schedule(unit)
            self.board(unit, frozenset())
            if unit.waiting:
                self.waiting[unit.unit_id] = len(unit.waiting)

    def drain(self) -> list[tuple[bytes, bytes]]:
        """Changelog records of the buckets that have changed since the last call."""
        dirty: set[int] = set()
        for unit_id, (index, unit) in self._changed.items():
            units = self.buckets[index].units
            if unit.empty:
                units.pop(unit_id, None)
            else:
                units[unit_id] = msgspec.Raw(_encode(unit))
            dirty.add(index)
        self._changed.clear()
        for subject, (index, shared) in self._changed_shared.items():
            if shared.milestones:
                self.buckets[index].shared[subject] = msgspec.Raw(_encode(shared))
            else:
                self.buckets[index].shared.pop(subject, None)
            dirty.add(index)
        self._changed_shared.clear()
        records = [(b"%d" % index, _encode(self.buckets[index])) for index in sorted(dirty)]
        if records or self.clock > self._saved:
            lead = self._leads[-1] if self._leads else (0, self._ripe)
            records.append((CLOCK_KEY, _encode(Clock(lead, self._heard, self.clock))))
            self._saved = self.clock
        return records

    @property
    def unsaved(self) -> bool:
        """Whether anything has changed since the last `drain`, if only the time."""
        return bool(self._changed or self._changed_shared) or self.clock > self._saved

    def units(self) -> Iterator[Unit]:
        """All units, as of the last `drain`."""
        for bucket in self.buckets:
            for raw in bucket.units.values():
                yield _decode_unit(raw)

    @property
    def size(self) -> int:
        """How many units there are, as of the last `drain`."""
        return sum(len(bucket.units) for bucket in self.buckets)

    # update --------------------------------------------------------------------------------------

    def counted(self, index: int, topic: str, offset: int) -> bool:
        """Whether the bucket has counted this record already."""
        return offset < self.buckets[index].applied.get(topic, 0)

    def count(self, index: int, topic: str, offset: int) -> None:
        """Marks a record as counted."""
        self.buckets[index].applied[topic] = offset + 1

    def unit(self, index: int, unit_id: str) -> Unit:
        """The unit, new if it is not known; a change counts only with `put`."""
        if (changed := self._changed.get(unit_id)) is not None:
            # one that has been let go begins anew, as it would after a drain
            return Unit(unit_id) if changed[1].empty else changed[1]
        raw = self.buckets[index].units.get(unit_id)
        return Unit(unit_id) if raw is None else _decode_unit(raw)

    def put(self, index: int, unit: Unit) -> None:
        """Keeps a changed unit; the next `drain` drops it if nothing of it is left."""
        self._changed[unit.unit_id] = (index, unit)
        if unit.waiting:
            self.waiting[unit.unit_id] = len(unit.waiting)
        else:
            self.waiting.pop(unit.unit_id, None)
        self._schedule(unit)

    # runs and shipments --------------------------------------------------------------------------

    def shared(self, subject: str) -> Shared:
        """What is known of a run or shipment, new if nothing is; a change counts with `keep`."""
        index = bucket_of(subject.encode())
        if (changed := self._changed_shared.get(subject)) is not None:
            return changed[1]
        raw = self.buckets[index].shared.get(subject)
        return Shared(subject) if raw is None else _decode_shared(raw)

    def keep(self, shared: Shared) -> None:
        """Keeps what has changed of a run or shipment; nothing of it is left without milestones."""
        self._changed_shared[shared.subject] = (bucket_of(shared.subject.encode()), shared)
        self._shared_timers.set(shared.subject, shared.release_time if shared.milestones else None)

    def aboard(self, subject: str) -> list[str]:
        """The units that the events of a run or shipment reach."""
        units = set(self._aboard.get(subject, ()))
        if subject in self._changed or subject in self.buckets[bucket_of(subject.encode())].units:
            units.add(subject)
        return sorted(units)

    def board(self, unit: Unit, before: Set[str]) -> list[Shared]:
        """Notes which runs and shipments a unit belongs to.

        Args:
            unit: As it is now.
            before: Its `subjects` as they were.

        Returns:
            What is known of those that are new to it.
        """
        now = unit.subjects()
        for subject in before - now:
            units = self._aboard.get(subject)
            if units is not None:
                units.discard(unit.unit_id)
                if not units:
                    del self._aboard[subject]
        new = now - before
        for subject in new:
            if subject != unit.unit_id:  # found by its own name
                self._aboard[subject].add(unit.unit_id)
        if not new:
            return []
        known = (self.shared(subject) for subject in sorted(new))
        return [shared for shared in known if shared.milestones]

    # time ----------------------------------------------------------------------------------------

    def hear(self, topic: str, time: datetime) -> None:
        """Notes how far a source has come, without letting time pass.

        For itineraries: no plan makes things overdue.
        """
        if time > self._heard.get(topic, BEGINNING):
            self._heard[topic] = time

    def tick(self, topic: str, time: datetime, record_ms: int) -> None:
        """Notes that event time has come to `time`, by a record that was written at `record_ms`."""
        self.hear(topic, time)
        leads = self._leads
        if leads and time <= leads[-1][1]:
            return
        if leads and record_ms // LEAD_STEP_MS == leads[-1][0] // LEAD_STEP_MS:
            leads.pop()
        leads.append((record_ms, time))

    def ripen(self, now_ms: int, known_ms: int, behind: Iterable[str], out: list[Output]) -> None:
        """Lets time pass, as far as all that was told before is surely known.

        What one source tells counts only `SKEW_MS` later, so that the others, which are read side
        by side with it, can tell what came before; and never beyond what has been heard of a
        source that still has records to read. Else a fast replay, or a restart after a pause,
        would find things overdue whose departure is merely the next record of another topic.

        Args:
            now_ms: Now, by the clock that also dates Kafka's records; milliseconds.
            known_ms: Until when the sources that are not behind are known to have nothing more.
            behind: Sources that have records which are not applied yet.
            out: What there is to say.
        """
        leads = self._leads
        while leads and leads[0][0] <= known_ms - SKEW_MS:
            self._ripe = max(self._ripe, leads.popleft()[1])
        heard = self._heard
        now = min([self._ripe, *(heard.get(topic, BEGINNING) for topic in behind)])
        self.clock = max(self.clock, now)
        for unit_id in (*self._timers.due(self.clock), *self._receiver_timers.due(now_ms)):
            index = bucket_of(unit_id.encode())
            unit = self.unit(index, unit_id)
            before = unit.subjects()
            if advance(unit, self.clock, now_ms, out):
                self.put(index, unit)
                self.board(unit, before)
            else:
                self._schedule(unit)
        for subject in self._shared_timers.due(self.clock):
            shared = self.shared(subject)
            if shared.held_until() < now_ms:
                shared.milestones = []
                self.keep(shared)
            else:  # a backfill: what is old may have come just now
                self._shared_timers.set(subject, self.clock + KEEP)

    def _schedule(self, unit: Unit) -> None:
        event_time, received_ms = next_timers(unit, self.clock)
        self._timers.set(unit.unit_id, event_time)
        self._receiver_timers.set(unit.unit_id, received_ms)


def _copied(raws: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Copied, else a few old values would keep whole changelog records in memory."""
    return {name: raw.copy() for name, raw in _decode_raws(raws).items()}
