"""What parties say: statements, and the messages that come of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

Attribute = str | int | float | bool

MISTAKEN, SPOILED = "/mistaken", "/spoiled"
"""How the names end of what is said by mistake, and of what cannot be used."""


@dataclass(frozen=True)
class Statement:
    """One thing that a party says, in the words of `TrackingEvent`; times in seconds since 1970."""

    name: str
    """Its event_id: what makes it the same statement when it is said again."""
    party: str
    event_type: str
    code: str
    time: float
    classifier: str = "ACTUAL"
    updated: float = 0.0
    """When it was made, or changed."""
    retracted: bool = False
    unit_id: str | None = None
    run_id: str | None = None
    shipment_id: str | None = None
    mode: str | None = None
    node_id: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    reasons: tuple[str, ...] = ()
    attributes: dict[str, Attribute] = field(default_factory=dict)
    facts: dict[str, Attribute] = field(default_factory=dict)
    """What only some formats say: names and numbers of the vehicle, the service."""

    @property
    def mistaken(self) -> bool:
        """Whether it is said by mistake, or takes such a mistake back."""
        return self.name.endswith(MISTAKEN)

    def but(self, **changes: Any) -> "Statement":
        """The statement with some things changed."""
        # dataclasses.replace, without its detour over __init__, which costs ten times as much
        other = object.__new__(Statement)
        other.__dict__.update(self.__dict__, **changes)
        return other

    def event(self) -> dict[str, Any]:
        """As an event, in the order of the model."""
        event: dict[str, Any] = {
            "schema_version": 1,
            "event_id": self.name,
            "source": self.party,
            "event_type": self.event_type,
            "code": self.code,
            "classifier": self.classifier,
            "event_time": text(self.time),
            "updated_time": text(self.updated),
        }
        if self.retracted:
            event["retracted"] = True
        for name in ("unit_id", "run_id", "shipment_id", "mode", "node_id"):
            value = getattr(self, name)
            if value is not None:
                event[name] = value
        if self.latitude is not None:
            event["latitude"] = self.latitude
            event["longitude"] = self.longitude
        if self.reasons:
            event["delay_reasons"] = self.reasons
        if self.attributes:
            event["attributes"] = self.attributes
        return event


class Listener(Protocol):
    """Where messages go."""

    def hears(self, available: float, statement: Statement) -> None:
        """A party's message, once it could be known."""

    def receives(self, available: float, party: str, itinerary: dict[str, Any]) -> None:
        """An itinerary, as JSON values."""


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:19] + "Z"


def text(time: float) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return _second(round(time))
