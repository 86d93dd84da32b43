"""What an EPCIS message may look like as a whole."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given

from corridor import topics
from corridor.codes import Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.epcis import FORMATS, documents
from producers.epcis.documents import EPCIS
from tests.unit.producers.epcis.messages import (
    BOX,
    OTHER_BOX,
    VESSEL,
    WRONG_BOX,
    document,
    event,
    events,
    family,
    fault,
    items,
    sensed,
    step,
)
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled


def test_the_package_exports_its_format() -> None:
    assert FORMATS == (EPCIS,)
    assert EPCIS.topic == topics.PORT.name


def test_a_document_gives_the_events_of_its_list() -> None:
    assert [e.code for e in events(document(step("arriving"), step("departing")))] == [
        "ARRIVED",
        "DEPARTED",
    ]


def test_the_answer_of_a_query_gives_its_results() -> None:
    body = {"queryResults": {"queryName": "q", "resultsBody": {"eventList": [step()]}}}
    assert event(document(type="EPCISQueryDocument", epcisBody=body)).code == "ARRIVED"


def test_an_event_may_come_by_itself() -> None:
    assert event(step()).unit_id == "CSQU3054383"


def test_events_may_come_as_a_list() -> None:
    assert len(events([step(), step("departing")])) == 2


def test_a_single_event_may_stand_for_a_list() -> None:
    assert event(document(epcisBody={"eventList": step()})).code == "ARRIVED"


def test_a_draft_that_says_isa_is_read() -> None:
    old = {**step(), "isA": "ObjectEvent"}
    del old["type"]
    message = document(old)
    message["isA"] = message.pop("type")
    assert event(message).code == "ARRIVED"


def test_a_byte_order_mark_does_not_matter() -> None:
    [item] = EPCIS.decode(b"\xef\xbb\xbf" + orjson.dumps(step()), "terminal")
    assert isinstance(item, TrackingEvent)


def test_the_sender_of_a_document_is_its_source() -> None:
    assert event(document(step(), sender="urn:epc:id:pgln:6901234.00001")).source == (
        "urn:epc:id:pgln:6901234.00001"
    )


def test_without_one_the_sender_of_the_message_is() -> None:
    assert event(document(step())).source == "terminal"


def test_a_bad_event_does_not_spoil_the_others() -> None:
    bad = step(eventTime="yesterday")
    found = items(document(bad, step()))
    assert isinstance(found[0], Rejected)
    assert found[0].field == "epcisBody.eventList[0].eventTime"
    assert isinstance(found[1], TrackingEvent)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (step(eventTime=None), "eventTime"),
        ([step(eventTime=None)], "[0].eventTime"),
        (document(7), "epcisBody.eventList[0]"),
        (document(step(epcList=[BOX, 7])), "epcisBody.eventList[0].epcList[1]"),
        (document(epcisBody={}), "epcisBody.eventList"),
    ],
)
def test_a_fault_names_the_field_in_the_words_of_the_message(message: Any, field: str) -> None:
    [found] = [item for item in items(message) if isinstance(item, Rejected)]
    assert (found.reason, found.field) == (Reject.MALFORMED, field)


@pytest.mark.parametrize(
    "message",
    [
        document(type="EPCISMasterDataDocument"),
        {"type": "Invoice"},
        {},
        step(type="ex:WeighingEvent"),
    ],
)
def test_another_kind_of_document_or_event_is_unsupported(message: Any) -> None:
    assert fault(message).reason is Reject.UNSUPPORTED


@pytest.mark.parametrize("message", [b"", b"{", b"\xff\xfe", b'"text"', b"7", b"null"])
def test_what_is_no_document_is_malformed(message: bytes) -> None:
    [found] = EPCIS.decode(message, "terminal")
    assert isinstance(found, Rejected)
    assert found.reason is Reject.MALFORMED


def test_an_event_without_id_that_nests_too_deeply_is_malformed() -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    [found] = EPCIS.decode(json.dumps(step(eventID=None, extension=deep)).encode(), "terminal")
    assert isinstance(found, Rejected)
    assert found.reason is Reject.MALFORMED


def test_a_small_message_cannot_become_a_large_one() -> None:
    report = {"type": "Speed", "value": 1, "uom": "KMH"}
    element = [{"sensorReport": [report]}] * 2_000
    things = [f"urn:epc:id:sscc:6901234.{n:010}" for n in range(2_000)]
    found = fault(step(epcList=things, sensorElementList=element))
    assert found.reason is Reject.UNSUPPORTED


def test_a_message_that_says_too_much_is_read_up_to_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "MOST", 3)
    found = items(document(*[step()] * 9))
    assert [type(item) for item in found] == [TrackingEvent] * 3 + [Rejected]


@pytest.mark.parametrize("message", [document(step()), step(), [step()]])
def test_it_is_recognised(message: Any) -> None:
    assert EPCIS.recognises(orjson.dumps(message))


@pytest.mark.parametrize("message", [b"", b"<x/>", b'{"eventType":"TRANSPORT"}', b"UNB+UNOA"])
def test_others_are_not(message: bytes) -> None:
    assert not EPCIS.recognises(message)


VALID = document(
    step(
        errorDeclaration={"declarationTime": "2026-11-25T00:00:00Z", "reason": "did_not_occur"},
        recordTime="2026-11-24T09:00:00Z",
        bizLocation={"id": "geo:21.6,108.6"},
        bizTransactionList=[{"type": "bol", "bizTransaction": "urn:epcglobal:cbv:bt:1:B7"}],
        sourceList=[{"type": "location", "source": "urn:x"}],
        persistentDisposition={"set": ["damaged"]},
        quantityList=[{"epcClass": "urn:epc:class:lgtin:1.2.3", "quantity": 2}],
    ),
    family("AggregationEvent", "loading", parentID=VESSEL, childEPCs=[BOX, OTHER_BOX, WRONG_BOX]),
    family("AssociationEvent", eventID=None),
    sensed(
        {"type": "Temperature", "value": 2, "uom": "CEL", "time": "2026-11-24T08:00:00Z"},
        {"type": "Angle", "component": "latitude", "value": 2, "uom": "DD"},
        {"type": "Angle", "component": "longitude", "value": 2, "uom": "DD"},
        {"type": "ex:Tamper", "exception": "ALARM_CONDITION", "booleanValue": True},
    ),
)


@FUZZ
@given(spoiled(orjson.dumps(VALID)))
def test_a_spoiled_message_gives_only_items(message: bytes) -> None:
    gives_only_items(EPCIS, message)
