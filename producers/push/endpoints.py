"""The addresses of the gateway: what comes there, and how it is answered. Adding one is a line."""

from fnmatch import fnmatchcase
from typing import NamedTuple

from producers.adapter import Format
from producers.formats import FAMILIES, FORMATS
from producers.push import answers
from producers.push.answers import Style


class Endpoint(NamedTuple):
    """One address. With `{format}` in its path, the sender says which of the formats it is."""

    path: str
    title: str
    family: str | None
    """Of the formats; None: of any."""
    style: Style = answers.PLAIN
    only: str = "*"
    """Which formats of the family."""

    @property
    def formats(self) -> tuple[Format, ...]:
        """What may come here."""
        formats = FORMATS if self.family is None else FAMILIES.get(self.family, ())
        return tuple(format for format in formats if fnmatchcase(format.name, self.only))

    @property
    def is_named(self) -> bool:
        """Whether the path names the format."""
        return "{format}" in self.path


_ALL: tuple[Endpoint, ...] = (
    Endpoint("/events", "Our tracking events", "own", only="event"),
    Endpoint("/itineraries", "Our itineraries", "own", only="itinerary"),
    Endpoint("/dcsa/tnt/v3/events", "DCSA Track & Trace 3.0", "dcsa", answers.DCSA_3),
    Endpoint("/dcsa/tnt/v2/events", "DCSA Track & Trace 2.2, pushed", "dcsa", answers.DCSA_2),
    Endpoint("/epcis/capture", "EPCIS documents", "epcis", answers.EPCIS_CAPTURE),
    Endpoint("/epcis/events", "One EPCIS event", "epcis", answers.EPCIS_EVENT),
    Endpoint(
        "/onerecord/notifications",
        "ONE Record notifications",
        "air",
        answers.ONE_RECORD_NOTIFICATION,
        only="one*record*",
    ),
    Endpoint(
        "/onerecord/logistics-objects/{object}/logistics-events",
        "Events of a ONE Record logistics object",
        "air",
        answers.ONE_RECORD_EVENT,
        only="one*record*",
    ),
    Endpoint("/air/fsu", "IATA FSU and XFSU", "air", only="*fsu*"),
    Endpoint("/edifact", "EDIFACT interchanges", "edifact"),
    Endpoint("/etir", "eTIR messages", "customs", only="*tir*"),
    Endpoint("/customs/decisions", "Decisions of a single window", "customs", only="*[!r]"),
    Endpoint("/rail/{format}", "Rail running information", "rail"),
    Endpoint("/iot/{format}", "Locks and trackers", "iot"),
    Endpoint("/ais", "AIS sentences", "ais"),
    Endpoint("/messages/{format}", "Any format", None),
)

ENDPOINTS = tuple(endpoint for endpoint in _ALL if endpoint.formats)
