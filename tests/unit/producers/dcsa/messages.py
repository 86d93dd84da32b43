"""Messages written after the standards, in each of their shapes."""

import copy
from typing import Any

import orjson

from corridor.decoding import Rejected
from corridor.models import Itinerary, TrackingEvent
from producers.dcsa import schedules, tracking

Json = dict[str, Any]
BOX = "CSQU3054383"
OTHER_BOX = "MSKU9070323"


def tracked(*events: Any) -> list[TrackingEvent]:
    """The events of a message; none may be rejected."""
    items = tracking.decode(orjson.dumps(list(events)), "HUB")
    assert all(isinstance(item, TrackingEvent) for item in items), items
    return [item for item in items if isinstance(item, TrackingEvent)]


def one(event: Json) -> TrackingEvent:
    """The one event of a message."""
    (found,) = tracked(event)
    return found


def refused(event: Any) -> Rejected:
    """Why the one event of a message is rejected."""
    (item,) = tracking.decode(orjson.dumps(event), "HUB")
    assert isinstance(item, Rejected), item
    return item


def scheduled(message: Any) -> list[TrackingEvent | Itinerary]:
    """What a schedule says; nothing may be rejected."""
    items = schedules.decode(orjson.dumps(message), "CARRIER")
    assert not any(isinstance(item, Rejected) for item in items), items
    return [item for item in items if not isinstance(item, Rejected)]


def unscheduled(message: Any) -> Rejected:
    """Why a schedule is rejected."""
    (item,) = schedules.decode(orjson.dumps(message), "CARRIER")
    assert isinstance(item, Rejected), item
    return item


def changed(message: Json, path: str, value: Any) -> Json:
    """A message with one field changed; `a.b.0.c` goes through objects and lists."""
    whole = copy.deepcopy(message)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    part: Any = whole
    for step in way:
        part = part[step]
    part[last] = copy.deepcopy(value)
    return whole


# --- Track & Trace 2.2: flat --------------------------------------------------------------------

CALL_2: Json = {
    "transportCallID": "call-77",
    "carrierServiceCode": "PS3",
    "importVoyageNumber": "615W",
    "exportVoyageNumber": "616E",
    "transportCallSequenceNumber": 4,
    "UNLocationCode": "CNQZH",
    "facilityCode": "QZP",
    "facilityCodeListProvider": "SMDG",
    "facilityTypeCode": "POTE",
    "modeOfTransport": "VESSEL",
    "vessel": {
        "vesselIMONumber": "9074729",
        "vesselName": "Pearl River",
        "vesselFlag": "SG",
        "vesselCallSignNumber": "9VAB",
        "vesselOperatorCarrierCode": "COS",
        "vesselOperatorCarrierCodeListProvider": "SMDG",
    },
}
DOCUMENTS_2: list[Json] = [
    {"documentReferenceType": "BKG", "documentReferenceValue": "BK-1"},
    {"documentReferenceType": "TRD", "documentReferenceValue": "BL-1"},
]
TRANSPORT_2: Json = {
    "eventID": "t-1",
    "eventCreatedDateTime": "2026-03-01T02:00:00Z",
    "eventType": "TRANSPORT",
    "eventClassifierCode": "ACT",
    "eventDateTime": "2026-03-01T09:30:00+08:00",
    "transportEventTypeCode": "ARRI",
    "transportCall": CALL_2,
}
EQUIPMENT_2: Json = {
    "eventID": "e-1",
    "eventCreatedDateTime": "2026-03-02T02:00:00Z",
    "eventType": "EQUIPMENT",
    "eventClassifierCode": "ACT",
    "eventDateTime": "2026-03-02T09:30:00+08:00",
    "equipmentEventTypeCode": "LOAD",
    "equipmentReference": BOX,
    "ISOEquipmentCode": "45G1",
    "emptyIndicatorCode": "LADEN",
    "eventLocation": {"locationName": "Qinzhou", "UNLocationCode": "CNQZH"},
    "transportCall": CALL_2,
    "documentReferences": DOCUMENTS_2,
    "seals": [{"sealNumber": "K1", "sealSource": "CUS", "sealType": "BLT"}],
}
SHIPMENT_2: Json = {
    "eventID": "s-1",
    "eventCreatedDateTime": "2026-02-01T02:00:00Z",
    "eventType": "SHIPMENT",
    "eventClassifierCode": "ACT",
    "eventDateTime": "2026-02-01T02:00:00Z",
    "shipmentEventTypeCode": "ISSU",
    "documentTypeCode": "TRD",
    "documentID": "BL-1",
}

# --- Track & Trace 3.0: nested; the snapshot's full words ---------------------------------------

ROUTING: Json = {
    "originatingParties": [{"partyCode": "COS", "codeListProvider": "SMDG", "codeListName": "LCL"}]
}
TRANSPORT_3: Json = {
    "eventRouting": ROUTING,
    "eventID": "t-3",
    "eventDateTime": "2026-05-01T08:00:00Z",
    "eventUpdatedDateTime": "2026-05-01T08:05:00Z",
    "eventLocation": {"UNLocationCode": "SGSIN", "facilityType": "PORT_TERMINAL"},
    "eventClassification": {
        "eventType": "TRANSPORT",
        "eventClassifier": "ACTUAL",
        "transportEventType": "DEPARTED",
    },
    "transportDetails": {
        "delayReasonCodes": ["WEA", "CGS"],
        "transportCall": {
            "transportCallReference": "tc-9",
            "modeOfTransport": "VESSEL",
            "serviceCodeOrReference": {"universalServiceReference": "SR00001B"},
            "importVoyageNumberOrReference": {"carrierVoyageNumber": "615W"},
            "exportVoyageNumberOrReference": {"carrierVoyageNumber": "616E"},
            "vesselTransport": {"vesselIMONumber": "9074729", "vesselName": "Pearl River"},
        },
    },
}
EQUIPMENT_3: Json = {
    "eventRouting": ROUTING,
    "eventID": "e-3",
    "eventDateTime": "2026-05-02T08:00:00Z",
    "eventUpdatedDateTime": "2026-05-02T08:05:00Z",
    "eventLocation": {
        "UNLocationCode": "SGSIN",
        "facility": {"facilityCode": "PSA", "facilityCodeListProvider": "SMDG"},
    },
    "eventClassification": {
        "eventType": "EQUIPMENT",
        "eventClassifier": "ACTUAL",
        "equipmentEventType": "GATED_IN",
    },
    "equipmentDetails": {
        "equipmentReference": BOX,
        "ISOEquipmentCode": "45G1",
        "emptyIndicator": "LADEN",
        "transportPhase": "EXPORT",
        "seals": [{"number": "K1", "source": "CUSTOMS", "type": "BOLT", "placement": "DOOR"}],
    },
}
SHIPMENT_3: Json = {
    "eventRouting": ROUTING,
    "eventID": "s-3",
    "eventDateTime": "2026-04-01T08:00:00Z",
    "eventUpdatedDateTime": "2026-04-01T08:05:00Z",
    "eventClassification": {
        "eventType": "SHIPMENT",
        "eventClassifier": "ACTUAL",
        "shipmentEventType": "CONFIRMED",
    },
    "shipmentDetails": {
        "documentReference": {"type": "BOOKING", "reference": "BK-1"},
        "additionalDocumentReferences": [{"type": "TRANSPORT_DOCUMENT", "reference": "BL-1"}],
        "shipmentReferences": [{"type": "PURCHASE_ORDER_REFERENCE", "reference": "PO-7"}],
    },
}
IOT_3: Json = {
    "eventRouting": ROUTING,
    "eventID": "i-3",
    "eventDateTime": "2026-05-03T08:00:00Z",
    "eventUpdatedDateTime": "2026-05-03T08:05:00Z",
    "eventLocation": {"geoCoordinate": {"latitude": "21.683", "longitude": "108.647"}},
    "eventClassification": {
        "eventType": "IOT",
        "eventClassifier": "ACTUAL",
        "iotEventType": "GEOFENCE_ENTRY",
    },
    "equipmentDetails": {"equipmentReference": BOX},
    "iotDetails": {
        "iotEquipmentTechnology": "SMART_CONTAINER",
        "detectionSource": "DEVICE",
        "geofenceDetails": {"geofenceId": "g-1", "geofenceCollectionCode": "yard"},
    },
}
REEFER_3: Json = {
    "eventRouting": ROUTING,
    "eventID": "r-3",
    "eventDateTime": "2026-05-04T08:00:00Z",
    "eventUpdatedDateTime": "2026-05-04T08:05:00Z",
    "eventClassification": {
        "eventType": "REEFER",
        "eventClassifier": "ACTUAL",
        "reeferEventType": "MEASURED",
    },
    "equipmentDetails": {"equipmentReference": BOX},
    "reeferDetails": {
        "powerStatus": "POWER_ON",
        "temperatureUnit": "CEL",
        "internalSetpointTemperature": -18,
        "ambientMeasuredTemperature": 31.5,
        "supplyAirTemperatureMeasurement": {
            "temperatureValue": -18.4,
            "sensorReadings": [{"sensorLabel": "P16", "temperatureValue": -18.6}],
        },
        "returnAirTemperatureMeasurement": {"temperatureValue": -17.1},
        "temperatureProbeMeasurements": [
            {"USDAProbeNumber": 2, "measuredTemperatureValue": -17.5},
            {"COAProbeUDMKey": "P22", "measuredTemperatureValue": -17.0},
            {"probeLabel": "Pulp probe B", "measuredTemperatureValue": -16.5},
        ],
        "setpointParameters": {"humidityPercentage": 80, "isVentilationOpen": False},
        "measuredParameters": {
            "humidityPercentage": 77.5,
            "o2Percentage": 20.9,
            "co2Percentage": 0.1,
            "airExchangeValue": 100,
            "airExchangeUnit": "FQH",
        },
        "alarms": [{"code": "AL10", "description": "Low airflow"}],
        "numberOfActiveAlarms": 1,
    },
}

# --- 3.0 beta: metadata and payload -------------------------------------------------------------

BETA: Json = {
    "metadata": {
        "eventID": "b-1",
        "eventCreatedDateTime": "2026-01-05T00:00:00Z",
        "eventType": "EQUIPMENT",
        "publisher": {
            "partyName": "Some Line",
            "carrierCode": "MSK",
            "carrierCodeListProvider": "SMDG",
        },
        "publisherRole": "CA",
    },
    "payload": {
        "eventClassifierCode": "EST",
        "eventDateTime": "2026-01-09T00:00:00Z",
        "equipmentEventTypeCode": "DISC",
        "equipmentReference": BOX,
        "isTransshipmentMove": True,
        "transportCall": {
            "transportCallReference": "tc-2",
            "modeOfTransport": "VESSEL",
            "location": {"UNLocationCode": "SGSIN", "locationName": "Singapore"},
            "carrierImportVoyageNumber": "615W",
            "carrierExportVoyageNumber": "616E",
            "universalImportVoyageReference": "2615W",
            "facilityTypeCode": "POTE",
            "vessel": {"vesselIMONumber": "9074729", "name": "Pearl River", "flag": "SG"},
        },
        "relatedDocumentReferences": [{"type": "BKG", "value": "BK-1"}],
    },
}

# --- Just-in-Time 1.2 ---------------------------------------------------------------------------

PORT_CALL: Json = {
    "publisher": {
        "partyName": "Qinzhou terminals",
        "identifyingCodes": [
            {"DCSAResponsibleAgencyCode": "UNECE", "partyCode": "CNQZH"},
            {"DCSAResponsibleAgencyCode": "SMDG", "codeListName": "TCL", "partyCode": "QZP"},
        ],
    },
    "publisherRole": "TR",
    "eventClassifierCode": "EST",
    "operationsEventTypeCode": "ARRI",
    "facilityTypeCode": "BRTH",
    "portCallPhaseTypeCode": "INBD",
    "portCallServiceTypeCode": None,
    "eventDateTime": "2026-03-01T09:30:00+08:00",
    "delayReasonCode": "CRN",
    "remark": "cranes are busy",
    "UNLocationCode": "CNQZH",
    "facilitySMDGCode": "QZP",
    "vesselIMONumber": "9074729",
    "carrierImportVoyageNumber": "615W",
    "carrierExportVoyageNumber": "616E",
}

# --- Commercial Schedules 1.0 -------------------------------------------------------------------

VESSEL: Json = {
    "vesselIMONumber": "9074729",
    "MMSINumber": "563000001",
    "name": "Pearl River",
    "flag": "SG",
    "callSign": "9VAB",
    "operatorCarrierCode": "COSU",
    "operatorCarrierCodeListProvider": "NMFTA",
}
VESSEL_SCHEDULE: list[Json] = [
    {
        "carrierServiceName": "Pearl Bridge",
        "carrierServiceCode": "PS3",
        "universalServiceReference": "SR00001B",
        "vesselSchedules": [
            {
                "vessel": VESSEL,
                "isDummyVessel": False,
                "transportCalls": [
                    {
                        "transportCallReference": "SR00001B-9074729-CNQZH-1",
                        "carrierImportVoyageNumber": "615W",
                        "carrierExportVoyageNumber": "616E",
                        "location": {"UNLocationCode": "CNQZH", "facilitySMDGCode": "QZP"},
                        "cutOffTimes": [
                            {
                                "cutOffDateTimeCode": "DCO",
                                "cutOffDateTime": "2026-03-01T08:00:00+08:00",
                            }
                        ],
                        "timestamps": [
                            {
                                "eventTypeCode": "ARRI",
                                "eventClassifierCode": "EST",
                                "eventDateTime": "2026-03-02T08:00:00+08:00",
                            },
                            {
                                "eventTypeCode": "DEPA",
                                "eventClassifierCode": "PLN",
                                "eventDateTime": "2026-03-03T08:00:00+08:00",
                            },
                        ],
                    }
                ],
            }
        ],
    }
]
PORT_SCHEDULE: list[Json] = [
    {
        "location": {"UNLocationCode": "CNQZH", "facilitySMDGCode": "QZP"},
        "vesselSchedules": [
            {
                "servicePartners": [
                    {
                        "carrierCode": "COSU",
                        "carrierServiceCode": "PS3",
                        "carrierImportVoyageNumber": "615W",
                        "carrierExportVoyageNumber": "616E",
                    },
                    {
                        "carrierCode": "OOLU",
                        "carrierServiceCode": "KTX",
                        "carrierImportVoyageNumber": "022W",
                        "carrierExportVoyageNumber": "022E",
                    },
                ],
                "vessel": VESSEL,
                "isDummyVessel": False,
                "timestamps": [
                    {
                        "eventTypeCode": "DEPA",
                        "eventClassifierCode": "ACT",
                        "eventDateTime": "2026-03-03T08:00:00+08:00",
                    }
                ],
            }
        ],
    }
]


def _end(code: str, time: str) -> Json:
    return {
        "facilityTypeCode": "POTE",
        "location": {"UNLocationCode": code},
        "dateTime": time,
    }


ROUTING_LEGS: Json = {
    "placeOfReceipt": _end("CNCQI", "2026-03-01T00:00:00Z"),
    "placeOfDelivery": _end("SGSIN", "2026-03-12T00:00:00Z"),
    "cutOffTimes": [
        {"cutOffDateTimeCode": "DCO", "cutOffDateTime": "2026-03-03T00:00:00Z"},
        {"cutOffDateTimeCode": "FCO", "cutOffDateTime": "2026-03-04T00:00:00Z"},
    ],
    "legs": [
        {
            "sequenceNumber": 2,
            "transport": {
                "modeOfTransport": "VESSEL",
                "servicePartners": [
                    {
                        "carrierCode": "OOLU",
                        "carrierServiceCode": "KTX",
                        "carrierExportVoyageNumber": "022E",
                    },
                    {
                        "carrierCode": "COSU",
                        "carrierServiceCode": "PS3",
                        "carrierImportVoyageNumber": "615W",
                        "carrierExportVoyageNumber": "616E",
                    },
                ],
                "vessel": VESSEL,
            },
            "departure": _end("CNQZH", "2026-03-05T00:00:00Z"),
            "arrival": _end("SGSIN", "2026-03-11T00:00:00Z"),
        },
        {
            "sequenceNumber": 1,
            "transport": {"modeOfTransport": "RAIL"},
            "departure": _end("CNCQI", "2026-03-01T00:00:00Z"),
            "arrival": _end("CNQZH", "2026-03-03T00:00:00Z"),
        },
    ],
}
ENVELOPE: Json = {
    "unit_ids": [BOX, OTHER_BOX],
    "shipment_id": "BL-1",
    "corridor_id": "ILSTC",
    "version": 3,
    "issued_time": "2026-02-20T00:00:00Z",
    "parties": ["consignee"],
    "routing": ROUTING_LEGS,
}
