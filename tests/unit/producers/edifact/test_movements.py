from datetime import UTC, datetime

import pytest

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from producers.edifact.header import LONGEST
from producers.edifact.movements import REPORTS
from tests.unit.producers.edifact.messages import (
    BOX,
    COARRI,
    CODECO,
    OTHER_BOX,
    changed,
    decoded,
    event,
    events,
    interchange,
    message,
    rejected,
)


@pytest.mark.parametrize(("document", "code"), REPORTS["CODECO"].items())
def test_a_gate_report_is_of_its_direction(document: str, code: str) -> None:
    found = event("CODECO", *changed(CODECO, _0=f"BGM+{document}+GATE-1+9"))

    assert (found.event_type, found.code) == (EventType.EQUIPMENT, code)


@pytest.mark.parametrize(("document", "code"), REPORTS["COARRI"].items())
def test_a_ship_report_is_of_its_direction(document: str, code: str) -> None:
    found = events(message("COARRI", *changed(COARRI, _0=f"BGM+{document}+CALL-1+9")))

    assert [(e.code, e.mode) for e in found] == [(code, Mode.VESSEL)] * 2


@pytest.mark.parametrize("kind", REPORTS)
def test_another_document_is_no_report(kind: str) -> None:
    fault = rejected(message(kind, "BGM+M+X+9", *CODECO[1:]))

    assert (fault.reason, fault.field) == (Reject.UNKNOWN_CODE, "UNH[0].BGM.1001")


def test_a_gate_event_says_all_that_the_message_does() -> None:
    found = event("CODECO", *CODECO)

    assert (found.source, found.unit_id, found.shipment_id) == ("TERMINAL1", BOX, "BOOK1")
    assert (found.run_id, found.mode, found.node_id) == (None, Mode.TRUCK, "CNQZH")
    assert found.event_time == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert found.updated_time == datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
    assert found.classifier is Classifier.ACTUAL
    assert found.attributes == {
        "message_type": "CODECO",
        "message_reference": "1",
        "message_function": "9",
        "document_number": "GATE-1",
        "iso_type": "45G1",
        "load_state": "LADEN",
        "equipment_status": "EXPORT",
        "discharge_port": "SGSIN",
        "seal_number": "H100, C200",
        "seal_issuer": "SH, CU",
        "verified_gross_mass_kg": 27000.5,
        "booking_number": "BOOK1",
        "truck_plate": "QF1234",
        "main_carrier": "COS",
        "main_vessel_imo": "9321483",
        "main_vessel_name": "EVER GREAT",
        "main_voyage_number": "031W",
        "main_run_id": "9321483-031W",
        "assumed_time_zone": "Asia/Shanghai",
    }


def test_a_discharge_says_ship_voyage_and_port() -> None:
    first, second = events(interchange(message("COARRI", *COARRI)))

    assert (first.unit_id, second.unit_id) == (BOX, OTHER_BOX)
    assert (first.run_id, first.node_id, first.shipment_id) == ("9321483-031W", "SGSIN", "BILL1")
    assert first.attributes["stowage_cell"] == "0380886"
    assert first.attributes["facility_code"] == "PPT"
    assert first.attributes["vessel_eta"] == "202603041200"
    assert (first.attributes["load_state"], second.attributes["load_state"]) == ("LADEN", "EMPTY")


@pytest.mark.parametrize(
    ("tdt", "run_id"),
    [
        ("TDT+20+031w+1++COS+++9321483:146::Ever Great", "9321483-031W"),
        ("TDT+20+031W+1++COS+++IMO9321483:146", "9321483-031W"),
        ("TDT+20+031W+1++COS+++9321484:146::EVER GREAT", "EVER GREAT-031W"),
        ("TDT+20+031W+1++COS+++3ERX3:103::EVER GREAT", "EVER GREAT-031W"),
        ("TDT+20+031W+1++COS+++3ERX3:103", "3ERX3-031W"),
        ("TDT+20++1++COS+++9321483:146", None),
        ("TDT+20+031W+1++COS", None),
    ],
)
def test_a_run_is_ship_and_voyage(tdt: str, run_id: str | None) -> None:
    assert events(message("COARRI", *changed(COARRI, _2=tdt)))[0].run_id == run_id


def test_a_voyage_may_be_a_reference() -> None:
    body = changed(COARRI, _2="TDT+20++1++COS+++9321483:146'RFF+VON:031W")

    assert events(interchange(message("COARRI", *body)).replace("UNT+17", "UNT+18"))[0].run_id == (
        "9321483-031W"
    )


@pytest.mark.parametrize(
    ("tdt", "mode"),
    [
        ("TDT+1++3", Mode.TRUCK),
        ("TDT+1++03+31", Mode.TRUCK),
        ("TDT+10++2", Mode.RAIL),
        ("TDT+10+++25", Mode.RAIL),
        ("TDT+1+12+8+++++:::DA JIANG", Mode.BARGE),
        ("TDT+30++3", Mode.TRUCK),
        ("TDT+1++9+31", Mode.TRUCK),
        ("TDT+1++9", None),
        ("", None),
    ],
)
def test_a_gate_is_passed_in_the_mode_of_the_inland_carriage(tdt: str, mode: Mode | None) -> None:
    assert event("CODECO", *changed(CODECO, _12=tdt)).mode == mode


def test_what_brings_and_what_takes_away_are_told_apart() -> None:
    tdts = "TDT+10++2'TDT+30++3"
    for document, mode in (("34", Mode.RAIL), ("36", Mode.TRUCK)):
        body = changed(CODECO, _0=f"BGM+{document}+X+9", _12=tdts)
        text = message("CODECO", *body).replace("UNT+16", "UNT+17")
        assert events(text)[0].mode is mode


def test_a_truck_given_as_the_main_carriage_passes_the_gate() -> None:
    body = changed(CODECO, _2="TDT+20++3+++++QF1234", _12="")

    assert event("CODECO", *body).mode is Mode.TRUCK


def test_a_barge_has_a_run_and_a_mode_of_its_own() -> None:
    found = events(message("COARRI", *changed(COARRI, _2="TDT+20+12+8+++++:::DA JIANG")))[0]

    assert (found.mode, found.run_id) == (Mode.BARGE, "DA JIANG-12")


@pytest.mark.parametrize(("status", "port"), [("2", "9"), ("3", "11")])
def test_a_terminal_that_names_no_place_is_at_the_port_of_the_ship(status: str, port: str) -> None:
    body = changed(
        CODECO,
        _4=f"EQD+CN+{BOX}+45G1++{status}+5",
        _7=f"LOC+{port}+CNQZH",
        _8="",
    )
    found = event("CODECO", *body)

    assert found.node_id == "CNQZH"
    assert found.attributes["place_taken_from"] == f"LOC+{port}"


def test_a_gate_report_without_a_place_has_none() -> None:
    assert event("CODECO", *changed(CODECO, _7="")).node_id is None


@pytest.mark.parametrize("document", ["44", "46"])
def test_the_port_of_the_box_counts_before_the_ports_of_the_ship(document: str) -> None:
    # this header tells the ship's last and next port
    body = (
        f"BGM+{document}+CALL-1+9",
        "TDT+20+031W+1++COS",
        "LOC+11+HKHKG",
        "LOC+9+TWKHH",
        f"EQD+CN+{BOX}",
        "DTM+203:202603050913:203",
        "LOC+9+CNQZH" if document == "46" else "LOC+11+CNQZH",
    )
    assert event("COARRI", *body).node_id == "CNQZH"


def test_a_terminal_that_only_the_header_names_is_told() -> None:
    first, _ = events(message("COARRI", *changed(COARRI, _9="LOC+11+SGSIN:139:6")))

    assert first.attributes["facility_code"] == "PPT"


def test_a_text_without_end_is_cut() -> None:
    found = event("CODECO", *CODECO, *["FTX+AAA+++A VERY LONG DESCRIPTION OF THE GOODS"] * 1000)

    assert len(str(found.attributes["goods"])) == LONGEST + 1


def test_an_over_landed_box_is_where_the_ship_is() -> None:
    body = changed(COARRI, _6=f"EQD+CN+{BOX}+45G1++8+5", _9="LOC+11+CNSHA")

    assert events(message("COARRI", *body))[0].node_id == "SGSIN"


@pytest.mark.parametrize("status", ["4", "7"])
def test_a_box_that_was_not_moved_gives_no_event(status: str) -> None:
    fault, other = decoded(
        message("COARRI", *changed(COARRI, _6=f"EQD+CN+{BOX}+45G1:102:5++{status}+5"))
    )

    assert isinstance(fault, Rejected)
    assert (fault.reason, fault.field) == (Reject.UNSUPPORTED, "UNH[0].EQD[0].8249")
    assert not isinstance(other, Rejected)


def test_a_chassis_comes_along() -> None:
    assert event("CODECO", *CODECO, "EQD+CH+CHAS1", "SEL+X+CA").unit_id == BOX


def test_other_equipment_is_not_read() -> None:
    _, fault = decoded(message("CODECO", *CODECO, "EQD+TE+TRAILER1"))

    assert isinstance(fault, Rejected)
    assert fault.reason is Reject.UNSUPPORTED


def test_a_bad_check_digit_does_not_spoil_the_other_boxes() -> None:
    fault, found = decoded(message("COARRI", *changed(COARRI, _6="EQD+CN+CSQU3054384+45G1")))

    assert isinstance(fault, Rejected)
    assert (fault.reason, fault.field) == (Reject.BAD_CHECK_DIGIT, "UNH[0].EQD[0].8260")
    assert not isinstance(found, Rejected)


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"_6": ""}, Reject.MALFORMED, "UNH[0].EQD[0].DTM"),
        ({"_6": "DTM+7:later:203"}, Reject.MALFORMED, "UNH[0].EQD[0].DTM+7"),
        ({"_4": "EQD+CN"}, Reject.MALFORMED, "UNH[0].EQD[0].8260"),
        ({"_4": ""}, Reject.MALFORMED, "UNH[0].EQD"),
        ({"_7": "LOC+165+Nowhere Terminals"}, Reject.UNKNOWN_NODE, "UNH[0].EQD[0].LOC+165"),
    ],
)
def test_what_cannot_be_read_says_where(change: dict[str, str], reason: Reject, field: str) -> None:
    fault = rejected(message("CODECO", *changed(CODECO, **change)))

    assert (fault.reason, fault.field) == (reason, field)


def test_a_wrong_control_total_is_noted() -> None:
    found = event("CODECO", *changed(CODECO, _13="CNT+16:2"))

    assert found.attributes["control_total_fault"] == "CNT+16 says 2, there are 1"


@pytest.mark.parametrize(("unit", "factor"), [("KGM", 1), ("TNE", 1000), ("LBR", 0.45359237)])
def test_weights_are_in_kilograms(unit: str, factor: float) -> None:
    found = event("CODECO", *changed(CODECO, _9=f"MEA+AAE+G+{unit}:24.5"))

    assert found.attributes["gross_weight_kg"] == pytest.approx(24.5 * factor, abs=0.001)


def test_dangerous_goods_temperature_and_damage_are_told() -> None:
    found = event(
        "CODECO", *CODECO, "TMP+2+-18:CEL", "DGS+IMD+8+2735", "DAM+1+DEN:ZZZ::DENT+LEFT:ZZZ::LEFT"
    )

    assert found.attributes["temperature_setting"] == "-18 CEL"
    assert found.attributes["dangerous_goods"] == "class 8 UN 2735"
    assert found.attributes["damage"] == "DENT LEFT"


def test_a_replacement_corrects_and_a_cancellation_takes_back() -> None:
    first = event("CODECO", *CODECO)
    later = {"_1": "DTM+137:202603021500:203", "_6": "DTM+7:202603021359:203"}
    second = event("CODECO", *changed(CODECO, _0="BGM+34+GATE-2+5", **later))
    third = event("CODECO", *changed(CODECO, _0="BGM+34+GATE-3+1", **later))

    assert first.event_id == second.event_id == third.event_id
    assert first.updated_time < second.updated_time
    assert (first.retracted, second.retracted, third.retracted) == (False, False, True)
    assert second.event_time < first.event_time


@pytest.mark.parametrize(
    ("function", "retracted"),
    [("", False), ("2", False), ("4", False), ("7", False), ("3", True), ("17", True)],
)
def test_other_functions_affirm_or_take_back(function: str, retracted: bool) -> None:
    assert event("CODECO", *changed(CODECO, _0=f"BGM+34+X+{function}")).retracted is retracted


@pytest.mark.parametrize(
    "change",
    [
        {"_0": "BGM+36+GATE-1+9"},
        {"_2": "TDT+20+032W+1++COS:172:20+++9321483:146::EVER GREAT"},
        {"_5": "RFF+BN:BOOK2"},
        {"_7": "LOC+165+CNSHA:139:6"},
        {"_4": f"EQD+CN+{OTHER_BOX}+45G1:102:5++2+5"},
    ],
)
def test_another_statement_has_another_id(change: dict[str, str]) -> None:
    first, other = event("CODECO", *CODECO), event("CODECO", *changed(CODECO, **change))

    assert first.event_id != other.event_id


def test_visits_without_any_reference_are_told_apart_by_their_day() -> None:
    bare = changed(CODECO, _2="", _5="")
    same = event("CODECO", *changed(bare, _4="DTM+7:202603021500:203"))
    later = event("CODECO", *changed(bare, _4="DTM+7:202604021500:203"))

    assert event("CODECO", *bare).event_id == same.event_id != later.event_id


@pytest.mark.parametrize(
    ("sender", "party", "source"),
    [("TERM:ZZZ", "NAD+MS+T2", "TERM"), ("", "NAD+MS+T2", "T2"), ("", "NAD+CA+COS", "us")],
)
def test_the_source_is_the_sender_of_the_interchange_else_of_the_message(
    sender: str, party: str, source: str
) -> None:
    text = interchange(message("CODECO", *changed(CODECO, _3=party)), sender=sender)

    assert events(text)[0].source == source


@pytest.mark.parametrize(
    ("dtm", "unb", "updated"),
    [
        ("DTM+137:202603021405:203", "260305:1230", datetime(2026, 3, 2, 6, 5, tzinfo=UTC)),
        ("", "260305:1230", datetime(2026, 3, 5, 4, 30, tzinfo=UTC)),
        ("", "20260305:1230", datetime(2026, 3, 5, 4, 30, tzinfo=UTC)),
        ("DTM+137:20260302:102", "260305:1230", datetime(2026, 3, 5, 4, 30, tzinfo=UTC)),
        ("DTM+137:20260303:102", "", datetime(2026, 3, 2, 16, tzinfo=UTC)),
        ("", "", datetime(2026, 3, 2, 6, tzinfo=UTC)),
    ],
)
def test_a_message_is_as_new_as_it_says(dtm: str, unb: str, updated: datetime) -> None:
    text = interchange(message("CODECO", *changed(CODECO, _1=dtm)), time=unb)

    assert events(text)[0].updated_time == updated
