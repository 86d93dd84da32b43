"""Decisions of a customs single window."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given

from corridor import topics
from corridor.codes import CODES, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.customs import FORMATS
from producers.customs.single_window import CODE_OF, SINGLE_WINDOW, Lane, Procedure, Verdict
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled

BOX, OTHER_BOX = "CSQU3054383", "MSCU1234566"


def decision(**fields: Any) -> dict[str, Any]:
    """A release of one box; what is None is left out."""
    parts = {
        "decision_id": "R-1",
        "declaration_number": "530320260001234567",
        "procedure": "EXPORT",
        "decision": "RELEASED",
        "decided_time": "2026-11-24T10:05:00+08:00",
        "containers": [BOX],
        "transport_document": "COSU6123456780",
        "office": "7215",
        "location": "CNQZH",
    } | fields
    return {name: value for name, value in parts.items() if value is not None}


def inspection(**fields: Any) -> dict[str, Any]:
    """A scan of one box that has begun."""
    parts = {
        "inspection_id": "I-1",
        "declaration_number": "530320260001234567",
        "kind": "SCAN",
        "begin_time": "2026-11-24T09:00:00+08:00",
        "containers": [BOX],
    } | fields
    return {name: value for name, value in parts.items() if value is not None}


def message(*decisions: Any, **fields: Any) -> dict[str, Any]:
    """A message of the single window."""
    return {
        "message_id": "M-1",
        "sender": "CUSTOMS-CN",
        "sent_time": "2026-11-24T10:06:00+08:00",
        "decisions": list(decisions),
    } | fields


def items(said: Any) -> list[Any]:
    """What a message gives."""
    return SINGLE_WINDOW.decode(orjson.dumps(said), "gateway")


def event(said: Any) -> TrackingEvent:
    """The one event of a message."""
    [found] = items(said)
    assert isinstance(found, TrackingEvent), found
    return found


def fault(said: Any) -> Rejected:
    """What is wrong with a message that gives nothing else."""
    [found] = items(said)
    assert isinstance(found, Rejected)
    return found


def test_the_package_exports_it() -> None:
    assert SINGLE_WINDOW in FORMATS
    assert SINGLE_WINDOW.topic == topics.CUSTOMS.name


@pytest.mark.parametrize("verdict", Verdict)
def test_every_decision_has_a_code_of_ours(verdict: Verdict) -> None:
    found = event(message(decision(decision=verdict.value)))
    assert (found.event_type, found.code) == (EventType.CUSTOMS, CODE_OF[verdict])
    assert found.code in CODES[EventType.CUSTOMS]
    assert found.attributes["decision"] == verdict.value


@pytest.mark.parametrize("procedure", Procedure)
def test_every_procedure_is_kept(procedure: Procedure) -> None:
    found = event(message(decision(procedure=procedure.value)))
    assert found.attributes["procedure"] == procedure.value


@pytest.mark.parametrize("lane", Lane)
def test_every_lane_is_kept(lane: Lane) -> None:
    assert event(message(decision(lane=lane.value))).attributes["lane"] == lane.value


def test_a_decision_says_when_where_and_of_what() -> None:
    found = event(message(decision()))
    assert (found.unit_id, found.shipment_id, found.node_id) == (BOX, "COSU6123456780", "CNQZH")
    assert found.event_time == datetime(2026, 11, 24, 2, 5, tzinfo=UTC)
    assert found.updated_time == datetime(2026, 11, 24, 2, 6, tzinfo=UTC)
    assert found.attributes["declaration_number"] == "530320260001234567"
    assert found.attributes["customs_office"] == "7215"


def test_the_authority_is_the_source_else_who_sent_it() -> None:
    assert event(message(decision())).source == "CUSTOMS-CN"
    assert event(message(decision(), sender=None)).source == "gateway"


@pytest.mark.parametrize("spelling", ["released", " Released ", "selected-for scan"])
def test_codes_may_be_written_as_people_write_them(spelling: str) -> None:
    assert event(message(decision(decision=spelling))).event_type is EventType.CUSTOMS


def test_each_unit_has_its_own_event() -> None:
    said = decision(
        containers=[BOX, OTHER_BOX, BOX],
        air_waybills=["172 12345675"],
        tir_carnets=["xf 12345678"],
    )
    found = items(message(said))
    assert [(e.unit_id, e.mode) for e in found] == [
        (BOX, None),
        (OTHER_BOX, None),
        ("172-12345675", Mode.AIR),
        ("XF12345678", Mode.TRUCK),
    ]
    assert len({e.event_id for e in found}) == 4


def test_a_decision_on_a_whole_bill_needs_no_unit() -> None:
    found = event(message(decision(containers=None)))
    assert (found.unit_id, found.subject) == (None, "COSU6123456780")


def test_a_booking_stands_for_the_shipment_where_there_is_no_bill() -> None:
    said = decision(containers=None, transport_document=None, booking="BK7")
    assert event(message(said)).shipment_id == "BK7"


def test_a_decision_on_nothing_is_malformed() -> None:
    found = fault(message(decision(containers=None, transport_document=None)))
    assert found.field == "decisions[0].containers"


def test_a_unit_that_cannot_be_does_not_spoil_the_others() -> None:
    rejected, found = items(message(decision(containers=["CSQU3054384", OTHER_BOX])))
    assert rejected.reason is Reject.BAD_CHECK_DIGIT
    assert rejected.field == "decisions[0].containers[0]"
    assert found.unit_id == OTHER_BOX


def test_where_no_unit_is_left_the_bill_does_not_speak_for_it() -> None:
    assert fault(message(decision(containers=["CSQU3054384"]))).reason is Reject.BAD_CHECK_DIGIT


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"air_waybills": ["172-12345670"]}, Reject.BAD_CHECK_DIGIT, "air_waybills[0]"),
        ({"tir_carnets": ["?"]}, Reject.MALFORMED, "tir_carnets[0]"),
        ({"containers": 7}, Reject.MALFORMED, "containers"),
        ({"location": "XXYYY"}, Reject.UNKNOWN_NODE, "location"),
        ({"decision": "PONDERED"}, Reject.UNKNOWN_CODE, "decision"),
        ({"lane": "PURPLE"}, Reject.UNKNOWN_CODE, "lane"),
        ({"procedure": "MAGIC"}, Reject.UNKNOWN_CODE, "procedure"),
        ({"decision_id": None}, Reject.MALFORMED, "decision_id"),
        ({"declaration_number": " "}, Reject.MALFORMED, "declaration_number"),
        ({"decided_time": "2026-11-24T10:05:00"}, Reject.MALFORMED, "decided_time"),
        ({"decided_time": 1764000000}, Reject.MALFORMED, "decided_time"),
    ],
)
def test_a_bad_decision_is_rejected_by_itself(
    fields: dict[str, Any], reason: Reject, field: str
) -> None:
    bad = decision(**{"containers": None, **fields})
    rejected, found = items(message(bad, decision()))
    assert (rejected.reason, rejected.field) == (reason, f"decisions[0].{field}")
    assert found.unit_id == BOX


def test_a_correction_is_the_same_event() -> None:
    told = event(message(decision()))
    mended = event(
        message(
            decision(decided_time="2026-11-24T10:01:00+08:00", decision="HELD"),
            sent_time="2026-11-24T11:00:00+08:00",
        )
    )
    assert mended.event_id == told.event_id
    assert mended.updated_time > told.updated_time


def test_a_cancelled_decision_is_retracted() -> None:
    gone = event(message(decision(cancelled=True), sent_time="2026-11-24T11:00:00+08:00"))
    assert gone.retracted
    assert gone.event_id == event(message(decision())).event_id


def test_a_hold_that_comes_again_is_another_event() -> None:
    first, again = (decision(decision="HELD", decision_id=id) for id in ("H-1", "H-2"))
    assert event(message(first)).event_id != event(message(again)).event_id


def test_an_inspection_begins() -> None:
    found = event(message(inspections=[inspection()]))
    assert (found.code, found.attributes["inspection"]) == ("INSPECTION_STARTED", "SCAN")


def test_an_inspection_ends_with_its_result() -> None:
    said = inspection(end_time="2026-11-24T09:20:00+08:00", result="passed")
    begun, ended = items(message(inspections=[said]))
    assert begun.event_id == event(message(inspections=[inspection()])).event_id
    assert (ended.code, ended.attributes["result"]) == ("INSPECTED", "PASSED")


def test_a_single_inspection_may_stand_for_a_list() -> None:
    assert event(message(inspections=inspection())).code == "INSPECTION_STARTED"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"begin_time": None}, "begin_time"),
        ({"end_time": "2026-11-24T08:00:00+08:00"}, "end_time"),
        ({"result": "PASSED"}, "end_time"),
    ],
)
def test_an_inspection_that_cannot_be_is_malformed(fields: dict[str, Any], field: str) -> None:
    found = fault(message(inspections=[inspection(**fields)]))
    assert (found.reason, found.field) == (Reject.MALFORMED, f"inspections[0].{field}")


@pytest.mark.parametrize("name", ["message_id", "sent_time"])
def test_a_message_without_head_is_malformed(name: str) -> None:
    said = message(decision())
    del said[name]
    assert fault(said).field == name


@pytest.mark.parametrize("bytes_", [b"", b"[]", b"{", b"\xff", b"null", b"7"])
def test_what_is_no_object_is_malformed(bytes_: bytes) -> None:
    [found] = SINGLE_WINDOW.decode(bytes_, "x")
    assert isinstance(found, Rejected)
    assert found.reason is Reject.MALFORMED


def test_null_means_absent_and_what_is_unknown_is_ignored() -> None:
    said = decision() | {"lane": None, "cancelled": None, "seals": None, "future": {"x": 1}}
    assert event(message(said, inspections=None)).code == "CUSTOMS_RELEASED"


def test_it_is_recognised() -> None:
    assert SINGLE_WINDOW.recognises(orjson.dumps(message(decision())))


@pytest.mark.parametrize("bytes_", [b"", b"<x/>", b'{"decisions":[]}', b'{"eventList":[]}'])
def test_others_are_not(bytes_: bytes) -> None:
    assert not SINGLE_WINDOW.recognises(bytes_)


VALID = message(
    decision(lane="RED", seals=["S1"], reason_codes=["A1"], remark="x", air_waybills=["172"]),
    inspections=[inspection(end_time="2026-11-24T09:20:00+08:00", result="PASSED")],
)


@FUZZ
@given(spoiled(orjson.dumps(VALID)))
def test_a_raw_gives_only_items(raw: bytes) -> None:
    gives_only_items(SINGLE_WINDOW, raw)
