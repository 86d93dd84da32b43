"""ONE Record: JSON-LD of any shape in, events of waybills, devices and flights out."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from corridor.codes import Classifier, EventType, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.adapter import NESTED
from producers.air import one_record
from producers.air.statuses import DISCREPANCIES, MEANINGS
from tests.unit.producers.properties import FUZZ, gives_only_items, spoiled

ACTUAL, ESTIMATED, PLANNED = Classifier.ACTUAL, Classifier.ESTIMATED, Classifier.PLANNED
NS = "https://onerecord.iata.org/ns/cargo#"
CODES = "https://onerecord.iata.org/ns/code-lists/StatusCode#"
BASE = "https://air.example/logistics-objects/"
ID = f"{BASE}s1/logistics-events/e1"
CONTEXT = {"cargo": NS, "api": "https://onerecord.iata.org/ns/api#"}

SHIPMENT: dict[str, Any] = {
    "@id": f"{BASE}s1",
    "@type": "cargo:Shipment",
    "cargo:waybill": {
        "@type": "cargo:Waybill",
        "cargo:waybillPrefix": "784",
        "cargo:waybillNumber": "12345675",
    },
}
FRANKFURT: dict[str, Any] = {
    "@type": "cargo:Location",
    "cargo:locationCodes": [{"@type": "cargo:CodeListElement", "cargo:code": "FRA"}],
}
EVENT: dict[str, Any] = {
    "@context": CONTEXT,
    "@id": ID,
    "@type": "cargo:LogisticsEvent",
    "cargo:eventCode": {"@id": f"{CODES}ARR"},
    "cargo:eventDate": {"@type": "xsd:dateTime", "@value": "2030-11-25T00:05:00Z"},
    "cargo:creationDate": {"@type": "xsd:dateTime", "@value": "2030-11-25T00:10:00Z"},
    "cargo:eventTimeType": {"@id": "cargo:ACTUAL"},
    "cargo:eventLocation": FRANKFURT,
    "cargo:eventFor": SHIPMENT,
    "cargo:recordingOrganization": {"@id": "https://air.example/logistics-objects/ca"},
}
PLAIN: dict[str, Any] = {
    "@id": ID,
    "@type": "LogisticsEvent",
    "eventCode": "ARR",
    "eventDate": "2030-11-25T00:05:00Z",
    "eventTimeType": "ACTUAL",
    "eventLocation": {"locationCodes": "FRA"},
    "eventFor": {"waybillPrefix": "784", "waybillNumber": "12345675", "@id": f"{BASE}s1"},
}


def read(document: Any) -> list[Any]:
    return one_record.decode(json.dumps(document).encode(), "carrier")


def one(document: Any) -> TrackingEvent:
    (item,) = read(document)
    assert isinstance(item, TrackingEvent), item
    return item


def rejected(document: Any) -> Rejected:
    (item,) = read(document)
    assert isinstance(item, Rejected), item
    return item


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def expanded(value: Any) -> Any:
    """The same document as an expanding processor writes it."""
    if isinstance(value, list):
        return [expanded(part) for part in value]
    if not isinstance(value, dict):
        return value
    whole: dict[str, Any] = {}
    for key, part in value.items():
        if key == "@context":
            continue
        if key in ("@id", "@value"):
            whole[key] = part.replace("cargo:", NS)
        elif key == "@type":
            whole[key] = [part.replace("cargo:", NS)]
        else:
            inner = expanded(part) if isinstance(part, dict | list) else {"@value": part}
            whole[key.replace("cargo:", NS)] = inner if isinstance(inner, list) else [inner]
    return whole


def test_an_event_is_of_the_waybill_of_its_shipment() -> None:
    told = one(EVENT)
    assert told.unit_id == told.shipment_id == "784-12345675"
    assert (told.event_type, told.code) == (EventType.TRANSPORT, "ARRIVED")
    assert (told.node_id, told.event_time) == ("DEFRA", utc(2030, 11, 25, 0, 5))


def test_its_iri_is_its_id_and_its_organization_the_source() -> None:
    told = one(EVENT)
    assert (told.event_id, told.source) == (ID, "https://air.example/logistics-objects/ca")


def test_without_an_organization_the_sender_is_the_source() -> None:
    assert one(PLAIN).source == "carrier"


def test_it_was_made_when_it_was_created() -> None:
    assert one(EVENT).updated_time == utc(2030, 11, 25, 0, 10)


ALIASED = json.loads(json.dumps(EVENT).replace("cargo:", "c:").replace('"cargo"', '"c"'))
TERMS = {
    "@context": {"cargo": NS, "kind": f"{NS}eventCode", "when": {"@id": "cargo:eventDate"}},
    **{key: value for key, value in PLAIN.items() if key not in ("eventCode", "eventDate")},
    "kind": "ARR",
    "when": "2030-11-25T00:05:00Z",
}


@pytest.mark.parametrize(
    "document",
    [
        PLAIN,
        ALIASED,
        TERMS,
        expanded(EVENT),
        [expanded(EVENT)],
        {"@context": CONTEXT, "@graph": [{**EVENT, "@context": None}]},
        {**EVENT, "@type": "cargo:StatusUpdateEvent"},
        {**EVENT, "cargo:eventFor": None, "cargo:linkedObject": SHIPMENT},
        {**EVENT, "cargo:eventFor": [SHIPMENT]},
        {**EVENT, "cargo:eventLocation": None, "cargo:recordedAtLocation": FRANKFURT},
    ],
    ids=[
        "plain", "prefix", "terms", "expanded", "list", "graph", "status-update", "linked-object",
        "several", "recorded-at",
    ],
)  # fmt: skip
def test_all_shapes_of_an_event_say_the_same(document: Any) -> None:
    told, expected = one(document), one(EVENT)
    for name in ("event_id", "code", "unit_id", "node_id", "event_time", "classifier"):
        assert getattr(told, name) == getattr(expected, name)


@pytest.mark.parametrize("container", ["api:hasItem", "cargo:events", "hydra:member"])
def test_every_event_of_a_collection_is_read(container: str) -> None:
    second = {**EVENT, "@id": f"{BASE}s1/logistics-events/e2"}
    document = {"@context": CONTEXT, "@id": f"{BASE}s1", container: [EVENT, second]}
    assert [told.event_id for told in read(document)] == [ID, f"{BASE}s1/logistics-events/e2"]


def test_events_within_an_object_are_of_it() -> None:
    event = {**EVENT, "cargo:eventFor": None}
    assert one({**SHIPMENT, "@context": CONTEXT, "cargo:events": [event]}).unit_id == "784-12345675"


def test_references_within_a_graph_are_followed() -> None:
    event = {**EVENT, "cargo:eventFor": {"@id": f"{BASE}s1"}}
    assert one({"@context": CONTEXT, "@graph": [event, SHIPMENT]}).unit_id == "784-12345675"


def test_a_notification_that_carries_its_event_is_read() -> None:
    document = {
        "@context": CONTEXT,
        "@type": "api:Notification",
        "api:hasLogisticsObject": {"@id": f"{BASE}s1"},
        "api:hasLogisticsObjectType": {"@value": f"{NS}Shipment"},
        "api:hasLogisticsEvent": {**EVENT, "cargo:eventFor": None},
    }
    assert one(document).shipment_id == f"{BASE}s1"


def test_a_notification_that_names_its_event_only_says_what_to_do() -> None:
    fault = rejected({"@type": "api:Notification", "api:hasLogisticsEvent": {"@id": ID}})
    assert (fault.reason, fault.field) == (Reject.UNSUPPORTED, "hasLogisticsEvent")


def test_objects_that_lead_back_to_themselves_come_to_an_end() -> None:
    loop = {"@id": f"{BASE}l", "@type": "cargo:Piece", "cargo:events": [{"@id": f"{BASE}l"}]}
    shipment = {"@id": f"{BASE}l", "cargo:shipment": [{"@id": f"{BASE}l"}] * 1000}
    assert isinstance(rejected({"@graph": [loop]}), Rejected)
    assert one({"@graph": [{**EVENT, "cargo:eventFor": shipment}]}).unit_id == f"{BASE}l"


# What it is of.


@pytest.mark.parametrize(
    ("target", "subject"),
    [
        ({"@id": f"{BASE}s9", "@type": "cargo:Shipment"}, ("shipment_id", f"{BASE}s9")),
        ({"@id": f"{BASE}w9", "@type": "cargo:Waybill"}, ("shipment_id", f"{BASE}w9")),
        ({"@id": f"{BASE}p9", "@type": "cargo:Piece"}, ("unit_id", f"{BASE}p9")),
        ({"@id": f"{BASE}x9"}, ("unit_id", f"{BASE}x9")),
        ({"@id": f"{BASE}t9", "@type": "cargo:TransportMovement"}, ("run_id", f"{BASE}t9")),
        ({"@id": f"{BASE}awb784-12345675"}, ("unit_id", "784-12345675")),
        ({"cargo:involvedInShipment": SHIPMENT}, ("unit_id", "784-12345675")),
        ({"cargo:waybillNumber": "784-12345675"}, ("unit_id", "784-12345675")),
        ({"cargo:waybillNumber": "HWB77"}, ("shipment_id", "HWB77")),
        (
            {
                "@type": "cargo:ULD",
                "cargo:uldSerialNumber": "12345",
                "cargo:uldTypeCode": {"cargo:code": "PMC"},
                "cargo:ownerCode": "CA",
            },
            ("unit_id", "PMC12345CA"),
        ),
        ({"cargo:transportIdentifier": "CA433/24NOV2030"}, ("run_id", "CA433-20301124")),
        (
            {
                "cargo:transportIdentifier": "CA0433",
                "cargo:departureLocation": {"cargo:locationCodes": "CKG"},
                "cargo:movementTimes": [
                    {
                        "cargo:direction": {"@id": "cargo:OUTBOUND"},
                        "cargo:timeType": "cargo:PLANNED",
                        "cargo:movementTimestamp": "2030-11-24T20:30:00Z",
                    }
                ],
            },
            ("run_id", "CA433-20301125"),
        ),
    ],
)
def test_the_subject_is_what_the_linked_object_names(
    target: dict[str, Any], subject: tuple[str, str]
) -> None:
    assert getattr(one({**EVENT, "cargo:eventFor": target}), subject[0]) == subject[1]


def test_the_flight_of_a_status_update_is_its_run() -> None:
    movement = {"@id": f"{BASE}t1", "cargo:transportIdentifier": "CA433/24NOV2030"}
    told = one({**EVENT, "cargo:transportMovementReference": movement})
    assert (told.unit_id, told.run_id) == ("784-12345675", "CA433-20301124")


def test_an_event_of_several_objects_is_one_for_each() -> None:
    pieces = [{"@id": f"{BASE}{name}", "@type": "cargo:Piece"} for name in ("p1", "p2")]
    first, second = read({**EVENT, "cargo:eventFor": pieces})
    assert (first.unit_id, second.unit_id) == (f"{BASE}p1", f"{BASE}p2")
    assert first.event_id != second.event_id


def test_the_iri_of_an_event_begins_with_what_it_is_of() -> None:
    assert one({**EVENT, "cargo:eventFor": None}).unit_id == f"{BASE}s1"


def test_an_event_without_an_id_gets_the_same_one_each_time() -> None:
    bare = {key: value for key, value in EVENT.items() if key != "@id"}
    later = {**bare, "cargo:eventDate": "2030-11-25T00:45:00Z"}
    assert one(bare).event_id == one(later).event_id != ID


# What it says.


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_every_status_is_what_the_table_says(code: str) -> None:
    told = one({**EVENT, "cargo:eventCode": code})
    expected = MEANINGS[code]
    assert (told.event_type, told.code) == expected[:2]
    assert told.classifier is (ACTUAL if code == "BKD" else expected.classifier)


@pytest.mark.parametrize("code", sorted(DISCREPANCIES))
def test_every_discrepancy_is_what_the_table_says(code: str) -> None:
    told = one({**EVENT, "cargo:eventCode": {"@id": f"{CODES}{code}"}})
    assert (told.event_type, told.code) == DISCREPANCIES[code][:2]
    assert told.attributes.items() >= {"status_code": "DIS", "discrepancy_code": code}.items()


@pytest.mark.parametrize(
    "code",
    [
        "ARR",
        " arr ",
        {"cargo:code": "ARR"},
        {"cargo:Code": "ARR"},
        {"@id": "ccodes:StatusCode#ARR"},
        {"@id": "https://onerecord.iata.org/ns/coreCodeLists#StatusCode_ARR"},
        {"@id": f"{CODES}ARR", "@type": "cargo:CodeListElement", "cargo:code": "ARR"},
    ],
)
def test_a_status_code_may_be_written_in_many_ways(code: Any) -> None:
    assert one({**EVENT, "cargo:eventCode": code}).attributes["status_code"] == "ARR"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ACTUAL", ACTUAL),
        ("Actual", ACTUAL),
        ({"@id": "cargo:ACTUAL", "@type": "cargo:EventTimeType"}, ACTUAL),
        (f"{NS}PLANNED", PLANNED),
        ("SCHEDULED", PLANNED),
        ("cargo:EXPECTED", ESTIMATED),
        ("ESTIMATED", ESTIMATED),
        ("Predicted", ESTIMATED),
        (None, ACTUAL),
    ],
)
def test_the_time_type_is_the_classifier(kind: Any, expected: Classifier) -> None:
    assert one({**EVENT, "cargo:eventTimeType": kind}).classifier is expected


def test_a_manifested_consignment_is_to_be_loaded_when_its_flight_departs() -> None:
    movement = {
        "cargo:transportIdentifier": "CA433",
        "cargo:departureLocation": {"cargo:locationCodes": "CKG"},
        "cargo:movementTimes": {
            "cargo:direction": "OUTBOUND",
            "cargo:timeType": "PLANNED",
            "cargo:movementTimestamp": "2030-11-24T20:30:00",
        },
    }
    told = one({**EVENT, "cargo:eventCode": "MAN", "cargo:transportMovementReference": movement})
    assert (told.classifier, told.event_time) == (PLANNED, utc(2030, 11, 24, 12, 30))


@pytest.mark.parametrize(
    ("location", "node_id"),
    [
        ({"cargo:locationCodes": [{"cargo:code": "FRA"}]}, "DEFRA"),
        ({"cargo:locationCodes": [{"cargo:code": "EDDF"}, {"cargo:code": "FRA"}]}, "DEFRA"),
        ({"cargo:locationCodes": {"cargo:code": "DEFRA"}}, "DEFRA"),
        ({"@id": f"{BASE}FRA"}, "DEFRA"),
        ({"@id": f"{BASE}0c1d"}, None),
        ("FRA", "DEFRA"),
        ({"@type": "cargo:Location"}, None),
    ],
)
def test_a_location_is_known_by_its_codes(location: Any, node_id: str | None) -> None:
    assert one({**EVENT, "cargo:eventLocation": location}).node_id == node_id


def test_a_location_that_is_not_known_is_kept() -> None:
    told = one({**EVENT, "cargo:eventLocation": {"@id": f"{BASE}0c1d"}})
    assert told.attributes["location_iri"] == f"{BASE}0c1d"


def test_a_position_is_read() -> None:
    here = {"cargo:latitude": {"@value": "50.03"}, "cargo:longitude": 8.57}
    told = one({**EVENT, "cargo:eventLocation": {"cargo:geolocation": here}})
    assert (told.latitude, told.longitude) == (50.03, 8.57)


def test_a_time_without_an_offset_is_local_to_the_airport() -> None:
    assert one({**EVENT, "cargo:eventDate": "2030-11-25T01:05:00"}).event_time == utc(
        2030, 11, 25, 0, 5
    )


def test_what_a_status_update_records_is_kept() -> None:
    more = {
        "cargo:recordedPieceCount": 5,
        "cargo:recordedWeight": {"cargo:numericalValue": 90.5, "cargo:unit": {"@id": "x#KGM"}},
        "cargo:transferredTo": {"@type": "cargo:Carrier", "cargo:name": "LH"},
        "cargo:partialEventIndicator": {"@value": "true"},
    }
    expected = {
        "pieces": "5",
        "weight": "90.5",
        "weight_unit": "KGM",
        "transferred_to": "LH",
        "partial": True,
    }
    assert one({**EVENT, **more}).attributes.items() >= expected.items()


# What cannot be read.


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"cargo:eventCode": "XYZ"}, Reject.UNKNOWN_CODE, "eventCode"),
        ({"cargo:eventCode": None}, Reject.MALFORMED, "eventCode"),
        ({"cargo:eventDate": None}, Reject.MALFORMED, "eventDate"),
        ({"cargo:eventDate": "yesterday"}, Reject.MALFORMED, "eventDate"),
        (
            {"cargo:eventDate": "2030-11-25T01:05:00", "cargo:eventLocation": None},
            Reject.MALFORMED,
            "eventDate",
        ),
        ({"cargo:eventTimeType": "REQUESTED"}, Reject.UNSUPPORTED, "eventTimeType"),
        (
            {"cargo:eventTimeType": None, "cargo:eventDate": "2030-12-25T00:00:00Z"},
            Reject.MALFORMED,
            "eventTimeType",
        ),
        (
            {"cargo:eventLocation": {"cargo:locationCodes": "QQQ"}},
            Reject.UNKNOWN_NODE,
            "eventLocation.locationCodes",
        ),
        (
            {"cargo:eventFor": {"cargo:waybillNumber": "784-12345670"}},
            Reject.BAD_CHECK_DIGIT,
            "waybillNumber",
        ),
        ({"cargo:eventFor": None, "@id": "urn:e1"}, Reject.MALFORMED, "eventFor"),
    ],
)
def test_an_event_that_cannot_be_read_says_why(
    change: dict[str, Any], reason: Reject, field: str
) -> None:
    assert rejected({**EVENT, **change})[:2] == (reason, f"LogisticsEvent[0].{field}")


def test_a_bad_event_does_not_spoil_the_others() -> None:
    good, bad = read([EVENT, {**EVENT, "@id": "urn:e2", "cargo:eventCode": "XYZ"}])
    assert isinstance(good, TrackingEvent)
    assert isinstance(bad, Rejected)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        b"[1, null]",
        b"{}",
        b'{"@type": "cargo:Piece"}',
        b"[" * (NESTED + 2) + b"]" * (NESTED + 2),
        b"[" * 100_000,
        b"[" + b"0," * 60_000 + b"0]",
    ],
    ids=["empty", "binary", "scalars", "object", "piece", "deep", "deeper", "many"],
)
def test_what_has_no_event_in_it_is_rejected(message: bytes) -> None:
    (item,) = one_record.decode(message, "x")
    assert isinstance(item, Rejected)


def test_a_byte_order_mark_is_no_fault() -> None:
    (item,) = one_record.decode(b"\xef\xbb\xbf" + json.dumps(EVENT).encode(), "x")
    assert isinstance(item, TrackingEvent)


def test_messages_are_recognised() -> None:
    assert all(one_record.FORMAT.recognises(json.dumps(event).encode()) for event in (EVENT, PLAIN))
    assert not one_record.FORMAT.recognises(b'{"eventID": "1"}')


SAMPLES = tuple(
    json.dumps(document).encode()
    for document in (EVENT, PLAIN, expanded(EVENT), {"@graph": [EVENT, SHIPMENT]})
)


@FUZZ
@given(spoiled(*SAMPLES))
def test_a_spoiled_message_gives_only_items(message: bytes) -> None:
    gives_only_items(one_record.FORMAT, message)
