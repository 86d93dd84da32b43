"""What a commit says, and where its reader goes on."""

from hypothesis import given
from hypothesis import strategies as st
from kafka import OffsetAndMetadata

from sinks.clickhouse.intents import Intent, Offsets, Start, start

offsets = st.integers(0, 2**62)


@given(offsets, st.integers(1, 10**6), st.sampled_from(["events", "dead_letters"]))
def test_what_was_declared_is_sent_again_as_it_was(first: int, count: int, table: str) -> None:
    committed = Intent("id", table, first, first + count).commit()
    assert start(committed, "id", beginning=0) == Start(first, until=first + count)


@given(offsets)
def test_what_is_confirmed_is_gone_on_from(first: int) -> None:
    assert start(Intent("id", "events", first, first).commit(), "id", 0) == Start(first)


def test_without_a_commit_the_beginning_is_the_start() -> None:
    assert start(None, "id", beginning=7) == Start(7)


def test_an_offset_without_an_intent_is_gone_on_from() -> None:
    for metadata in ("", None, "something else", "2|id|events|5|9"):
        assert start(OffsetAndMetadata(5, metadata, -1), "id", beginning=0) == Start(5)


def test_a_topic_that_was_made_again_is_read_from_its_beginning() -> None:
    assert start(Intent("old", "events", 5, 9).commit(), "new", beginning=0) == Start(0)


def test_what_retention_has_deleted_is_told() -> None:
    confirmed = Intent("id", "events", 5, 5).commit()
    assert start(confirmed, "id", beginning=8) == Start(5, lost=Offsets(5, 8))


def test_of_a_declared_range_that_is_partly_deleted_the_rest_is_sent() -> None:
    declared = Intent("id", "events", 5, 9).commit()
    assert start(declared, "id", beginning=8) == Start(5, until=9, lost=Offsets(5, 8))
    assert start(declared, "id", beginning=9) == Start(5, lost=Offsets(5, 9))


def test_each_range_of_each_partition_topic_and_table_has_its_own_token() -> None:
    intents = (
        Intent("id", "events", 0, 4),
        Intent("id", "events", 0, 5),
        Intent("id", "events", 1, 4),
        Intent("id", "itineraries", 0, 4),
        Intent("another", "events", 0, 4),
    )
    tokens = {intent.token(partition) for intent in intents for partition in (0, 1)}
    assert len(tokens) == 2 * len(intents)
