"""Commercial Schedules: calls of vessels, and routings that become itineraries."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.models import Itinerary, TrackingEvent
from producers.dcsa import codes, schedules
from tests.unit.producers.dcsa.messages import (
    BOX,
    ENVELOPE,
    OTHER_BOX,
    PORT_SCHEDULE,
    ROUTING_LEGS,
    VESSEL_SCHEDULE,
    Json,
    changed,
    scheduled,
    unscheduled,
)

SCHEDULE = VESSEL_SCHEDULE[0]
CALL = "vesselSchedules.0.transportCalls.0"


def _events(message: Any) -> list[TrackingEvent]:
    return [item for item in scheduled(message) if isinstance(item, TrackingEvent)]


def _plans(message: Any) -> list[Itinerary]:
    return [item for item in scheduled(message) if isinstance(item, Itinerary)]


def test_each_time_of_a_call_is_an_event_of_the_run() -> None:
    arrival, departure = _events(VESSEL_SCHEDULE)
    assert arrival.model_copy(update={"attributes": {}, "event_id": "x"}) == TrackingEvent(
        event_id="x",
        source="CARRIER",
        event_type=EventType.TRANSPORT,
        code="ARRIVED",
        classifier=Classifier.ESTIMATED,
        event_time=datetime(2026, 3, 2, tzinfo=UTC),
        run_id="9074729-615W",
        mode=Mode.VESSEL,
        node_id="CNQZH",
    )
    assert (departure.code, departure.classifier, departure.run_id) == (
        "DEPARTED",
        Classifier.PLANNED,
        "9074729-616E",
    )


def test_what_a_schedule_says_besides_is_kept() -> None:
    assert _events(VESSEL_SCHEDULE)[0].attributes == {
        "transport_call_reference": "SR00001B-9074729-CNQZH-1",
        "carrier_service_code": "PS3",
        "carrier_service_name": "Pearl Bridge",
        "universal_service_reference": "SR00001B",
        "vessel_name": "Pearl River",
        "vessel_flag": "SG",
        "vessel_call_sign": "9VAB",
        "vessel_imo_number": "9074729",
        "vessel_mmsi_number": "563000001",
        "vessel_operator": "COSU",
        "vessel_operator_code_list": "NMFTA",
        "import_voyage_number": "615W",
        "export_voyage_number": "616E",
        "facility_code": "QZP",
        "cutoff_documentation": "2026-03-01T00:00:00Z",
    }


@pytest.mark.parametrize(("code", "name"), codes.CUT_OFFS.items())
def test_every_cut_off_is_kept(code: str, name: str) -> None:
    path = f"{CALL}.cutOffTimes.0.cutOffDateTimeCode"
    assert f"cutoff_{name}" in _events(changed(SCHEDULE, path, code))[0].attributes


def test_a_port_schedule_is_told_of_each_partner_s_voyage() -> None:
    found = _events(PORT_SCHEDULE)
    assert [(event.run_id, event.attributes["carrier_code"]) for event in found] == [
        ("9074729-616E", "COSU"),
        ("9074729-022E", "OOLU"),
    ]
    assert {event.node_id for event in found} == {"CNQZH"}
    assert {event.classifier for event in found} == {Classifier.ACTUAL}


def test_partners_on_the_same_voyage_are_told_of_once() -> None:
    same = changed(
        PORT_SCHEDULE[0],
        "vesselSchedules.0.servicePartners.1",
        PORT_SCHEDULE[0]["vesselSchedules"][0]["servicePartners"][0],
    )
    assert len(_events(same)) == 1


def test_a_port_schedule_without_partners_goes_by_the_universal_voyage() -> None:
    message = changed(PORT_SCHEDULE[0], "vesselSchedules.0.servicePartners", [])
    message["vesselSchedules"][0]["universalExportVoyageReference"] = "2616E"
    assert _events(message)[0].run_id == "9074729-2616E"


def test_a_call_without_cargo_is_left_out() -> None:
    message = changed(SCHEDULE, f"{CALL}.isCargoOperationalCall", False)
    assert _events(message) == []


def test_without_a_time_of_issue_each_time_stands_for_itself() -> None:
    later = changed(SCHEDULE, f"{CALL}.timestamps.0.eventDateTime", "2026-03-02T12:00:00Z")
    assert _events(SCHEDULE)[0].event_id != _events(later)[0].event_id


def test_with_a_time_of_issue_a_newer_schedule_corrects_an_older() -> None:
    first = {"issued_time": "2026-02-01T00:00:00Z", "schedules": [SCHEDULE]}
    second = changed(first, f"schedules.0.{CALL}.timestamps.0.eventDateTime", "2026-03-02T12:00Z")
    second["issued_time"] = "2026-02-02T00:00:00Z"
    old, new = _events(first)[0], _events(second)[0]
    assert old.event_id == new.event_id
    assert old.updated_time < new.updated_time


def test_a_vessel_that_is_not_assigned_yet_is_refused() -> None:
    message = changed(SCHEDULE, "vesselSchedules.0.vessel", {"name": "TBN"})
    message = changed(message, "vesselSchedules.0.isDummyVessel", True)
    message = changed(
        message,
        f"{CALL}.timestamps",
        SCHEDULE["vesselSchedules"][0]["transportCalls"][0]["timestamps"][:1],
    )
    rejected = unscheduled(message)
    assert (rejected.reason, rejected.field) == (
        Reject.UNSUPPORTED,
        "vesselSchedules[0].vessel.vesselIMONumber",
    )


def test_a_bad_time_does_not_spoil_the_others() -> None:
    message = changed(SCHEDULE, f"{CALL}.timestamps.0.eventDateTime", "soon")
    first, second = schedules.decode(orjson.dumps([message]), "CARRIER")
    assert isinstance(first, Rejected)
    assert isinstance(second, TrackingEvent)
    assert first.field == ("[0].vesselSchedules[0].transportCalls[0].timestamps[0].eventDateTime")


@pytest.mark.parametrize(
    ("path", "value", "reason", "field"),
    [
        ("eventTypeCode", "STRT", Reject.UNKNOWN_CODE, "timestamps[0].eventTypeCode"),
        ("eventClassifierCode", "XX", Reject.UNKNOWN_CODE, "timestamps[0].eventClassifierCode"),
        ("eventClassifierCode", "REQ", Reject.UNSUPPORTED, "timestamps[0].eventClassifierCode"),
        ("eventDateTime", None, Reject.MALFORMED, "timestamps[0].eventDateTime"),
    ],
)
def test_a_time_that_cannot_be_read_is_refused_by_its_field(
    path: str, value: Any, reason: Reject, field: str
) -> None:
    message = changed(SCHEDULE, f"{CALL}.timestamps.0.{path}", value)
    del message["vesselSchedules"][0]["transportCalls"][0]["timestamps"][1]
    rejected = unscheduled(message)
    assert rejected.reason is reason
    assert rejected.field == f"vesselSchedules[0].transportCalls[0].{field}"


@pytest.mark.parametrize(
    ("location", "reason"),
    [({"UNLocationCode": "QQQQQ"}, Reject.UNKNOWN_NODE), ({"locationName": "Q"}, Reject.MALFORMED)],
)
def test_a_call_at_no_place_is_refused(location: Json, reason: Reject) -> None:
    message = changed(SCHEDULE, f"{CALL}.location", location)
    del message["vesselSchedules"][0]["transportCalls"][0]["timestamps"][1]
    rejected = unscheduled(message)
    assert rejected.reason is reason
    assert rejected.field == "vesselSchedules[0].transportCalls[0].location.UNLocationCode"


OPERATIONAL: list[Json] = [
    {
        "carrierServiceCode": "PS3",
        "vesselSchedules": [
            {
                "vesselOperatorSMDGLinerCode": "COS",
                "vesselIMONumber": "9074729",
                "vesselName": "Pearl River",
                "isDummyVessel": False,
                "transportCalls": [
                    {
                        "transportCallReference": "c-1",
                        "carrierImportVoyageNumber": "9999R",
                        "carrierExportVoyageNumber": "616E",
                        "location": {"locationType": "FACS", "UNLocationCode": "CNQZH"},
                        "statusCode": "ADHO",
                        "timestamps": [
                            {
                                "eventTypeCode": "ARRI",
                                "eventClassifierCode": "EST",
                                "eventDateTime": "2026-03-02T08:00:00+08:00",
                                "delayReasonCode": "WEA",
                                "changeRemark": "Fog",
                            }
                        ],
                    }
                ],
            }
        ],
    }
]


def test_an_operational_schedule_has_its_vessel_beside_its_calls() -> None:
    (event,) = _events(OPERATIONAL)
    assert event.run_id == "9074729-616E"
    assert event.delay_reasons == ("WEA",)
    assert event.attributes["vessel_operator"] == "COS"
    assert event.attributes["change_remark"] == "Fog"
    assert event.attributes["call_status"] == "ADHO"


@pytest.mark.parametrize("status", ["OMIT", "BLNK", ["ADHO", "OMIT"]])
def test_an_omitted_call_cancels_both_voyages_from_when_it_is_told(status: object) -> None:
    call = "0.vesselSchedules.0.transportCalls.0"
    message = changed({"schedules": OPERATIONAL}, f"schedules.{call}.statusCode", status)
    message = changed(message, f"schedules.{call}.carrierImportVoyageNumber", "615W")
    found = _events({**message, "issued_time": "2026-02-01T00:00:00Z"})
    assert [(event.code, event.classifier, event.run_id) for event in found] == [
        ("CANCELLED", Classifier.ACTUAL, "9074729-615W"),
        ("CANCELLED", Classifier.ACTUAL, "9074729-616E"),
    ]
    assert {event.event_time for event in found} == {datetime(2026, 2, 1, tzinfo=UTC)}


def test_an_omitted_call_is_refused_where_nobody_says_since_when() -> None:
    call = OPERATIONAL[0]["vesselSchedules"][0]["transportCalls"][0]
    rejected = unscheduled(
        {"vesselIMONumber": "9074729", "transportCalls": [call | {"statusCode": "OMIT"}]}
    )
    assert (rejected.reason, rejected.field) == (
        Reject.UNSUPPORTED,
        "transportCalls[0].statusCode",
    )


def test_a_waterway_is_no_call() -> None:
    location = {"UNLocationCode": "EGPSD", "waterwaySMDGEntryPointCode": "N"}
    assert _events(changed(SCHEDULE, f"{CALL}.location", location)) == []


def test_an_envelope_gives_each_unit_its_itinerary() -> None:
    found = _plans(ENVELOPE)
    assert [plan.unit_id for plan in found] == [BOX, OTHER_BOX]
    plan = found[0]
    assert (plan.shipment_id, plan.corridor_id, plan.version) == ("BL-1", "ILSTC", 3)
    assert plan.issued_time == datetime(2026, 2, 20, tzinfo=UTC)
    assert plan.parties == ("consignee",)


def test_legs_are_in_the_order_of_their_numbers() -> None:
    legs = _plans(ENVELOPE)[0].legs
    assert [leg.leg_id for leg in legs] == ["CNCQI-CNQZH.RAIL", "CNQZH-SGSIN.VESSEL"]
    assert all(one.sequence < other.sequence for one, other in pairwise(legs))


def test_a_leg_at_sea_has_the_run_service_and_carrier_of_the_vessel_s_operator() -> None:
    leg = _plans(ENVELOPE)[0].legs[1]
    assert (leg.run_id, leg.service_id, leg.carrier_id) == ("9074729-616E", "PS3", "COSU")
    assert leg.planned_departure == datetime(2026, 3, 5, tzinfo=UTC)
    assert leg.planned_arrival == datetime(2026, 3, 11, tzinfo=UTC)


def test_the_cut_off_of_the_routing_is_that_of_the_first_leg_at_sea() -> None:
    rail, sea = _plans(ENVELOPE)[0].legs
    assert (rail.cutoff, sea.cutoff) == (None, datetime(2026, 3, 4, tzinfo=UTC))


def test_the_cut_off_of_a_leg_comes_before_that_of_the_routing() -> None:
    own = [{"cutOffDateTimeCode": "PCO", "cutOffDateTime": "2026-03-04T12:00:00Z"}]
    message = changed(ENVELOPE, "routing.legs.0.cutOffTimes", own)
    assert _plans(message)[0].legs[1].cutoff == datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_legs_without_numbers_are_in_the_order_of_the_message() -> None:
    message = changed(ENVELOPE, "routing.legs", ROUTING_LEGS["legs"][::-1])
    for leg in message["routing"]["legs"]:
        del leg["sequenceNumber"]
    assert _plans(message)[0].legs == _plans(ENVELOPE)[0].legs


@pytest.mark.parametrize("message", [ROUTING_LEGS, {"legs": []}], ids=["whole", "legs alone"])
def test_a_bare_routing_is_refused_with_what_is_missing(message: Json) -> None:
    rejected = unscheduled(message)
    assert rejected.reason is Reject.UNSUPPORTED
    for name in ("unit_ids", "shipment_id", "corridor_id", "version", "issued_time"):
        assert name in rejected.detail


@pytest.mark.parametrize(
    "name", ["unit_ids", "shipment_id", "corridor_id", "version", "issued_time"]
)
def test_an_envelope_must_have(name: str) -> None:
    rejected = unscheduled({key: value for key, value in ENVELOPE.items() if key != name})
    assert (rejected.reason, rejected.field) == (Reject.MALFORMED, name)


@pytest.mark.parametrize("mode", ["RAIL_TRUCK", "BARGE_TRUCK", "BARGE_RAIL", "MULTIMODAL"])
def test_a_leg_in_several_modes_is_refused(mode: str) -> None:
    rejected = unscheduled(changed(ENVELOPE, "routing.legs.1.transport.modeOfTransport", mode))
    assert (rejected.reason, rejected.field) == (
        Reject.UNSUPPORTED,
        "routing.legs[1].transport.modeOfTransport",
    )


@pytest.mark.parametrize(
    ("path", "value", "reason", "field"),
    [
        ("unit_ids", [], Reject.MALFORMED, "unit_ids"),
        ("unit_ids", [7], Reject.MALFORMED, "unit_ids"),
        ("unit_ids", ["CSQU3054384"], Reject.BAD_CHECK_DIGIT, "unit_ids"),
        ("version", 0, Reject.MALFORMED, "version"),
        ("version", True, Reject.MALFORMED, "version"),
        ("issued_time", "today", Reject.MALFORMED, "issued_time"),
        ("parties", 3, Reject.MALFORMED, "parties"),
        ("routing", {"legs": []}, Reject.MALFORMED, "routing.legs"),
        ("routing.legs.0.arrival", None, Reject.MALFORMED, "routing.legs[0].arrival"),
        (
            "routing.legs.0.arrival.dateTime",
            "2026-03-01T00:00:00Z",
            Reject.MALFORMED,
            "routing.legs[0].arrival",
        ),
        (
            "routing.legs.0.arrival.location",
            {"locationName": "S"},
            Reject.MALFORMED,
            "routing.legs[0].arrival.location.UNLocationCode",
        ),
        (
            "routing.legs.0.departure.location.UNLocationCode",
            "QQQQQ",
            Reject.UNKNOWN_NODE,
            "routing.legs[0].departure.location.UNLocationCode",
        ),
    ],
)
def test_an_envelope_that_cannot_be_read_is_refused_by_its_field(
    path: str, value: Any, reason: Reject, field: str
) -> None:
    rejected = unscheduled(changed(ENVELOPE, path, value))
    assert (rejected.reason, rejected.field) == (reason, field)


@pytest.mark.parametrize("message", [{}, 3, None, "x", {"schedules": 3}, {"events": []}])
def test_what_is_no_schedule_is_refused_or_says_nothing(message: Any) -> None:
    assert all(
        isinstance(item, Rejected) for item in schedules.decode(orjson.dumps(message), "CARRIER")
    )
