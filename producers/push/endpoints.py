"""The addresses of the gateway: what comes there, and how it is answered. Adding one is a line."""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from producers.adapter import Format
from producers.formats import FAMILIES, FORMATS
from producers.push import answers
from producers.push.answers import Style

Complete = Callable[[bytes, str], bytes]
"""Adds to a message what only its address says, the second argument."""


def _as_it_is(message: bytes, url: str) -> bytes:
    return message


def _of_object(message: bytes, url: str) -> bytes:
    """A ONE Record event with the logistics object of its address, where it names none itself."""
    try:
        told: Any = orjson.loads(message)
    except orjson.JSONDecodeError:
        return message
    if not isinstance(told, dict) or any(name.endswith("eventFor") for name in told):
        return message
    return orjson.dumps({**told, "eventFor": {"@id": url.removesuffix("/logistics-events")}})


class Endpoint(NamedTuple):
    """One address. With `{format}` in its path, the sender says which of the formats it is."""

    path: str
    title: str
    family: str | None
    """Of the formats; None: of any."""
    style: Style = answers.PLAIN
    only: tuple[str, ...] = ()
    """Which formats of the family; none named: all."""
    complete: Complete = _as_it_is

    @property
    def formats(self) -> tuple[Format, ...]:
        """What may come here."""
        formats = FORMATS if self.family is None else FAMILIES.get(self.family, ())
        return tuple(format for format in formats if not self.only or format.name in self.only)

    @property
    def is_named(self) -> bool:
        """Whether the path names the format."""
        return "{format}" in self.path


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("/events", "Our tracking events", "own", only=("event",)),
    Endpoint("/itineraries", "Our itineraries", "own", only=("itinerary",)),
    Endpoint(
        "/dcsa/tnt/v3/events",
        "DCSA Track & Trace 3.0",
        "dcsa",
        answers.DCSA_3,
        only=("dcsa-tnt",),
    ),
    Endpoint(
        "/dcsa/tnt/v2/events",
        "DCSA Track & Trace 2.2, pushed",
        "dcsa",
        answers.DCSA_2,
        only=("dcsa-tnt",),
    ),
    Endpoint("/epcis/capture", "EPCIS documents", "epcis", answers.EPCIS_CAPTURE),
    Endpoint("/epcis/events", "One EPCIS event", "epcis", answers.EPCIS_EVENT),
    Endpoint(
        "/onerecord/notifications",
        "ONE Record notifications",
        "air",
        answers.ONE_RECORD_NOTIFICATION,
        only=("one-record",),
    ),
    Endpoint(
        "/onerecord/logistics-objects/{object}/logistics-events",
        "Events of a ONE Record logistics object",
        "air",
        answers.ONE_RECORD_EVENT,
        only=("one-record",),
        complete=_of_object,
    ),
    Endpoint("/air/fsu", "IATA FSU and XFSU", "air", only=("fsu", "xfsu")),
    Endpoint("/edifact", "EDIFACT interchanges", "edifact"),
    Endpoint("/etir", "eTIR messages", "customs", only=("etir",)),
    Endpoint(
        "/customs/decisions", "Decisions of a single window", "customs", only=("single-window",)
    ),
    Endpoint("/rail/{format}", "Rail running information", "rail"),
    Endpoint("/iot/{format}", "Locks and trackers", "iot"),
    Endpoint("/ais", "AIS sentences", "ais"),
    Endpoint("/messages/{format}", "Any format", None),
)
