"""The fast batches against kafka-python's own."""

from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as library_murmur2
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.structs import TopicPartition

from producers.batches import Batch, Records, murmur2, varint

NONE, LZ4 = 0, 3

records = st.lists(
    st.tuples(
        st.binary(min_size=1, max_size=40),
        st.binary(max_size=9000),
        st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=200)), max_size=2),
        st.integers(0, 20_000),
    ),
    min_size=1,
    max_size=200,
)


@given(records, st.sampled_from([NONE, LZ4]))
def test_a_batch_is_byte_for_byte_what_the_library_writes(
    given_records: list[tuple[bytes, bytes, list[tuple[str, bytes]], int]], compression: int
) -> None:
    ours = Records(1 << 24, compression)
    theirs = MemoryRecordsBuilder(2, compression, 1 << 24)
    now = 1_700_000_000_000
    for key, value, headers, later in given_records:
        now += later
        assert ours.add(key, value, headers, now)
        assert theirs.append(now, key, value, headers) is not None
    for batch in (ours, theirs):
        batch.set_producer_state(7, 1, 42, False)
        batch.close()
    assert bytes(ours.buffer()) == bytes(theirs.buffer())
    assert ours.next_offset() == theirs.next_offset()


@given(st.binary(min_size=1, max_size=80))
def test_a_key_hashes_as_in_the_library(key: bytes) -> None:
    assert murmur2(key) == library_murmur2(key)


def test_varints_grow_with_the_number() -> None:
    assert [varint(n) for n in (0, 1, 63, 64, 8191, 8192)] == [
        b"\x00",
        b"\x02",
        b"\x7e",
        b"\x80\x01",
        b"\xfe\x7f",
        b"\x80\x80\x01",
    ]


def test_a_full_batch_takes_no_more() -> None:
    batch = Records(1000)
    assert batch.add(b"k", b"v" * 900, (), 1)
    assert not batch.add(b"k", b"v" * 100, (), 1)
    assert batch.next_offset() == 1


def test_an_empty_batch_takes_a_message_of_any_size() -> None:
    assert Records(1000).add(b"k", b"v" * 5000, (), 1)


def test_a_closed_batch_takes_no_more() -> None:
    batch = Records(1000)
    batch.add(b"k", b"v", (), 1)
    batch.close()
    assert not batch.add(b"k", b"v", (), 1)


def test_a_clock_that_steps_back_does_not_break_a_batch() -> None:
    stepped, steady = Records(1000, NONE), Records(1000, NONE)
    for batch, second in ((stepped, 3), (steady, 10)):
        batch.add(b"k", b"v", (), 10)
        batch.add(b"k", b"v", (), second)
        batch.close()
    assert stepped.buffer() == steady.buffer()


def a_batch(told: list[tuple[int, Exception | None]], count: int = 3) -> Batch:
    records = Records(1000)
    for _ in range(count):
        records.add(b"k", b"v", (), 1)
    return Batch(TopicPartition("t", 0), records, 1000, lambda _, n, error: told.append((n, error)))


def test_a_batch_tells_once_how_many_records_were_confirmed() -> None:
    told: list[tuple[int, Exception | None]] = []
    a_batch(told).complete(100, -1)
    assert told == [(3, None)]


def test_a_failed_batch_tells_the_error() -> None:
    told: list[tuple[int, Exception | None]] = []
    error = RuntimeError("no")
    a_batch(told).complete_exceptionally(error, lambda _: error)
    assert told == [(3, error)]


def test_a_split_batch_tells_of_each_piece() -> None:
    told: list[tuple[int, Exception | None]] = []
    whole = a_batch(told)
    pieces = [a_batch([], 1), a_batch([], 2)]
    for piece, future in zip([0, 1, 1], whole._record_futures, strict=True):
        future.rebind(pieces[piece].produce_future, 0)
    pieces[1].complete(10, -1)
    pieces[0].complete(9, -1)
    assert told == [(2, None), (1, None)]
