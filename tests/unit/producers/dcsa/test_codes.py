"""Every code of every list has a meaning, and it is one of ours."""

import re

import pytest

from corridor.codes import CODES, EventType, Mode, Reject
from producers.dcsa import codes
from tests.unit.producers.dcsa.messages import (
    EQUIPMENT_2,
    IOT_3,
    PORT_CALL,
    REEFER_3,
    SHIPMENT_2,
    TRANSPORT_2,
    TRANSPORT_3,
    changed,
    one,
    refused,
    tracked,
)

EQUIPMENT = {
    "LOAD": "LOADED",
    "DISC": "DISCHARGED",
    "GTIN": "GATED_IN",
    "GTOT": "GATED_OUT",
    "STUF": "STUFFED",
    "STRP": "STRIPPED",
    "AVPU": "AVAILABLE_FOR_PICKUP",
    "PICK": "PICKED_UP",
    "AVDO": "AVAILABLE_FOR_DROP_OFF",
    "DROP": "DROPPED_OFF",
    "INSP": "INSPECTED",
    "RSEA": "RESEALED",
    "RMVD": "REMOVED",
    "CROS": "CROSSED",
}
CUSTOMS = {
    "CUSS": "CUSTOMS_SELECTED_FOR_SCAN",
    "CUSI": "CUSTOMS_SELECTED_FOR_INSPECTION",
    "CUSR": "CUSTOMS_RELEASED",
}
SHIPMENT = {
    "AMCF": "AMENDMENT_CONFIRMED",
    "AMCN": "AMENDMENT_CANCELLED",
    "AMDC": "AMENDMENT_DECLINED",
    "AMPR": "AMENDMENT_IN_PROGRESS",
    "AMRE": "AMENDMENT_RECEIVED",
    "APPR": "APPROVED",
    "CACF": "CANCELLATION_CONFIRMED",
    "CADC": "CANCELLATION_DECLINED",
    "CANC": "CANCELLED",
    "CARE": "CANCELLATION_RECEIVED",
    "CMPL": "COMPLETED",
    "CONF": "CONFIRMED",
    "DECL": "DECLINED",
    "DRFT": "DRAFTED",
    "HOLD": "ON_HOLD",
    "ISSU": "ISSUED",
    "PENA": "PENDING_APPROVAL",
    "PENM": "PENDING_AMENDMENT",
    "PENU": "PENDING_UPDATE",
    "PSAM": "PENDING_SURRENDER_FOR_AMENDMENT",
    "PSDL": "PENDING_SURRENDER_FOR_DELIVERY",
    "RECE": "RECEIVED",
    "REJE": "REJECTED",
    "RELS": "RELEASED",
    "REQS": "REQUESTED",
    "SUAM": "SURRENDERED_FOR_AMENDMENT",
    "SUBM": "SUBMITTED",
    "SUDL": "SURRENDERED_FOR_DELIVERY",
    "SURR": "SURRENDERED",
    "UPCF": "UPDATE_CONFIRMED",
    "UPCN": "UPDATE_CANCELLED",
    "UPDC": "UPDATE_DECLINED",
    "UPDT": "UPDATE_IN_PROGRESS",
    "UPRE": "UPDATE_RECEIVED",
    "VOID": "VOIDED",
}
ONLY_IN_2 = {"PENC": "PENDING_APPROVAL", "COMP": "COMPLETED"}


def _both(table: dict[str, str]) -> list[tuple[str, str]]:
    return sorted({*table.items(), *((word, word) for word in table.values())})


@pytest.mark.parametrize(("told", "code"), _both(EQUIPMENT))
def test_an_equipment_code_is_read_in_both_spellings(told: str, code: str) -> None:
    event = one(changed(EQUIPMENT_2, "equipmentEventTypeCode", told))
    assert (event.event_type, event.code) == (EventType.EQUIPMENT, code)


@pytest.mark.parametrize(("told", "code"), _both(CUSTOMS))
def test_a_decision_of_customs_is_of_type_customs(told: str, code: str) -> None:
    event = one(changed(EQUIPMENT_2, "equipmentEventTypeCode", told))
    assert (event.event_type, event.code) == (EventType.CUSTOMS, code)


@pytest.mark.parametrize(("told", "code"), [*_both(SHIPMENT), *ONLY_IN_2.items()])
def test_a_shipment_code_is_read_in_both_spellings(told: str, code: str) -> None:
    event = one(changed(SHIPMENT_2, "shipmentEventTypeCode", told))
    assert (event.event_type, event.code) == (EventType.SHIPMENT, code)


def test_a_code_that_our_word_is_not_quite_is_kept_beside_it() -> None:
    event = one(changed(SHIPMENT_2, "shipmentEventTypeCode", "PENC"))
    assert event.attributes["dcsa_code"] == "PENC"


@pytest.mark.parametrize(("told", "code"), [("ARRI", "ARRIVED"), ("DEPA", "DEPARTED")])
def test_a_transport_code_is_read(told: str, code: str) -> None:
    assert one(changed(TRANSPORT_2, "transportEventTypeCode", told)).code == code


@pytest.mark.parametrize("word", ["APPROACHING", "ARRIVED", "DEPARTED"])
def test_a_transport_word_is_read(word: str) -> None:
    event = changed(TRANSPORT_3, "eventClassification.transportEventType", word)
    assert one(event).code == word


@pytest.mark.parametrize(("told", "code"), _both({"MEAS": "MEASURED", "ADJU": "ADJUSTED"}))
def test_a_reefer_code_is_read_in_both_spellings(told: str, code: str) -> None:
    event = one(changed(REEFER_3, "eventClassification.reeferEventType", told))
    assert (event.event_type, event.code) == (EventType.REEFER, code)


@pytest.mark.parametrize("word", sorted(codes.IOT))
def test_an_iot_word_is_read(word: str) -> None:
    event = one(changed(IOT_3, "eventClassification.iotEventType", word))
    assert (event.event_type, event.code) == (EventType.IOT, word)


@pytest.mark.parametrize(
    ("kind", "detail", "code"),
    [
        ("DETC", "DRO", "DOOR_OPENED"),
        ("DETC", "DRC", "DOOR_CLOSED"),
        ("DETC", "LOC", "BREADCRUMB"),
        ("TELEMETRY", "BREADCRUMB", "BREADCRUMB"),
        ("TELEMETRY", "DOOR_OPENED", "DOOR_OPENED"),
        ("TELEMETRY", "MOTION_STOP", "MOTION_STOP"),
        ("TELEMETRY", "LOCATION_REACHED", "BREADCRUMB"),
        ("TELEMETRY", None, "DEVICE_STATUS"),
    ],
)
def test_the_drafts_tell_in_the_details_what_a_device_saw(
    kind: str, detail: str | None, code: str
) -> None:
    event = changed(IOT_3, "eventClassification", {"eventTypeCode": "IOT"})
    event = changed(event, "eventClassification.iotEventTypeCode", kind)
    assert one(changed(event, "iotDetails", {"iotEventCode": detail})).code == code


def test_a_detection_of_nothing_is_refused() -> None:
    event = changed(IOT_3, "eventClassification.iotEventType", "DETC")
    rejected = refused(event)
    assert (rejected.reason, rejected.field) == (Reject.MALFORMED, "iotDetails.iotEventCode")


@pytest.mark.parametrize(
    ("told", "classifier"),
    [
        ("ACT", "ACTUAL"),
        ("EST", "ESTIMATED"),
        ("PLN", "PLANNED"),
        ("ACTUAL", "ACTUAL"),
        ("ESTIMATED", "ESTIMATED"),
        ("planned", "PLANNED"),
    ],
)
def test_a_classifier_is_read(told: str, classifier: str) -> None:
    assert one(changed(TRANSPORT_2, "eventClassifierCode", told)).classifier == classifier


@pytest.mark.parametrize(
    ("told", "mode"),
    [
        ("VESSEL", Mode.VESSEL),
        ("RAIL", Mode.RAIL),
        ("TRUCK", Mode.TRUCK),
        ("BARGE", Mode.BARGE),
        ("1", Mode.VESSEL),
        (2, Mode.RAIL),
        ("3", Mode.TRUCK),
        ("4", Mode.AIR),
        ("8", Mode.BARGE),
        ("Inland water", Mode.BARGE),
        ("MULTIMODAL", None),
        ("6", None),
        ("RAIL_TRUCK", None),
    ],
)
def test_a_mode_is_read_by_its_name_or_number(told: object, mode: Mode | None) -> None:
    assert one(changed(EQUIPMENT_2, "transportCall.modeOfTransport", told)).mode == mode


def test_a_mode_that_is_none_of_ours_is_kept_as_it_is_written() -> None:
    event = one(changed(EQUIPMENT_2, "transportCall.modeOfTransport", "MULTIMODAL"))
    assert event.attributes["mode_of_transport"] == "MULTIMODAL"


@pytest.mark.parametrize("classifier", ["EST", "PLN", "ACT"])
@pytest.mark.parametrize(
    ("operation", "at", "code"),
    [
        ("ARRI", "BRTH", "ARRIVED"),
        ("ARRI", "PBPL", "APPROACHING"),
        ("ARRI", "ANCH", "APPROACHING"),
        ("DEPA", "BRTH", "DEPARTED"),
    ],
)
def test_a_port_call_says_what_it_means_for_the_goods(
    classifier: str, operation: str, at: str | None, code: str
) -> None:
    message = PORT_CALL | {
        "eventClassifierCode": classifier,
        "operationsEventTypeCode": operation,
        "facilityTypeCode": at,
        "portCallPhaseTypeCode": None,
    }
    event = one(message)
    assert (event.event_type, event.code, event.mode) == (
        EventType.TRANSPORT,
        code,
        Mode.VESSEL,
    )


def test_an_omitted_call_cancels_what_was_to_end_and_what_was_to_begin_there() -> None:
    message = PORT_CALL | {"operationsEventTypeCode": "OMIT", "facilityTypeCode": None}
    found = tracked({**message, "eventID": "o-1"})
    assert [(event.code, event.run_id, event.event_id) for event in found] == [
        ("CANCELLED", "9074729-615W", "o-1/9074729-615W"),
        ("CANCELLED", "9074729-616E", "o-1/9074729-616E"),
    ]


def test_the_end_of_the_sea_passage_is_no_arrival() -> None:
    event = one(PORT_CALL | {"eventClassifierCode": "ACT", "portCallPhaseTypeCode": "INBD"})
    assert event.code == "APPROACHING"


@pytest.mark.parametrize(
    "service",
    "PILO MOOR CRGO TOWG BUNK LASH SAFE FAST GWAY ANCO SLUG SHPW LCRO DCRO VRDY".split(),
)
def test_a_service_of_a_port_call_is_not_read(service: str) -> None:
    rejected = refused(PORT_CALL | {"portCallServiceTypeCode": service})
    assert (rejected.reason, rejected.field) == (Reject.UNSUPPORTED, "portCallServiceTypeCode")


@pytest.mark.parametrize(
    ("operation", "at"),
    [("STRT", "BRTH"), ("CMPL", "BRTH"), ("CANC", "BRTH"), ("DEPA", "ANCH"), ("DEPA", None)],
)
def test_an_operation_that_moves_no_goods_is_not_read(operation: str, at: str | None) -> None:
    rejected = refused(PORT_CALL | {"operationsEventTypeCode": operation, "facilityTypeCode": at})
    assert (rejected.reason, rejected.field) == (Reject.UNSUPPORTED, "operationsEventTypeCode")


@pytest.mark.parametrize("classifier", ["REQ", "REQUESTED"])
def test_a_request_is_not_read_as_a_plan(classifier: str) -> None:
    rejected = refused(PORT_CALL | {"eventClassifierCode": classifier})
    assert (rejected.reason, rejected.field) == (Reject.UNSUPPORTED, "eventClassifierCode")


@pytest.mark.parametrize("at", ["PBPL", "ANCH"])
def test_an_arrival_off_the_berth_is_no_arrival_in_transport_events_either(at: str) -> None:
    assert one(changed(TRANSPORT_2, "transportCall.facilityTypeCode", at)).code == "APPROACHING"


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ("BORD", "BORDER"),
        ("CLOC", "CUSTOMER_LOCATION"),
        ("COFS", "CONTAINER_FREIGHT_STATION"),
        ("DEPO", "DEPOT"),
        ("INTE", "INLAND_TERMINAL"),
        ("OFFD", "OFF_DOCK_STORAGE"),
        ("POTE", "PORT_TERMINAL"),
        ("RAMP", "RAMP"),
        ("WAYP", "WAYPOINT"),
        ("PORT_TERMINAL", "PORT_TERMINAL"),
        ("Shed 7", "Shed 7"),
    ],
)
def test_the_type_of_a_facility_is_kept_in_full_words(told: str, word: str) -> None:
    event = one(changed(EQUIPMENT_2, "transportCall.facilityTypeCode", told))
    assert event.attributes["facility_type"] == word


@pytest.mark.parametrize(("told", "word"), sorted(codes.DOCUMENTS.items()))
def test_a_document_is_known_by_both_spellings_of_its_type(told: str, word: str) -> None:
    documents = [
        {"documentReferenceType": told, "documentReferenceValue": "D-1"},
    ]
    event = one(EQUIPMENT_2 | {"documentReferences": documents})
    assert event.attributes[f"{word.lower()}_reference"] == "D-1"


@pytest.mark.parametrize(("told", "word"), sorted(codes.REFERENCES.items()))
def test_a_reference_is_known_by_both_spellings_of_its_type(told: str, word: str) -> None:
    event = one(EQUIPMENT_2 | {"references": [{"referenceType": told, "referenceValue": "R-1"}]})
    name = f"{word.lower().removesuffix('_reference')}_reference"
    assert event.attributes[name] == "R-1"


@pytest.mark.parametrize(
    ("field", "table"),
    [("source", codes.SEAL_SOURCES), ("type", codes.SEAL_TYPES)],
    ids=["source", "type"],
)
def test_a_seal_is_described_in_full_words(field: str, table: dict[str, str]) -> None:
    for told, word in table.items():
        event = one(EQUIPMENT_2 | {"seals": [{"number": "K1", field: told}]})
        assert event.attributes[f"seal_1_{field}"] == word


def test_a_shipment_location_is_kept_in_full_words() -> None:
    for told, word in codes.SHIPMENT_LOCATIONS.items():
        event = one(SHIPMENT_2 | {"shipmentLocationType": told})
        assert event.attributes["shipment_location_type"] == word


@pytest.mark.parametrize("document", ["CUC", "CUS", "CUSTOMS_CLEARANCE"])
@pytest.mark.parametrize(("told", "code"), [("HOLD", "ON_HOLD"), ("RELS", "CUSTOMS_RELEASED")])
def test_what_happens_to_a_customs_document_is_a_decision_of_customs(
    document: str, told: str, code: str
) -> None:
    event = one(
        SHIPMENT_2
        | {
            "shipmentEventTypeCode": told,
            "documentTypeCode": document,
            "documentID": "C-1",
            "carrierBookingReference": "BK-1",
        }
    )
    assert (event.event_type, event.code, event.shipment_id) == (EventType.CUSTOMS, code, "BK-1")


@pytest.mark.parametrize(("kind", "entry"), codes.SUBTYPES.items())
def test_what_a_code_means_is_a_word_of_ours(
    kind: EventType, entry: tuple[tuple[str, ...], dict[str, str]]
) -> None:
    assert set(entry[1].values()) <= CODES[kind]


def test_every_word_of_3_0_is_known() -> None:
    ours = re.compile(r"MTD_.*")
    for kind in (EventType.EQUIPMENT, EventType.SHIPMENT, EventType.REEFER):
        words = {code for code in CODES[kind] if not ours.fullmatch(code)}
        assert words == set(codes.SUBTYPES[kind][1].values())


@pytest.mark.parametrize(
    ("event", "path", "field"),
    [
        (TRANSPORT_2, "transportEventTypeCode", "transportEventTypeCode"),
        (EQUIPMENT_2, "equipmentEventTypeCode", "equipmentEventTypeCode"),
        (SHIPMENT_2, "shipmentEventTypeCode", "shipmentEventTypeCode"),
        (IOT_3, "eventClassification.iotEventType", "eventClassification.iotEventType"),
        (REEFER_3, "eventClassification.reeferEventType", "eventClassification.reeferEventType"),
        (TRANSPORT_2, "eventClassifierCode", "eventClassifierCode"),
    ],
)
def test_a_code_that_nobody_knows_is_refused_by_its_field(
    event: dict[str, object], path: str, field: str
) -> None:
    rejected = refused(changed(event, path, "XXXX"))
    assert (rejected.reason, rejected.field) == (Reject.UNKNOWN_CODE, field)
    assert "'XXXX'" in rejected.detail


def test_a_type_that_nobody_knows_is_refused() -> None:
    rejected = refused({"eventType": "WEATHER", "eventClassifierCode": "ACT"})
    assert (rejected.reason, rejected.field) == (Reject.UNSUPPORTED, "eventType")
