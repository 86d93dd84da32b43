"""Track & Trace events, whole."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.dcsa import tracking
from tests.unit.producers.dcsa.messages import (
    BETA,
    BOX,
    CALL_2,
    EQUIPMENT_2,
    EQUIPMENT_3,
    IOT_3,
    OTHER_BOX,
    PORT_CALL,
    REEFER_3,
    SHIPMENT_2,
    SHIPMENT_3,
    TRANSPORT_2,
    TRANSPORT_3,
    Json,
    changed,
    one,
    refused,
    tracked,
)


def test_a_flat_transport_event_is_of_its_run() -> None:
    event = one(TRANSPORT_2)
    assert event.model_copy(update={"attributes": {}}) == TrackingEvent(
        event_id="t-1",
        source="HUB",
        event_type=EventType.TRANSPORT,
        code="ARRIVED",
        event_time=datetime(2026, 3, 1, 1, 30, tzinfo=UTC),
        updated_time=datetime(2026, 3, 1, 2, tzinfo=UTC),
        run_id="9074729-615W",
        mode=Mode.VESSEL,
        node_id="CNQZH",
    )
    assert event.attributes == {
        "facility_code": "QZP",
        "facility_code_list": "SMDG",
        "facility_type": "PORT_TERMINAL",
        "transport_call_reference": "call-77",
        "transport_call_sequence_number": 4,
        "carrier_service_code": "PS3",
        "import_voyage_number": "615W",
        "export_voyage_number": "616E",
        "vessel_imo_number": "9074729",
        "vessel_name": "Pearl River",
        "vessel_flag": "SG",
        "vessel_call_sign": "9VAB",
        "vessel_operator": "COS",
        "vessel_operator_code_list": "SMDG",
    }


def test_a_flat_equipment_event_is_of_its_unit_on_its_run() -> None:
    event = one(EQUIPMENT_2)
    assert (event.unit_id, event.run_id, event.shipment_id) == (BOX, "9074729-616E", "BL-1")
    assert (event.event_type, event.code, event.node_id) == (
        EventType.EQUIPMENT,
        "LOADED",
        "CNQZH",
    )
    assert event.attributes["iso_equipment_code"] == "45G1"
    assert event.attributes["empty_indicator"] == "LADEN"
    assert event.attributes["seal_1_number"] == "K1"
    assert event.attributes["booking_reference"] == "BK-1"
    assert event.attributes["transport_document_reference"] == "BL-1"


def test_a_flat_shipment_event_is_of_its_document() -> None:
    event = one(SHIPMENT_2)
    assert (event.event_type, event.code, event.shipment_id) == (
        EventType.SHIPMENT,
        "ISSUED",
        "BL-1",
    )
    assert (event.unit_id, event.run_id) == (None, None)
    assert event.attributes["document_type"] == "TRANSPORT_DOCUMENT"


def test_a_nested_transport_event_is_read() -> None:
    event = one(TRANSPORT_3)
    assert (event.source, event.code, event.run_id, event.node_id) == (
        "COS",
        "DEPARTED",
        "9074729-616E",
        "SGSIN",
    )
    assert event.delay_reasons == ("WEA", "CGS")
    assert event.attributes["universal_service_reference"] == "SR00001B"
    assert event.attributes["source_code_list"] == "SMDG LCL"


def test_a_nested_equipment_event_is_read() -> None:
    event = one(EQUIPMENT_3)
    assert (event.unit_id, event.code, event.node_id) == (BOX, "GATED_IN", "SGSIN")
    assert event.attributes["facility_code"] == "PSA"
    assert event.attributes["transport_phase"] == "EXPORT"
    assert event.attributes["seal_1_placement"] == "DOOR"


def test_a_nested_shipment_event_is_of_the_transport_document_and_keeps_what_it_is_about() -> None:
    event = one(SHIPMENT_3)
    assert event.shipment_id == "BL-1"
    assert event.attributes["document_type"] == "BOOKING"
    assert event.attributes["document_number"] == "BK-1"
    assert event.attributes["purchase_order_reference"] == "PO-7"


def test_a_device_event_has_a_position() -> None:
    event = one(IOT_3)
    assert (event.latitude, event.longitude, event.node_id) == (21.683, 108.647, None)
    assert event.attributes["geofence_id"] == "g-1"
    assert event.attributes["geofence_collection"] == "yard"
    assert event.attributes["detection_source"] == "DEVICE"


def test_what_a_reefer_measures_has_its_unit_in_its_name() -> None:
    assert one(REEFER_3).attributes == {
        "source_code_list": "SMDG LCL",
        "power_status": "POWER_ON",
        "temperature_unit": "CEL",
        "active_alarms": 1,
        "setpoint_temperature_celsius": -18,
        "ambient_temperature_celsius": 31.5,
        "supply_air_temperature_celsius": -18.4,
        "supply_air_p16_temperature_celsius": -18.6,
        "return_air_temperature_celsius": -17.1,
        "probe_usda_2_temperature_celsius": -17.5,
        "probe_cargo_temperature_celsius": -17.0,
        "probe_pulp_probe_b_temperature_celsius": -16.5,
        "setpoint_humidity_percent": 80,
        "setpoint_ventilation_open": False,
        "measured_humidity_percent": 77.5,
        "measured_o2_percent": 20.9,
        "measured_co2_percent": 0.1,
        "measured_air_exchange_m3_per_hour": 2.832,
        "alarm_1_code": "AL10",
        "alarm_1_description": "Low airflow",
    }


def test_fahrenheit_becomes_celsius() -> None:
    event = changed(REEFER_3, "reeferDetails.temperatureUnit", "FAH")
    event = changed(event, "reeferDetails.internalSetpointTemperature", 14)
    assert one(event).attributes["setpoint_temperature_celsius"] == -10


def test_a_temperature_without_a_unit_gets_none() -> None:
    attributes = one(changed(REEFER_3, "reeferDetails.temperatureUnit", None)).attributes
    assert attributes["setpoint_temperature"] == -18
    assert "setpoint_temperature_celsius" not in attributes


def test_the_measurements_of_the_reefer_beta_are_read() -> None:
    event = {
        "metadata": {
            "eventID": "r-1",
            "eventType": "REEFER",
            "eventCreatedDateTime": "2026-01-01T00:00:00Z",
        },
        "payload": {
            "eventDateTime": "2026-01-01T00:00:00Z",
            "reeferEventTypeCode": "MEAS",
            "equipmentReference": BOX,
            "geoLocation": {"latitude": 21.5, "longitude": 108.6},
            "measurements": {"temperature": -17.9, "temperatureUnit": "CEL", "humidity": 88},
            "setpoints": {"temperature": 0, "temperatureUnit": "FAH", "airExchange": 5},
        },
    }
    found = one(event)
    assert (found.latitude, found.longitude) == (21.5, 108.6)
    assert found.attributes == {
        "measured_temperature_celsius": -17.9,
        "measured_humidity_percent": 88,
        "setpoint_temperature_celsius": -17.78,
        "setpoint_air_exchange": 5,
    }


def test_an_event_in_metadata_and_payload_is_read() -> None:
    event = one(BETA)
    assert (event.event_id, event.source, event.code, event.classifier) == (
        "b-1",
        "MSK",
        "DISCHARGED",
        Classifier.ESTIMATED,
    )
    assert (event.unit_id, event.run_id, event.shipment_id) == (BOX, "9074729-615W", "BK-1")
    assert event.node_id == "SGSIN"
    assert event.attributes["is_transshipment_move"] is True
    assert event.attributes["universal_import_voyage_reference"] == "2615W"
    assert event.attributes["vessel_name"] == "Pearl River"
    assert event.attributes["facility_type"] == "PORT_TERMINAL"


def test_a_port_call_is_read() -> None:
    event = one(PORT_CALL)
    assert (event.source, event.run_id, event.node_id) == ("QZP", "9074729-615W", "CNQZH")
    assert event.delay_reasons == ("CRN",)
    assert event.attributes["publisher_name"] == "Qinzhou terminals"
    assert event.attributes["remark"] == "cranes are busy"


# --- the message around them --------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        TRANSPORT_2,
        [TRANSPORT_2],
        {"events": [TRANSPORT_2]},
        {"events": TRANSPORT_2},
        {"events": [TRANSPORT_2], "feedbackElements": []},
    ],
    ids=["one", "list", "events", "one in events", "page"],
)
def test_events_come_alone_in_a_list_or_in_an_object(message: Any) -> None:
    items = tracking.decode(orjson.dumps(message), "HUB")
    assert items == tracked(TRANSPORT_2)


def test_a_byte_order_mark_is_no_fault() -> None:
    assert tracking.decode(b"\xef\xbb\xbf" + orjson.dumps(TRANSPORT_2), "HUB") == [one(TRANSPORT_2)]


def test_shapes_and_spellings_mix_in_one_message() -> None:
    found = tracked(TRANSPORT_2, EQUIPMENT_3, BETA, PORT_CALL)
    assert [event.event_id for event in found][:3] == ["t-1", "e-3", "b-1"]


def test_four_letter_codes_in_nested_events_are_read() -> None:
    event = changed(
        TRANSPORT_3,
        "eventClassification",
        {
            "eventTypeCode": "TRANSPORT",
            "eventClassifierCode": "EST",
            "transportEventTypeCode": "ARRI",
        },
    )
    assert (one(event).code, one(event).classifier) == ("ARRIVED", Classifier.ESTIMATED)


def test_names_of_fields_and_codes_are_read_in_any_case() -> None:
    event = {
        **{name: value for name, value in TRANSPORT_2.items() if name != "eventID"},
        "eventId": "t-1",
        "transportEventTypeCode": " arri ",
        "transportCall": {
            **{name: value for name, value in CALL_2.items() if name != "UNLocationCode"},
            "unLocationCode": "cn qzh",
        },
    }
    assert one(event) == one(TRANSPORT_2)


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_null_and_empty_text_are_absent(empty: str | None) -> None:
    event = {
        **TRANSPORT_2,
        "equipmentReference": empty,
        "equipmentEventTypeCode": empty,
        "delayReasonCode": empty,
        "references": empty,
    }
    assert one(event) == one(TRANSPORT_2)


def test_fields_that_nobody_knows_are_ignored() -> None:
    assert one({**TRANSPORT_2, "mood": {"of": ["the", "day"]}}) == one(TRANSPORT_2)


def test_a_type_that_is_missing_is_certain_where_there_is_one_code() -> None:
    event = {name: value for name, value in EQUIPMENT_2.items() if name != "eventType"}
    assert one(event) == one(EQUIPMENT_2)


def test_the_old_field_of_the_code_is_read() -> None:
    event = changed(EQUIPMENT_2, "equipmentEventTypeCode", None) | {"eventTypeCode": "DISC"}
    assert one(event).code == "DISCHARGED"


def test_a_bad_event_does_not_spoil_the_others() -> None:
    message = {"events": [TRANSPORT_2, changed(EQUIPMENT_2, "equipmentReference", "X"), SHIPMENT_2]}
    first, second, third = tracking.decode(orjson.dumps(message), "HUB")
    assert isinstance(first, TrackingEvent)
    assert isinstance(third, TrackingEvent)
    assert isinstance(second, Rejected)
    assert second.field == "events[1].equipmentReference"


def test_what_a_page_says_of_documents_holds_for_its_events() -> None:
    message = {"carrierBookingReference": "BK-9", "events": [TRANSPORT_2]}
    (event,) = tracking.decode(orjson.dumps(message), "HUB")
    assert isinstance(event, TrackingEvent)
    assert event.shipment_id == "BK-9"


@pytest.mark.parametrize(
    "message", [b"", b"\xff\xfe", b"null", b"3", b'"x"', b"{", b"[" * 5000, b'{"a":1e999}']
)
def test_what_is_no_message_is_malformed(message: bytes) -> None:
    (rejected,) = tracking.decode(message, "HUB")
    assert isinstance(rejected, Rejected)
    assert rejected.reason is Reject.MALFORMED


def test_an_object_without_events_is_malformed() -> None:
    assert refused({"feedbackElements": []}).field == "events"


@pytest.mark.parametrize("part", [None, 3, "x", [], True])
def test_what_is_no_event_is_malformed(part: Any) -> None:
    (rejected,) = tracking.decode(orjson.dumps([part]), "HUB")
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.field) == (Reject.MALFORMED, "[0]")


# --- whom and where -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "voyage"),
    [
        ("LOAD", "616E"),
        ("DISC", "615W"),
    ],
)
def test_a_box_is_loaded_for_the_outgoing_voyage_and_discharged_from_the_incoming(
    code: str, voyage: str
) -> None:
    event = changed(EQUIPMENT_2, "equipmentEventTypeCode", code)
    assert one(event).run_id == f"9074729-{voyage}"


@pytest.mark.parametrize(("code", "voyage"), [("ARRI", "615W"), ("DEPA", "616E")])
def test_a_vessel_arrives_on_the_incoming_voyage_and_departs_on_the_outgoing(
    code: str, voyage: str
) -> None:
    event = changed(TRANSPORT_2, "transportEventTypeCode", code)
    assert one(event).run_id == f"9074729-{voyage}"


@pytest.mark.parametrize(
    ("phase", "run"),
    [("EXPORT", "9074729-616E"), ("IMPORT", "9074729-615W"), (None, None)],
)
def test_at_the_gate_the_phase_says_which_voyage_is_meant(
    phase: str | None, run: str | None
) -> None:
    event = changed(EQUIPMENT_2, "equipmentEventTypeCode", "GTIN") | {"transportPhase": phase}
    assert one(event).run_id == run


def test_a_call_with_one_voyage_comes_and_goes_on_it() -> None:
    event = changed(TRANSPORT_2, "transportCall.importVoyageNumber", None)
    assert one(event).run_id == "9074729-616E"


def test_the_universal_voyage_is_taken_where_the_carrier_names_none() -> None:
    event = changed(
        TRANSPORT_3,
        "transportDetails.transportCall.exportVoyageNumberOrReference",
        {"universalVoyageReference": "2616E"},
    )
    event = changed(event, "transportDetails.transportCall.importVoyageNumberOrReference", None)
    assert one(event).run_id == "9074729-2616E"


@pytest.mark.parametrize("number", [9074729, "IMO 9074729", "imo9074729"])
def test_an_imo_number_is_read_as_it_is_written(number: object) -> None:
    event = changed(TRANSPORT_2, "transportCall.vessel.vesselIMONumber", number)
    assert one(event).run_id == "9074729-615W"


def test_a_vessel_without_a_number_runs_by_its_name() -> None:
    event = changed(TRANSPORT_2, "transportCall.vessel.vesselIMONumber", None)
    assert one(event).run_id == "PEARL RIVER-615W"


def test_gaps_in_the_name_of_a_run_are_one() -> None:
    event = changed(TRANSPORT_2, "transportCall.vessel.vesselIMONumber", None)
    assert one(changed(event, "transportCall.importVoyageNumber", "UNIF  5")).run_id == (
        "PEARL RIVER-UNIF 5"
    )


def test_a_train_runs_by_its_departure() -> None:
    call = {
        "modeOfTransport": "RAIL",
        "railTransport": {
            "departureID": "x8155-0301",
            "railServiceReference": "CQ-QZ",
            "railCarReference": "w12",
        },
    }
    event = one(changed(TRANSPORT_3, "transportDetails.transportCall", call))
    assert (event.mode, event.run_id) == (Mode.RAIL, "X8155-0301")
    assert event.attributes["rail_service_reference"] == "CQ-QZ"
    assert event.attributes["rail_car_reference"] == "w12"


def test_a_train_of_the_beta_is_read() -> None:
    call = {"modeOfTransport": "RAIL", "railCar": "w12", "departureID": "d-1", "location": None}
    assert one(changed(TRANSPORT_2, "transportCall", call)).run_id == "D-1"


TRUCK: Json = {
    "modeOfTransport": "TRUCK",
    "truckTransport": {
        "tractorDetails": {"licensePlate": "yu a12345", "vehicleIdentificationNumber": "V1"},
        "trailerDetails": {"licensePlate": "yu 88 gua"},
    },
}


def test_a_lorry_is_a_run_where_nothing_better_is_known() -> None:
    event = one(changed(TRANSPORT_3, "transportDetails.transportCall", TRUCK))
    assert (event.mode, event.run_id) == (Mode.TRUCK, "YUA12345")
    assert event.attributes["trailer_license_plate"] == "yu 88 gua"
    assert event.attributes["tractor_vin"] == "V1"


def test_a_lorry_is_no_run_where_the_shipment_is_known() -> None:
    event = changed(TRANSPORT_3, "transportDetails.transportCall", TRUCK)
    event["shipmentDetails"] = SHIPMENT_3["shipmentDetails"]
    assert (one(event).run_id, one(event).shipment_id) == (None, "BL-1")


def test_equipment_on_a_transport_event_makes_it_one_of_the_unit() -> None:
    event = one({**TRANSPORT_3, "equipmentDetails": {"equipmentReference": BOX}})
    assert (event.unit_id, event.run_id) == (BOX, "9074729-616E")


def test_a_mere_reference_to_equipment_leaves_an_event_with_its_run() -> None:
    event = one({**TRANSPORT_2, "references": [{"referenceType": "EQ", "referenceValue": BOX}]})
    assert event.unit_id is None
    assert event.attributes["equipment_reference"] == BOX


@pytest.mark.parametrize("lacking", ["a run", "a voyage"])
def test_the_one_box_that_it_refers_to_is_meant_where_there_is_nothing_else(lacking: str) -> None:
    path = "transportCall.vessel" if lacking == "a run" else "transportCall.importVoyageNumber"
    event = changed(changed(TRANSPORT_2, path, None), "transportCall.exportVoyageNumber", None)
    event["references"] = [{"referenceType": "EQ", "referenceValue": BOX}]
    assert one(event).unit_id == BOX


def test_an_event_of_nothing_is_refused() -> None:
    event = changed(TRANSPORT_2, "transportCall.vessel", None)
    rejected = refused(event)
    assert (rejected.reason, rejected.field) == (Reject.MALFORMED, "equipmentReference")
    assert rejected.detail.startswith("ARRIVED of what?")


def test_what_happens_to_an_unnamed_box_is_not_told_of_all_aboard() -> None:
    event = {**EQUIPMENT_2, "equipmentReference": None, "documentReferences": None}
    rejected = refused(event)
    assert (rejected.reason, rejected.field) == (Reject.MALFORMED, "equipmentReference")


def test_what_happens_to_an_unnamed_box_is_of_its_shipment() -> None:
    event = one({**EQUIPMENT_2, "equipmentReference": None})
    assert (event.unit_id, event.run_id, event.shipment_id) == (None, "9074729-616E", "BL-1")


def test_documents_beside_the_details_are_read() -> None:
    event = {name: part for name, part in SHIPMENT_3.items() if name != "shipmentDetails"}
    event["documentReferences"] = [{"typeCode": "TRD", "reference": "BL-2"}]
    assert one(event).shipment_id == "BL-2"


def test_the_transport_document_stands_for_the_shipment_before_the_booking() -> None:
    assert one(EQUIPMENT_2).shipment_id == "BL-1"
    bookings = [
        part for part in EQUIPMENT_2["documentReferences"] if part["documentReferenceType"] == "BKG"
    ]
    assert one({**EQUIPMENT_2, "documentReferences": bookings}).shipment_id == "BK-1"


def test_a_wrong_check_digit_is_refused() -> None:
    rejected = refused(changed(EQUIPMENT_3, "equipmentDetails.equipmentReference", "CSQU3054384"))
    assert (rejected.reason, rejected.field) == (
        Reject.BAD_CHECK_DIGIT,
        "equipmentDetails.equipmentReference",
    )


def test_the_event_s_own_location_comes_before_the_call_s() -> None:
    assert one(changed(EQUIPMENT_2, "eventLocation.UNLocationCode", "SGSIN")).node_id == "SGSIN"


def test_a_location_that_only_has_a_name_leaves_the_place_to_the_call() -> None:
    event = changed(EQUIPMENT_2, "eventLocation.UNLocationCode", None)
    assert one(event).node_id == "CNQZH"


def test_a_location_with_a_position_is_the_place_even_without_a_code() -> None:
    location = {"locationName": "Shed", "latitude": "21.7", "longitude": "108.7"}
    event = one({**EQUIPMENT_2, "eventLocation": location})
    assert (event.node_id, event.latitude, event.longitude) == (None, 21.7, 108.7)


def test_a_bic_facility_code_says_at_which_place_it_is() -> None:
    location = {"facility": {"facilityCode": "SGSINPSAB", "facilityCodeListProvider": "BIC"}}
    assert one({**EQUIPMENT_3, "eventLocation": location}).node_id == "SGSIN"


def test_the_call_s_terminal_is_that_of_a_location_at_the_same_place() -> None:
    assert one(EQUIPMENT_2).attributes["facility_code"] == "QZP"


def test_the_call_s_terminal_is_not_that_of_a_location_elsewhere() -> None:
    event = one(changed(EQUIPMENT_2, "eventLocation.UNLocationCode", "SGSIN"))
    assert "facility_code" not in event.attributes


def test_a_terminal_alone_does_not_say_at_which_place_it_is() -> None:
    location = {"facility": {"facilityCode": "QZ2", "facilityCodeListProvider": "SMDG"}}
    event = one({**EQUIPMENT_2, "eventLocation": location})
    assert event.node_id == "CNQZH"


def test_a_place_that_does_not_exist_is_refused() -> None:
    rejected = refused(changed(EQUIPMENT_2, "eventLocation.UNLocationCode", "QQQQQ"))
    assert (rejected.reason, rejected.field) == (
        Reject.UNKNOWN_NODE,
        "eventLocation.UNLocationCode",
    )


@pytest.mark.parametrize("latitude", ["0", "95", "north"])
def test_a_position_that_cannot_be_is_refused_where_nothing_else_says_where(latitude: str) -> None:
    event = changed(IOT_3, "eventLocation.geoCoordinate", {"latitude": latitude, "longitude": "0"})
    assert refused(event).field == "eventLocation.geoCoordinate.latitude"


def test_a_position_that_cannot_be_is_left_out_where_a_node_says_where() -> None:
    location = {"UNLocationCode": "CNQZH", "latitude": "0.0", "longitude": "0.0"}
    event = one({**EQUIPMENT_2, "eventLocation": location})
    assert (event.node_id, event.latitude) == ("CNQZH", None)
    assert "0, 0" in str(event.attributes["position_left_out"])


def test_an_address_is_kept_on_one_line() -> None:
    address = {"street": "Port Road", "streetNumber": "8", "city": "Qinzhou", "countryCode": "CN"}
    event = one(changed(EQUIPMENT_2, "eventLocation.address", address))
    assert event.attributes["address"] == "Port Road, 8, Qinzhou, CN"


# --- identity, corrections, retractions ---------------------------------------------------------


@pytest.mark.parametrize(
    ("routing", "source"),
    [
        ({"originatingParty": {"partyCode": "EXCO"}}, "EXCO"),
        ({"originatingParties": [{"partyCode": "EXCO"}]}, "EXCO"),
        ({"originatingParties": {"partyCode": "EXCO"}}, "EXCO"),
        ({"originatingParties": [{"partyCode": "A"}, {"partyCode": "B"}]}, "A+B"),
        ({"originatingParties": []}, "HUB"),
        (None, "HUB"),
    ],
)
def test_the_source_is_who_the_event_originates_from(routing: Any, source: str) -> None:
    assert one({**TRANSPORT_3, "eventRouting": routing}).source == source


def test_a_publisher_without_a_code_leaves_the_sender_as_the_source() -> None:
    event = one(changed(BETA, "metadata.publisher", {"partyName": "Some Line"}))
    assert event.source == "HUB"
    assert event.attributes["publisher_name"] == "Some Line"


def test_who_an_event_went_through_is_kept() -> None:
    routing = {
        "originatingParty": {"partyCode": "A", "partyFunction": "CA"},
        "forwardingParties": [{"partyCode": "B"}, {"partyCode": "C"}],
        "destinationParty": {"partyCode": "D"},
    }
    attributes = one({**TRANSPORT_3, "eventRouting": routing}).attributes
    assert attributes["source_function"] == "CA"
    assert attributes["forwarding_parties"] == "B, C"
    assert attributes["destination_parties"] == "D"


def test_a_retraction_has_the_identity_of_what_it_takes_back() -> None:
    event = one({**TRANSPORT_3, "isRetracted": True})
    assert event.retracted
    assert (event.source, event.event_id) == ("COS", "t-3")


def test_a_retraction_does_not_need_the_time_of_what_it_takes_back() -> None:
    event = {name: value for name, value in TRANSPORT_3.items() if name != "eventDateTime"}
    assert one({**event, "isRetracted": "true"}).retracted


def test_isretracted_false_is_no_retraction() -> None:
    assert one({**TRANSPORT_3, "isRetracted": False}) == one(TRANSPORT_3)


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (
            {
                "eventRouting": TRANSPORT_3["eventRouting"],
                "eventID": "t-3",
                "eventUpdatedDateTime": "2026-05-01T09:00:00Z",
                "isRetracted": True,
            },
            "isRetracted",
        ),
        (
            {"metadata": {**BETA["metadata"], "retractedEventID": "t-3"}},
            "metadata.retractedEventID",
        ),
    ],
)
def test_a_retraction_of_nothing_but_an_id_is_refused(event: Json, field: str) -> None:
    rejected = refused(event)
    assert (rejected.reason, rejected.field) == (Reject.UNSUPPORTED, field)


def test_the_beta_takes_back_by_the_id_of_another_event() -> None:
    event = one(changed(BETA, "metadata.retractedEventID", "b-0"))
    assert (event.event_id, event.retracted) == ("b-0", True)


def test_an_event_without_an_id_keeps_its_identity_when_its_time_is_corrected() -> None:
    first = {name: value for name, value in EQUIPMENT_2.items() if name != "eventID"}
    second = {**first, "eventDateTime": "2026-03-02T11:00:00+08:00"}
    assert one(first).event_id == one(second).event_id


def test_an_event_without_an_id_that_can_happen_again_is_another_at_another_time() -> None:
    first = {name: value for name, value in IOT_3.items() if name != "eventID"}
    second = {**first, "eventDateTime": "2026-05-03T09:00:00Z"}
    assert one(first).event_id != one(second).event_id


@pytest.mark.parametrize(
    ("field", "value"),
    [("eventDateTime", "2026-02-03T00:00:00Z"), ("documentTypeCode", "SHI"), ("documentID", "X")],
)
def test_what_happens_to_documents_without_ids_is_another_event_each_time(
    field: str, value: str
) -> None:
    first = {name: part for name, part in SHIPMENT_2.items() if name != "eventID"}
    assert one(first).event_id != one({**first, field: value}).event_id


def test_events_of_different_units_without_ids_differ() -> None:
    first = {name: value for name, value in EQUIPMENT_2.items() if name != "eventID"}
    second = {**first, "equipmentReference": OTHER_BOX}
    assert one(first).event_id != one(second).event_id


def test_updated_is_taken_before_created() -> None:
    event = {**EQUIPMENT_2, "eventUpdatedDateTime": "2026-03-05T00:00:00Z"}
    assert one(event).updated_time == datetime(2026, 3, 5, tzinfo=UTC)


def test_a_time_without_an_offset_is_refused() -> None:
    rejected = refused(changed(TRANSPORT_2, "eventDateTime", "2026-03-01T09:30:00"))
    assert (rejected.reason, rejected.field) == (Reject.MALFORMED, "eventDateTime")


@pytest.mark.parametrize("field", ["eventDateTime", "eventClassifierCode"])
def test_a_transport_event_must_have(field: str) -> None:
    rejected = refused({name: value for name, value in TRANSPORT_2.items() if name != field})
    assert (rejected.reason, rejected.field) == (Reject.MALFORMED, field)


def test_a_device_event_is_actual_if_it_does_not_say() -> None:
    classification = {"eventType": "IOT", "iotEventType": "DOOR_OPENED"}
    event = one({**IOT_3, "eventClassification": classification})
    assert event.classifier is Classifier.ACTUAL


@pytest.mark.parametrize(
    ("told", "delays", "other"),
    [
        ({"delayReasonCode": "WEA"}, ("WEA",), None),
        ({"delayReasonCode": " wea "}, ("WEA",), None),
        ({"delayReasonCodes": ["WEA", "STR", "WEA"]}, ("WEA", "STR"), None),
        ({"delayReasonCodes": "CGS"}, ("CGS",), None),
        ({"delayReasonCode": "bad weather"}, (), "BAD WEATHER"),
        ({"delayReasonCodes": [3, None, {}]}, (), None),
    ],
)
def test_delay_reasons_are_smdg_codes(
    told: Json, delays: tuple[str, ...], other: str | None
) -> None:
    event = one({**TRANSPORT_2, **told})
    assert event.delay_reasons == delays
    assert event.attributes.get("delay_reason_text") == other


def test_what_replaces_what_is_kept() -> None:
    replaced = [
        {
            "oldReferences": [{"typeCode": "BKG", "reference": "B1"}],
            "newReferences": [
                {"typeCode": "BKG", "reference": "B2"},
                {"typeCode": "BKG", "reference": "B3"},
            ],
        }
    ]
    event = changed(SHIPMENT_3, "shipmentDetails.documentReferenceReplacements", replaced)
    assert one(event).attributes["document_replacements"] == "BOOKING B1 > BOOKING B2, BOOKING B3"


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("transportCall", "call-77", "transportCall"),
        ("transportCall.vessel", [1], "transportCall.vessel[0]"),
        ("transportCall.importVoyageNumber", ["615W"], "transportCall.importVoyageNumber"),
        ("transportEventTypeCode", {"code": "ARRI"}, "transportEventTypeCode"),
        ("eventID", "x" * 501, "eventID"),
        ("transportCall.UNLocationCode", ["CNQZH"], "transportCall.UNLocationCode"),
        ("eventDateTime", 1772328600, "eventDateTime"),
        ("isRetracted", "maybe", "isRetracted"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(path: str, value: Any, field: str) -> None:
    rejected = refused(changed(TRANSPORT_2, path, value))
    assert (rejected.reason, rejected.field) == (Reject.MALFORMED, field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seals", ["K1", 3]),
        ("seals", "K1"),
        ("references", "EQ"),
        ("documentReferences", [None]),
        ("location", "CNQZH"),
    ],
)
def test_a_detail_of_the_wrong_type_does_not_cost_the_event(field: str, value: Any) -> None:
    assert one({**EQUIPMENT_2, field: value}).code == "LOADED"
