"""A good event and a good itinerary, as JSON has them; tests change what they are about."""

from typing import Any

EVENT: dict[str, Any] = {
    "event_id": "e1",
    "source": "lock",
    "event_type": "IOT",
    "code": "SEALED",
    "event_time": "2026-01-02T03:04:05+08:00",
    "unit_id": "CSQU3054383",
}
LEG: dict[str, Any] = {
    "leg_id": "CNCKG-CNQZH.RAIL",
    "sequence": 1,
    "mode": "RAIL",
    "from_node": "CNCKG",
    "to_node": "CNQZH",
    "planned_departure": "2026-01-01T00:00:00Z",
    "planned_arrival": "2026-01-03T00:00:00Z",
}
ITINERARY: dict[str, Any] = {
    "unit_id": "CSQU3054383",
    "shipment_id": "S1",
    "corridor_id": "NEW-LAND-SEA",
    "version": 1,
    "issued_time": "2025-12-31T00:00:00Z",
    "legs": [LEG],
}
