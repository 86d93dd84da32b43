"""What is collected between two inserts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition

from sinks.clickhouse.batches import Batch, Chunk, Policy
from sinks.clickhouse.intents import Intent, Offsets
from sinks.clickhouse.lanes import Lane
from sinks.clickhouse.rows import Reader
from sinks.clickhouse.tables import EVENTS
from tests.unit.sinks.messages import Record

A = TopicPartition("events", 0)
READER = Reader(EVENTS)


def chunk(first: int, count: int, *, junk: bool = False) -> Chunk:
    """Consecutive events, one second of Kafka's time apart."""
    records = [
        Record(offset, offset * 1000, None, value(offset)) for offset in range(first, first + count)
    ]
    if junk:
        records[0] = records[0]._replace(value=b"junk")
    return Chunk(READER.read(A, records), Offsets(first, first + count), 100 * count, first * 1000)


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


def batch(
    rows: int = 100, seconds: float = 1.0, size: int = 1_000_000, until: int | None = None
) -> Batch:
    return Batch(A, EVENTS, Policy(rows, seconds, size), first=0, until=until)


AGE = 1.0
NEVER = float("inf")


def test_an_empty_batch_is_never_due() -> None:
    assert batch().due_in(1e9, AGE) == NEVER


def test_a_batch_is_due_when_its_first_record_is_old_enough() -> None:
    waiting = batch()
    waiting.add(chunk(0, 1), now=10.0)
    waiting.add(chunk(1, 1), now=10.9)
    assert waiting.due_in(10.25, AGE) == pytest.approx(0.75)
    assert waiting.due_in(11.0, AGE) == 0


def test_a_batch_is_due_at_its_number_of_rows() -> None:
    waiting = batch(rows=5)
    waiting.add(chunk(0, 4), now=0.0)
    assert not waiting.complete
    waiting.add(chunk(4, 1), now=0.0)
    assert waiting.due_in(0.0, AGE) == 0


def test_a_batch_is_due_at_its_number_of_bytes() -> None:
    waiting = batch(size=300)
    waiting.add(chunk(0, 3), now=0.0)
    assert waiting.complete


@pytest.mark.parametrize(
    ("batches", "insert_seconds", "age"),
    [(8, 0.01, 1.0), (40, 0.0, 1.0), (40, 0.01, 1.6), (40, 0.05, 8.0), (40, 1.0, 10.0)],
)
def test_batches_get_older_when_inserts_would_take_too_much_of_the_time(
    batches: int, insert_seconds: float, age: float
) -> None:
    assert Policy(rows=100, seconds=1.0).age(batches, insert_seconds) == pytest.approx(age)


def test_what_was_declared_is_due_when_all_of_it_is_there_and_not_before() -> None:
    waiting = batch(rows=2, until=4)
    waiting.add(chunk(0, 3), now=0.0)
    assert waiting.due_in(1e9, AGE) == NEVER
    waiting.add(chunk(3, 1), now=0.0)
    assert waiting.due_in(0.0, AGE) == 0


def test_what_was_declared_is_due_when_kafka_has_no_more_of_it() -> None:
    waiting = batch(until=9)
    waiting.add(chunk(0, 3), now=0.0)
    waiting.read_to(8)
    assert not waiting.complete
    waiting.read_to(9)
    assert waiting.seal("id").intent == Intent("id", "events", 0, 9)


def test_a_declared_range_of_which_nothing_is_left_is_a_block_without_rows() -> None:
    waiting = batch(until=9)
    waiting.read_to(12)
    block = waiting.seal("id")
    assert (block.rows, block.intent) == (0, Intent("id", "events", 0, 9))


def test_offsets_without_rows_are_written_too() -> None:
    waiting = batch()
    waiting.add(chunk(0, 1, junk=True), now=0.0)
    assert not waiting.empty
    block = waiting.seal("id")
    assert (block.rows, block.intent.end, len(block.rejected)) == (0, 1, 1)


def test_records_that_come_twice_or_are_beyond_what_was_declared_are_refused() -> None:
    waiting = batch(until=4)
    waiting.add(chunk(0, 2), now=0.0)
    for wrong in (chunk(1, 1), chunk(2, 3)):
        with pytest.raises(ValueError, match="after 2"):
            waiting.add(wrong, now=0.0)


def test_the_same_range_is_the_same_block_however_it_came() -> None:
    together, apart = batch(), batch()
    together.add(chunk(0, 4), now=0.0)
    apart.add(chunk(0, 1), now=0.0)
    apart.add(chunk(1, 3), now=5.0)
    one, other = together.seal("id"), apart.seal("id")
    assert (one.token, one.columns) == (other.token, other.columns)


def test_a_lane_says_what_was_declared_until_that_is_written() -> None:
    lane = Lane("id", batch(until=4))
    assert lane.statement == Intent("id", "events", 0, 4)
    lane.batch.add(chunk(0, 4), now=0.0)
    lane.seal()
    assert lane.statement == Intent("id", "events", 0, 4)
    lane.confirm()
    assert lane.statement == Intent("id", "events", 4, 4)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)) | st.just("seal"), max_size=30))
def test_blocks_adjoin_and_hold_every_record_once(steps: list[tuple[int, int] | str]) -> None:
    lane = Lane("id", batch())
    published: list[int] = []
    written: list[int] = []
    for step in [*steps, "seal"]:
        if isinstance(step, tuple):  # a few offsets are missing, then come records
            missing, count = step
            first = lane.batch.end + missing
            lane.batch.add(chunk(first, count), now=0.0)
            published += range(first, first + count)
        elif not lane.batch.empty:
            lane.seal()
            assert lane.block is not None
            assert lane.block.intent.first == lane.confirmed
            assert lane.block.rows == len(lane.block.columns[0])
            written += lane.block.columns[-2]
            lane.confirm()
    assert written == published
    assert lane.confirmed == lane.batch.end
