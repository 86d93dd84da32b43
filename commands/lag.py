"""How far the consumers of Kafka are behind."""

from collections import defaultdict

import kafka.errors
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from pydantic import BaseModel

from corridor.settings import Settings
from corridor.topics import INCIDENTS, LESSONS, WORKER_TOPICS
from sinks.clickhouse.tables import TABLES

BOOTSTRAP_SECONDS = 5.0


class TopicLag(BaseModel):
    """One consumer group on one topic."""

    group: str
    topic: str
    partitions: int
    end_offset: int
    """Sum over partitions: how many records there have ever been."""
    lag: int
    """Records that are not committed yet."""


def measure(settings: Settings, *, learner: bool = True) -> list[TopicLag]:
    """Lag of the workers, the learner, the sink and the subscriber gateway, by committed offsets.

    Args:
        settings: Where Kafka is.
        learner: Whether there is one; else nobody reads the lessons.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    expected = {settings.worker_group: {topic.name for topic in WORKER_TOPICS}}
    if learner:
        expected[settings.learner_group] = {LESSONS.name}
    expected[settings.subscriber_group] = {INCIDENTS.name}
    sink = f"{settings.group}-clickhouse"
    expected[sink] = {topic.name for table in TABLES for topic in table.topics}
    with KafkaAdminClient(
        **settings.kafka_client(), bootstrap_timeout_ms=int(BOOTSTRAP_SECONDS * 1000)
    ) as admin:
        return [row for group, names in expected.items() for row in _of_group(admin, group, names)]


def _of_group(admin: KafkaAdminClient, group: str, expected: set[str]) -> list[TopicLag]:
    try:
        committed = admin.list_group_offsets(group)[group]
    except kafka.errors.GroupIdNotFoundError:
        committed = {}
    names = sorted(expected | {partition.topic for partition in committed})
    topics = {
        topic["name"]: [
            TopicPartition(topic["name"], partition["partition_index"])
            for partition in topic["partitions"]
        ]
        for topic in (admin.describe_topics(names) if names else [])
        if topic["error_code"] == 0
    }
    every = [partition for partitions in topics.values() for partition in partitions]
    if not every:
        return []
    ends = admin.list_partition_offsets(dict.fromkeys(every, OffsetSpec.LATEST))
    untouched = [partition for partition in every if partition not in committed]
    starts = (
        admin.list_partition_offsets(dict.fromkeys(untouched, OffsetSpec.EARLIEST))
        if untouched
        else {}
    )
    lags: dict[str, int] = defaultdict(int)
    for partition in every:
        done = committed[partition].offset if partition in committed else starts[partition].offset
        lags[partition.topic] += max(0, ends[partition].offset - done)
    return [
        TopicLag(
            group=group,
            topic=name,
            partitions=len(partitions),
            end_offset=sum(ends[partition].offset for partition in partitions),
            lag=lags[name],
        )
        for name, partitions in sorted(topics.items())
    ]
