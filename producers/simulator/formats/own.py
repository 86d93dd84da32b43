"""Our own events and itineraries as JSON: what no standard has a word for."""

from typing import Any

import orjson

from producers.simulator.statements import Statement

EVENT = "event"
ITINERARY = "itinerary"


def encode(statement: Statement) -> bytes:
    """A `TrackingEvent`."""
    return orjson.dumps(statement.event())


def itinerary(fields: dict[str, Any]) -> bytes:
    """An `Itinerary`."""
    return orjson.dumps(fields)
