from datetime import UTC, datetime

import pytest

from corridor.codes import CODES, Classifier, EventType, Mode, Reject
from corridor.containers import check_digit
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.edifact import iftsta
from producers.edifact.statuses import (
    CARRIERS_OWN,
    CATEGORIES_OF_OTHERS,
    REC_24,
    REC_24_WITHOUT_EVENT,
    SMDG_DELAYS,
    X12,
    Status,
)
from tests.unit.producers.edifact.messages import (
    BOX,
    IFTSTA,
    OTHER_BOX,
    changed,
    decoded,
    event,
    events,
    interchange,
    message,
    rejected,
)

BARE = changed(IFTSTA, _8="", _9="", _10="")
"""One status of one box, without its journey."""
ALL = [*REC_24.items(), *X12.items()]


def with_status(code: str, *more: str) -> tuple[str, ...]:
    return (*BARE[:5], f"STS+1+{code}", *more, *BARE[6:])


@pytest.mark.parametrize(("code", "status"), ALL)
def test_every_status_is_a_word_of_our_vocabulary(code: str, status: Status) -> None:
    assert status.code in CODES[status.event_type]


@pytest.mark.parametrize(
    ("code", "status"), [(c, s) for c, s in ALL if s.classifier is Classifier.ACTUAL]
)
def test_a_status_of_what_happened_is_an_event(code: str, status: Status) -> None:
    found = event("IFTSTA", *with_status(code))

    assert (found.event_type, found.code) == (status.event_type, status.code)
    assert (found.unit_id, found.shipment_id, found.node_id) == (BOX, "BILL1", "CNQZH")
    assert found.event_time == datetime(2026, 3, 4, 22, tzinfo=UTC)
    assert (found.mode, found.classifier) == (status.mode, Classifier.ACTUAL)
    assert found.attributes["status_code"] == code
    assert found.attributes.get("status_note") == status.note


@pytest.mark.parametrize(
    ("code", "status"), [(c, s) for c, s in ALL if s.classifier is Classifier.ESTIMATED]
)
def test_a_status_of_what_will_happen_needs_the_time_that_is_expected(
    code: str, status: Status
) -> None:
    qualifier, end = ("133", "5") if status.code == "DEPARTED" else ("132", "8")
    more = (f"DTM+{qualifier}:202603061000:203", f"LOC+{end}+CNSHA")
    found = event("IFTSTA", *with_status(code, *more))
    fault = rejected(message("IFTSTA", *with_status(code)))

    assert (found.code, found.classifier) == (status.code, Classifier.ESTIMATED)
    assert (found.event_time, found.node_id) == (datetime(2026, 3, 6, 2, tzinfo=UTC), "CNSHA")
    assert found.delay_reasons == status.delay_reasons
    assert (fault.reason, fault.field) == (Reject.UNSUPPORTED, "UNH[0].STS[0].DTM")


def test_a_delay_is_until_the_arrival_that_the_journey_expects() -> None:
    (found,) = events(message("IFTSTA", *changed(IFTSTA, _5="STS+1+101+PBC")))

    assert (found.code, found.classifier) == ("ARRIVED", Classifier.ESTIMATED)
    assert (found.node_id, found.run_id) == ("SGSIN", "9321483-031W")
    assert found.event_time == datetime(2026, 3, 9, 4, tzinfo=UTC)
    assert found.delay_reasons == ("PBC",)


def test_a_delay_on_the_way_is_not_until_the_place_where_it_happens() -> None:
    body = with_status("20", "DTM+132:202603061000:203")

    assert rejected(message("IFTSTA", *body)).field == "UNH[0].STS[0].LOC"


def test_an_estimate_at_a_place_is_of_the_call_there() -> None:
    body = changed(IFTSTA, _5="STS+1+E", _7="LOC+175+SGSIN")
    (found,) = events(message("IFTSTA", *body, "DTM+334:202603050600:203"))

    assert (found.code, found.node_id) == ("ARRIVED", "SGSIN")


@pytest.mark.parametrize("code", sorted(REC_24_WITHOUT_EVENT))
def test_a_status_that_we_have_no_event_for_is_named(code: str) -> None:
    fault = rejected(message("IFTSTA", *with_status(code)))

    assert (fault.reason, fault.field) == (Reject.UNSUPPORTED, "UNH[0].STS[0].4405")
    assert code in fault.detail


@pytest.mark.parametrize(
    "code", ["999", "Z05", "ZZZ", *(f"VD::{own}" for own in sorted(CARRIERS_OWN))]
)
def test_a_status_of_no_known_list_is_rejected(code: str) -> None:
    fault = rejected(message("IFTSTA", *with_status(code)))

    assert (fault.reason, fault.field) == (Reject.UNKNOWN_CODE, "UNH[0].STS[0].4405")


@pytest.mark.parametrize("category", sorted(CATEGORIES_OF_OTHERS))
def test_a_status_of_anything_but_transport_is_not_read(category: str) -> None:
    fault = rejected(message("IFTSTA", *changed(BARE, _5=f"STS+{category}+24")))

    assert (fault.reason, fault.field) == (Reject.UNSUPPORTED, "UNH[0].STS[0].9015")


@pytest.mark.parametrize("sts", ["STS", "STS+1", "STS+24", "STS+1:D2:21"])
def test_a_status_without_code_is_rejected(sts: str) -> None:
    assert rejected(message("IFTSTA", *changed(BARE, _5=sts))).reason is Reject.MALFORMED


@pytest.mark.parametrize(
    ("classifier", "qualifier"),
    [(classifier, q) for classifier, found in iftsta._TIMES.items() for q in found],
)
def test_the_qualifier_of_its_time_says_whether_it_has_happened(
    classifier: Classifier, qualifier: str
) -> None:
    found = event("IFTSTA", *changed(BARE, _6=f"DTM+{qualifier}:202603050600:203"))

    assert found.classifier is classifier


def test_what_happened_counts_before_what_is_expected() -> None:
    found = event("IFTSTA", *BARE[:6], "DTM+132:202603090000:203", *BARE[6:])

    assert found.classifier is Classifier.ACTUAL


def test_the_departure_of_a_ship_has_its_run_and_the_calls_of_the_journey() -> None:
    departed, due = events(interchange(message("IFTSTA", *IFTSTA), sender="COSU"))

    assert (departed.code, departed.node_id) == ("DEPARTED", "CNQZH")
    assert (departed.run_id, departed.mode) == ("9321483-031W", Mode.VESSEL)
    assert (due.event_type, due.code) == (EventType.TRANSPORT, "ARRIVED")
    assert (due.classifier, due.node_id) == (Classifier.ESTIMATED, "SGSIN")
    assert (due.run_id, due.unit_id) == ("9321483-031W", BOX)
    assert due.event_time == datetime(2026, 3, 9, 4, tzinfo=UTC)


@pytest.mark.parametrize(("qualifier", "call"), iftsta._CALLS.items())
def test_each_call_of_the_journey_is_an_event(qualifier: str, call: tuple[str, Classifier]) -> None:
    body = changed(IFTSTA, _10=f"DTM+{qualifier}:202603091200:203")
    _, found = events(message("IFTSTA", *body))

    assert (found.code, found.classifier) == call


def test_a_new_estimate_corrects_the_one_before() -> None:
    _, first = events(message("IFTSTA", *IFTSTA))
    _, second = events(
        message(
            "IFTSTA",
            *changed(IFTSTA, _1="DTM+137:202603061200:203", _10="DTM+132:202603101200:203"),
        )
    )

    assert first.event_id == second.event_id
    assert first.updated_time < second.updated_time


def test_the_journey_does_not_repeat_what_the_status_has_said() -> None:
    body = changed(IFTSTA, _9="LOC+9+CNQZH", _10="DTM+186:202603050605:203")
    (found,) = events(message("IFTSTA", *body))

    assert found.event_time == datetime(2026, 3, 4, 22, tzinfo=UTC)


def test_ports_told_with_a_train_are_not_called_by_the_train() -> None:
    body = changed(IFTSTA, _8="TDT+1+X8071+2+25", _10="DTM+178:202603091200:203")
    status, call = events(message("IFTSTA", *body))

    assert (status.mode, status.run_id) == (Mode.RAIL, None)
    assert status.attributes["train_number"] == "X8071"
    assert (call.mode, call.run_id, call.node_id) == (None, None, "SGSIN")


def test_a_call_at_an_unknown_place_does_not_spoil_the_status() -> None:
    found, fault = decoded(message("IFTSTA", *changed(IFTSTA, _9="LOC+11+QQQQQ")))

    assert isinstance(found, TrackingEvent)
    assert isinstance(fault, Rejected)
    assert (fault.reason, fault.field) == (Reject.UNKNOWN_NODE, "UNH[0].STS[0].LOC+11")


def test_a_gate_is_not_passed_by_the_ship() -> None:
    found, _ = events(message("IFTSTA", *changed(IFTSTA, _5="STS+1+I")))

    assert (found.code, found.mode, found.run_id) == ("GATED_IN", None, None)


def test_a_flight_is_carrier_number_and_local_day() -> None:
    body = (
        "BGM+23+X+9",
        "CNI+1+784-12345675",
        "RFF+MWB:78412345675",
        "STS+1+24",
        "DTM+334:202603050600:203",
        "LOC+175+CNCKG",
        "TDT+20+3202+4++CA",
        "LOC+9+CNCKG",
        "DTM+189:202603050010:203",
    )
    status, plan = events(message("IFTSTA", *body))

    assert (status.unit_id, status.mode, status.run_id) == (
        "784-12345675",
        Mode.AIR,
        "CA3202-20260305",
    )
    assert (plan.classifier, plan.run_id) == (Classifier.PLANNED, "CA3202-20260305")


@pytest.mark.parametrize(
    ("equipment", "unit_id", "shipment_id"),
    [
        (f"EQD+CN+{BOX}", BOX, "BILL1"),
        (f"RFF+EQ:{BOX}", BOX, "BILL1"),
        (f"RFF+AAQ:{BOX}", BOX, "BILL1"),
        ("EQD+UL+AKE12345CZ", "AKE12345CZ", "BILL1"),
        ("RFF+AWB:784 12345675", "784-12345675", "784-12345675"),
        ("RFF+AWB:784-12345670", None, "784-12345670"),
        ("EQD+CH+CHASSIS", None, "BILL1"),
    ],
)
def test_a_status_is_of_a_unit_else_of_the_shipment(
    equipment: str, unit_id: str | None, shipment_id: str
) -> None:
    found = event("IFTSTA", *changed(BARE, _8=equipment))

    assert (found.unit_id, found.shipment_id) == (unit_id, shipment_id)


def test_a_status_of_several_boxes_is_an_event_each() -> None:
    found = events(message("IFTSTA", *BARE, f"EQD+CN+{OTHER_BOX}"))

    assert [item.unit_id for item in found] == [BOX, OTHER_BOX]


def test_a_bad_number_does_not_spoil_the_other_boxes() -> None:
    fault, found = decoded(message("IFTSTA", *BARE, "EQD+CN+TGHU1643390"))

    assert isinstance(fault, Rejected)
    assert (fault.reason, fault.field) == (
        Reject.BAD_CHECK_DIGIT,
        "UNH[0].STS[0].EQD+CN.8260",
    )
    assert isinstance(found, TrackingEvent)


@pytest.mark.parametrize(
    ("references", "cni", "shipment_id"),
    [
        ("RFF+BM:BILL1'RFF+BN:BOOK1", "CNI+1+CONS1", "BILL1"),
        ("RFF+BN:BOOK1'RFF+MB:BILL2", "CNI+1", "BILL2"),
        ("RFF+BN:BOOK1'RFF+CU:X", "CNI+1+CONS1", "CONS1"),
        ("RFF+BN:BOOK1'RFF+CU:X", "CNI+1", "BOOK1"),
    ],
)
def test_the_transport_document_counts_before_the_booking(
    references: str, cni: str, shipment_id: str
) -> None:
    text = message("IFTSTA", *changed(BARE, _3=references, _4=cni)).replace("UNT+11", "UNT+12")

    assert events(text)[0].shipment_id == shipment_id


def test_a_status_of_nothing_is_rejected() -> None:
    fault = rejected(message("IFTSTA", *changed(BARE, _3="RFF+CU:X", _8="")))

    assert fault.detail == "it names neither a container nor a transport document or booking"


def test_a_message_without_consignment_information_is_read() -> None:
    assert event("IFTSTA", *changed(BARE, _4="")).unit_id == BOX


def test_a_box_before_the_status_is_read() -> None:
    assert event("IFTSTA", *BARE[:4], BARE[8], *BARE[5:8]).unit_id == BOX


def test_boxes_before_and_after_a_status_without_a_consignment_are_rejected() -> None:
    body = (*BARE[:4], f"EQD+CN+{OTHER_BOX}", *BARE[5:])

    assert rejected(message("IFTSTA", *body)).field == "UNH[0].EQD"


@pytest.mark.parametrize("body", [BARE[:4], BARE[:5]])
def test_a_message_without_status_is_rejected(body: tuple[str, ...]) -> None:
    assert rejected(message("IFTSTA", *body)).reason is Reject.MALFORMED


def test_a_status_without_time_is_rejected() -> None:
    fault = rejected(message("IFTSTA", *changed(BARE, _6="")))

    assert (fault.reason, fault.field) == (Reject.MALFORMED, "UNH[0].STS[0].DTM")


@pytest.mark.parametrize(
    ("loc", "name"),
    [
        ("LOC+14+:::WENDLINGEN+:::DE", "WENDLINGEN"),
        ("LOC+14+01530:16::VANTAA+FI:162", "VANTAA"),
        ("LOC+175+PARIS:162", "PARIS"),
    ],
)
def test_a_place_by_its_name_only_is_told_but_is_no_node(loc: str, name: str) -> None:
    found = event("IFTSTA", *changed(BARE, _7=loc))

    assert (found.node_id, found.attributes["location_name"]) == (None, name)


@pytest.mark.parametrize(
    ("code", "loc"),
    [
        ("24", "5"),
        ("24", "9"),
        ("1", "8"),
        ("1", "11"),
        ("1", "60"),
        ("21", "7"),
        ("48", "9"),
        ("29", "11"),
    ],
)
def test_without_a_place_of_activity_it_is_at_the_end_that_fits(code: str, loc: str) -> None:
    body = (*BARE[:5], f"STS+1+{code}", BARE[6], f"LOC+{loc}+CNQZH", BARE[8])

    assert event("IFTSTA", *body).node_id == "CNQZH"


@pytest.mark.parametrize("reason", sorted(SMDG_DELAYS))
def test_a_reason_of_smdg_is_a_delay_reason(reason: str) -> None:
    assert event("IFTSTA", *changed(BARE, _5=f"STS+1+24+{reason}")).delay_reasons == (reason,)


def test_other_reasons_are_told_as_they_are() -> None:
    found = event("IFTSTA", *changed(BARE, _5="STS+1+24:::DEPARTED+310:::closed+99"))

    assert found.delay_reasons == ()
    assert found.attributes["reason_codes"] == "310, 99"
    assert found.attributes["reason_text"] == "closed"
    assert found.attributes["status_text"] == "DEPARTED"


def test_a_cancellation_takes_the_status_and_its_calls_back() -> None:
    first = events(message("IFTSTA", *IFTSTA))
    second = events(message("IFTSTA", *changed(IFTSTA, _0="BGM+23+STATUS-2+1")))

    assert [e.event_id for e in first] == [e.event_id for e in second]
    assert all(e.retracted for e in second)


def test_more_events_than_one_message_may_say_are_not_read() -> None:
    boxes = [f"EQD+CN+{number}" for number in _boxes(300)]
    body = (*BARE[:3], *boxes, *("STS+1+24", "DTM+334:202603050600:203") * 300)
    items = decoded(message("IFTSTA", *body))

    assert len(items) < 2 * iftsta.MOST
    assert isinstance(items[-1], Rejected)


def _boxes(count: int) -> list[str]:
    return [f"CSQU{n:06d}{check_digit(f'CSQU{n:06d}0')}" for n in range(count)]
