"""Cargo-IMP FSU: lines of a telex in, events of a waybill out."""

import time
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.air import fsu
from producers.air.statuses import DISCREPANCIES, MEANINGS
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled

AWB = "784-12345675CKGFRA/T12K345"
NOW = date(2030, 11, 26)
ACTUAL, ESTIMATED, PLANNED = Classifier.ACTUAL, Classifier.ESTIMATED, Classifier.PLANNED


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsu, "_today", lambda: NOW)


def telex(*lines: str, head: str = "") -> bytes:
    return "\r\n".join([*([head] if head else []), "FSU/14", AWB, *lines, ""]).encode()


def read(message: bytes) -> list[Any]:
    return fsu.decode(message, "carrier")


def events(*lines: str, head: str = "") -> list[TrackingEvent]:
    items = read(telex(*lines, head=head))
    assert all(isinstance(item, TrackingEvent) for item in items), items
    return items


def rejected(*lines: str) -> Rejected:
    (item,) = read(telex(*lines))
    assert isinstance(item, Rejected)
    return item


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_a_departure_is_of_the_waybill_the_flight_and_the_airport() -> None:
    (departed,) = events("DEP/CA433/24NOV2030/CKGFRA/T12K345")
    assert departed.event_type is EventType.TRANSPORT
    assert (departed.code, departed.classifier) == ("DEPARTED", ACTUAL)
    assert departed.unit_id == departed.shipment_id == "784-12345675"
    assert departed.run_id == "CA433-20301124"
    assert (departed.node_id, departed.mode) == ("CNCKG", Mode.AIR)
    assert departed.source == "carrier"


def test_times_are_local_to_their_airport() -> None:
    (departed,) = events("DEP/CA433/24NOV2030/CKGFRA/T12K345")
    assert departed.event_time == utc(2030, 11, 24, 12, 30)


def test_a_departure_tells_the_arrival_that_is_expected() -> None:
    departed, arrives = events("DEP/CA433/24NOV/CKGFRA/T12K345/A2030/E0105-N")
    assert departed.event_time == utc(2030, 11, 24, 12, 30)
    assert (arrives.code, arrives.classifier) == ("ARRIVED", ESTIMATED)
    assert (arrives.node_id, arrives.event_time) == ("DEFRA", utc(2030, 11, 25, 0, 5))
    assert arrives.run_id == "CA433-20301124"


def test_a_departure_with_its_schedule_tells_both() -> None:
    actual, scheduled = events("DEP/CA433/24NOV2030/CKGFRA/T12/S1955")
    assert (actual.classifier, actual.event_time) == (ACTUAL, utc(2030, 11, 24, 12, 30))
    assert (scheduled.classifier, scheduled.event_time) == (PLANNED, utc(2030, 11, 24, 11, 55))


def test_a_departure_that_tells_no_actual_time_says_which_it_has() -> None:
    departed = events("DEP/CA433/24NOV/CKGFRA/T12/S1955")[0]
    assert departed.classifier is ACTUAL
    assert departed.attributes["time_type"] == "S"


def test_a_departure_told_on_its_day_without_a_time_is_of_when_it_was_told() -> None:
    (departed,) = events("DEP/CA433/24NOV/CKGFRA/T12", head=".CKGFFCA 241245")
    assert departed.event_time == utc(2030, 11, 24, 12, 45)
    assert departed.attributes["time_type"] == "SENT"


def test_a_departure_told_on_another_day_without_a_time_is_rejected() -> None:
    (fault,) = read(telex("DEP/CA433/24NOV/CKGFRA/T12", head=".CKGFFCA 251245"))
    assert fault.field == "status[0].time"


@pytest.mark.parametrize(("letter", "day"), [("P", 23), ("N", 25), ("S", 26), ("T", 27)], ids=str)
def test_a_day_change_is_counted_from_the_day_of_the_line(letter: str, day: int) -> None:
    arrival = events(f"RCF/CA433/24NOV2000/FRA/T12//A1200-{letter}")[1]
    assert arrival.event_time == utc(2030, 11, day, 11, 0)


def test_goods_received_from_a_flight_tell_of_its_arrival() -> None:
    received, arrived = events("RCF/CA433/25NOV0410/FRA/T12K345//A0105")
    assert (received.event_type, received.code) == (EventType.EQUIPMENT, "DISCHARGED")
    assert (arrived.code, arrived.event_time) == ("ARRIVED", utc(2030, 11, 25, 0, 5))


def test_an_arrival_does_not_say_on_which_day_its_flight_departed() -> None:
    (arrived,) = events("ARR/CA433/25NOV0105/FRA/T12K345")
    assert (arrived.run_id, arrived.attributes["flight"]) == (None, "CA433")


def test_an_arrival_with_its_departure_is_of_that_flight() -> None:
    (arrived,) = events("ARR/CA433/25NOV0105/FRA/T12K345/A2030-P")
    assert arrived.run_id == "CA433-20301124"
    assert arrived.attributes["departure_time"] == "A2030-P"


def test_a_booking_is_a_planned_departure_and_arrival() -> None:
    departs, arrives = events("BKD/CA433/24DEC/CKGFRA/T12K345/S2030/S0105-N")
    assert (departs.code, departs.classifier) == ("DEPARTED", PLANNED)
    assert (arrives.code, arrives.classifier) == ("ARRIVED", PLANNED)
    assert departs.event_time == utc(2030, 12, 24, 12, 30)


def test_a_booking_with_one_time_is_a_planned_departure() -> None:
    (departs,) = events("BKD/CA433/24DEC2030/CKGFRA/T12K345")
    assert (departs.code, departs.classifier) == ("DEPARTED", PLANNED)


def test_a_booking_for_a_day_moves_nothing() -> None:
    (booked,) = events("BKD/CA433/24DEC/CKGFRA/T12K345")
    assert (booked.event_type, booked.code) == (EventType.SHIPMENT, "CONFIRMED")
    assert (booked.run_id, booked.attributes["date_only"]) == ("CA433-20301224", True)


def test_the_making_of_a_booking_has_happened() -> None:
    (booked,) = events("BKD/16OCT1317/CKG/T12")
    assert (booked.code, booked.classifier) == ("CONFIRMED", ACTUAL)


def test_carrier_number_and_airports_may_stand_apart() -> None:
    (departs,) = events("BKD/CA/0433/24DEC2030/CKG/FRA")
    assert (departs.run_id, departs.node_id) == ("CA433-20301224", "CNCKG")


@pytest.mark.parametrize("code", sorted(set(MEANINGS) - {"OSI", "OCI"}))
def test_every_status_is_what_the_table_says(code: str) -> None:
    line = {
        "departure": "CA433/24NOV/CKGFRA/T12/S2030",
        "arrival": "CA433/24NOV2030/FRA/T12",
        "airport": "24NOV2030/CKG/T12/NAME",
    }[MEANINGS[code].where.value]
    told = events(f"{code}/{line}")[0]
    assert told.attributes["status_code"] == code
    if code != "BKD":  # is a planned departure if it names a time
        assert (told.event_type, told.code, told.classifier) == MEANINGS[code][:3]


@pytest.mark.parametrize("code", sorted(DISCREPANCIES))
def test_every_discrepancy_is_what_the_table_says(code: str) -> None:
    (told,) = events(f"DIS/24NOV2030/CKG/{code}/T2K20")
    assert (told.event_type, told.code) == DISCREPANCIES[code][:2]
    assert told.attributes["discrepancy_code"] == code


def test_a_transfer_names_the_other_carrier() -> None:
    (told,) = events("TFD/LH/24NOV2030/FRA/T12K345/MF1")
    assert told.attributes["transferred_to"] == "LH"
    assert told.attributes["remarks"] == "MF1"


def test_quantities_are_kept() -> None:
    (told,) = events("RCS/24NOV1200/CKG/P3K90.5MC0.45T12/AGENT")
    kept = {"pieces": 3, "shipment_description": "P", "weight": 90.5, "weight_unit": "KG"}
    assert told.attributes.items() >= kept.items()
    assert told.attributes.items() >= {"total_pieces": 12, "volume": "0.45"}.items()
    assert told.attributes["waybill_pieces"] == 12


def test_notes_stay_with_the_status_that_they_follow() -> None:
    first, second = events(
        "RCS/24NOV1200/CKG/T12", "OCI/CN/ISS/RA/001", "/CN//SM/XRY", "FOH/24NOV1100/CKG/T12"
    )
    assert first.attributes["customs_information"] == "CN/ISS/RA/001/CN//SM/XRY"
    assert "customs_information" not in second.attributes


def test_unit_load_devices_are_kept() -> None:
    (told,) = events("RCF/CA433/25NOV0410/FRA/T12", "ULD/PMC12345CA/AKE5432CA")
    assert told.attributes["uld_ids"] == "PMC12345CA AKE5432CA"


def test_a_note_alone_is_of_the_moment_that_it_was_sent() -> None:
    (told,) = events("OSI/CARGO READY", head=".CKGFFCA 241230")
    assert (told.code, told.event_time) == ("UPDATE_RECEIVED", utc(2030, 11, 24, 12, 30))
    assert told.node_id == "CNCKG"


def test_a_plan_without_a_day_is_of_the_moment_that_it_was_sent() -> None:
    (told,) = events("TRM/LH/FRA/T12", head=".FRAFFCA 241230")
    assert (told.code, told.classifier) == ("HANDED_OVER", PLANNED)
    assert told.event_time == utc(2030, 11, 24, 12, 30)


@pytest.mark.parametrize("filler", [b" ", b"UNB+", b"/", b"'", b"FSU/1 ", b"CA ", b"1"])
def test_long_messages_are_read_in_no_time(filler: bytes) -> None:
    line = telex("RCS/24NOV1200/CKG/T12/" + "/" * 30_000 + filler.decode() * 30_000)
    message = line.replace(b"/14", b"/14" + filler * 30_000, 1)
    began = time.process_time()
    read(filler * 30_000 + message)
    assert time.process_time() - began < 2


def test_several_statuses_and_several_messages_are_all_read() -> None:
    message = telex("RCS/24NOV1200/CKG/T12", "MAN/CA433/24NOV2030/CKGFRA/T12") + telex(
        "DEP/CA433/24NOV2030/CKGFRA/T12"
    )
    codes = [item.attributes["status_code"] for item in read(message)]
    assert codes == ["RCS", "MAN", "MAN", "DEP"]


def test_a_message_on_one_line_is_read() -> None:
    (told,) = read(b"FSU/14 784-12345675CKGFRA/T12K345 RCS/24NOV1200/CKG/T12K345")
    assert told.attributes["status_code"] == "RCS"


def test_a_status_answer_is_read_as_an_update() -> None:
    (told,) = read(telex("RCS/24NOV1200/CKG/T12").replace(b"FSU/14", b"FSA/14"))
    assert told.attributes["status_code"] == "RCS"


def test_a_bad_line_does_not_spoil_the_others() -> None:
    good, bad = read(telex("RCS/24NOV1200/CKG/T12", "RCS/24NOV1200/QQQ/T12"))
    assert isinstance(good, TrackingEvent)
    assert (bad.reason, bad.field) == (Reject.UNKNOWN_NODE, "status[1].airport")


# The year, which no message names.


def test_what_has_happened_is_of_the_last_day_of_that_name() -> None:
    (told,) = events("DLV/24MAY1200/FRA/T12")
    assert told.event_time.year == 2030
    (told,) = events("DLV/24DEC1200/FRA/T12")
    assert told.event_time.year == 2029


def test_what_is_planned_is_of_the_nearest_day_of_that_name() -> None:
    (told,) = events("BKD/CA433/10JAN2030/CKGFRA/T12")
    assert told.event_time == utc(2031, 1, 10, 12, 30)


def test_the_interchange_tells_the_year_and_the_time_of_the_message() -> None:
    head = "UNB+IATA:1+CKGFFCA:PIMA+FRAAGENT:PIMA+280302:1015+1+0'UNH+1+CIMFSU:14'"
    message = head.encode() + telex("RCS/29FEB1200/CKG/T12") + b"'UNT+3+1'UNZ+1+1'"
    (told,) = read(message)
    assert told.event_time == utc(2028, 2, 29, 4, 0)
    assert told.updated_time == utc(2028, 3, 2, 10, 15)


def test_a_telex_header_tells_when_the_message_was_sent() -> None:
    (told,) = events("RCS/30OCT2350/CKG/T12", head="QD CKGFFCA\r\n.CKGFFCA 010005")
    assert told.updated_time == utc(2030, 11, 1, 0, 5)
    assert told.attributes["telex_originator"] == "CKGFFCA"


def test_the_header_of_a_telex_file_tells_it_too() -> None:
    head = "=PRIORITY\r\nQD\r\n=ORIGIN\r\nCKGFFCA\r\n=MSGID\r\n241245\r\n=SMI\r\nFSU\r\n=TEXT"
    (told,) = events("RCS/24NOV1200/CKG/T12", head=head)
    assert told.updated_time == utc(2030, 11, 24, 12, 45)
    assert told.attributes["telex_originator"] == "CKGFFCA"


def test_a_booking_was_sent_before_its_flight() -> None:
    (told,) = events("BKD/CA433/24DEC2030/CKGFRA/T12", head=".CKGFFCA 201200")
    assert told.updated_time == utc(2030, 11, 20, 12, 0)


# Identity.


def test_a_corrected_time_is_the_same_statement() -> None:
    (first,) = events("ARR/CA433/25NOV0105/FRA/T12", head=".FRAFFCA 250010")
    (second,) = events("ARR/CA433/25NOV0125/FRA/T12", head=".FRAFFCA 250040")
    assert first.event_id == second.event_id
    assert first.updated_time < second.updated_time


@pytest.mark.parametrize(
    "other",
    [
        "DEP/CA433/25NOV2030/CKGFRA/T12",
        "DEP/CA435/24NOV2030/CKGFRA/T12",
        "DEP/CA433/24NOV2030/PVGFRA/T12",
        "DEP/CA433/24NOV2030/CKGFRA/P5",
    ],
)
def test_another_day_flight_airport_or_part_is_another_statement(other: str) -> None:
    (first,), (second,) = events("DEP/CA433/24NOV2030/CKGFRA/T12"), events(other)
    assert first.event_id != second.event_id


# What cannot be read.


@pytest.mark.parametrize(
    ("line", "reason", "field"),
    [
        ("XYZ/24NOV1200/CKG/T12", Reject.UNKNOWN_CODE, "status[0].code"),
        ("RCS/24NOV1200/QQQ/T12", Reject.UNKNOWN_NODE, "status[0].airport"),
        ("RCS/24NOX1200/CKG/T12", Reject.MALFORMED, "status[0].date"),
        ("RCS/31FEB1200/CKG/T12", Reject.MALFORMED, "status[0].date"),
        ("RCS/24NOV2500/CKG/T12", Reject.MALFORMED, "status[0].time"),
        ("DEP/CA433/24NOV/CKGFRA/T12", Reject.MALFORMED, "status[0].time"),
        ("ARR/CA433/24NOV/FRA/T12//A1200-X", Reject.MALFORMED, "status[0].time"),
        ("RCS/CKG/T12", Reject.MALFORMED, "status[0].time"),
        ("RCS/24NOV1200", Reject.MALFORMED, "status[0].airport"),
        ("RCS/?/24NOV1200/CKG", Reject.MALFORMED, "status[0]"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(line: str, reason: Reject, field: str) -> None:
    assert rejected(line)[:2] == (reason, field)


def test_a_flight_that_arrives_before_it_departs_keeps_its_departure() -> None:
    departed, fault = read(telex("DEP/CA433/24NOV/CKGFRA/T12/A2030/E0105"))
    assert departed.code == "DEPARTED"
    assert "day change" in fault.detail


def test_a_wrong_check_digit_is_named() -> None:
    (fault,) = read(telex("RCS/24NOV1200/CKG/T12").replace(b"12345675", b"12345674"))
    assert (fault.reason, fault.field) == (Reject.BAD_CHECK_DIGIT, "status[0].waybill")


@pytest.mark.parametrize("message", [b"", b"FWB/16\r\n", b"FSU/14", b"FSU/14\r\n784-12345675"])
def test_a_message_without_a_status_is_rejected(message: bytes) -> None:
    (fault,) = read(message)
    assert fault.reason is Reject.MALFORMED


def test_a_status_before_any_waybill_is_rejected() -> None:
    (fault,) = read(b"FSU/14\r\nRCS/24NOV1200/CKG/T12\r\n")
    assert fault.field == "status[0].waybill"


def test_messages_are_recognised() -> None:
    assert fsu.FORMAT.recognises(telex("RCS/24NOV1200/CKG/T12", head="QD X\r\n.CKGFFCA 241200"))
    assert not fsu.FORMAT.recognises(b'{"FSU/14": 1}')


SAMPLES = (
    telex("DEP/CA433/24NOV/CKGFRA/T12K345/A2030/E0105-N", "OCI/CN/ISS", head=".CKGFFCA 241230"),
    telex("RCF/CA433/25NOV0410/FRA/P3K345T12//A0105-P", "ULD/PMC12345CA", "TFD/LH/1JAN0001/FRA"),
    telex("DIS/24NOV2030/CKG/MSCA/T2K20", "BKD/CA/0433/29FEB/CKG/FRA/S2030/S0101-T"),
)


@FUZZ
@given(spoiled(*SAMPLES), st.text(max_size=5))
def test_a_spoiled_message_gives_only_items(message: bytes, sender: str) -> None:
    gives_only_items(fsu.FORMAT, message, sender or "x")
