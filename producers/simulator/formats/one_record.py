"""IATA ONE Record: logistics events of an air waybill, JSON-LD (data model 3.3)."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from producers.simulator.formats.air import STATUSES
from producers.simulator.formats.places import airport
from producers.simulator.statements import Statement, text

ONE_RECORD = "one-record"
PARTIES = frozenset(
    {"DEFRA-TERMINAL", "LULUX-TERMINAL", "NLAMS-AIR-TERMINAL", "SGSIN-AIR-TERMINAL"}
)
"""Handling agents that have a ONE Record server."""

_SERVER = "https://one-record.example/logistics-objects"
_DATETIME = "http://www.w3.org/2001/XMLSchema#dateTime"


def encode(statement: Statement) -> bytes:
    """One status; a correction is the same event with a newer creation date."""
    waybill = f"{_SERVER}/awb-{statement.unit_id}"
    prefix, _, number = (statement.unit_id or "").partition("-")
    event: dict[str, Any] = {
        "@context": {"@vocab": "https://onerecord.iata.org/ns/cargo#"},
        "@type": "LogisticsEvent",
        "@id": f"{waybill}/logistics-events/{quote(statement.name, safe='')}",
        "eventCode": {"@id": f"coreCodeLists#StatusCode_{STATUSES[statement.code]}"},
        "eventDate": {"@type": _DATETIME, "@value": text(statement.time)},
        "creationDate": {"@type": _DATETIME, "@value": text(statement.updated)},
        "eventTimeType": {"@id": "cargo:ACTUAL"},
        "eventLocation": {
            "@type": "Location",
            "locationCodes": [
                {"@type": "CodeListElement", "code": airport(statement.node_id or "")}
            ],
        },
        "eventFor": {
            "@type": "Waybill",
            "@id": waybill,
            "waybillPrefix": prefix,
            "waybillNumber": number,
        },
    }
    flight = statement.facts.get("flight")
    if flight and statement.run_id:
        day = datetime.strptime(statement.run_id[-8:], "%Y%m%d")
        event["transportMovementReference"] = {
            "@type": "TransportMovement",
            "transportIdentifier": f"{flight}/{day:%d%b%Y}".upper(),
        }
    return orjson.dumps(event)
