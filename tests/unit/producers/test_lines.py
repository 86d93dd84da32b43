"""Lines of replay files: good ones become records, bad ones say what is wrong with them."""

import base64
import json
from typing import Any

import pytest

from corridor.codes import Reject
from corridor.models import DeadLetter, Itinerary, TrackingEvent
from corridor.topics import MESSAGE_BYTES
from producers.replay.lines import LONGEST, parse
from producers.replay.record import Record, to_line, to_micros
from tests.unit import samples
from tests.unit.samples import LEG

EVENT = {"kind": "event", **samples.EVENT}
ITINERARY = {"kind": "itinerary", **samples.ITINERARY}


def raw(line: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps(line | changes).encode()


def good(line: bytes) -> Record:
    result = parse(line, "f.jsonl", 7)
    assert isinstance(result, Record), result
    return result


def bad(line: bytes) -> DeadLetter:
    result = parse(line, "f.jsonl", 7)
    assert isinstance(result, DeadLetter), result
    return result


@pytest.mark.parametrize(
    ("event_type", "code", "topic"),
    [
        ("IOT", "SEALED", "tracking.iot"),
        ("REEFER", "MEASURED", "tracking.iot"),
        ("EQUIPMENT", "GATED_IN", "tracking.port"),
        ("CUSTOMS", "ON_HOLD", "tracking.customs"),
        ("TRANSPORT", "DEPARTED", "tracking.carrier"),
        ("SHIPMENT", "ISSUED", "tracking.carrier"),
    ],
)
def test_an_event_goes_to_the_topic_of_its_kind(event_type: str, code: str, topic: str) -> None:
    assert good(raw(EVENT, event_type=event_type, code=code)).topic == topic


def test_an_itinerary_goes_to_its_topic_under_its_unit() -> None:
    record = good(raw(ITINERARY))
    assert (record.topic, record.key) == ("tracking.itineraries", b"CSQU3054383")


def test_an_event_without_a_unit_is_keyed_by_its_run() -> None:
    assert good(raw(EVENT, unit_id=None, run_id="X8001")).key == b"X8001"


def test_an_event_with_both_is_keyed_by_its_unit() -> None:
    assert good(raw(EVENT, run_id="X8001")).key == b"CSQU3054383"


def test_the_value_is_the_model_without_what_only_a_replay_needs() -> None:
    record = good(raw(EVENT, available_time="2026-01-03T00:00:00Z", unit_id="u", node_id=None))
    assert json.loads(record.value) == {
        "schema_version": 1,
        "event_id": "e1",
        "source": "lock",
        "event_type": "IOT",
        "code": "SEALED",
        "event_time": "2026-01-01T19:04:05Z",
        "unit_id": "u",
    }
    assert TrackingEvent.model_validate_json(record.value).node_id is None


def test_nulls_of_attributes_are_kept() -> None:
    record = good(raw(EVENT, attributes={"battery": None, "level": 3}))
    assert json.loads(record.value)["attributes"] == {"battery": None, "level": 3}


def test_availability_is_the_messages_own_time_unless_said() -> None:
    itinerary, event = good(raw(ITINERARY)), good(raw(EVENT))
    assert itinerary.available == to_micros(Itinerary.model_validate(ITINERARY).issued_time)
    assert event.available == to_micros(TrackingEvent.model_validate(EVENT).event_time)
    assert not itinerary.stated
    assert not event.stated


def test_a_later_availability_is_said() -> None:
    event = good(raw(EVENT, available_time="2026-01-01T20:00:00Z"))
    assert event.stated
    assert event.available == good(raw(EVENT, event_time="2026-01-01T20:00:00Z")).available


@pytest.mark.parametrize(
    "line",
    [
        raw(ITINERARY),
        raw(EVENT),
        raw(EVENT, available_time="2026-02-01T00:00:00.5Z"),
        raw(ITINERARY, available_time="2026-02-01T00:00:00Z"),
    ],
)
def test_a_written_line_reads_as_the_same_record(line: bytes) -> None:
    record = good(line)
    assert good(to_line(record).strip()) == record


@pytest.mark.parametrize(
    ("line", "reason", "field", "words"),
    [
        (b"{", Reject.MALFORMED, None, "Invalid JSON"),
        (b"\xff\xfe", Reject.MALFORMED, None, "Invalid JSON"),
        (b"[]", Reject.MALFORMED, None, "object"),
        (b"7", Reject.MALFORMED, None, "object"),
        (b"{}", Reject.MALFORMED, "kind", "itinerary or event"),
        (raw(EVENT, kind="evnt"), Reject.MALFORMED, "kind", "itinerary or event"),
        (raw(EVENT, event_id=""), Reject.MALFORMED, "event_id", "at least 1"),
        (raw(EVENT, event_time="noon"), Reject.MALFORMED, "event_time", "datetime"),
        (raw(EVENT, event_time="2026-01-02T03:04:05"), Reject.MALFORMED, "event_time", "timezone"),
        (
            raw(EVENT, event_time="0001-01-01T00:00:00+14:00"),
            Reject.MALFORMED,
            "event_time",
            "years 1970 to 2199",
        ),
        (raw(EVENT, available_time="x"), Reject.MALFORMED, "available_time", "datetime"),
        (
            raw(EVENT, latitude=91),
            Reject.IMPOSSIBLE_POSITION,
            "latitude",
            "more than 90",
        ),
        (raw(EVENT, event_type="SMOKE"), Reject.MALFORMED, "event_type", "IOT"),
        (raw(EVENT, unit_id=None), Reject.MALFORMED, "unit_id", "required"),
        (raw(EVENT, code="NOPE"), Reject.UNKNOWN_CODE, "code", "NOPE is not one of"),
        (raw(EVENT, schema_version=2), Reject.UNKNOWN_VERSION, "schema_version", "1"),
        (raw(ITINERARY, schema_version=9), Reject.UNKNOWN_VERSION, "schema_version", "1"),
        (raw(ITINERARY, legs=[]), Reject.MALFORMED, "legs", "at least 1"),
        (raw(ITINERARY, legs=[LEG, LEG]), Reject.MALFORMED, None, "ascending"),
        (
            raw(ITINERARY, legs=[LEG | {"planned_arrival": "2025-01-01T00:00:00Z"}]),
            Reject.MALFORMED,
            "legs.0",
            "after planned_departure",
        ),
        (raw(ITINERARY, legs=[LEG | {"mode": "CAMEL"}]), Reject.MALFORMED, "legs.0.mode", "RAIL"),
    ],
)
def test_a_bad_line_says_its_reason_field_and_detail(
    line: bytes, reason: Reject, field: str | None, words: str
) -> None:
    letter = bad(line)
    assert (letter.reason, letter.field) == (reason, field)
    assert words in letter.detail


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_json_has_not_are_bad(number: str) -> None:
    line = raw(EVENT, attributes={"x": 1}).replace(b'"x": 1', b'"x": ' + number.encode())
    assert bad(line).reason is Reject.MALFORMED


def test_a_bad_line_is_kept_whole_with_its_place() -> None:
    line = raw(EVENT, code="NOPE")
    letter = bad(line)
    assert base64.b64decode(letter.payload) == line
    assert (letter.origin.file, letter.origin.line) == ("f.jsonl", 7)
    assert letter.source == "lock"


def test_a_dead_letters_id_is_the_same_in_each_replay_and_differs_by_line() -> None:
    assert bad(b"{").dead_letter_id == bad(b"{").dead_letter_id
    other = parse(b"{", "f.jsonl", 8)
    assert isinstance(other, DeadLetter)
    assert other.dead_letter_id != bad(b"{").dead_letter_id


def test_a_line_too_long_for_kafka_is_bad() -> None:
    letter = bad(raw(EVENT, event_id="x" * LONGEST))
    assert letter.reason is Reject.MALFORMED
    assert "longer than" in letter.detail


HUGE = "x" * (LONGEST - 400)


@pytest.mark.parametrize(
    "line",
    [
        raw(EVENT, event_id=HUGE),
        raw(EVENT, source=HUGE),
        raw(EVENT, code=HUGE),
        raw(EVENT, attributes={HUGE: []}),
        b"x" * 5_000_000,
    ],
)
def test_a_dead_letter_fits_into_a_message_and_says_what_is_left_out(line: bytes) -> None:
    letter = bad(line)
    assert len(letter.to_json()) < MESSAGE_BYTES
    assert "only the first 500,000 bytes are kept" in letter.detail
    assert base64.b64decode(letter.payload) == line[:500_000]
