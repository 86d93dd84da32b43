"""From a batch of records to changed units and to what there is to say: no I/O, no waiting."""

from collections import Counter
from collections.abc import Iterable, Set
from datetime import UTC, datetime

import msgspec
from aiokafka.partitioner import murmur2
from aiokafka.structs import ConsumerRecord

from corridor import topics
from corridor.alerting import alerts, incidents
from corridor.alerting.alerts import Alert
from corridor.alerting.incidents import Gathered
from corridor.codes import Classifier, Reject
from corridor.decoding import Decoder, Rejected, dead_letter
from corridor.eta import lessons
from corridor.eta.estimator import NAIVE, Estimator
from corridor.eta.lessons import Lesson
from corridor.metrics import RECEIVED, REJECTED, SKIPPED
from corridor.models import (
    SUBJECTS,
    AlertCommand,
    DeadLetter,
    Incident,
    Itinerary,
    LegEstimate,
    LegOutcome,
    Origin,
    TrackingEvent,
)
from corridor.tracking.positions import is_position, locate, to_pass_on
from corridor.tracking.reports import apply_report, is_report
from corridor.tracking.shared import remember
from corridor.tracking.unit import Milestone, Unit
from corridor.tracking.update import (
    Output,
    Refused,
    Verdict,
    apply_event,
    apply_itinerary,
    apply_shared,
    milestone_of,
)
from streams.emitter import Emitter
from streams.shelf import bucket_of
from streams.state import PartitionState

_CHANGES = frozenset({Verdict.APPLIED, Verdict.LATE, Verdict.WAITING})

FUTURE_MS = 24 * 3600 * 1000
"""How far ahead of Kafka's clock the past may be: one such message would move the clock of all
units, so that what is only due would seem overdue."""

_read_itinerary = Decoder(Itinerary)
_read_event = Decoder(TrackingEvent)
_read_command = Decoder(AlertCommand)


class Tracker:
    """Applies record batches to the states of the partitions that this worker owns."""

    def __init__(self, emitter: Emitter, partition_count: int) -> None:
        """Makes a tracker that owns nothing yet.

        Args:
            emitter: Takes what there is to say.
            partition_count: Partitions of the unit topics.
        """
        self._everywhere = range(partition_count)
        self.partitions: dict[int, PartitionState] = {}
        self.estimator: Estimator = NAIVE
        self._emitter = emitter
        self._now_ms = 0
        self._touched: dict[str, bool] = {}
        """Incidents that the batch has changed; whether all that is new only corrects history."""
        self._readers = {
            topics.ITINERARIES.name: self._itinerary,
            topics.FANOUT.name: self._shared,
            topics.SIGNALS.name: self._alert,
            topics.COMMANDS.name: self._command,
        }

    def apply(self, topic: str, partition: int, records: list[ConsumerRecord], now_ms: int) -> None:
        """Counts every record of one fetch.

        Args:
            topic: Source topic.
            partition: Its partition, and that of the state.
            records: Records in order.
            now_ms: When they were received.
        """
        self._now_ms = now_ms
        state = self.partitions[partition]
        out: list[Output] = []
        letters: list[DeadLetter] = []
        verdicts: Counter[str] = Counter()
        apply = self._readers.get(topic, self._event)
        for record in records:
            verdict = apply(state, record, out)
            if isinstance(verdict, Rejected):
                letters.append(_letter(verdict, record))
            else:
                verdicts[verdict] += 1
        RECEIVED.labels(topic).inc(len(records))
        if skipped := verdicts["SKIPPED"]:
            SKIPPED.labels(topic).inc(skipped)
        if self._touched:
            for key, late in self._touched.items():
                if (incident := state.incident(key)) is not None:
                    out.append(incidents.message(incident, late=late))
            self._touched.clear()
        self._emit(partition, out, letters)

    def ripen(self, partition: int, now_ms: int, known_ms: int, behind: Iterable[str]) -> None:
        """Lets event time pass in a partition; see `PartitionState.ripen`."""
        out: list[Output] = []
        self.partitions[partition].ripen(now_ms, known_ms, behind, out, self.estimator)
        self._emit(partition, out, [])

    def let_pass(self, partition: int, now: datetime, now_ms: int) -> None:
        """Does what is due in a partition by an event time that is known to have come."""
        out: list[Output] = []
        self.partitions[partition].let_pass(now, now_ms, out, self.estimator)
        self._emit(partition, out, [])

    def _itinerary(
        self, state: PartitionState, record: ConsumerRecord, out: list[Output]
    ) -> str | Rejected:
        itinerary = _read_itinerary(record.value)
        if isinstance(itinerary, Rejected):
            return itinerary
        key = itinerary.unit_id.encode()
        if key != record.key:
            return _wrong_key("unit_id")
        if _ahead(itinerary.issued_time, record):
            return _future("issued_time", "been issued", itinerary.issued_time)
        verdict: str = "SKIPPED"
        index = bucket_of(key)
        if not state.counted(index, record.topic, record.offset):
            state.count(index, record.topic, record.offset)
            unit = state.unit(itinerary.unit_id)
            before = unit.subjects()
            verdict = apply_itinerary(
                unit,
                itinerary,
                out,
                clock=state.clock,
                received_ms=self._now_ms,
                estimator=self.estimator,
            )
            if verdict in _CHANGES:
                self._put(state, unit, before, out)
        state.hear(record.topic, itinerary.issued_time)
        return verdict

    def _event(
        self, state: PartitionState, record: ConsumerRecord, out: list[Output]
    ) -> str | Rejected:
        event = _read_event(record.value)
        if isinstance(event, Rejected):
            return event
        key = event.subject.encode()
        if key != record.key:
            return _wrong_key(next(name for name in SUBJECTS if getattr(event, name)))
        actual = event.classifier is Classifier.ACTUAL
        if actual and _ahead(event.event_time, record):
            return _future("event_time", "happened", event.event_time)
        if event.updated_time < event.event_time and _ahead(event.updated_time, record):
            return _future("updated_time", "been told", event.updated_time)
        verdict = self._counted_event(state, event, record, out)
        if actual:
            state.tick(record.topic, event.event_time, record.timestamp)
        return verdict

    def _counted_event(
        self,
        state: PartitionState,
        event: TrackingEvent,
        record: ConsumerRecord,
        out: list[Output],
    ) -> str | Rejected:
        index = bucket_of(record.key)
        if state.counted(index, record.topic, record.offset):
            return "SKIPPED"
        state.count(index, record.topic, record.offset)
        pass_on = is_report(event)
        if is_position(event):
            located = state.where(event.subject)
            told = locate(located, event)
            pass_on = not isinstance(told, Rejected) and to_pass_on(located, event)
            state.put_where(located, self._now_ms)
            if isinstance(told, Rejected):
                return told
            for crossing in told:
                # read back like what anybody else says, and so stored and passed on like it
                self._emitter.add(topics.IOT.name, record.partition, record.key, crossing.to_json())
        if event.unit_id is None:
            return self._tell_everywhere(record, pass_on or milestone_of(event) is not None)
        if is_report(event):
            return self._report(state, state.unit(event.unit_id), event, out)
        return self._unit_event(state, event, record, out)

    def _report(
        self, state: PartitionState, unit: Unit, event: TrackingEvent, out: list[Output]
    ) -> str:
        verdict = apply_report(
            unit,
            event,
            out,
            clock=state.clock,
            received_ms=self._now_ms,
            estimator=self.estimator,
        )
        if verdict in _CHANGES:
            state.put(unit)
        return verdict

    def _unit_event(
        self,
        state: PartitionState,
        event: TrackingEvent,
        record: ConsumerRecord,
        out: list[Output],
    ) -> str:
        assert event.unit_id is not None
        unit = state.unit(event.unit_id)
        loaded = event.code == "LOADED"  # the only one that may take a unit aboard another run
        before = unit.subjects() if loaded else set()
        verdict = apply_event(
            unit,
            event,
            out,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            payload=record.value or b"",
            received_ms=self._now_ms,
            estimator=self.estimator,
        )
        if verdict in _CHANGES:
            if loaded:
                self._put(state, unit, before, out)
            else:
                state.put(unit)
        return verdict

    def _put(
        self,
        state: PartitionState,
        unit: Unit,
        before: Set[str],
        out: list[Output],
    ) -> None:
        """Keeps a unit that may be aboard something new, and tells it what is known of that."""
        for shared in state.board(unit, before):
            for milestone in shared.milestones:
                self._apply_shared(unit, milestone, out)
        state.put(unit)

    def _apply_shared(self, unit: Unit, milestone: Milestone, out: list[Output]) -> Verdict:
        return apply_shared(
            unit, milestone, out, received_ms=self._now_ms, estimator=self.estimator
        )

    def _tell_everywhere(self, record: ConsumerRecord, matters: bool) -> str:
        """Passes on what is told of a run or shipment: units aboard may be in any partition."""
        if not matters:
            return Verdict.NO_MILESTONE
        for partition in self._everywhere:
            self._emitter.add(topics.FANOUT.name, partition, record.key, record.value or b"")
        return Verdict.APPLIED

    def _shared(
        self, state: PartitionState, record: ConsumerRecord, out: list[Output]
    ) -> str | Rejected:
        """Applies what is told of a run or shipment to the units aboard, here in this partition.

        No offset is counted: the units are in many buckets, and a crash may have kept some of
        them and not others. What a unit knows already changes nothing.
        """
        if record.key == topics.TOLD_UNTIL and (record.value or b"").isdigit():
            state.let_pass(_time_of(record.value), self._now_ms, out, self.estimator)
            return Verdict.APPLIED
        event = _read_event(record.value)
        if isinstance(event, Rejected):
            return event
        if is_report(event):
            for unit_id in state.aboard(event.subject):
                self._report(state, state.unit(unit_id), event, out)
            return Verdict.APPLIED
        milestone = milestone_of(event)
        if milestone is None or not milestone.shared:
            return Verdict.NO_MILESTONE
        shared = state.told_of(event.subject)
        if remember(shared, milestone, self._now_ms):
            state.keep(shared)
        for unit_id in state.aboard(event.subject):
            unit = state.unit(unit_id)
            if self._apply_shared(unit, milestone, out) in _CHANGES:
                state.put(unit)
        state.tick(record.topic, event.event_time, record.timestamp)
        return Verdict.APPLIED

    # incidents -----------------------------------------------------------------------------------

    def _alert(
        self, state: PartitionState, record: ConsumerRecord, out: list[Output]
    ) -> str | Rejected:
        """Gathers a unit's alert into its incident, which lives in this partition."""
        try:
            alert = alerts.decode(record.value)
        except msgspec.MsgspecError as error:
            return Rejected(Reject.MALFORMED, None, str(error))
        if alert.key.encode() != record.key:
            return _wrong_key("key")
        if not self._counts(state, record):
            return "SKIPPED"
        incident = state.incident(alert.key) or incidents.gathered(alert)
        rules = self.estimator.rules.places
        news = incidents.take(incident, alert, rules)
        state.put_incident(incident, rules)
        if not news:
            return Verdict.DUPLICATE
        self._touch(incident, late=alert.late)
        return Verdict.LATE if alert.late else Verdict.APPLIED

    def _command(
        self, state: PartitionState, record: ConsumerRecord, out: list[Output]
    ) -> str | Rejected:
        order = _read_command(record.value)
        if isinstance(order, Rejected):
            return order
        if order.dedup_key.encode() != record.key:
            return _wrong_key("dedup_key")
        if not self._counts(state, record):
            return "SKIPPED"
        incident = state.incident(order.dedup_key)
        if incident is None or not incidents.command(incident, order):
            return Verdict.DUPLICATE
        state.put_incident(incident, self.estimator.rules.places)
        self._touch(incident, late=False)
        return Verdict.APPLIED

    @staticmethod
    def _counts(state: PartitionState, record: ConsumerRecord) -> bool:
        """Whether a record has not been counted before; it is now."""
        index = bucket_of(record.key)
        if state.counted(index, record.topic, record.offset):
            return False
        state.count(index, record.topic, record.offset)
        return True

    def _touch(self, incident: Gathered, *, late: bool) -> None:
        self._touched[incident.key] = late and self._touched.get(incident.key, True)

    # what there is to say ------------------------------------------------------------------------

    def _emit(self, partition: int, out: list[Output], letters: list[DeadLetter]) -> None:
        add = self._emitter.add
        for output in out:
            if isinstance(output, LegEstimate):
                topic, key = topics.ESTIMATES.name, output.unit_id
            elif isinstance(output, LegOutcome):
                topic, key = topics.OUTCOMES.name, output.unit_id
            elif isinstance(output, Lesson):
                add(topics.LESSONS.name, 0, output.run.encode(), lessons.encode(output))
                continue
            elif isinstance(output, Alert):
                record_key = output.key.encode()
                place = (murmur2(record_key) & 0x7FFFFFFF) % len(self._everywhere)
                add(topics.SIGNALS.name, place, record_key, alerts.encode(output))
                continue
            elif isinstance(output, Incident):
                topic, key = topics.INCIDENTS.name, output.dedup_key
            else:
                letters.append(_expired(output))
                continue
            add(topic, partition, key.encode(), output.to_json())
        for letter in letters:
            REJECTED.labels(letter.origin.topic, letter.reason).inc()
            add(
                topics.DEAD_LETTERS.name,
                partition,
                letter.dead_letter_id.encode(),
                letter.to_json(),
            )


def _time_of(micros: bytes) -> datetime:
    return datetime.fromtimestamp(int(micros) / 1e6, UTC)


def _ahead(time: datetime, record: ConsumerRecord) -> bool:
    return bool(time.timestamp() * 1000 > record.timestamp + FUTURE_MS)


def _future(field: str, what: str, time: datetime) -> Rejected:
    detail = f"said to have {what} at {time:%Y-%m-%d %H:%M} UTC, which is yet to come"
    return Rejected(Reject.FUTURE, field, detail)


def _wrong_key(field: str) -> Rejected:
    return Rejected(Reject.WRONG_KEY, field, f"the record's key is not its {field}")


def _letter(rejected: Rejected, record: ConsumerRecord) -> DeadLetter:
    return dead_letter(
        rejected,
        origin=Origin(topic=record.topic, partition=record.partition, offset=record.offset),
        key=record.key,
        payload=record.value,
        time=datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )


def _expired(refused: Refused) -> DeadLetter:
    waiting = refused.waiting
    return dead_letter(
        Rejected(refused.reason, None, refused.detail),
        origin=Origin(topic=waiting.topic, partition=waiting.partition, offset=waiting.offset),
        key=waiting.key,
        payload=waiting.payload,
        time=waiting.milestone.event_time,
        source=waiting.milestone.source,
    )
