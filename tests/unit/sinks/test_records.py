"""Compiled code and kafka-python read the same records."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from sinks.clickhouse.records import _PartitionRecords

PARTITION = TopicPartition("topic", 0)
BYTES = st.none() | st.binary(max_size=20)
RECORD = st.tuples(
    st.integers(0, 2**42), BYTES, BYTES, st.lists(st.tuples(st.text(max_size=3), BYTES), max_size=2)
)
BATCHES = st.lists(
    st.tuples(st.sampled_from([0, 1, 3]), st.lists(RECORD, min_size=1, max_size=5)), max_size=4
)


def written(batches: list[tuple[int, list[Any]]], first: int = 0) -> bytes:
    """Record batches as a broker sends them."""
    out, offset = b"", first
    for compression, records in batches:
        builder = MemoryRecordsBuilder(
            magic=2, compression_type=compression, batch_size=1 << 20, offset=offset
        )
        for timestamp, key, value, headers in records:
            builder.append(timestamp=timestamp, key=key, value=value, headers=headers)
        builder.close()
        out += bytes(builder.buffer())
        offset += len(records)
    return out


def read(kind: Any, data: bytes, start: int, step: int) -> list[tuple[Any, ...]]:
    """Everything from `start` on, `step` records at a time, and the position after each step."""
    part = kind(start, PARTITION, MemoryRecords(data))
    found: list[tuple[Any, ...]] = []
    while part:
        records = part.take(step)
        found += [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in records]
        found.append(("next", part.next_fetch_offset if part else "end"))
    return [*found, ("last", part.next_fetch_offset)]


@given(BATCHES, st.integers(0, 4), st.integers(1, 30))
def test_records_and_positions_are_those_of_kafka_python(
    batches: list[tuple[int, list[Any]]], skipped: int, step: int
) -> None:
    data, start = written(batches, first=100), 100 + skipped
    theirs = read(Fetcher.PartitionRecords, data, start, step)
    assert read(_PartitionRecords, data, start, step) == theirs


def test_a_batch_that_changed_on_the_way_is_not_read() -> None:
    data = bytearray(written([(0, [(1, b"key", b"value", [])])]))
    data[-3] ^= 1
    with pytest.raises(CorruptRecordError):
        read(_PartitionRecords, bytes(data), 0, 10)
