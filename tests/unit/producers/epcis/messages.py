"""EPCIS messages as a terminal or a lock's maker would send them."""

from typing import Any

import orjson

from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.epcis.documents import EPCIS

BOX = "urn:epc:id:bic:CSQU3054383"
OTHER_BOX = "urn:epc:id:bic:MSCU1234566"
WRONG_BOX = "urn:epc:id:bic:CSQU3054384"
LOCK = "urn:epc:id:giai:6901234.LOCK0001"
VESSEL = "urn:epc:id:imovn:9176187"
QUAY = "urn:epc:id:sgln:6901234.00001.Q7"


def step(name: str | None = "arriving", **fields: Any) -> dict[str, Any]:
    """An ObjectEvent; what is None is left out."""
    event = {
        "type": "ObjectEvent",
        "eventID": "urn:uuid:0b8a4f6e-3c1d-4c27-9b46-3f1f1c6a0001",
        "eventTime": "2026-11-24T16:30:00+08:00",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "bizStep": name,
        "epcList": [BOX],
        "readPoint": {"id": QUAY},
    } | fields
    return {key: value for key, value in event.items() if value is not None}


def family(kind: str, name: str | None = None, **fields: Any) -> dict[str, Any]:
    """An AggregationEvent or AssociationEvent of a box and a lock."""
    parts = {"parentID": BOX, "childEPCs": [LOCK], "action": "ADD"} | fields
    return step(name, type=kind, epcList=None, **parts)


def sensed(*reports: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An ObjectEvent of a sensor of the lock."""
    about = {"time": "2026-11-24T08:20:00Z", "deviceID": LOCK}
    element = {"sensorMetadata": about, "sensorReport": list(reports)}
    return step("sensor_reporting", sensorElementList=[element], **fields)


def document(*events: Any, **fields: Any) -> dict[str, Any]:
    """A document with events."""
    return {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-11-24T08:31:00Z",
        "epcisBody": {"eventList": list(events)},
    } | fields


def items(message: Any, sender: str = "terminal") -> list[Any]:
    """What a message gives."""
    return EPCIS.decode(orjson.dumps(message), sender)


def events(message: Any) -> list[TrackingEvent]:
    """The events of a message that has no fault."""
    found = items(message)
    assert all(isinstance(item, TrackingEvent) for item in found), found
    return found


def event(message: Any) -> TrackingEvent:
    """The one event of a message."""
    [found] = events(message)
    return found


def fault(message: Any) -> Rejected:
    """What is wrong with a message that gives nothing else."""
    [found] = items(message)
    assert isinstance(found, Rejected)
    return found
