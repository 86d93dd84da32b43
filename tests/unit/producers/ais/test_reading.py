"""AIS: what ships say, when they said it, and what is no ship's word."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyais.encode import encode_dict
from pyais.util import checksum

from corridor.codes import Classifier, EventType, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.ais import AIS
from producers.ais.reading import NOT_SHIPS, OTHERS, STATUS
from producers.ais.sentences import groups, stamped
from producers.ais.thinning import Thinning
from tests.unit.producers.properties import FUZZ, gives_only_items

RECEIVED = datetime(2026, 11, 24, 8, 30, 5, tzinfo=UTC)

POSITION: dict[str, Any] = {
    "msg_type": 1,
    "mmsi": 413000001,
    "status": 0,
    "speed": 12.5,
    "lon": 108.6,
    "lat": 21.6,
    "course": 90.0,
    "heading": 91,
    "second": 3,
}
VOYAGE: dict[str, Any] = {
    "msg_type": 5,
    "mmsi": 413000001,
    "imo": 9074729,
    "callsign": "BOXY",
    "shipname": "BEIBU STAR",
    "ship_type": 70,
    "draught": 9.5,
    "to_bow": 150,
    "to_stern": 30,
    "destination": "CN QZH>SG SIN",
    "month": 11,
    "day": 30,
    "hour": 6,
    "minute": 15,
}


def lines(time: datetime | None = RECEIVED, /, **fields: Any) -> bytes:
    sentences = [line.encode() for line in encode_dict(fields, sentence_type="VDM")]
    return b"\r\n".join(stamped(line, time) if time else line for line in sentences)


def sentence(payload: str) -> bytes:
    body = f"AIVDM,1,1,,A,{payload},0".encode()
    return stamped(b"!%s*%02X" % (body, checksum(body)), RECEIVED)


def events(message: bytes) -> list[TrackingEvent]:
    items = AIS.decode(message, "coast")
    assert all(isinstance(item, TrackingEvent) for item in items), items
    return [item for item in items if isinstance(item, TrackingEvent)]


def fault(message: bytes) -> Rejected:
    (item,) = AIS.decode(message, "coast")
    assert isinstance(item, Rejected), item
    return item


@pytest.mark.parametrize("kind", [1, 2, 3, 18, 19, 27])
def test_a_position_is_a_breadcrumb_of_the_ship(kind: int) -> None:
    event = events(lines(**{**POSITION, "msg_type": kind}))[0]
    assert (event.code, event.run_id, event.mode) == ("BREADCRUMB", "MMSI:413000001", "VESSEL")
    assert event.latitude == pytest.approx(21.6, abs=0.01)
    assert event.longitude == pytest.approx(108.6, abs=0.01)


def test_a_position_tells_how_the_ship_moves() -> None:
    (event,) = events(lines(**POSITION))
    assert event.attributes["speed_knots"] == 12.5
    assert event.attributes["course_degrees"] == 90
    assert event.attributes["heading_degrees"] == 91
    assert event.attributes["navigation_status"] == "under way using engine"


@pytest.mark.parametrize("status", range(16))
def test_each_navigational_status_has_its_words(status: int) -> None:
    (event,) = events(lines(**{**POSITION, "status": status}))
    wanted = STATUS[status] if status < 15 else None
    assert event.attributes.get("navigation_status") == wanted


@pytest.mark.parametrize(
    ("second", "time"), [(3, "08:30:03"), (58, "08:29:58"), (6, "08:30:06"), (60, "08:30:05")]
)
def test_a_position_is_of_the_second_that_it_names(second: int, time: str) -> None:
    (event,) = events(lines(**{**POSITION, "second": second}))
    assert event.event_time.isoformat() == f"2026-11-24T{time}+00:00"


def test_two_receivers_of_one_report_tell_one_event() -> None:
    later = RECEIVED.replace(second=8)
    (one,), (other,) = events(lines(**POSITION)), events(lines(later, **POSITION))
    assert one == other


@pytest.mark.parametrize(
    ("field", "value", "attribute"),
    [
        ("speed", 102.3, "speed_knots"),
        ("course", 360.0, "course_degrees"),
        ("heading", 511, "heading_degrees"),
    ],
)
def test_what_is_not_available_is_not_told(field: str, value: float, attribute: str) -> None:
    (event,) = events(lines(**{**POSITION, field: value}))
    assert attribute not in event.attributes


def test_a_ship_that_does_not_know_where_it_is_tells_nothing() -> None:
    assert events(lines(**{**POSITION, "lat": 91, "lon": 181})) == []


def test_a_position_that_cannot_be_is_refused() -> None:
    assert fault(lines(**{**POSITION, "lat": 95})).reason is Reject.IMPOSSIBLE_POSITION


def test_a_voyage_has_its_ship_and_its_eta() -> None:
    status, arrival = events(lines(**VOYAGE))
    assert (status.event_type, status.code) == (EventType.IOT, "DEVICE_STATUS")
    assert status.attributes["vessel_name"] == "BEIBU STAR"
    assert status.attributes["vessel_imo"] == "9074729"
    assert status.attributes["call_sign"] == "BOXY"
    assert status.attributes["draught_metres"] == 9.5
    assert status.attributes["length_metres"] == 180
    assert (arrival.event_type, arrival.code) == (EventType.TRANSPORT, "ARRIVED")
    assert (arrival.classifier, arrival.node_id) == (Classifier.ESTIMATED, "SGSIN")
    assert arrival.event_time == datetime(2026, 11, 30, 6, 15, tzinfo=UTC)
    assert arrival.updated_time == RECEIVED


def test_an_eta_that_changes_is_the_same_event_told_anew() -> None:
    _, one = events(lines(**VOYAGE))
    _, other = events(lines(RECEIVED.replace(hour=9), **{**VOYAGE, "hour": 7}))
    assert one.event_id == other.event_id
    assert other.updated_time > one.updated_time


def test_an_eta_of_january_that_is_told_in_november_is_next_year_s() -> None:
    _, arrival = events(lines(**{**VOYAGE, "month": 1, "day": 2}))
    assert arrival.event_time.year == 2027


@pytest.mark.parametrize(
    "change", [{"imo": 9074728}, {"imo": 0}, {"month": 0}, {"hour": 24}, {"destination": "FISHING"}]
)
def test_an_eta_needs_a_ship_a_time_and_a_place(change: dict[str, Any]) -> None:
    (status,) = events(lines(**{**VOYAGE, **change}))
    assert status.code == "DEVICE_STATUS"


@pytest.mark.parametrize(
    ("part", "name", "value"), [(0, "vessel_name", "SMALL BOAT"), (1, "call_sign", "SB1")]
)
def test_a_small_ship_says_who_it_is_in_parts(part: int, name: str, value: str) -> None:
    message: dict[str, Any] = {"msg_type": 24, "mmsi": 413000002, "partno": part}
    (event,) = events(lines(**message, shipname="SMALL BOAT", callsign="SB1"))
    assert event.attributes[name] == value


def test_a_line_without_a_time_is_refused() -> None:
    refused = fault(lines(None, **POSITION))
    assert refused.reason is Reject.MALFORMED
    assert refused.field == "line 1, c"


def test_a_wrong_checksum_is_refused() -> None:
    line = lines(**POSITION)
    wrong = line[:-2] + (b"00" if line[-2:] != b"00" else b"01")
    assert "checksum" in fault(wrong).detail


def test_a_wrong_checksum_of_a_tag_block_is_refused() -> None:
    assert "tag block" in fault(lines(**POSITION).replace(b"c:1795", b"c:1796")).detail


def test_a_part_that_is_missing_is_named() -> None:
    first, _ = lines(**VOYAGE).splitlines()
    assert fault(first).detail == "a message of 2 parts, of which only part 1 came"


def test_parts_of_other_messages_may_come_between() -> None:
    first, second = lines(**VOYAGE).splitlines()
    found = events(b"\n".join([first, lines(**POSITION), second]))
    assert [event.code for event in found] == ["BREADCRUMB", "DEVICE_STATUS", "ARRIVED"]


def test_a_bad_line_does_not_spoil_the_others() -> None:
    items = AIS.decode(b"garbage\n" + lines(**POSITION), "coast")
    assert [type(item) for item in items] == [Rejected, TrackingEvent]


@pytest.mark.parametrize("kind", sorted(set(OTHERS) - {28}))
def test_what_is_no_ship_s_word_is_named(kind: int) -> None:
    fields: dict[str, Any] = {"msg_type": kind, "mmsi": 413000001, "lat": 1, "lon": 1}
    text = lines(**fields, dest_mmsi=1)
    items = AIS.decode(text, "coast")
    assert [item.reason for item in items if isinstance(item, Rejected)] == [Reject.UNSUPPORTED]


@pytest.mark.parametrize("prefix", sorted(NOT_SHIPS))
def test_a_position_of_what_is_no_ship_is_named(prefix: str) -> None:
    refused = fault(lines(**{**POSITION, "mmsi": int(f"{prefix:1<9}")}))
    assert refused.reason is Reject.UNSUPPORTED
    assert NOT_SHIPS[prefix] in refused.detail


def test_an_empty_payload_says_nothing() -> None:
    assert AIS.decode(b"!AIVDM,1,1,,B,,0*25", "coast") == []


def test_a_message_that_is_too_short_is_refused() -> None:
    assert "bits" in fault(sentence("13")).detail


def test_a_stamp_keeps_what_a_tag_block_has() -> None:
    line = lines(None, **POSITION)
    tagged = b"\\s:coast1*02\\" + line
    (group,) = groups(stamped(tagged, RECEIVED))
    assert b"s:coast1,c:1795509005*" in group.raw
    assert group.sentences[0].time == RECEIVED
    assert stamped(group.raw, RECEIVED.replace(hour=1)) == group.raw


def test_lines_are_recognised_with_and_without_tag_blocks() -> None:
    assert AIS.recognises(lines(**POSITION))
    assert AIS.recognises(lines(None, **POSITION))
    assert not AIS.recognises(b'{"lat": 1}')


def test_one_position_of_a_ship_stays_in_a_while() -> None:
    thinning = Thinning(60)
    times = [
        datetime(2026, 11, 24, 8, minute, second, tzinfo=UTC)
        for minute in range(3)
        for second in range(0, 60, 10)
    ]
    stay = [
        thinning.stays(event)
        for time in times
        for event in events(lines(time, **{**POSITION, "second": time.second}))
    ]
    assert stay == [True, *[False] * 5] * 3


def test_another_navigational_status_stays() -> None:
    thinning = Thinning(60)
    (one,), (other,) = events(lines(**POSITION)), events(lines(**{**POSITION, "status": 5}))
    assert [thinning.stays(one), thinning.stays(other)] == [True, True]


def test_all_positions_stay_if_nothing_is_to_be_thinned() -> None:
    thinning = Thinning(0)
    (event,) = events(lines(**POSITION))
    assert [thinning.stays(event), thinning.stays(event)] == [True, True]


def test_what_a_ship_says_of_itself_stays_if_it_is_news() -> None:
    thinning = Thinning(60)
    later = RECEIVED.replace(minute=36)
    first = [thinning.stays(event) for event in events(lines(**VOYAGE))]
    again = [thinning.stays(event) for event in events(lines(later, **VOYAGE))]
    changed = [thinning.stays(event) for event in events(lines(later, **{**VOYAGE, "hour": 9}))]
    assert (first, again, changed) == ([True, True], [False, False], [True, True])


@FUZZ
@given(st.text("0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWabcdefghijklmnopqrstuvw", max_size=90))
def test_any_payload_gives_items(payload: str) -> None:
    gives_only_items(AIS, sentence(payload))
