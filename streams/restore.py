"""Reads a partition's state back from its changelog, at the speed of the broker."""

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition

from corridor import topics
from corridor.settings import Settings
from streams.state import PartitionState


class StateError(Exception):
    """State and source topics do not belong together; the text says what to do."""


async def restore(settings: Settings, partitions: Iterable[int]) -> dict[int, PartitionState]:
    """The states of some partitions, as of the last checkpoint of whoever had them last.

    Raises:
        StateError: the state has counted more than a source topic holds, as when that topic was
            deleted and made anew: its new records would be taken for old ones.
    """
    name = topics.changelog(settings.group).name
    states = {partition: PartitionState() for partition in partitions}
    consumer = AIOKafkaConsumer(
        **settings.aiokafka_client(),
        group_id=None,
        enable_auto_commit=False,
        fetch_max_bytes=64 * 1024 * 1024,
        max_partition_fetch_bytes=16 * 1024 * 1024,
    )
    await consumer.start()
    try:
        changelog = {TopicPartition(name, partition): partition for partition in states}
        ends = await consumer.end_offsets(list(changelog))
        starts = await consumer.beginning_offsets(list(changelog))
        unread = {tp for tp in changelog if ends[tp] > starts[tp]}
        consumer.assign(list(unread))
        for tp in unread:
            consumer.seek(tp, starts[tp])
        while unread:
            for tp, records in (await consumer.getmany(timeout_ms=1000)).items():
                load = states[changelog[tp]].load
                for record in records:
                    load(record.key, record.value)
            # the position, not the last record: compaction may have left a hole at the end
            unread = {tp for tp in unread if await consumer.position(tp) < ends[tp]}
        for partition, state in states.items():
            await _verify(consumer, partition, state)
            state.start()
    finally:
        await consumer.stop()
    return states


async def _verify(consumer: AIOKafkaConsumer, partition: int, state: PartitionState) -> None:
    counted: dict[str, int] = {}
    for applied in state.applied:
        for topic, offset in applied.items():
            counted[topic] = max(offset, counted.get(topic, 0))
    ends = await consumer.end_offsets([TopicPartition(topic, partition) for topic in counted])
    for tp, end in ends.items():
        if counted[tp.topic] > end:
            raise StateError(
                f"the state of partition {partition} has counted {counted[tp.topic]} records of"
                f" {tp.topic}, which holds {end}: was the topic made anew? Delete the changelog"
                " topic too, or give the workers a new CORRIDOR_GROUP."
            )
