"""Cargo-XML XFSU: a status message in, events of a waybill out."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from corridor.codes import Classifier, EventType, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.air import xfsu
from producers.air.statuses import DISCREPANCIES, MEANINGS
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled

ACTUAL, ESTIMATED, PLANNED = Classifier.ACTUAL, Classifier.ESTIMATED, Classifier.PLANNED

DEPARTURE = """
<ram:DepartureEvent>
  <ram:DepartureOccurrenceDateTime>2030-11-24T20:30:00</ram:DepartureOccurrenceDateTime>
  <ram:DepartureDateTimeTypeCode>A</ram:DepartureDateTimeTypeCode>
  <ram:OccurrenceDepartureLocation><ram:ID>CKG</ram:ID></ram:OccurrenceDepartureLocation>
</ram:DepartureEvent>"""
ARRIVAL = """
<ram:ArrivalEvent>
  <ram:ArrivalOccurrenceDateTime>2030-11-25T01:05:00</ram:ArrivalOccurrenceDateTime>
  <ram:ArrivalDateTimeTypeCode>E</ram:ArrivalDateTimeTypeCode>
  <ram:OccurrenceArrivalLocation><ram:ID>FRA</ram:ID></ram:OccurrenceArrivalLocation>
</ram:ArrivalEvent>"""
PLACE = """
<ram:SpecifiedLocation><ram:ID>CKG</ram:ID><ram:TypeCode>Airport</ram:TypeCode>
</ram:SpecifiedLocation>
<ram:SpecifiedEvent><ram:OccurrenceDateTime>2030-11-24T12:00:00</ram:OccurrenceDateTime>
<ram:DateTimeTypeCode>A</ram:DateTimeTypeCode></ram:SpecifiedEvent>"""


def movement(*parts: str, flight: str = "CA433") -> str:
    identity = f"<ram:ID>{flight}</ram:ID>" if flight else ""
    return (
        f"<ram:SpecifiedLogisticsTransportMovement>{identity}{''.join(parts)}"
        "</ram:SpecifiedLogisticsTransportMovement>"
    )


def part(*parts: str, pieces: int = 12, split: str = "T") -> str:
    return (
        "<ram:AssociatedStatusConsignment>"
        '<ram:GrossWeightMeasure unitCode="KGM">345.0</ram:GrossWeightMeasure>'
        f"<ram:PieceQuantity>{pieces}</ram:PieceQuantity>"
        f"<ram:TransportSplitDescription>{split}</ram:TransportSplitDescription>"
        f"{''.join(parts)}</ram:AssociatedStatusConsignment>"
    )


def reported(code: str, *parts: str) -> str:
    inner = f"<ram:ReasonCode>{code}</ram:ReasonCode>{''.join(parts)}"
    return f"<ram:ReportedStatus>{inner}</ram:ReportedStatus>"


def message(
    *statuses: str, purpose: str = "Creation", issued: str = "2030-11-24T12:40:00Z"
) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<rsm:StatusMessage xmlns:rsm="iata:statusmessage:1" xmlns:ram="iata:datamodel:3">
 <rsm:MessageHeaderDocument>
  <ram:ID>784-12345675-1</ram:ID><ram:TypeCode>FSU</ram:TypeCode>
  <ram:IssueDateTime>{issued}</ram:IssueDateTime><ram:PurposeCode>{purpose}</ram:PurposeCode>
  <ram:SenderParty><ram:PrimaryID schemeID="C">CA</ram:PrimaryID></ram:SenderParty>
 </rsm:MessageHeaderDocument>
 <rsm:BusinessHeaderDocument><ram:ID>784-12345675</ram:ID></rsm:BusinessHeaderDocument>
 <rsm:MasterConsignment>
  <ram:GrossWeightMeasure unitCode="KGM">345.0</ram:GrossWeightMeasure>
  <ram:TotalPieceQuantity>12</ram:TotalPieceQuantity>
  <ram:TransportContractDocument><ram:ID>784-12345675</ram:ID><ram:TypeCode>741</ram:TypeCode>
  </ram:TransportContractDocument>
  <ram:OriginLocation><ram:ID>CKG</ram:ID></ram:OriginLocation>
  <ram:FinalDestinationLocation><ram:ID>FRA</ram:ID></ram:FinalDestinationLocation>
  {"".join(statuses)}
 </rsm:MasterConsignment>
</rsm:StatusMessage>""".encode()


def read(text: bytes) -> list[Any]:
    return xfsu.decode(text, "carrier")


def events(*statuses: str, **header: str) -> list[TrackingEvent]:
    items = read(message(*statuses, **header))
    assert all(isinstance(item, TrackingEvent) for item in items), items
    return items


def rejected(text: bytes) -> Rejected:
    (item,) = read(text)
    assert isinstance(item, Rejected)
    return item


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


DEP = reported("DEP", part(movement(ARRIVAL, DEPARTURE)))
RCS = reported("RCS", part(movement(PLACE, flight="")))


def test_a_departure_is_of_the_waybill_the_flight_and_the_airport() -> None:
    departed = events(DEP)[0]
    assert (departed.event_type, departed.code) == (EventType.TRANSPORT, "DEPARTED")
    assert departed.unit_id == departed.shipment_id == "784-12345675"
    assert departed.run_id == "CA433-20301124"
    assert (departed.node_id, departed.event_time) == ("CNCKG", utc(2030, 11, 24, 12, 30))


def test_a_departure_tells_the_arrival_that_is_expected() -> None:
    arrives = events(DEP)[1]
    assert (arrives.code, arrives.classifier) == ("ARRIVED", ESTIMATED)
    assert (arrives.node_id, arrives.event_time) == ("DEFRA", utc(2030, 11, 25, 0, 5))


def test_the_sender_of_the_message_is_its_source() -> None:
    assert {told.source for told in events(DEP)} == {"CA"}


def test_the_message_says_when_it_was_made() -> None:
    assert events(RCS)[0].updated_time == utc(2030, 11, 24, 12, 40)


def test_a_time_with_an_offset_is_taken_by_it() -> None:
    zoned = DEPARTURE.replace("20:30:00", "23:30:00Z")
    departed = events(reported("DEP", part(movement(zoned))))[0]
    assert departed.event_time == utc(2030, 11, 24, 23, 30)
    assert departed.run_id == "CA433-20301125"  # at the airport it is the day after


def test_a_status_of_an_airport_needs_no_flight() -> None:
    (received,) = events(RCS)
    assert (received.code, received.node_id) == ("GATED_IN", "CNCKG")
    assert (received.event_time, received.run_id) == (utc(2030, 11, 24, 4, 0), None)


def test_a_status_may_stand_without_a_movement() -> None:
    (received,) = events(reported("RCS", part(PLACE)))
    assert received.event_time == utc(2030, 11, 24, 4, 0)


def test_a_booking_is_a_planned_departure_and_arrival() -> None:
    planned = movement(ARRIVAL.replace(">E<", ">S<"), DEPARTURE.replace(">A<", ">S<"))
    told = events(reported("BKD", part(planned)))
    assert [(one.code, one.classifier) for one in told] == [
        ("DEPARTED", PLANNED),
        ("ARRIVED", PLANNED),
    ]


def test_an_arrival_is_of_the_flight_that_its_departure_is_told_of() -> None:
    actual = movement(ARRIVAL.replace(">E<", ">A<"), DEPARTURE)
    arrived = events(reported("ARR", part(actual)))[0]
    assert (arrived.code, arrived.classifier, arrived.node_id) == ("ARRIVED", ACTUAL, "DEFRA")
    assert arrived.run_id == "CA433-20301124"


@pytest.mark.parametrize(("kind", "expected"), [("S", PLANNED), ("E", ESTIMATED), ("A", ACTUAL)])
def test_a_status_may_be_planned_or_expected(kind: str, expected: Classifier) -> None:
    (told,) = events(RCS.replace(">A<", f">{kind}<"))
    assert (told.code, told.classifier) == ("GATED_IN", expected)
    assert (told.event_id == events(RCS)[0].event_id) is (kind == "A")


def test_the_number_of_a_flight_may_stand_beside_its_carrier() -> None:
    carrier = "<ram:CarrierParty><ram:PrimaryID>CA</ram:PrimaryID></ram:CarrierParty>"
    departed = events(reported("DEP", part(movement(DEPARTURE, carrier, flight="0433"))))[0]
    assert departed.run_id == "CA433-20301124"


def test_places_may_be_told_by_their_end_of_the_flight() -> None:
    bare = DEPARTURE.split("<ram:OccurrenceDepartureLocation>")[0] + "</ram:DepartureEvent>"
    ends = "".join(
        f"<ram:SpecifiedLocation><ram:ID>{code}</ram:ID>"
        f"<ram:FlightStatusTypeCode>{end}</ram:FlightStatusTypeCode></ram:SpecifiedLocation>"
        for code, end in (("CKG", "Departure"), ("FRA", "Arrival"))
    )
    (departed,) = events(reported("DEP", part(movement(bare, ends))))
    assert departed.node_id == "CNCKG"


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_every_status_is_what_the_table_says(code: str) -> None:
    given = PLACE if MEANINGS[code].where.value == "airport" else DEPARTURE + ARRIVAL
    if code == "ARR":
        given = given.replace(">E<", ">A<")
    if code in ("RCF", "FIW", "AWR"):
        given = given + PLACE
    told = events(reported(code, part(movement(given))))[0]
    assert told.attributes["status_code"] == code
    if code != "BKD":
        assert (told.event_type, told.code, told.classifier) == MEANINGS[code][:3]


@pytest.mark.parametrize("code", sorted(DISCREPANCIES))
def test_every_discrepancy_is_what_the_table_says(code: str) -> None:
    kind = f"<ram:DiscrepancyDescriptionCode>{code}</ram:DiscrepancyDescriptionCode>"
    (told,) = events(reported("DIS", part(kind, movement(PLACE, flight=""))))
    assert (told.event_type, told.code) == DISCREPANCIES[code][:2]


def test_what_has_no_place_of_its_own_is_an_attribute() -> None:
    more = (
        "<ram:NotifiedParty><ram:Name>AGENT</ram:Name></ram:NotifiedParty>"
        "<ram:HandlingOSIInstructions><ram:Description>READY</ram:Description>"
        "</ram:HandlingOSIInstructions>"
        "<ram:UtilizedUnitLoadTransportEquipment><ram:ID>12345</ram:ID>"
        "<ram:CharacteristicCode>PMC</ram:CharacteristicCode>"
        "<ram:OperatingParty><ram:PrimaryID>CA</ram:PrimaryID></ram:OperatingParty>"
        "</ram:UtilizedUnitLoadTransportEquipment>"
    )
    (told,) = events(reported("NFD", part(more, movement(PLACE, flight=""))))
    expected = {
        "notified_party": "AGENT",
        "service_information": "READY",
        "uld_ids": "PMC12345CA",
        "pieces": 12,
        "weight": 345.0,
        "weight_unit": "KGM",
        "waybill_origin": "CKG",
        "message_id": "784-12345675-1",
    }
    assert told.attributes.items() >= expected.items()


def test_each_part_of_a_consignment_is_a_statement() -> None:
    parts = [part(movement(PLACE, flight=""), pieces=n, split="P") for n in (5, 7)]
    first, second = events(reported("RCS", *parts))
    assert first.event_id != second.event_id


def test_a_deletion_takes_the_statement_back() -> None:
    (told,) = events(RCS)
    (taken_back,) = events(RCS, purpose="Deletion", issued="2030-11-24T13:00:00Z")
    assert taken_back.retracted
    assert taken_back.event_id == told.event_id
    assert taken_back.updated_time > told.updated_time


def test_a_corrected_time_is_the_same_statement() -> None:
    (first,), (second,) = events(RCS), events(RCS.replace("12:00:00", "12:30:00"))
    assert first.event_id == second.event_id


def test_a_bad_status_does_not_spoil_the_others() -> None:
    good, bad = read(message(RCS, reported("XYZ", part(movement(PLACE)))))
    assert isinstance(good, TrackingEvent)
    assert bad.reason is Reject.UNKNOWN_CODE
    assert bad.field == "MasterConsignment.ReportedStatus[1].ReasonCode"


@pytest.mark.parametrize(
    ("text", "reason", "field"),
    [
        (b"", Reject.MALFORMED, None),
        (b"<x/>", Reject.MALFORMED, None),
        (b"<StatusMessage/>", Reject.MALFORMED, "StatusMessage[0].MasterConsignment"),
        (message(), Reject.MALFORMED, "StatusMessage[0].MasterConsignment.ReportedStatus"),
        (
            message(RCS).replace(b"784-12345675", b"784-12345670"),
            Reject.BAD_CHECK_DIGIT,
            "StatusMessage[0].MasterConsignment.TransportContractDocument.ID",
        ),
        (
            message(RCS.replace("CKG", "QQQ")),
            Reject.UNKNOWN_NODE,
            "SpecifiedLogisticsTransportMovement[0].SpecifiedLocation.ID",
        ),
        (
            message(DEP.replace(">A<", ">Z<")),
            Reject.MALFORMED,
            "SpecifiedLogisticsTransportMovement[0].DepartureEvent.DepartureDateTimeTypeCode",
        ),
        (
            message(reported("RCS", part())),
            Reject.MALFORMED,
            "SpecifiedLogisticsTransportMovement[0].time",
        ),
    ],
    ids=["empty", "other", "no-waybill", "no-status", "digit", "airport", "type", "no-time"],
)
def test_what_cannot_be_read_says_why(text: bytes, reason: Reject, field: str | None) -> None:
    assert rejected(text)[:2] == (reason, field)


def test_messages_are_recognised() -> None:
    assert xfsu.FORMAT.recognises(message(RCS))
    assert not xfsu.FORMAT.recognises(b"<Waybill/>")


@FUZZ
@given(
    spoiled(message(DEP, RCS), message(reported("DIS", part(PLACE, split="P")), purpose="Deletion"))
)
def test_a_spoiled_message_gives_only_items(text: bytes) -> None:
    gives_only_items(xfsu.FORMAT, text)
