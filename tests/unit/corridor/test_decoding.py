"""What is said of bytes that are no message, and the dead letter that is made of it."""

import base64
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Discriminator, TypeAdapter

from corridor.codes import Reject
from corridor.decoding import KEY_KEPT, PAYLOAD_KEPT, Decoder, Rejected, dead_letter
from corridor.models import DeadLetter, Itinerary, Message, Origin, TrackingEvent
from tests.unit.samples import EVENT

RECORD = Origin(topic="tracking.iot", partition=3, offset=17)
LINE = Origin(file="history.jsonl", line=9)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
MESSAGE_BYTES = 1_000_000

read = Decoder(TrackingEvent)


def event(**changes: Any) -> bytes:
    return json.dumps(EVENT | changes).encode()


def fault(payload: bytes | None, decode: Decoder[Any] = read) -> Rejected:
    result = decode(payload)
    assert isinstance(result, Rejected), result
    return result


def letter(
    origin: Origin = RECORD,
    payload: bytes | None = b"{",
    key: bytes | None = b"key",
    detail: str = "it is broken",
    source: str | None = None,
) -> DeadLetter:
    rejected = Rejected(Reject.MALFORMED, None, detail)
    return dead_letter(rejected, origin=origin, key=key, payload=payload, time=NOW, source=source)


def test_a_message_is_read() -> None:
    assert read(event()) == TrackingEvent.model_validate(EVENT)


@pytest.mark.parametrize(
    ("payload", "reason", "field", "words"),
    [
        (None, Reject.MALFORMED, None, "no value"),
        (b"", Reject.MALFORMED, None, "Invalid JSON"),
        (b"\xff\xfe", Reject.MALFORMED, None, "Invalid JSON"),
        (b"[]", Reject.MALFORMED, None, "object"),
        (event(event_time="noon"), Reject.MALFORMED, "event_time", "datetime"),
        (event(event_time="0001-01-01T00:00:00+14:00"), Reject.MALFORMED, "event_time", "1970"),
        (event(attributes={"a": []}), Reject.MALFORMED, "attributes.a.str", "string"),
        (event(unit_id=None), Reject.MALFORMED, "unit_id", "required"),
        (event(code="NOPE"), Reject.UNKNOWN_CODE, "code", "NOPE"),
        (event(schema_version=2), Reject.UNKNOWN_VERSION, "schema_version", "1"),
    ],
)
def test_a_fault_has_its_reason_its_field_and_words(
    payload: bytes | None, reason: Reject, field: str | None, words: str
) -> None:
    found = fault(payload)
    assert (found.reason, found.field) == (reason, field)
    assert words in found.detail


def test_the_consequence_of_a_fault_is_not_a_fault() -> None:
    assert "more" not in fault(event(event_time="noon")).detail


def test_further_faults_are_counted() -> None:
    assert fault(event(event_time="noon", latitude=91, mode="CAMEL")).detail.endswith(
        "(and 2 more)"
    )


class _A(Message):
    kind: Literal["a"]
    size: int


class _B(Message):
    kind: Literal["b"]


_UNION: TypeAdapter[_A | _B] = TypeAdapter(Annotated[_A | _B, Discriminator("kind")])
read_either = Decoder(_UNION, tags=("a", "b"))


@pytest.mark.parametrize(
    ("payload", "field"),
    [(b"{}", "kind"), (b'{"kind":"c"}', "kind"), (b'{"kind":"a"}', "size"), (b"[]", None)],
)
def test_the_tag_of_a_union_is_no_part_of_a_fields_name(payload: bytes, field: str | None) -> None:
    assert fault(payload, read_either).field == field


def test_the_tags_of_a_union_are_told() -> None:
    assert fault(b"{}", read_either).detail == "kind must be a or b"


@given(st.binary(max_size=30) | st.from_regex(rb'\A\{"[a-z_]+":[0-9"{\[]{1,5}\}\Z'))
def test_any_bytes_are_a_message_or_a_fault(payload: bytes) -> None:
    for decode in (read, Decoder(Itinerary), read_either):
        assert fault(payload, decode).detail


def test_a_letter_keeps_key_payload_and_origin() -> None:
    made = letter(payload=b"\xff junk")
    assert base64.b64decode(made.payload) == b"\xff junk"
    assert made.key is not None
    assert base64.b64decode(made.key) == b"key"
    assert (made.origin, made.rejected_time) == (RECORD, NOW)


def test_what_is_not_there_is_kept_as_that() -> None:
    made = letter(payload=None, key=None)
    assert (made.payload, made.key) == ("", None)


def test_a_record_is_one_letter_whatever_is_said_of_it() -> None:
    other = letter(detail="it is late", payload=b"?", source="x")
    assert letter().dead_letter_id == other.dead_letter_id


@pytest.mark.parametrize("change", [{"topic": "t"}, {"partition": 4}, {"offset": 18}])
def test_another_record_is_another_letter(change: dict[str, Any]) -> None:
    other = letter(RECORD.model_copy(update=change))
    assert other.dead_letter_id != letter().dead_letter_id


def test_a_line_is_one_letter_until_it_is_edited() -> None:
    assert letter(LINE).dead_letter_id == letter(LINE).dead_letter_id
    assert letter(LINE).dead_letter_id != letter(LINE, payload=b"[").dead_letter_id
    other = LINE.model_copy(update={"line": 10})
    assert letter(LINE).dead_letter_id != letter(other).dead_letter_id


@pytest.mark.parametrize(
    ("payload", "source"),
    [
        (event(code="NOPE"), "lock"),
        (event(source=7), None),
        (b"[]", None),
        (b"{", None),
        (event(source="x" * 600), "x" * 500),
    ],
)
def test_a_letter_names_its_sender_when_that_can_be_read(
    payload: bytes, source: str | None
) -> None:
    assert letter(payload=payload).source == source
    assert letter(payload=payload, source="known").source == "known"


@pytest.mark.parametrize("payload", [b"x" * 5_000_000, event(source="\x01" * 900_000)])
def test_a_letter_fits_into_a_message_and_says_what_is_left_out(payload: bytes) -> None:
    made = letter(payload=payload, key=b"k" * 900_000, detail="\x01" * 900_000)
    assert len(made.to_json()) < MESSAGE_BYTES
    assert base64.b64decode(made.payload) == payload[:PAYLOAD_KEPT]
    assert made.key is not None
    assert len(base64.b64decode(made.key)) == KEY_KEPT
    assert "only the first 500,000 bytes are kept" in made.detail
    assert "only the first 50,000 bytes of its key are kept" in made.detail
