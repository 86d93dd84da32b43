"""Customs locks and trackers: JSON as such devices send it."""

from typing import Any

import orjson

from corridor.containers import is_container_number
from producers.simulator.statements import Statement, text

LOCK, GPS = "lock", "gps"


def encode(statement: Statement) -> bytes:
    """What a lock tells."""
    unit = statement.unit_id or ""
    message: dict[str, Any] = {
        "deviceId": f"EL-{unit}",
        "msgId": statement.name,
        "timestamp": text(statement.time),
        "sentAt": text(statement.updated),
        "containerNo" if is_container_number(unit) else "tirCarnet": unit,
        "lat": statement.latitude,
        "lon": statement.longitude,
    }
    if statement.code != "BREADCRUMB":
        message["event"] = statement.code.lower()
    if "battery" in statement.attributes:
        message["battery"] = statement.attributes["battery"]
    if statement.shipment_id is not None:
        message["billOfLading"] = statement.shipment_id
    return orjson.dumps(message)
