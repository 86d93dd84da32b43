"""DCSA Track & Trace: 3.0.0, and the flat events of 2.2 for carriers that have not moved on."""

from typing import Any

import orjson

from producers.simulator.formats.places import locode
from producers.simulator.statements import Statement, text

TNT = "dcsa-tnt"
OLD_FASHIONED = frozenset({"SEAQ", "YZXL"})
"""Parties that still speak 2.2."""

_TYPE = {"TRANSPORT": "transportEventType", "EQUIPMENT": "equipmentEventType"}
_OLD_CODES = {"ARRIVED": "ARRI", "DEPARTED": "DEPA"}
_OLD_CLASSIFIERS = {"ACTUAL": "ACT", "ESTIMATED": "EST", "PLANNED": "PLN"}


def nested(statement: Statement) -> bytes:
    """An event of 3.0.0."""
    event: dict[str, Any] = {
        "eventRouting": {"originatingParties": [{"partyCode": statement.party}]},
        "eventID": statement.name,
        "eventDateTime": text(statement.time),
        "eventUpdatedDateTime": text(statement.updated),
        "isRetracted": statement.retracted,
        "eventClassification": {
            "eventType": statement.event_type,
            "eventClassifier": statement.classifier,
            _TYPE[statement.event_type]: statement.code,
        },
    }
    if statement.node_id is not None:
        event["eventLocation"] = _location(statement.node_id)
    if statement.shipment_id is not None:
        document = {"type": "TRANSPORT_DOCUMENT", "reference": statement.shipment_id}
        event["shipmentDetails"] = {"documentReference": document}
    transport: dict[str, Any] = {}
    if statement.mode is not None:
        transport["transportCall"] = _call(statement)
    if statement.reasons:
        transport["delayReasonCodes"] = list(statement.reasons)
    if transport:
        event["transportDetails"] = transport
    if statement.unit_id is not None:
        event["equipmentDetails"] = {"equipmentReference": statement.unit_id}
    return orjson.dumps(event)


def flat(statement: Statement) -> bytes:
    """A transport event of 2.2; APPROACHING came later, and is told in the new words."""
    if statement.code not in _OLD_CODES or statement.unit_id is not None:
        return nested(statement)
    facts = statement.facts
    voyage = str(facts.get("voyage", ""))
    event = {
        "eventID": statement.name,
        "eventType": "TRANSPORT",
        "transportEventTypeCode": _OLD_CODES[statement.code],
        "eventClassifierCode": _OLD_CLASSIFIERS[statement.classifier],
        "eventDateTime": text(statement.time),
        "eventCreatedDateTime": text(statement.updated),
        "transportCall": {
            "modeOfTransport": statement.mode,
            "carrierServiceCode": str(facts.get("service", "")),
            "exportVoyageNumber": voyage,
            "importVoyageNumber": voyage,
            "vessel": {
                name: facts[fact]
                for name, fact in (("vesselIMONumber", "imo"), ("vesselName", "vessel"))
                if fact in facts
            },
            **({"location": _location(statement.node_id)} if statement.node_id else {}),
        },
    }
    if statement.reasons:
        event["delayReasonCode"] = statement.reasons[0]
    return orjson.dumps(event)


def _location(node_id: str) -> dict[str, Any]:
    place, facility = locode(node_id)
    location: dict[str, Any] = {"UNLocationCode": place}
    if facility is not None:
        location["facility"] = {"facilityCode": facility}
    return location


def _call(statement: Statement) -> dict[str, Any]:
    facts = statement.facts
    call: dict[str, Any] = {"modeOfTransport": statement.mode}
    if statement.mode in ("VESSEL", "BARGE"):
        voyage = {"carrierVoyageNumber": facts.get("voyage")}
        call["exportVoyageNumberOrReference"] = voyage
        call["importVoyageNumberOrReference"] = voyage
        call["vesselTransport"] = {
            name: facts[fact]
            for name, fact in (
                ("vesselIMONumber", "imo"),
                ("vesselMMSINumber", "mmsi"),
                ("vesselName", "vessel"),
            )
            if fact in facts
        }
    elif statement.mode == "RAIL":
        call["railTransport"] = {"departureID": statement.run_id}
    elif statement.mode == "TRUCK":
        call["truckTransport"] = {"tractorDetails": {"licensePlate": facts.get("plate")}}
    return call
