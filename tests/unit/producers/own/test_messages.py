"""Our own JSON: what is read, what is said of the rest, and that nothing else can happen."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Reject
from corridor.decoding import Rejected
from corridor.models import Itinerary, TrackingEvent
from producers.adapter import Format, Item
from producers.own import FORMATS
from producers.own.messages import EVENT as EVENTS
from producers.own.messages import ITINERARY as ITINERARIES
from producers.own.messages import REPLAY
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled
from tests.unit.samples import EVENT, ITINERARY, LEG

LINE = {"kind": "event", "available_time": "2026-01-03T00:00:00Z", **EVENT}
ITINERARY_LINE = {"kind": "itinerary", **ITINERARY}


def text(*parts: Any) -> bytes:
    return b"\n".join(json.dumps(part).encode() for part in parts)


def read(format: Format, message: bytes, sender: str = "acme") -> list[Item]:
    return format.decode(message, sender)


def test_one_object_is_read() -> None:
    assert read(EVENTS, text(EVENT)) == [TrackingEvent.model_validate(EVENT)]
    assert read(ITINERARIES, text(ITINERARY)) == [Itinerary.model_validate(ITINERARY)]


@pytest.mark.parametrize(
    "message",
    [
        text([EVENT, EVENT]),
        text(EVENT, EVENT),
        text(EVENT, EVENT) + b"\n",
        text(EVENT) + b"\r\n\r\n" + text(EVENT),
        text(LINE, LINE),
        b"\xef\xbb\xbf" + text([EVENT, EVENT]),
    ],
)
def test_several_objects_are_read_from_a_list_and_from_lines(message: bytes) -> None:
    assert read(EVENTS, message) == [TrackingEvent.model_validate(EVENT)] * 2


def test_an_object_may_be_written_over_several_lines() -> None:
    assert len(read(EVENTS, json.dumps(EVENT, indent=2).encode())) == 1


def test_a_bad_statement_does_not_spoil_the_others() -> None:
    bad = EVENT | {"code": "NOPE"}
    first, second, third = read(EVENTS, text(EVENT, bad) + b"\n{")
    assert isinstance(first, TrackingEvent)
    assert isinstance(second, Rejected)
    assert (second.reason, second.field) == (Reject.UNKNOWN_CODE, "line 2: code")
    assert isinstance(third, Rejected)
    assert (third.reason, third.field) == (Reject.MALFORMED, "line 3")


def test_a_fault_in_a_list_is_found_by_its_index() -> None:
    [_, fault] = read(EVENTS, text([EVENT, EVENT | {"latitude": 91}]))
    assert isinstance(fault, Rejected)
    assert fault.field == "[1].latitude"


def test_the_sender_is_the_source_of_what_names_none() -> None:
    event = {name: value for name, value in EVENT.items() if name != "source"}
    for given_event in (event, event | {"source": None}):
        [read_event] = read(EVENTS, text(given_event))
        assert isinstance(read_event, TrackingEvent)
        assert read_event.source == "acme"


def test_null_is_as_good_as_absent() -> None:
    [event] = read(EVENTS, text(EVENT | {"classifier": None, "run_id": None, "kind": None}))
    assert event == TrackingEvent.model_validate(EVENT)
    [itinerary] = read(ITINERARIES, text(ITINERARY | {"legs": [LEG | {"cutoff": None}]}))
    assert isinstance(itinerary, Itinerary)


def test_an_attribute_may_be_null() -> None:
    [event] = read(EVENTS, text(EVENT | {"attributes": {"a": None}}))
    assert isinstance(event, TrackingEvent)
    assert event.attributes == {"a": None}


def test_a_replay_file_mixes_kinds() -> None:
    items = read(REPLAY, text(ITINERARY_LINE, LINE))
    assert [type(item) for item in items] == [Itinerary, TrackingEvent]


@pytest.mark.parametrize(
    ("format", "message", "reason", "field", "words"),
    [
        (REPLAY, text(EVENT), Reject.MALFORMED, "kind", "event or itinerary"),
        (EVENTS, text(ITINERARY_LINE), Reject.UNSUPPORTED, "kind", "format itinerary"),
        (EVENTS, text(EVENT | {"kind": 7}), Reject.MALFORMED, "kind", "must be event"),
        (EVENTS, b"", Reject.MALFORMED, None, "not JSON"),
        (EVENTS, b"\xff\xfe\n\xff", Reject.MALFORMED, None, "not JSON"),
        (EVENTS, b"7", Reject.MALFORMED, None, "not an object"),
        (EVENTS, b"[7]", Reject.MALFORMED, "[0]", "not an object"),
        (EVENTS, b"[" * 100_000, Reject.MALFORMED, None, "not JSON"),
        (EVENTS, text(EVENT | {"schema_version": 2}), Reject.UNKNOWN_VERSION, "schema_version", ""),
    ],
)
def test_a_fault_is_explained(
    format: Format, message: bytes, reason: Reject, field: str | None, words: str
) -> None:
    [fault] = read(format, message)
    assert isinstance(fault, Rejected)
    assert (fault.reason, fault.field) == (reason, field)
    assert words in fault.detail


def test_an_empty_list_says_nothing() -> None:
    assert read(EVENTS, b"[]") == []


@pytest.mark.parametrize(
    ("message", "format"),
    [
        (text(EVENT), EVENTS),
        (text([EVENT]), EVENTS),
        (text(EVENT, EVENT), EVENTS),
        (text(ITINERARY), ITINERARIES),
        (text(LINE), REPLAY),
        (text(ITINERARY_LINE, LINE), REPLAY),
    ],
)
def test_a_file_says_which_of_ours_it_is(message: bytes, format: Format) -> None:
    assert [each.name for each in FORMATS if each.recognises(message)] == [format.name]


@pytest.mark.parametrize("message", [b"", b"{}", b"event_type: IOT", b"<event_type>", b"UNB+"])
def test_what_is_not_ours_is_not_taken_for_it(message: bytes) -> None:
    assert not any(format.recognises(message) for format in FORMATS)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@FUZZ
@given(st.sampled_from(FORMATS), st.sampled_from([LINE, ITINERARY_LINE]), st.data())
def test_any_value_anywhere_gives_only_items(
    format: Format, line: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(line)))
    message = json.dumps(line | {name: data.draw(json_values)}).encode()
    gives_only_items(format, message)


@FUZZ
@given(
    st.sampled_from(FORMATS),
    spoiled(text(LINE, ITINERARY_LINE), text([LINE, ITINERARY_LINE]), text(EVENT), text(ITINERARY)),
)
def test_a_spoiled_message_gives_only_items(format: Format, message: bytes) -> None:
    gives_only_items(format, message)
