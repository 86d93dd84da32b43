"""The state of one partition, in buckets, as it lives in memory and in the changelog.

A changelog record holds one bucket: its units, runs and positions, and the next offset of every
source topic that the bucket has counted. Whatever was counted before a crash is thereby known,
record by record, and is not counted again when it is read again.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Set
from datetime import datetime
from typing import Any

import msgspec

from corridor.alerting import incidents
from corridor.alerting.incidents import Gathered
from corridor.alerting.rules import Places
from corridor.eta.estimator import NAIVE, Estimator
from corridor.network.geofence import Whereabouts
from corridor.tracking import positions
from corridor.tracking.positions import Located
from corridor.tracking.shared import Shared
from corridor.tracking.unit import BEGINNING, Unit
from corridor.tracking.update import KEEP, Output, advance, next_timers
from streams.shelf import BUCKETS, Shelf
from streams.timers import Timers

SKEW_MS = 5_000
"""How much later than one source another one may tell what came first."""

LEAD_STEP_MS = 100
"""How finely event time is kept while it ripens."""


class Bucket(msgspec.Struct, array_like=True):
    """A part of the partition as it is stored; the first field allows the format to change."""

    version: int = 1
    applied: dict[str, int] = {}
    units: msgspec.Raw = msgspec.Raw(b"\x80")
    shared: msgspec.Raw = msgspec.Raw(b"\x80")
    located: msgspec.Raw = msgspec.Raw(b"\x80")
    incidents: msgspec.Raw = msgspec.Raw(b"\x80")


class Clock(msgspec.Struct, array_like=True):
    """How far event time had come. Written after the buckets of its checkpoint, to the same
    partition of the changelog, so that a restored clock is never ahead of the restored units."""

    lead: tuple[int, datetime] | None = None
    heard: dict[str, datetime] = {}
    now: datetime = BEGINNING


CLOCK_KEY = b"clock"

_decode_bucket = msgspec.msgpack.Decoder(Bucket).decode
_decode_clock = msgspec.msgpack.Decoder(Clock).decode
_encode = msgspec.msgpack.Encoder().encode


class PartitionState:
    """All units, runs and shipments whose key falls into one partition, and the event time they
    have reached."""

    def __init__(self) -> None:
        self.units = Shelf(Unit)
        self.shared = Shelf(Shared)
        self.located = Shelf(Located)
        self.incidents = Shelf(Gathered)
        self.applied: list[dict[str, int]] = [{} for _ in range(BUCKETS)]
        """Per bucket, the next offset of every source topic."""
        self.clock = self._saved = self._saved_lead = BEGINNING
        self.waiting: dict[str, int] = {}
        """How many events of a unit wait for their itinerary, where some do."""
        self._heard: dict[str, datetime] = {}
        self._leads: deque[tuple[int, datetime]] = deque()
        self._ripe = BEGINNING
        self._loaded: dict[int, Bucket] = {}
        self._aboard: defaultdict[str, set[str]] = defaultdict(set)
        self._timers = Timers[datetime]()
        self._receiver_timers = Timers[int]()
        self._shared_timers = Timers[datetime]()
        self._located_timers = Timers[int]()
        self._incident_timers = Timers[datetime]()

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
                self._saved_lead = max(self._saved_lead, clock.lead[1])
            self.clock = self._saved = max(self.clock, clock.now)
            return
        bucket, index = _decode_bucket(value), int(key)
        known = self._loaded.get(index)
        if known is None or all(
            bucket.applied.get(topic, 0) >= offset for topic, offset in known.applied.items()
        ):
            self._loaded[index] = bucket

    def start(self) -> None:
        """Takes the last word on each bucket, and sets all timers."""
        for index, bucket in self._loaded.items():
            self.applied[index] = bucket.applied
            self.units.load(index, bucket.units)
            self.shared.load(index, bucket.shared)
            self.located.load(index, bucket.located)
            self.incidents.load(index, bucket.incidents)
        self._loaded.clear()
        for unit in self.units:
            self._schedule(unit)
            self.board(unit, frozenset())
            if unit.waiting:
                self.waiting[unit.unit_id] = len(unit.waiting)
        for shared in self.shared:
            self._shared_timers.set(shared.subject, shared.release_time)
        for located in self.located:
            self._located_timers.set(located.subject, located.touched_ms + positions.KEEP_MS)
        for incident in self.incidents:
            # a place is looked at with the first time that passes: only rules say when it is due
            due = BEGINNING if incident.place is not None else incidents.release_time(incident)
            self._incident_timers.set(incident.key, due)

    def drain(self) -> list[tuple[bytes, bytes]]:
        """Changelog records of the buckets that have changed since the last call."""
        dirty: set[int] = set().union(*(shelf.drain() for shelf in self._shelves))
        records = [(b"%d" % index, self._bucket(index)) for index in sorted(dirty)]
        if records or self._time_is_unsaved:
            lead = self._leads[-1] if self._leads else (0, self._ripe)
            records.append((CLOCK_KEY, _encode(Clock(lead, self._heard, self.clock))))
            self._saved, self._saved_lead = self.clock, lead[1]
        return records

    @property
    def _time_is_unsaved(self) -> bool:
        """Also what will be the time: a record that changes nothing else may be the last for long,
        and a worker that dies before that is ripe would never let it pass."""
        lead = self._leads[-1][1] if self._leads else self._ripe
        return self.clock > self._saved or lead > self._saved_lead

    def _bucket(self, index: int) -> bytes:
        parts = (shelf.raws[index] for shelf in self._shelves)
        return _encode((1, self.applied[index], *parts))

    @property
    def unsaved(self) -> bool:
        """Whether anything has changed since the last `drain`, if only the time."""
        return self._time_is_unsaved or any(shelf.changed for shelf in self._shelves)

    @property
    def _shelves(self) -> tuple[Shelf[Any], ...]:
        """In the order of a bucket's fields."""
        return self.units, self.shared, self.located, self.incidents

    # units ---------------------------------------------------------------------------------------

    def counted(self, index: int, topic: str, offset: int) -> bool:
        """Whether the bucket has counted this record already."""
        return offset < self.applied[index].get(topic, 0)

    def count(self, index: int, topic: str, offset: int) -> None:
        """Marks a record as counted."""
        self.applied[index][topic] = offset + 1

    def unit(self, unit_id: str) -> Unit:
        """The unit, new if it is not known; a change counts only with `put`."""
        return self.units.get(unit_id) or Unit(unit_id)

    def put(self, unit: Unit) -> None:
        """Keeps a changed unit, or lets it go if nothing of it is left."""
        self.units.put(unit.unit_id, None if unit.empty else unit)
        if unit.waiting:
            self.waiting[unit.unit_id] = len(unit.waiting)
        else:
            self.waiting.pop(unit.unit_id, None)
        self._schedule(unit)

    # positions -----------------------------------------------------------------------------------

    def where(self, subject: str) -> Located:
        """Where a unit or run is, new if nothing is known; a change counts with `put_where`."""
        return self.located.get(subject) or Located(subject, Whereabouts())

    def put_where(self, located: Located, now_ms: int) -> None:
        """Keeps where a unit or run is."""
        if located.subject not in self.located:
            self._located_timers.set(located.subject, now_ms + positions.KEEP_MS)
        located.touched_ms = now_ms
        self.located.put(located.subject, located)

    # runs and shipments --------------------------------------------------------------------------

    def told_of(self, subject: str) -> Shared:
        """What is known of a run or shipment, new if nothing is; a change counts with `keep`."""
        return self.shared.get(subject) or Shared(subject)

    def keep(self, shared: Shared) -> None:
        """Keeps what is known of a run or shipment; nothing of it is left without milestones."""
        self.shared.put(shared.subject, shared if shared.milestones else None)
        self._shared_timers.set(shared.subject, shared.release_time if shared.milestones else None)

    def aboard(self, subject: str) -> list[str]:
        """The units that the events of a run or shipment reach."""
        units = set(self._aboard.get(subject, ()))
        if subject in self.units:  # found by its own name
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
            if subject != unit.unit_id:
                self._aboard[subject].add(unit.unit_id)
        if not new:
            return []
        known = (self.shared.get(subject) for subject in sorted(new))
        return [shared for shared in known if shared is not None]

    # incidents -----------------------------------------------------------------------------------

    def incident(self, key: str) -> Gathered | None:
        """What is known of an incident; a change counts with `put_incident`."""
        return self.incidents.get(key)

    def put_incident(self, incident: Gathered, rules: Places) -> None:
        """Keeps what is known of an incident."""
        self.incidents.put(incident.key, incident)
        self._incident_timers.set(incident.key, incidents.next_time(incident, rules))

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

    def ripen(
        self,
        now_ms: int,
        known_ms: int,
        behind: Iterable[str],
        out: list[Output],
        estimator: Estimator = NAIVE,
    ) -> None:
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
            estimator: Says when legs will end.
        """
        leads = self._leads
        while leads and leads[0][0] <= known_ms - SKEW_MS:
            self._ripe = max(self._ripe, leads.popleft()[1])
        heard = self._heard
        now = min([self._ripe, *(heard.get(topic, BEGINNING) for topic in behind)])
        self.let_pass(now, now_ms, out, estimator)

    def let_pass(
        self, now: datetime, now_ms: int, out: list[Output], estimator: Estimator = NAIVE
    ) -> None:
        """Does what is due by an event time, and by the receiver's clock; see `ripen`."""
        self.clock = max(self.clock, now)
        for unit_id in (*self._timers.due(self.clock), *self._receiver_timers.due(now_ms)):
            unit = self.unit(unit_id)
            before = unit.subjects()
            if advance(unit, self.clock, now_ms, out, estimator):
                self.put(unit)
                self.board(unit, before)
            else:
                self._schedule(unit)
        for subject in self._shared_timers.due(self.clock):
            shared = self.told_of(subject)
            if shared.held_until() < now_ms:
                shared.milestones = []
                self.keep(shared)
            else:  # a backfill: what is old may have come just now
                self._shared_timers.set(subject, self.clock + KEEP)
        for subject in self._located_timers.due(now_ms):
            silent_since = self.where(subject).touched_ms
            if silent_since + positions.KEEP_MS < now_ms:
                self.located.put(subject, None)
            else:
                self._located_timers.set(subject, silent_since + positions.KEEP_MS)
        for key in self._incident_timers.due(self.clock):
            self._look_at(key, out, estimator.rules.places)

    def _look_at(self, key: str, out: list[Output], rules: Places) -> None:
        """Lets an incident come to the time; forgets it if nobody will name it any more."""
        incident = self.incident(key)
        if incident is None:
            return
        news = incidents.pass_time(incident, self.clock, rules)
        release = incidents.release_time(incident)
        if release is not None and release <= self.clock:
            self.incidents.put(key, None)
            return
        if news:
            out.append(incidents.message(incident, late=False))
        self.put_incident(incident, rules)

    def _schedule(self, unit: Unit) -> None:
        event_time, received_ms = next_timers(unit, self.clock)
        self._timers.set(unit.unit_id, event_time)
        self._receiver_timers.set(unit.unit_id, received_ms)
