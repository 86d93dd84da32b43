"""From Kafka to ClickHouse with names of one's own: topics, group and database."""

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from clickhouse_driver import Client
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from corridor.models import DeadLetter, LegEstimate, LegOutcome, Prediction, TrackingEvent
from corridor.settings import Settings
from sinks.clickhouse import schema
from sinks.clickhouse.client import Writer
from sinks.clickhouse.consumer import Sink
from sinks.clickhouse.tables import TABLES, Table
from tests.support import ClickHouse, unique_name, wait_until

PARTITIONS = 3
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Flow:
    """One test's topics, group and database, and a way to look at each of them."""

    kafka: str
    clickhouse: ClickHouse
    name: str = field(default_factory=unique_name)
    batch_rows: int = 1000
    batch_seconds: float = 0.2

    @property
    def settings(self) -> Settings:
        return Settings(
            kafka=self.kafka,
            clickhouse_host=self.clickhouse.host,
            clickhouse_port=self.clickhouse.port,
            clickhouse_http_port=self.clickhouse.http_port,
            clickhouse_database=self.name,
            group=self.name,
            batch_rows=self.batch_rows,
            batch_seconds=self.batch_seconds,
        )

    @property
    def tables(self) -> dict[str, Table]:
        """One topic per table."""
        return {self.topic(table.name): table for table in TABLES}

    def topic(self, table: str) -> str:
        return f"{self.name}.{table}"

    def prepare(self) -> None:
        schema.apply(self.settings)
        with KafkaAdminClient(bootstrap_servers=self.kafka) as admin:
            admin.create_topics(
                {topic: {"num_partitions": PARTITIONS} for topic in self.tables},
                wait_for_metadata=True,
            )

    def sink(self, writer: Writer | None = None) -> Sink:
        return Sink(
            self.settings,
            tables=self.tables,
            dead_letters=self.topic("dead_letters"),
            writer=writer,
        )

    @contextmanager
    def sinking(self, writer: Writer | None = None) -> Iterator[Sink]:
        """A sink at work on a thread, for the length of a `with` block."""
        sink = self.sink(writer)
        failures: list[BaseException] = []

        def run() -> None:
            try:
                sink.run()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            sink.stop()
            thread.join(60)
        assert not thread.is_alive(), "the sink does not stop"
        assert not failures, failures

    def publish(self, table: str, values: Iterable[bytes], partition: int | None = None) -> None:
        """Spreads values over the partitions, or puts all into one."""
        producer = KafkaProducer(bootstrap_servers=self.kafka, linger_ms=20)
        for position, value in enumerate(values):
            producer.send(
                self.topic(table),
                value,
                partition=position % PARTITIONS if partition is None else partition,
            )
        producer.flush()
        producer.close()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement that names tables without their database."""
        server = self.clickhouse
        with Client(server.host, server.port, database=self.name) as client:
            rows: list[tuple[Any, ...]] = client.execute(sql)
            return rows

    def count(self, table: str) -> int:
        return int(self.query(f"SELECT count() FROM {table} FINAL")[0][0])

    def wait_for(self, table: str, count: int, deadline: float = 60) -> None:
        """Until FINAL has this many rows."""

        def enough() -> bool:
            return self.count(table) >= count

        wait_until(enough, deadline, what=f"{count} rows in {table}")

    def lag(self) -> int:
        """Records that are not committed yet."""
        partitions = [TopicPartition(t, p) for t in self.tables for p in range(PARTITIONS)]
        consumer = KafkaConsumer(
            bootstrap_servers=self.kafka,
            group_id=f"{self.name}-clickhouse",
            enable_auto_commit=False,
        )
        ends = consumer.end_offsets(partitions)
        lag = sum(ends[p] - (consumer.committed(p) or 0) for p in partitions)
        consumer.close()
        return int(lag)

    def wait_until_committed(self, deadline: float = 60) -> None:
        wait_until(lambda: self.lag() == 0, deadline, interval=0.2, what="all is committed")

    def dead_letters(self) -> list[DeadLetter]:
        """What is in the topic."""
        topic = self.topic("dead_letters")
        partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
        consumer = KafkaConsumer(bootstrap_servers=self.kafka, enable_auto_commit=False)
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        letters: list[DeadLetter] = []
        while any(consumer.position(p) < ends[p] for p in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                letters += [DeadLetter.model_validate_json(r.value) for r in records]
        consumer.close()
        return letters


def events(count: int, *, first: int = 0, hours: int = 0, **changes: Any) -> list[bytes]:
    """Distinct events; the same numbers with more `hours` are newer versions of them."""
    return [
        TrackingEvent(
            **{
                "event_id": f"e{number}",
                "source": "lock",
                "event_type": "IOT",
                "code": "BREADCRUMB",
                "event_time": START + timedelta(minutes=number),
                "updated_time": START + timedelta(minutes=number, hours=hours),
                "unit_id": f"unit{number % 97} 重庆",
                "attributes": {"number": number},
                **changes,
            }
        )
        .model_dump_json()
        .encode()
        for number in range(first, first + count)
    ]


def estimate(number: int, **changes: Any) -> LegEstimate:
    """An estimate; numbers are minutes of `as_of`."""
    return LegEstimate(
        **{
            "estimate_id": f"estimate{number}",
            "unit_id": "unit1",
            "shipment_id": "bill1",
            "corridor_id": "ILSTC",
            "leg_id": "CNCKG-CNQZH.RAIL",
            "sequence": 1,
            "mode": "RAIL",
            "run_id": None,
            "stage": "EN_ROUTE",
            "planned_departure": START,
            "planned_arrival": START + timedelta(hours=30),
            "eta_p50": START + timedelta(hours=31),
            "delay_seconds": 3600.0,
            "evidence": "DELAY",
            "model_version": "naive",
            "as_of": START + timedelta(minutes=number),
            "caused_by": f"lock/e{number}",
            **changes,
        }
    )


def outcome(number: int, **changes: Any) -> LegOutcome:
    """An arrival two hours late, which was estimated an hour too early at departure."""
    return LegOutcome(
        **{
            "outcome_id": f"outcome{number}",
            "unit_id": f"unit{number}",
            "shipment_id": "bill1",
            "corridor_id": "ILSTC",
            "leg_id": "CNCKG-CNQZH.RAIL",
            "sequence": 1,
            "mode": "RAIL",
            "from_node": "CNCKG",
            "to_node": "CNQZH",
            "run_id": None,
            "service_id": None,
            "carrier_id": None,
            "ending": "ARRIVED",
            "planned_departure": START,
            "planned_arrival": START + timedelta(hours=30),
            "actual_departure": START + timedelta(hours=1),
            "actual_arrival": START + timedelta(hours=32),
            "predictions": (
                prediction("PLANNED", 0, 30),
                prediction("EN_ROUTE", 1, 31),
            ),
            "as_of": START + timedelta(hours=32),
            "updated_time": START + timedelta(hours=32),
            "caused_by": "lock/e1",
            **changes,
        }
    )


def prediction(stage: str, hours: int, eta_hours: int) -> Prediction:
    """What was predicted some hours after the start."""
    return Prediction.model_validate(
        {
            "stage": stage,
            "as_of": START + timedelta(hours=hours),
            "eta_p50": START + timedelta(hours=eta_hours),
            "evidence": "TIMETABLE",
            "model_version": "naive",
        }
    )


def numbers(values: Sequence[bytes]) -> list[int]:
    """The numbers of events, in order."""
    return sorted(int(json.loads(value)["event_id"][1:]) for value in values)
