"""Where messages go that cannot become rows: the topic `dead.letters`."""

from collections.abc import Sequence

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.producer.future import FutureRecordMetadata

from corridor.metrics import REJECTED
from corridor.models import DeadLetter
from corridor.settings import Settings

DELIVERY_SECONDS = 20

_log = structlog.get_logger("sinks.clickhouse")


class Quarantine:
    """Publishes dead letters; connects when the first one comes."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._producer: KafkaProducer | None = None

    def deliver(self, letters: Sequence[DeadLetter]) -> bool:
        """True when Kafka has all of them; else the caller keeps the offsets and tries again."""
        if not letters:
            return True
        try:
            producer = self._producer or self._connect()
            deliveries = [self._send(producer, letter) for letter in letters]
            producer.flush(timeout=DELIVERY_SECONDS)
            for delivery in deliveries:
                delivery.get(timeout=0)
        except KafkaError as error:
            _log.warning("dead letters not delivered, will be tried again", error=repr(error))
            self.close(seconds=0)  # an idempotent producer may be beyond repair
            self._producer = None
            return False
        for letter in letters:
            REJECTED.labels(letter.origin.topic, letter.reason).inc()
        return True

    def close(self, seconds: float) -> None:
        """Everything delivered was confirmed already, so this only disconnects."""
        if self._producer is not None:
            self._producer.close(timeout=seconds)

    def _send(self, producer: KafkaProducer, letter: DeadLetter) -> FutureRecordMetadata:
        return producer.send(
            self._topic,
            key=letter.dead_letter_id.encode(),
            value=letter.to_json(),
        )

    def _connect(self) -> KafkaProducer:
        self._producer = KafkaProducer(
            client_id="corridor-sink",
            acks="all",
            enable_idempotence=True,
            max_block_ms=DELIVERY_SECONDS * 1000,
            allow_auto_create_topics=False,
            **self._settings.kafka_client(),
        )
        return self._producer
