"""From records to columns."""

import json
import typing
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from clickhouse_driver.bufferedwriter import BufferedWriter
from clickhouse_driver.columns.service import write_column
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from corridor.codes import Reject
from corridor.models import Message, TrackingEvent
from sinks.clickhouse.rows import Reader
from sinks.clickhouse.tables import (
    DEAD_LETTERS,
    DELIVERIES,
    ESTIMATES,
    EVENTS,
    INCIDENTS,
    ITINERARIES,
    OUTCOMES,
    TABLES,
    Table,
)
from tests.unit import samples
from tests.unit.samples import ITINERARY
from tests.unit.sinks import messages
from tests.unit.sinks.messages import PARTITION, records

READERS = {table.name: Reader(table) for table in TABLES}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVERY_MESSAGE = st.one_of(
    st.tuples(st.just(EVENTS), messages.events()),
    st.tuples(st.just(ITINERARIES), messages.itineraries()),
    st.tuples(st.just(ESTIMATES), messages.estimates),
    st.tuples(st.just(OUTCOMES), messages.outcomes),
    st.tuples(st.just(DEAD_LETTERS), messages.dead_letters),
    st.tuples(st.just(INCIDENTS), messages.incidents),
    st.tuples(st.just(DELIVERIES), messages.deliveries),
)
EVENT = {**samples.EVENT, "event_time": "2026-01-02T03:04:05.678901Z"}


def rows(table: Table, *values: Message | bytes | None) -> list[dict[str, Any]]:
    read = READERS[table.name].read(PARTITION, records(values))
    names = [column.name for column in table.all_columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*read.columns, strict=True)]


def changed(base: Mapping[str, Any], **changes: Any) -> bytes:
    return json.dumps({**base, **changes}).encode()


def as_column(value: Any) -> Any:
    """What a value of a model is in a column."""
    match value:
        case datetime():
            return (value - EPOCH) // timedelta(microseconds=1)
        case dict():
            return value
        case tuple():
            return [as_column(item) for item in value]
    return value


def fields(model: type[BaseModel]) -> Iterator[str]:
    """Dotted names of the fields that hold values."""
    for name in model.model_fields:
        hint = typing.get_type_hints(model)[name]
        inner = next((a for a in (hint, *typing.get_args(hint)) if _is_model(a)), None)
        if inner is None:
            yield name
        else:
            yield from (f"{name}.{field}" for field in fields(inner))


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_field_of_the_model_has_a_column(table: Table) -> None:
    paths = [column.path or column.name for column in table.columns]
    # schema_version says how a message is written; a reader takes only the one it knows
    assert sorted(paths) == sorted(set(fields(table.model)) - {"schema_version"})


@given(EVERY_MESSAGE)
def test_a_row_holds_what_the_message_says(case: tuple[Table, Message]) -> None:
    table, message = case
    items = getattr(message, table.each) if table.each else [None]
    found = rows(table, message)
    assert len(found) == len(items)
    for row, item in zip(found, items, strict=True):
        for column in table.columns:
            head, _, rest = (column.path or column.name).partition(".")
            value: Any = getattr(message, head)
            if head == table.each:
                value = getattr(item, rest)
            elif rest and isinstance(value, tuple):
                value = tuple(getattr(part, rest) for part in value)
                if "String" in column.type:
                    value = tuple("" if part is None else part for part in value)
            elif rest:
                value = getattr(value, rest)
            actual = row[column.name]
            if value is None and "Nullable" not in column.type:
                assert actual == "", column.name
            elif column.name == "attributes":
                assert json.loads(actual) == value
            else:
                assert actual == as_column(value), column.name


@given(EVERY_MESSAGE)
def test_every_column_can_be_sent(case: tuple[Table, Message]) -> None:
    table, message = case
    context = SimpleNamespace(
        client_settings={"strings_as_bytes": False, "use_numpy": False},
        settings={},
        server_info=SimpleNamespace(get_timezone=lambda: "UTC"),
    )
    for column, values in zip(
        table.all_columns,
        READERS[table.name].read(PARTITION, records([message])).columns,
        strict=True,
    ):
        write_column(context, column.name, column.type, list(values), _Discard(1 << 20))


class _Discard(BufferedWriter):  # type: ignore[misc]
    def write_into_stream(self) -> None:
        self.position = 0


def test_rows_carry_the_coordinates_of_their_record() -> None:
    first, second = rows(EVENTS, changed(EVENT), changed(EVENT, event_id="2"))
    assert (first["_topic"], first["_partition"], first["_offset"]) == ("topic", 3, 10)
    assert (second["_offset"], second["_record_time"]) == (11, 1_700_000_000_001)


def test_each_leg_carries_the_coordinates_of_its_itinerary() -> None:
    leg = ITINERARY["legs"][0]
    two_legs = changed(ITINERARY, legs=[leg, {**leg, "sequence": 2}])
    found = rows(ITINERARIES, two_legs, changed(ITINERARY))
    assert [(row["sequence"], row["_offset"]) for row in found] == [(1, 10), (2, 10), (1, 11)]


def test_updated_time_defaults_to_event_time() -> None:
    [row] = rows(EVENTS, changed(EVENT))
    assert row["updated_time"] == row["event_time"] == 1_767_323_045_678_901


def test_times_with_another_offset_become_utc() -> None:
    [row] = rows(EVENTS, changed(EVENT, event_time="2026-01-02T11:04:05.678901+08:00"))
    assert row["event_time"] == 1_767_323_045_678_901


def test_unknown_fields_are_ignored() -> None:
    assert len(rows(EVENTS, changed(EVENT, colour="red"))) == 1


def test_what_only_the_model_understands_is_taken_all_the_same() -> None:
    [row] = rows(EVENTS, changed(EVENT, latitude="29.5", retracted="true"))
    assert (row["latitude"], row["retracted"]) == (29.5, True)


@pytest.mark.parametrize(
    ("table", "value", "reason", "field"),
    [
        (EVENTS, None, Reject.MALFORMED, None),
        (EVENTS, b"", Reject.MALFORMED, None),
        (EVENTS, b"\xff\xfe\x00", Reject.MALFORMED, None),
        (EVENTS, b"[]", Reject.MALFORMED, None),
        (EVENTS, b'{"event_id": "1"', Reject.MALFORMED, None),
        (EVENTS, changed(EVENT, event_time="yesterday"), Reject.MALFORMED, "event_time"),
        (EVENTS, changed(EVENT, event_time="2026-01-02T03:04:05"), Reject.MALFORMED, "event_time"),
        (EVENTS, changed(EVENT, event_time="1969-12-31T23:00:00Z"), Reject.MALFORMED, "event_time"),
        (EVENTS, changed(EVENT, event_time="2200-01-01T00:00:00Z"), Reject.MALFORMED, "event_time"),
        (EVENTS, changed(EVENT, latitude=91), Reject.IMPOSSIBLE_POSITION, "latitude"),
        (EVENTS, changed(EVENT, event_id=""), Reject.MALFORMED, "event_id"),
        (EVENTS, changed(EVENT, event_id=None), Reject.MALFORMED, "event_id"),
        (EVENTS, changed(EVENT, updated_time=None), Reject.MALFORMED, "updated_time"),
        (EVENTS, changed(EVENT, unit_id=None), Reject.MALFORMED, "unit_id"),
        (EVENTS, changed(EVENT, code="DEPARTED"), Reject.UNKNOWN_CODE, "code"),
        (EVENTS, changed(EVENT, event_type="SPACE"), Reject.MALFORMED, "event_type"),
        (EVENTS, changed(EVENT, schema_version=2), Reject.UNKNOWN_VERSION, "schema_version"),
        (EVENTS, changed(EVENT, attributes={"a": {"b": 1}}), Reject.MALFORMED, "attributes.a.str"),
        (ITINERARIES, changed(ITINERARY, legs=[]), Reject.MALFORMED, "legs"),
        (
            ITINERARIES,
            changed(ITINERARY, legs=[*ITINERARY["legs"], *ITINERARY["legs"]]),
            Reject.MALFORMED,
            None,
        ),
        (
            ITINERARIES,
            changed(
                ITINERARY,
                legs=[{**ITINERARY["legs"][0], "planned_arrival": "2026-01-01T00:00:00Z"}],
            ),
            Reject.MALFORMED,
            "legs.0",
        ),
        (ITINERARIES, changed(ITINERARY, version=2**32), Reject.MALFORMED, "version"),
    ],
)
def test_a_record_that_cannot_be_a_row_is_rejected_with_reason_and_field(
    table: Table, value: bytes | None, reason: Reject, field: str | None
) -> None:
    read = READERS[table.name].read(PARTITION, records([value]))
    assert read.count == 0
    [letter] = read.rejected
    assert (letter.reason, letter.field) == (reason, field)
    assert letter.detail


def test_a_rejected_record_is_kept_whole() -> None:
    [letter] = READERS["events"].read(PARTITION, records([b"\xff junk"])).rejected
    assert b64decode(letter.payload) == b"\xff junk"
    assert letter.key is not None
    assert b64decode(letter.key) == b"key"
    assert (letter.origin.topic, letter.origin.partition, letter.origin.offset) == ("topic", 3, 10)


def test_a_record_rejected_twice_has_one_id() -> None:
    once, again = (
        READERS["events"].read(PARTITION, records([b"junk"])).rejected[0] for _ in range(2)
    )
    assert once.dead_letter_id == again.dead_letter_id


def test_records_next_to_a_rejected_one_become_rows() -> None:
    read = READERS["events"].read(PARTITION, records([changed(EVENT), b"junk", changed(EVENT)]))
    assert (read.count, len(read.rejected)) == (2, 1)
    assert read.columns[-2] == [10, 12]


def test_an_unreadable_dead_letter_becomes_a_row_and_not_another_dead_letter() -> None:
    read = READERS["dead_letters"].read(PARTITION, records([b"junk"]))
    assert (read.count, read.rejected) == (1, [])
    [row] = rows(DEAD_LETTERS, b"junk")
    assert (row["reason"], b64decode(row["payload"])) == ("MALFORMED", b"junk")
    assert (row["origin_partition"], row["origin_offset"]) == (3, 10)


def test_nothing_becomes_nothing() -> None:
    read = READERS["itineraries"].read(PARTITION, [])
    assert (read.count, read.rejected) == (0, [])
    assert not any(read.columns)


@given(
    st.dictionaries(
        st.sampled_from(sorted(TrackingEvent.model_fields)),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.sampled_from(
            [
                "2026-01-01T00:00:00Z",
                "1970-01-01T00:00:00+08:00",
                "1",
                "IOT",
                "TAMPER",
                "RAIL",
                "90",
                [],
                {},
            ]
        ),
        max_size=3,
    )
)
def test_exactly_what_the_model_takes_becomes_a_row(changes: dict[str, Any]) -> None:
    value = changed(EVENT, **changes)
    try:
        TrackingEvent.model_validate_json(value)
        valid = True
    except ValidationError:
        valid = False
    read = READERS["events"].read(PARTITION, records([value]))
    assert (read.count, len(read.rejected)) == ((1, 0) if valid else (0, 1))
