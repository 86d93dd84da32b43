"""What `/docs` and `/openapi.json` say of the addresses."""

from typing import Any

from fastapi import Security
from fastapi.security import HTTPBearer

from producers.push.endpoints import Endpoint
from producers.push.refusals import TITLES

DESCRIPTION = """
Send a message in the format that you have; the answer comes when everything in it that can be used
is on Kafka. A message that was sent twice counts once.

- **Who**: `Authorization: Bearer TOKEN`; `corridor parties add` makes tokens.
- **In whose name**: the party that a message names must be you, by one of your names.
- **How much**: bodies may be compressed (gzip, deflate); `RateLimit-*` say how many messages a
  minute, `Retry-After` when to try again.
- **What was wrong**: reason, field and detail of each statement that could not be used. It is kept
  in the quarantine, so that it can be replayed once the fault, or ours, is mended.
"""

_EVENT = {
    "event_id": "seal-4711-2026-11-24T08:30",
    "event_type": "IOT",
    "code": "SEALED",
    "event_time": "2026-11-24T08:30:00+08:00",
    "unit_id": "CSQU3054383",
    "node_id": "CNCKG",
}
_ITINERARY = {
    "unit_id": "CSQU3054383",
    "shipment_id": "BILL-1",
    "corridor_id": "NEW-LAND-SEA",
    "version": 1,
    "issued_time": "2026-11-20T00:00:00Z",
    "legs": [
        {
            "leg_id": "CNCKG-CNQZH.RAIL",
            "sequence": 1,
            "mode": "RAIL",
            "from_node": "CNCKG",
            "to_node": "CNQZH",
            "planned_departure": "2026-11-24T12:00:00Z",
            "planned_arrival": "2026-11-26T02:00:00Z",
        }
    ],
}
_EXAMPLES: dict[str, Any] = {"/events": _EVENT, "/itineraries": _ITINERARY}
# judged by the gateway, which knows how each standard says no; this only documents it
_TOKEN = Security(HTTPBearer(scheme_name="party", auto_error=False))
_REFUSED = (400, 401, 403, 408, 413, 415, 422, 429, 500, 503)


def of_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """Arguments of FastAPI's `add_api_route`."""
    body: dict[str, Any] = {"schema": {}}
    if endpoint.path in _EXAMPLES:
        body["example"] = _EXAMPLES[endpoint.path]
    names = [format.name for format in endpoint.formats]
    extra: dict[str, Any] = {
        "requestBody": {
            "required": True,
            "content": dict.fromkeys(sorted({f.content_type for f in endpoint.formats}), body),
        },
    }
    if endpoint.is_named:
        extra["parameters"] = [
            {"name": "format", "in": "path", "required": True, "schema": {"enum": names}}
        ]
    if "{object}" in endpoint.path:
        extra["parameters"] = [
            {"name": "object", "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    refused = {status: {"description": TITLES[status]} for status in _REFUSED}
    return {
        "summary": endpoint.title,
        "description": f"Formats: {', '.join(names)}.",
        "tags": [endpoint.family or "any"],
        "status_code": endpoint.style.status,
        "responses": {endpoint.style.status: {"description": endpoint.style.title}, **refused},
        "openapi_extra": extra,
        "dependencies": [_TOKEN],
        "operation_id": "push" + endpoint.path.translate({ord(c): "_" for c in "/{}-"}),
    }
