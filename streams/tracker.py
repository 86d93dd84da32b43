"""From a batch of records to changed units and to what there is to say: no I/O, no waiting."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from aiokafka.structs import ConsumerRecord

from corridor import topics
from corridor.codes import Classifier, Reject
from corridor.decoding import Decoder, Rejected, dead_letter
from corridor.metrics import RECEIVED, REJECTED, SKIPPED
from corridor.models import (
    SUBJECTS,
    DeadLetter,
    Itinerary,
    LegEstimate,
    LegOutcome,
    Origin,
    TrackingEvent,
)
from corridor.tracking.update import Output, Refused, Verdict, apply_event, apply_itinerary
from streams.emitter import Emitter
from streams.state import PartitionState, bucket_of

_CHANGES = frozenset({Verdict.APPLIED, Verdict.LATE, Verdict.WAITING})

FUTURE_MS = 24 * 3600 * 1000
"""How far ahead of Kafka's clock the past may be: one such message would move the clock of all
units, so that what is only due would seem overdue."""

_read_itinerary = Decoder(Itinerary)
_read_event = Decoder(TrackingEvent)


class Tracker:
    """Applies record batches to the states of the partitions that this worker owns."""

    def __init__(self, emitter: Emitter) -> None:
        self.partitions: dict[int, PartitionState] = {}
        self._emitter = emitter
        self._now_ms = 0

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
        apply = self._itinerary if topic == topics.ITINERARIES.name else self._event
        for record in records:
            verdict = apply(state, record, out)
            if isinstance(verdict, Rejected):
                letters.append(_letter(verdict, record))
            else:
                verdicts[verdict] += 1
        RECEIVED.labels(topic).inc(len(records))
        if skipped := verdicts["SKIPPED"]:
            SKIPPED.labels(topic).inc(skipped)
        self._emit(partition, out, letters)

    def ripen(self, partition: int, now_ms: int, known_ms: int, behind: Iterable[str]) -> None:
        """Lets event time pass in a partition; see `PartitionState.ripen`."""
        out: list[Output] = []
        self.partitions[partition].ripen(now_ms, known_ms, behind, out)
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
            return Rejected(Reject.FUTURE, "issued_time", "the itinerary is yet to be issued")
        verdict: str = "SKIPPED"
        index = bucket_of(key)
        if not state.counted(index, record.topic, record.offset):
            state.count(index, record.topic, record.offset)
            unit = state.unit(index, itinerary.unit_id)
            verdict = apply_itinerary(
                unit, itinerary, out, clock=state.clock, received_ms=self._now_ms
            )
            if verdict in _CHANGES:
                state.put(index, unit)
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
            return Rejected(Reject.FUTURE, "event_time", "the event is yet to happen")
        verdict: str = Verdict.NO_MILESTONE
        if event.unit_id is not None:
            index = bucket_of(key)
            if state.counted(index, record.topic, record.offset):
                verdict = "SKIPPED"
            else:
                state.count(index, record.topic, record.offset)
                unit = state.unit(index, event.unit_id)
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
                )
                if verdict in _CHANGES:
                    state.put(index, unit)
        if actual:
            state.tick(record.topic, event.event_time, record.timestamp)
        return verdict

    def _emit(self, partition: int, out: list[Output], letters: list[DeadLetter]) -> None:
        add = self._emitter.add
        for output in out:
            if isinstance(output, LegEstimate):
                topic, key = topics.ESTIMATES.name, output.unit_id
            elif isinstance(output, LegOutcome):
                topic, key = topics.OUTCOMES.name, output.unit_id
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


def _ahead(time: datetime, record: ConsumerRecord) -> bool:
    return bool(time.timestamp() * 1000 > record.timestamp + FUTURE_MS)


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
