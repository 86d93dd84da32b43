"""The two formats: what they look like, and that nothing breaks them."""

import os
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.decoding import Rejected
from corridor.models import Itinerary, TrackingEvent
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

TNT, SCHEDULE = FORMATS
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
FUZZ = settings(max_examples=int(os.environ.get("CORRIDOR_FUZZ_EXAMPLES", "150")), deadline=None)

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


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a message."""
    found = [path] if path else []
    if isinstance(value, dict):
        for name, part in value.items():
            found += _paths(part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            found += _paths(part, (*path, index))
    return found


def _mutated(message: Any, changes: list[tuple[int, Any, bool]]) -> bytes:
    """A message with some of its fields changed or missing."""
    whole = orjson.loads(orjson.dumps(message))
    for where, value, missing in changes:
        paths = _paths(whole)
        if not paths:
            break
        *way, last = paths[where % len(paths)]
        part = whole
        for step in way:
            part = part[step]
        if missing:
            del part[last]
        else:
            part[last] = value
    return orjson.dumps(whole)


def _reads(format: Format, message: bytes) -> None:
    for item in format.decode(message, "SENDER"):
        assert isinstance(item, TrackingEvent | Itinerary | Rejected)
        if not isinstance(item, Rejected):
            assert type(item).model_validate_json(item.to_json()) == item


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


@FUZZ
@given(st.sampled_from(FORMATS), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(format: Format, message: bytes) -> None:
    _reads(format, message)


@FUZZ
@given(st.sampled_from(FORMATS), JUNK)
def test_any_json_is_read_or_refused(format: Format, value: Any) -> None:
    _reads(format, orjson.dumps(value))


@FUZZ
@given(
    st.sampled_from(EVENTS),
    st.lists(st.tuples(st.integers(0, 200), JUNK, st.booleans()), min_size=1, max_size=4),
)
def test_a_mutated_event_is_read_or_refused(
    event: Any, changes: list[tuple[int, Any, bool]]
) -> None:
    _reads(TNT, _mutated(event, changes))


@FUZZ
@given(
    st.sampled_from(SCHEDULES),
    st.lists(st.tuples(st.integers(0, 200), JUNK, st.booleans()), min_size=1, max_size=4),
)
def test_a_mutated_schedule_is_read_or_refused(
    schedule: Any, changes: list[tuple[int, Any, bool]]
) -> None:
    _reads(SCHEDULE, _mutated(schedule, changes))


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
