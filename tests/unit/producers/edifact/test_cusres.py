from datetime import UTC, datetime

import pytest

from corridor.codes import CODES, EventType, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.edifact.cusres import DECISIONS, Decision
from tests.unit.producers.edifact.messages import (
    BOX,
    CUSRES,
    OTHER_BOX,
    changed,
    decoded,
    event,
    events,
    interchange,
    message,
    rejected,
)


@pytest.mark.parametrize(("code", "decision"), DECISIONS.items())
@pytest.mark.parametrize("segment", ["GIS+{}", "GIS+{}:120:6", "GEI+1+{}", "GEI+6+{}:105:6"])
def test_each_indicator_is_a_decision(code: str, decision: Decision, segment: str) -> None:
    found = event("CUSRES", *changed(CUSRES, _3=segment.format(code)))

    assert found.code in CODES[EventType.CUSTOMS]
    assert (found.event_type, found.code) == (EventType.CUSTOMS, decision.code)
    assert found.attributes.get("decision_note") == decision.note


def test_a_release_says_box_bill_office_and_declaration() -> None:
    found = event("CUSRES", *CUSRES)

    assert (found.code, found.unit_id, found.shipment_id) == ("CUSTOMS_RELEASED", BOX, "BILL1")
    assert (found.node_id, found.run_id) == ("CNQZH", None)
    assert found.event_time == datetime(2026, 3, 5, 4, tzinfo=UTC)
    assert found.attributes["declaration_number"] == "DECL1"
    assert found.attributes["customs_office"] == "CNQZH"


@pytest.mark.parametrize(
    ("indicator", "reason"),
    [
        ("GIS+819:120:143", Reject.UNKNOWN_CODE),
        ("GIS+1:120:ZZZ:Y", Reject.UNKNOWN_CODE),
        ("GEI+6+847:120:143", Reject.UNKNOWN_CODE),
        ("GIS+D", Reject.UNKNOWN_CODE),
        ("GIS", Reject.UNKNOWN_CODE),
        ("GIS+22", Reject.UNSUPPORTED),
        ("GIS+14", Reject.UNSUPPORTED),
    ],
)
def test_an_indicator_of_another_list_is_not_guessed_at(indicator: str, reason: Reject) -> None:
    fault = rejected(message("CUSRES", *changed(CUSRES, _3=indicator)))

    assert (fault.reason, fault.field) == (reason, f"UNH[0].{indicator[:3]}[0].7365")


def test_an_indicator_that_is_unknown_does_not_spoil_the_others() -> None:
    items = decoded(message("CUSRES", *CUSRES, "GIS+819:120:143", "GIS+5"))

    assert [item.code if isinstance(item, TrackingEvent) else "" for item in items] == [
        "CUSTOMS_RELEASED",
        "",
        "CUSTOMS_SELECTED_FOR_INSPECTION",
    ]


@pytest.mark.parametrize(
    ("unit", "unit_id"),
    [
        (f"RFF+AAQ:{BOX}", BOX),
        (f"RFF+EQ:{BOX}", BOX),
        ("RFF+MWB:78412345675", "784-12345675"),
        ("EQD+CH+X", None),
    ],
)
def test_a_decision_is_on_a_box_a_waybill_or_a_consignment(unit: str, unit_id: str | None) -> None:
    assert event("CUSRES", *changed(CUSRES, _6=unit)).unit_id == unit_id


def test_a_decision_on_several_boxes_is_an_event_each() -> None:
    found = events(message("CUSRES", *CUSRES, f"EQD+CN+{OTHER_BOX}"))

    assert [item.unit_id for item in found] == [BOX, OTHER_BOX]


def test_a_bad_number_does_not_spoil_the_other_boxes() -> None:
    fault, found = decoded(message("CUSRES", *CUSRES, "EQD+CN+TGHU1643390"))

    assert isinstance(fault, Rejected)
    assert fault.reason is Reject.BAD_CHECK_DIGIT
    assert isinstance(found, TrackingEvent)


def test_a_bad_number_alone_is_no_decision_on_the_whole_consignment() -> None:
    fault = rejected(message("CUSRES", *changed(CUSRES, _6="EQD+CN+CSQU3054384")))

    assert fault.reason is Reject.BAD_CHECK_DIGIT


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"_3": ""}, "UNH[0].GIS"),
        ({"_5": "", "_6": ""}, "UNH[0].RFF"),
        ({"_1": ""}, "UNH[0].DTM"),
        ({"_1": "DTM+9:20050826120936544751:ZZZ"}, "UNH[0].DTM+9"),
    ],
)
def test_what_cannot_be_read_says_where(change: dict[str, str], field: str) -> None:
    fault = rejected(message("CUSRES", *changed(CUSRES, **change)))

    assert (fault.reason, fault.field) == (Reject.MALFORMED, field)


@pytest.mark.parametrize(
    ("dtm", "time", "basis"),
    [
        ("DTM+58:202603051200:203", "260305:1230", None),
        ("DTM+7:202603051200:203", "260305:1230", None),
        ("DTM+137:202603051200:203", "260305:1230", "DTM+137"),
        ("", "260305:1200", "UNB"),
        ("DTM+9:20050826120936544751:ZZZ", "260305:1200", "UNB"),
    ],
)
def test_a_decision_is_as_old_as_it_says_else_as_its_message(
    dtm: str, time: str, basis: str | None
) -> None:
    (found,) = events(interchange(message("CUSRES", *changed(CUSRES, _1=dtm)), time=time))

    assert found.event_time == datetime(2026, 3, 5, 4, tzinfo=UTC)
    assert found.attributes.get("time_taken_from") == basis


def test_a_date_behind_a_reference_is_not_that_of_the_message() -> None:
    body = (*CUSRES[:5], "DTM+137:20250101:102", *CUSRES[5:])

    assert event("CUSRES", *body).updated_time == datetime(2026, 3, 5, 4, 30, tzinfo=UTC)


def test_a_national_office_is_told_but_is_no_node() -> None:
    found = event("CUSRES", *changed(CUSRES, _2="LOC+22+9122P::95"))

    assert (found.node_id, found.attributes["customs_office"]) == (None, "9122P")


def test_errors_are_told_with_the_decision() -> None:
    body = (*changed(CUSRES, _3="GIS+2"), "ERP+1:12", "ERC+487::143", "FTX+AAO+++Line is 0")
    found = event("CUSRES", *body)

    assert found.code == "DECLARATION_REJECTED"
    assert found.attributes["error_codes"] == "487"
    assert found.attributes["customs_text"] == "Line is 0"


def test_a_later_answer_corrects_and_another_declaration_does_not() -> None:
    first = event("CUSRES", *CUSRES)
    second = event("CUSRES", *changed(CUSRES, _1="DTM+9:202603061200:203"))
    other = event("CUSRES", *changed(CUSRES, _4="RFF+ABT:DECL2"))

    assert first.event_id == second.event_id != other.event_id
