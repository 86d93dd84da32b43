"""Locks, trackers and reefers: what their messages say, however they spell it."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import EventType, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.adapter import Format, Item
from producers.iot import FORMATS, GPS, LOCK, REEFER
from producers.iot.words import _FIELDS, _WORDS, FIELD_OF
from tests.unit.producers.properties import FUZZ, gives_only_items

MESSAGE: dict[str, Any] = {
    "device": "L-1",
    "seq": 7,
    "time": "2026-11-24T08:30:00Z",
    "container": "MSKU9070323",
}
POSITION = {"latitude": 29.6, "longitude": 106.5}


def read(format: Format, *parts: dict[str, Any], sender: str = "locks") -> list[Item]:
    return format.decode(orjson.dumps(parts[0] if len(parts) == 1 else parts), sender)


def events(format: Format, **fields: Any) -> list[TrackingEvent]:
    items = read(format, {**MESSAGE, **fields})
    assert all(isinstance(item, TrackingEvent) for item in items), items
    return [item for item in items if isinstance(item, TrackingEvent)]


def codes(format: Format, **fields: Any) -> list[str]:
    return [event.code for event in events(format, **fields)]


def rejected(format: Format, **fields: Any) -> list[Rejected]:
    return [i for i in read(format, {**MESSAGE, **fields}) if isinstance(i, Rejected)]


@pytest.mark.parametrize(
    ("word", "kind", "code"),
    [
        (word, kind, code)
        for (kind, code), words in _WORDS.items()
        if code not in ("BREADCRUMB", "MEASURED")
        for word in words.split()
    ],
)
def test_each_word_is_what_it_says(word: str, kind: EventType, code: str) -> None:
    (event,) = events(REEFER if kind is EventType.REEFER else LOCK, event=word)
    assert (event.event_type, event.code) == (kind, code)


def test_a_position_is_a_breadcrumb() -> None:
    (event,) = events(GPS, **POSITION, accuracy=4, speed="61.5", heading=180)
    assert (event.code, event.latitude, event.longitude) == ("BREADCRUMB", 29.6, 106.5)
    assert event.attributes["accuracy_metres"] == 4
    assert event.attributes["speed_kmh"] == 61.5


def test_what_has_happened_happened_where_the_device_is() -> None:
    (event,) = events(LOCK, **POSITION, event="sealed", by="officer 7")
    assert (event.code, event.latitude, event.attributes["by"]) == ("SEALED", 29.6, "officer 7")


def test_a_position_and_a_low_battery_are_two_events() -> None:
    assert codes(LOCK, **POSITION, lowBattery=True) == ["LOW_BATTERY", "BREADCRUMB"]


def test_the_events_of_a_message_have_different_ids() -> None:
    first, second = events(LOCK, **POSITION, lowBattery=True)
    assert first.event_id != second.event_id


def test_a_message_again_gives_the_same_ids() -> None:
    assert events(LOCK, event="tamper") == events(LOCK, event="Tamper")


def test_another_sequence_number_or_time_is_another_event() -> None:
    ids = {
        event.event_id
        for fields in ({}, {"seq": 8}, {"time": "2026-11-24T08:31:00Z"})
        for event in events(LOCK, **fields)
    }
    assert len(ids) == 3


def test_a_state_is_no_event_of_a_heartbeat() -> None:
    (event,) = events(LOCK, event="heartbeat", state="locked")
    assert (event.code, event.attributes["state"]) == ("DEVICE_STATUS", "locked")


def test_a_state_that_is_all_that_is_said_is_the_event() -> None:
    assert codes(LOCK, state="locked") == ["SEALED"]


def test_an_alarm_is_an_event_however_it_is_told() -> None:
    for fields in (
        {"event": "heartbeat", "state": "tampered"},
        {"event": "heartbeat", "alarms": ["tamper"]},
        {"event": "heartbeat", "alarms": {"tamper": True, "lowBattery": False}},
        {"event": "heartbeat", "tamper": True},
    ):
        assert codes(LOCK, **fields) == ["TAMPER"], fields


def test_an_unlocking_that_nobody_authorised_is_tampering() -> None:
    assert codes(LOCK, event="unlocked", authorised=False) == ["TAMPER"]


def test_the_kind_of_a_device_is_no_event() -> None:
    assert codes(LOCK, type="lock") == ["DEVICE_STATUS"]


def test_a_door_that_is_all_that_is_said_is_the_event() -> None:
    assert codes(LOCK, door="open") == ["DOOR_OPENED"]


@pytest.mark.parametrize(
    "spelling",
    [
        {"lat": 29.6, "lng": 106.5},
        {"Position": {"Lat": "29.6", "Lon": "106.5"}},
        {"location": {"type": "Point", "coordinates": [106.5, 29.6]}},
        {"GPS": {"latitude": 29.6, "longitude": 106.5}},
    ],
)
def test_positions_may_be_spelled_in_many_ways(spelling: dict[str, Any]) -> None:
    (event,) = events(GPS, **spelling)
    assert (event.latitude, event.longitude) == (29.6, 106.5)


@pytest.mark.parametrize("name", ["device", "deviceId", "DEVICE_ID", "device-id", "IMEI", "lockNo"])
def test_names_may_be_spelled_in_many_ways(name: str) -> None:
    message = {name: "L-1", **{key: MESSAGE[key] for key in ("time", "container")}}
    (event,) = read(LOCK, message)
    assert isinstance(event, TrackingEvent)
    assert event.attributes["device_id"] == "L-1"


@pytest.mark.parametrize(
    ("time", "zone"),
    [
        ("2026-11-24T16:30:00+08:00", None),
        ("2026-11-24 16:30:00", "+08:00"),
        (1795509000, None),
        ("1795509000000", None),
    ],
)
def test_times_are_texts_with_an_offset_or_unix_times(time: object, zone: str | None) -> None:
    (event,) = events(LOCK, time=time, timezone=zone)
    assert event.event_time.isoformat() == "2026-11-24T08:30:00+00:00"


def test_a_time_without_an_offset_is_refused() -> None:
    (fault,) = rejected(LOCK, time="2026-11-24 16:30:00")
    assert (fault.reason, fault.field) == (Reject.MALFORMED, "time")


@pytest.mark.parametrize("time", [0, 12, True, "9" * 25, 1e308, "soon", [], {}])
def test_a_time_that_no_clock_shows_is_refused(time: object) -> None:
    assert all(isinstance(item, Rejected) for item in read(LOCK, {**MESSAGE, "time": time}))


def test_nought_nought_is_no_position_but_the_rest_is_told() -> None:
    fault, event = read(LOCK, {**MESSAGE, "lat": 0, "lon": 0, "event": "tamper"})
    assert isinstance(fault, Rejected)
    assert (fault.reason, fault.field) == (Reject.IMPOSSIBLE_POSITION, "lat")
    assert isinstance(event, TrackingEvent)
    assert (event.code, event.latitude) == ("TAMPER", None)


def test_a_position_without_a_fix_is_only_where_it_was() -> None:
    (event,) = events(LOCK, **POSITION, fix="V")
    assert (event.code, event.latitude) == ("DEVICE_STATUS", None)
    assert event.attributes["last_known_latitude"] == 29.6


def test_a_bad_field_costs_only_itself() -> None:
    fault, event = read(LOCK, {**MESSAGE, **POSITION, "heading": 999})
    assert isinstance(fault, Rejected)
    assert fault.field == "heading"
    assert isinstance(event, TrackingEvent)
    assert event.code == "BREADCRUMB"


def test_a_word_that_we_do_not_know_is_told_and_the_position_kept() -> None:
    fault, event = read(LOCK, {**MESSAGE, **POSITION, "event": "exploded"})
    assert isinstance(fault, Rejected)
    assert (fault.reason, fault.field) == (Reject.UNKNOWN_CODE, "event")
    assert isinstance(event, TrackingEvent)


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({"container": "msku 907032-3"}, ("MSKU9070323", None, None)),
        ({"carnet": "XC 83042712", "plate": "A1"}, ("XC83042712", None, None)),
        ({"run": "X8001-20261124"}, (None, "X8001-20261124", None)),
        ({"bill": "BL1", "plate": "A1"}, (None, None, "BL1")),
        ({"plate": "yu a 12345"}, (None, "YUA12345", None)),
        ({}, (None, "DEVICE:L-1", None)),
    ],
)
def test_an_event_is_of_what_the_message_names(
    fields: dict[str, str], subject: tuple[str | None, ...]
) -> None:
    (event,) = events(LOCK, **{"container": None, **fields})
    assert (event.unit_id, event.run_id, event.shipment_id) == subject


def test_a_wrong_check_digit_is_refused() -> None:
    (fault,) = rejected(LOCK, container="MSKU9070324")
    assert (fault.reason, fault.field) == (Reject.BAD_CHECK_DIGIT, "container")


def test_a_message_without_a_device_is_refused() -> None:
    (fault,) = read(LOCK, {"time": 1795509000, "event": "sealed"})
    assert isinstance(fault, Rejected)
    assert fault.field == "device"


def test_a_batch_shares_what_stands_outside_of_it() -> None:
    points = [{"ts": 1795509000 + n, "lat": 1 + n, "lon": 2} for n in range(3)]
    found = read(GPS, {"imei": "86", "container": "MSKU9070323", "positions": points})
    assert [e.latitude for e in found if isinstance(e, TrackingEvent)] == [1, 2, 3]


def test_a_bad_point_of_a_batch_costs_only_itself() -> None:
    points = [{"ts": 1795509000, "lat": 1, "lon": 2}, 7, {"ts": "x", "lat": 1, "lon": 2}]
    found = read(GPS, {"imei": "86", "positions": points})
    assert [f.field for f in found if isinstance(f, Rejected)] == [
        "positions[1]",
        "positions[2].ts",
    ]
    assert sum(isinstance(item, TrackingEvent) for item in found) == 1


def test_a_position_that_comes_late_has_its_own_time() -> None:
    (event,) = events(GPS, **POSITION, sent="2026-11-25T00:00:00Z", buffered=True)
    assert event.event_time.day == 24
    assert event.updated_time.day == 25


@pytest.mark.parametrize(("word", "code"), [("moving", "MOTION_START"), ("parked", "MOTION_STOP")])
def test_movement_starts_and_stops(word: str, code: str) -> None:
    assert codes(GPS, **POSITION, event=word) == [code]


def test_a_reefer_is_measured_where_it_is() -> None:
    measured, breadcrumb = events(
        REEFER,
        **POSITION,
        setPoint=-18,
        supplyAir="-18.2 °C",
        returnAir=-17,
        ambient=30,
        humidity=80,
        power="on",
        alarms=["E203"],
    )
    assert (measured.event_type, measured.code) == (EventType.REEFER, "MEASURED")
    assert breadcrumb.code == "BREADCRUMB"
    wanted = {
        "set_point_celsius": -18,
        "supply_celsius": -18.2,
        "return_celsius": -17,
        "ambient_celsius": 30,
        "humidity_percent": 80,
        "power": "on",
        "alarms": "E203",
    }
    assert wanted.items() <= measured.attributes.items()


def test_a_set_point_that_changed_is_an_adjustment() -> None:
    assert codes(REEFER, setPoint=-20, event="set point changed") == ["ADJUSTED"]


def test_fahrenheit_becomes_celsius() -> None:
    (event,) = events(REEFER, setPoint=32, temperatureUnit="F")
    assert event.attributes["set_point_celsius"] == 0


def test_no_spelling_is_of_two_fields() -> None:
    assert len(FIELD_OF) == sum(len(set(names.split())) for names in _FIELDS.values())


def test_each_format_recognises_its_own() -> None:
    texts = {
        "lock": orjson.dumps({**MESSAGE, **POSITION, "event": "sealed"}),
        "reefer": orjson.dumps({**MESSAGE, **POSITION, "setPoint": 1}),
        "gps": orjson.dumps({**MESSAGE, **POSITION}),
    }
    for name, text in texts.items():
        assert next(f.name for f in FORMATS if f.recognises(text)) == name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(sorted(FIELD_OF)) | st.text(max_size=8), inner, max_size=6
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
@FUZZ
@given(fields=st.dictionaries(st.sampled_from(sorted(FIELD_OF)), JSON, max_size=6))
def test_any_values_in_a_message_give_items(format: Format, fields: dict[str, Any]) -> None:
    gives_only_items(format, json.dumps({**MESSAGE, **POSITION, **fields}).encode())
