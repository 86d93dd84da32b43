"""A replay through the workers' own code, without Kafka: one partition, in memory."""

from collections.abc import Callable
from datetime import datetime

from aiokafka.structs import ConsumerRecord

from corridor import topics
from corridor.alerting import alerts
from corridor.alerting.alerts import Alert
from corridor.alerting.rules import Rules
from corridor.eta.estimator import Estimator
from corridor.eta.learner import Learner
from corridor.eta.lessons import Lesson
from corridor.eta.model import Model
from corridor.models import DeadLetter, Incident, LegEstimate, LegOutcome
from corridor.tracking.unit import BEGINNING
from corridor.tracking.update import Output
from producers.replay.record import Record, to_time
from streams.emitter import Emitter
from streams.emitter import Record as Emitted
from streams.state import PartitionState
from streams.tracker import Tracker

_ENCODE_EACH = 5_000
"""After so many records, state that is at rest is encoded, as a checkpoint would."""

Listener = Callable[[LegEstimate | LegOutcome, datetime], None]
"""Takes a statement, and when it could be made."""
Publisher = Callable[[str, bytes, bytes], None]
"""Takes what the workers would publish beside their statements: topic, key and value."""
AlertListener = Callable[[Alert | Incident, datetime], None]
"""Takes what the workers say of alerts, and when it could be said."""


class _Returns(Emitter):
    """Holds what the workers tell each other."""

    def __init__(self) -> None:
        super().__init__()
        self.back: list[tuple[str, bytes, bytes]] = []

    async def start_once(self) -> None: ...

    async def stop(self) -> None: ...

    async def _send(self, topic: str, partition: int, records: list[Emitted]) -> None: ...

    def add(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        if topic in (topics.FANOUT.name, topics.IOT.name, topics.SIGNALS.name):
            self.back.append((topic, key, value))


class _Tracker(Tracker):
    """Gives its statements to a listener instead of writing them."""

    def __init__(
        self,
        emitter: Emitter,
        listener: Callable[[list[Output]], None],
        publish: Publisher,
    ) -> None:
        super().__init__(emitter, 1)
        self._listener = listener
        self._publish = publish
        self.rejected = 0

    def _emit(self, partition: int, out: list[Output], letters: list[DeadLetter]) -> None:
        self.rejected += len(letters)
        for letter in letters:
            self._publish(
                topics.DEAD_LETTERS.name, letter.dead_letter_id.encode(), letter.to_json()
            )
        for output in out:
            if isinstance(output, Alert):
                self._emitter.add(
                    topics.SIGNALS.name, 0, output.key.encode(), alerts.encode(output)
                )
        if out:
            self._listener(out)


class Rehearsal:
    """Plays records in order of availability; the model learns as outcomes become known."""

    def __init__(
        self,
        listener: Listener,
        publish: Publisher = lambda topic, key, value: None,
        *,
        alerts: AlertListener | None = None,
        rules: Rules | None = None,
    ) -> None:
        """Knows nothing yet.

        Args:
            listener: Hears estimates and outcomes.
            publish: Takes what geofences show, and dead letters.
            alerts: Hears of alerts.
            rules: Say what is an alert; by default the packaged ones.
        """
        self.model = Model()
        self._learner = Learner(self.model)
        self._publish = publish
        self._returns = _Returns()
        self._tracker = _Tracker(self._returns, self._said, publish)
        self._state = PartitionState()
        self._tracker.partitions = {0: self._state}
        self._tracker.estimator = Estimator(self.model, rules)
        self._listener, self._alerts = listener, alerts
        self._offsets: dict[str, int] = {}
        self._now = BEGINNING
        self._played = 0

    @property
    def rejected(self) -> int:
        """Records that could not be used."""
        return self._tracker.rejected

    def play(self, record: Record) -> None:
        """Takes the next record."""
        now, now_ms = to_time(record.available), record.available // 1000
        # time passes first: what is due before this record was said without it
        self._tracker.let_pass(0, now, now_ms)
        self._now = now
        self._apply(record.topic, record.key, record.value, now_ms)
        while self._returns.back:
            told, self._returns.back = self._returns.back, []
            for topic, key, value in told:
                if topic == topics.IOT.name:
                    self._publish(topic, key, value)
                self._apply(topic, key, value, now_ms)
        self._played += 1
        if self._played % _ENCODE_EACH == 0:
            self._state.drain()

    def _apply(self, topic: str, key: bytes, value: bytes, now_ms: int) -> None:
        offset = self._offsets.get(topic, 0)
        self._offsets[topic] = offset + 1
        record = ConsumerRecord(
            topic, 0, offset, now_ms, 0, key, value, None, len(key), len(value), ()
        )
        self._tracker.apply(topic, 0, [record], now_ms)

    def _said(self, out: list[Output]) -> None:
        for output in out:
            if isinstance(output, LegEstimate | LegOutcome):
                self._listener(output, max(self._now, output.as_of))
            elif isinstance(output, Alert | Incident):
                if self._alerts is not None:
                    self._alerts(output, max(self._now, output.as_of))
            elif isinstance(output, Lesson):
                self._learn(output)

    def _learn(self, lesson: Lesson) -> None:
        self._learner.hear(lesson)
