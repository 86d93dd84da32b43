"""An incident as a message to a subscriber: a CloudEvent 1.0 in structured JSON."""

from typing import Any
from urllib.parse import quote

import orjson

from corridor.identity import derived_id
from corridor.models import Incident

SOURCE = "/corridor/alerts"
TYPE = "corridor.incident"
CONTENT_TYPE = "application/cloudevents+json"
LISTED = 50
"""Units that a message lists, so that it stays small; the link leads to all of them."""


def message_id(subscription_id: str, incident_id: str, revision: int, reminder: int) -> str:
    """`webhook-id`: the same at each try, and after a crash."""
    parts = (subscription_id, incident_id, str(revision), str(reminder))
    return f"msg_{derived_id('message', *parts)}"


def cloud_event(incident: Incident, url: str, *, reminder: int = 0) -> bytes:
    """The event that says what stands.

    Args:
        incident: As its reader sees it.
        url: Where the gateway is.
        reminder: How often this revision was told before.
    """
    id = f"{incident.incident_id}:{incident.revision}"
    content: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{id}:{reminder}" if reminder else id,
        "source": SOURCE,
        "type": f"{TYPE}.{incident.state.lower()}",
        "subject": incident.dedup_key,
        "time": incident.as_of.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "link": f"{url}/incidents/{quote(incident.incident_id, safe='')}",
    }
    body = shortened(incident).model_dump_json(exclude_none=True).encode()
    return orjson.dumps(content)[:-1] + b',"data":' + body + b"}"


def shortened(incident: Incident) -> Incident:
    """With the worst units only."""
    if len(incident.affected) <= LISTED:
        return incident
    return incident.model_copy(update={"affected": incident.affected[:LISTED]})
