"""What is collected between two inserts."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition

from sinks.clickhouse.batches import Batch, Chunk, Offsets, Policy
from sinks.clickhouse.rows import Reader
from sinks.clickhouse.tables import EVENTS
from tests.unit.sinks.messages import Record

A, B = TopicPartition("events", 0), TopicPartition("events", 1)
READER = Reader(EVENTS)


def chunk(partition: TopicPartition, first: int, count: int, *, junk: bool = False) -> Chunk:
    """Consecutive events, one second of Kafka's time apart."""
    records = [
        Record(offset, offset * 1000, None, value(offset)) for offset in range(first, first + count)
    ]
    if junk:
        records[0] = records[0]._replace(value=b"junk")
    return Chunk(
        READER.read(partition, records), Offsets(first, first + count), 100 * count, first * 1000
    )


def value(offset: int) -> bytes:
    return json.dumps(
        {
            "event_id": str(offset),
            "source": "gps",
            "event_type": "IOT",
            "code": "BREADCRUMB",
            "event_time": "2026-01-02T03:04:05Z",
            "unit_id": "CSNU1234567",
        }
    ).encode()


def batch(rows: int = 100, seconds: float = 1.0, size: int = 1_000_000) -> Batch:
    return Batch(EVENTS, Policy(rows, seconds, size))


def offsets_in(columns: Sequence[list[Any]]) -> list[tuple[int, int]]:
    return list(zip(columns[-3], columns[-2], strict=True))


def test_an_empty_batch_is_never_due() -> None:
    assert batch().due_in(now=1e9) == float("inf")


def test_a_batch_is_due_when_its_first_record_is_old_enough() -> None:
    waiting = batch(seconds=1.0)
    waiting.add(A, chunk(A, 0, 1), now=10.0)
    waiting.add(A, chunk(A, 1, 1), now=10.9)
    assert waiting.due_in(now=10.25) == pytest.approx(0.75)
    assert waiting.due_in(now=11.0) == 0


def test_a_batch_is_due_at_its_number_of_rows() -> None:
    waiting = batch(rows=5)
    waiting.add(A, chunk(A, 0, 4), now=0.0)
    assert not waiting.full
    waiting.add(B, chunk(B, 0, 1), now=0.0)
    assert waiting.full
    assert waiting.due_in(now=0.0) == 0


def test_a_batch_is_due_at_its_number_of_bytes() -> None:
    waiting = batch(size=300)
    waiting.add(A, chunk(A, 0, 3), now=0.0)
    assert waiting.full


def test_a_block_holds_the_rows_of_every_partition_in_order() -> None:
    waiting = batch()
    waiting.add(B, chunk(B, 7, 2), now=0.0)
    waiting.add(A, chunk(A, 3, 1), now=0.0)
    waiting.add(B, chunk(B, 9, 1), now=0.0)
    block = waiting.seal(str)
    assert offsets_in(block.columns) == [(0, 3), (1, 7), (1, 8), (1, 9)]
    assert block.offsets == {A: (3, 4), B: (7, 10)}
    assert (block.rows, block.oldest) == (4, {"events": 3000})
    assert waiting.empty


def test_offsets_without_rows_are_written_too() -> None:
    waiting = batch()
    waiting.add(A, chunk(A, 0, 1, junk=True), now=0.0)
    assert not waiting.empty
    block = waiting.seal(str)
    assert (block.rows, block.offsets) == (0, {A: (0, 1)})
    assert len(block.rejected) == 1


def test_records_that_come_again_replace_those_that_wait() -> None:
    waiting = batch()
    waiting.add(A, chunk(A, 5, 3), now=0.0)
    waiting.add(A, chunk(A, 5, 1), now=0.0)
    assert waiting.seal(str).offsets == {A: (5, 6)}


def test_what_is_forgotten_is_neither_written_nor_committed() -> None:
    waiting = batch()
    waiting.add(A, chunk(A, 0, 2), now=0.0)
    waiting.add(B, chunk(B, 0, 3), now=0.0)
    waiting.forget([A])
    block = waiting.seal(str)
    assert (block.rows, block.offsets) == (3, {B: (0, 3)})


def test_a_block_in_flight_commits_only_what_is_still_owned() -> None:
    waiting = batch()
    waiting.add(A, chunk(A, 0, 2), now=0.0)
    waiting.add(B, chunk(B, 0, 3), now=0.0)
    block = waiting.seal(str)
    token = block.token
    block.forget([A])
    assert (block.rows, block.offsets, block.token) == (5, {B: (0, 3)}, token)


def test_the_same_offsets_have_the_same_token_however_they_came() -> None:
    together, apart = batch(), batch()
    together.add(A, chunk(A, 0, 4), now=0.0)
    apart.add(A, chunk(A, 0, 1), now=0.0)
    apart.add(A, chunk(A, 1, 3), now=5.0)
    assert together.seal(str).token == apart.seal(str).token


def test_other_offsets_have_another_token() -> None:
    tokens = set()
    for partition, first, count in ((A, 0, 4), (A, 0, 5), (A, 1, 3), (B, 0, 4)):
        waiting = batch()
        waiting.add(partition, chunk(partition, first, count), now=0.0)
        tokens.add(waiting.seal(str).token)
    assert len(tokens) == 4


def test_a_topic_that_was_made_again_has_other_tokens() -> None:
    first, second = batch(), batch()
    first.add(A, chunk(A, 0, 4), now=0.0)
    second.add(A, chunk(A, 0, 4), now=0.0)
    assert first.seal(lambda topic: "id1").token != second.seal(lambda topic: "id2").token


@given(
    st.lists(
        st.tuples(st.sampled_from([A, B]), st.integers(1, 4)) | st.sampled_from(["seal", A, B]),
        max_size=30,
    )
)
def test_every_record_is_in_one_block_unless_its_partition_was_forgotten(
    steps: list[tuple[TopicPartition, int] | TopicPartition | str],
) -> None:
    waiting = batch()
    ends = {A: 0, B: 0}
    committed = {A: 0, B: 0}
    for step in [*steps, "seal"]:
        if isinstance(step, TopicPartition):  # forgotten, and read again from what is committed
            waiting.forget([step])
            ends[step] = committed[step]
        elif isinstance(step, tuple):
            partition, count = step
            waiting.add(partition, chunk(partition, ends[partition], count), now=0.0)
            ends[partition] += count
        else:
            block = waiting.seal(str)
            written = offsets_in(block.columns)
            for partition, (first, end) in block.offsets.items():
                assert first == committed[partition]
                assert [o for p, o in written if p == partition.partition] == [*range(first, end)]
                committed[partition] = end
            assert block.rows == len(written)
            assert (waiting.rows, waiting.bytes, waiting.empty) == (0, 0, True)
    assert committed == ends
