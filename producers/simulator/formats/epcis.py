"""GS1 EPCIS 2.0: object events of road terminals, JSON-LD."""

from typing import Any

import orjson

from producers.simulator.formats.places import locode
from producers.simulator.statements import Statement, text

EPCIS = "epcis"
STEPS = {"LOADED": "loading", "DISCHARGED": "unloading"}


def encode(statement: Statement) -> bytes:
    """A document with one event; a correction has its eventID, a retraction declares the error."""
    place, facility = locode(statement.node_id or "")
    event: dict[str, Any] = {
        "type": "ObjectEvent",
        "eventID": f"urn:x-terminal:{statement.name}",
        "eventTime": text(statement.time),
        "recordTime": text(statement.updated),
        "eventTimeZoneOffset": "+00:00",
        "epcList": [f"urn:epc:id:bic:{statement.unit_id}"],
        "action": "OBSERVE",
        "bizStep": STEPS[statement.code],
        "readPoint": {"id": statement.node_id if facility else f"urn:un:locode:{place}"},
        "bizTransactionList": [
            {"type": "bol", "bizTransaction": f"urn:epcglobal:cbv:bt:0:{statement.shipment_id}"}
        ],
    }
    if statement.retracted:
        declared = {"declarationTime": text(statement.updated), "reason": "did_not_occur"}
        event["errorDeclaration"] = declared
    document = {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": text(statement.updated),
        "epcisBody": {"eventList": [event]},
    }
    return orjson.dumps(document)
