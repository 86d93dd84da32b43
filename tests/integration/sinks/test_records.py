"""The sink's consumer on a real Kafka."""

from collections.abc import Iterator

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from sinks.clickhouse.records import Consumer
from tests.support import unique_name, wait_until

pytestmark = pytest.mark.stack


@pytest.fixture
def partitions(kafka: str) -> tuple[TopicPartition, TopicPartition]:
    topic = unique_name()
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
    return TopicPartition(topic, 0), TopicPartition(topic, 1)


@pytest.fixture
def consumer(kafka: str) -> Iterator[Consumer]:
    consumer = Consumer(
        bootstrap_servers=kafka,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=10,
    )
    yield consumer
    consumer.close()


def publish(kafka: str, partition: TopicPartition, count: int) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka, linger_ms=50)
    for number in range(count):
        producer.send(partition.topic, b"%d" % number, partition=partition.partition)
    producer.flush()
    producer.close()


def test_a_partition_paused_amid_a_fetch_goes_on_where_it_was(
    kafka: str, consumer: Consumer, partitions: tuple[TopicPartition, TopicPartition]
) -> None:
    paused, other = partitions
    consumer.assign(partitions)
    publish(kafka, paused, 100)
    first = wait_until(lambda: consumer.poll(timeout_ms=100))[paused]
    consumer.pause(paused)
    publish(kafka, other, 5)  # whose records are used up when the pause ends
    wait_until(lambda: consumer.poll(timeout_ms=100).get(other))
    consumer.resume(paused)

    offsets = [record.offset for record in first]
    while len(offsets) < 100:
        records = wait_until(lambda: consumer.poll(timeout_ms=100), 10, what="the rest of it")
        offsets += [record.offset for record in records[paused]]

    assert offsets == list(range(100))
