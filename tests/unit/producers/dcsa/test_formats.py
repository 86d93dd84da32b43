"""The two formats: what they look like, and that nothing breaks them."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.decoding import Rejected
from producers.adapter import Format
from producers.dcsa import FORMATS
from tests.unit.producers.dcsa.messages import (
    BETA,
    ENVELOPE,
    EQUIPMENT_2,
    EQUIPMENT_3,
    IOT_3,
    PORT_CALL,
    PORT_SCHEDULE,
    REEFER_3,
    ROUTING_LEGS,
    SHIPMENT_2,
    SHIPMENT_3,
    TRANSPORT_2,
    TRANSPORT_3,
    VESSEL_SCHEDULE,
)
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled

TNT = FORMATS[0]
every_format = pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
EVENTS = [
    TRANSPORT_2,
    EQUIPMENT_2,
    SHIPMENT_2,
    TRANSPORT_3,
    EQUIPMENT_3,
    SHIPMENT_3,
    IOT_3,
    REEFER_3,
    BETA,
    PORT_CALL,
]
SCHEDULES = [VESSEL_SCHEDULE, PORT_SCHEDULE, ROUTING_LEGS, ENVELOPE]

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["ARRI", "LOAD", "DETC", "VESSEL", "RAIL", "ACT", "CNQZH", "2026-01-01T00:00Z", "OMIT"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("event", EVENTS)
def test_events_are_recognised(event: Any) -> None:
    message = orjson.dumps({"events": [event]})
    assert [format.name for format in FORMATS if format.recognises(message)] == ["dcsa-tnt"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_are_recognised(schedule: Any) -> None:
    message = orjson.dumps(schedule)
    assert [format.name for format in FORMATS if format.recognises(message)] == ["dcsa-schedule"]


@pytest.mark.parametrize("message", [b"", b"{}", b'{"kind":"event"}', b"UNB+UNOA:1'", b"\xff"])
def test_other_messages_are_not_recognised(message: bytes) -> None:
    assert not any(format.recognises(message) for format in FORMATS)


@every_format
@FUZZ
@given(value=JUNK)
def test_any_json_is_read_or_refused(format: Format, value: Any) -> None:
    gives_only_items(format, orjson.dumps(value))


@every_format
@FUZZ
@given(message=spoiled(*map(orjson.dumps, (*EVENTS, *SCHEDULES))))
def test_a_spoiled_message_is_read_or_refused(format: Format, message: bytes) -> None:
    gives_only_items(format, message)


@FUZZ
@given(st.sampled_from(EVENTS), st.data())
def test_a_message_that_was_cut_short_is_refused(event: Any, data: st.DataObject) -> None:
    message = orjson.dumps(event)
    cut = data.draw(st.integers(0, len(message) - 1))
    assert all(isinstance(item, Rejected) for item in TNT.decode(message[:cut], "SENDER"))


@given(st.permutations(EVENTS))
@FUZZ
def test_events_are_read_in_the_order_of_the_message(events: list[Any]) -> None:
    apart = [item for event in events for item in TNT.decode(orjson.dumps(event), "SENDER")]
    assert TNT.decode(orjson.dumps(events), "SENDER") == apart
