"""TAF/TAP TSI messages of running trains: information, forecast, interruption, delay cause.

XML by the schema of Regulations (EU) 1305/2014 and 454/2011, or the sector's, versions 2 to 5;
elements are known by their local names, in an envelope or without one.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

from corridor import topics
from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.identity import derived_id
from producers import xml
from producers.adapter import Format, Item, Unusable, each, event, malformed
from producers.rail.places import place, zones
from producers.zones import instant

_RUNNING: dict[str, str] = {
    "01": "ARRIVED",  # at its destination
    "02": "DEPARTED",  # from its origin
    "03": "ARRIVED",
    "04": "DEPARTED",
    "05": "DEPARTED",  # passed
}
"""Code list RunningStatus; 00 and 06 to 09 do not say what happened, 10 to 19 are of wagons."""

_REASONS: dict[str, str] = {"80": "STR", "81": "ANA", "83": "WEA"}
"""Delay causes of UIC leaflet 450-2 that the SMDG list has a word for."""

_DELETED = "3"
_SHORT_OFFSET = re.compile(r"([+-])(\d):(\d\d)$")
_COUNTRY = re.compile(r"[A-Z]{2}")
_PLC = re.compile(r"[A-Z0-9]{2,12}")


class _Place:
    """A location: where it is, and how its clocks go."""

    def __init__(self, element: Element | None, path: str) -> None:
        country = (xml.text(element, "CountryCodeISO") or "").upper()
        code = (xml.text(element, "LocationPrimaryCode") or "").upper()
        if not _COUNTRY.fullmatch(country):
            malformed(f"{path}.CountryCodeISO", f"{country[:40]!r} is no ISO country code")
        if not _PLC.fullmatch(code):
            malformed(f"{path}.LocationPrimaryCode", f"{code[:40]!r} is no location code")
        self.node_id = place(country, code)
        self.zones = zones(country)
        track = xml.find(element, "LocationSubsidiaryIdentification")
        self.attributes: dict[str, Any] = {
            "country": country,
            "location_primary_code": code,
            "location_name": xml.text(element, "PrimaryLocationName"),
            "location_subsidiary_code": xml.text(track, "LocationSubsidiaryCode"),
        }


class _Train:
    """What all messages say of their train."""

    def __init__(self, message: Element, sender: str) -> None:
        self.message = message
        head = xml.find(message, "MessageHeader")
        self.source = xml.text(head, "Sender") or sender
        self.deleted = xml.text(message, "MessageStatus") == _DELETED
        self._made = xml.text(head, "MessageReference", "MessageDateTime")
        self.attributes: dict[str, Any] = {
            "message_id": xml.text(head, "MessageReference", "MessageIdentifier"),
            "responsible_ru": xml.text(message, "ResponsibleRU"),
            "transferee_im": xml.text(message, "TransfereeIM"),
            "transfer_point": _code(xml.find(message, "TransferPoint")),
        }
        self.reference = xml.text(head, "SenderReference")
        self.run_id = self._run()

    def _run(self) -> str:
        """The run: the train's number, and the day that it starts on."""
        number_of = xml.find(self.message, "OperationalTrainNumberIdentifier")
        number = (xml.text(number_of, "OperationalTrainNumber") or "").upper().lstrip("0")
        start: str | None = None
        planned = xml.find(self.message, "TrainOperationalIdentification")
        for kind in ("TR", "PA"):  # the train's own day before that of a path
            for name in ("TransportOperationalIdentifiers", "PlannedTransportIdentifiers"):
                for identifier in xml.children(planned, name):
                    if (xml.text(identifier, "ObjectType") or "").upper() != kind:
                        continue
                    start = start or xml.text(identifier, "StartDate")
                    core = f"{kind.lower()}_id"
                    self.attributes.setdefault(core, _identifier(identifier))
        handover = xml.text(number_of, "ScheduledTimeAtHandover")
        day = (start or handover or "")[:10]
        field = "OperationalTrainNumberIdentifier"
        if not number:
            malformed(f"{field}.OperationalTrainNumber", "it is missing")
        if not day:
            malformed(
                f"{field}.ScheduledTimeAtHandover",
                "neither it nor a StartDate says which day's train it is",
            )
        try:
            starts = datetime.strptime(day, "%Y-%m-%d")
        except ValueError:
            malformed(field, f"{day[:40]!r} is no date")
        self.attributes |= {
            "train_number": number,
            "scheduled_handover": handover,
            "scheduled_transfer": xml.text(number_of, "ScheduledDateTimeAtTransfer"),
        }
        return f"{number}-{starts:%Y%m%d}"

    def event(self, statement: tuple[str, ...], at: _Place, **fields: Any) -> Item:
        """An event of the train's run; `statement` tells it from the run's other ones."""
        told = self.attributes | at.attributes | fields.pop("attributes", {})
        made = self._made
        return event(
            event_id=derived_id("taf-tsi", self.run_id, at.node_id, *statement),
            source=self.source,
            updated_time=_time(made, "MessageHeader.MessageDateTime", at) if made else None,
            retracted=self.deleted or None,
            run_id=self.run_id,
            mode=Mode.RAIL,
            node_id=at.node_id,
            attributes={name: value for name, value in told.items() if value is not None},
            **fields,
        )


def _running(classifier: Classifier) -> Callable[[_Train], list[Item]]:
    """A reader of what has happened, or of what is foreseen."""

    def read(train: _Train) -> list[Item]:
        reports = xml.children(train.message, "TrainLocationReport")
        if not reports:
            malformed("TrainLocationReport", "it is missing")
        return each(
            "TrainLocationReport", reports, lambda report: [_report(train, report, classifier)]
        )

    return read


def _report(train: _Train, report: Element, classifier: Classifier) -> Item:
    at = _Place(xml.find(report, "Location"), "Location")
    status = (xml.text(report, "TrainLocationStatus") or "").zfill(2)
    code = _RUNNING.get(status)
    if code is None:
        detail = f"status {status[:40]!r} does not say whether the train arrived or departed"
        raise Unusable(Reject.UNSUPPORTED, "TrainLocationStatus", detail)
    text = xml.text(report, "LocationDateTime")
    if text is None:
        malformed("LocationDateTime", "it is missing")
    time = _time(text, "LocationDateTime", at)
    booked = xml.text(report, "BookedLocationDateTime")
    referenced = xml.text(report, "ReferencedLocationDateTime")
    planned = referenced or booked
    delay: float | None = None
    if planned is not None:
        delay = (time - _time(planned, "ReferencedLocationDateTime", at)).total_seconds() / 60
    late = xml.find(report, "TrainDelay")
    reason = xml.text(late, "DelayReason") or xml.text(report, "DelayReason")
    return train.event(
        (code, classifier),
        at,
        event_type=EventType.TRANSPORT,
        code=code,
        classifier=classifier,
        event_time=time,
        delay_reasons=_reasons(reason),
        attributes={
            "running_status": status,
            "passed": True if status == "05" else None,
            "booked_time": booked,
            "referenced_time": referenced,
            "delay_minutes": delay,
            "against_booked": xml.text(late, "AgainstBooked"),
            "against_referenced": xml.text(late, "AgainstReferenced"),
            "delay_cause": reason,
        },
    )


def _delay_cause(train: _Train) -> list[Item]:
    """Why the train became later at a place; it may be told anew and taken back."""
    reports = xml.children(train.message, "DelayEventReport")
    if not reports:
        malformed("DelayEventReport", "it is missing")

    def read(report: Element) -> list[Item]:
        at = _Place(xml.find(report, "DelayLocation"), "DelayLocation")
        return each(
            "DelayCauseTime",
            xml.children(report, "DelayCauseTime"),
            lambda cause: [_cause(train, report, cause, at)],
        )

    return each("DelayEventReport", reports, read)


def _cause(train: _Train, report: Element, cause: Element, at: _Place) -> Item:
    reason = xml.text(cause, "DelayCause")
    text = xml.text(cause, "DelayEventDateTime")
    if text is None:
        malformed("DelayEventDateTime", "it is missing")
    minutes = xml.text(cause, "DelayMinutes")
    # the sender's reference of the delay, else what makes it another one
    known = (train.reference,) if train.reference else (reason or "", text)
    return train.event(
        ("delay cause", *known),
        at,
        event_type=EventType.SHIPMENT,
        code="UPDATE_RECEIVED",
        event_time=_time(text, "DelayEventDateTime", at),
        delay_reasons=_reasons(reason),
        attributes={
            "delay_cause": reason,
            "delay_minutes": _minutes(minutes),
            "running_status": xml.text(report, "TrainLocationStatus"),
            "internal_reference": xml.text(cause, "InternalReferenceIdentifier"),
            "remarks": xml.text(cause, "Remarks"),
        },
    )


def _interruption(train: _Train) -> list[Item]:
    """The train stands, and nobody can say until when."""
    points = xml.children(train.message, "InterruptionPoint")
    if not points:
        malformed("InterruptionPoint", "it is missing")

    def read(point: Element) -> list[Item]:
        at = _Place(xml.find(point, "Location"), "Location")
        stopped = xml.find(point, "Interruption")
        text = xml.text(stopped, "InterruptionDateTime")
        if text is None:
            malformed("Interruption.InterruptionDateTime", "it is missing")
        time = _time(text, "Interruption.InterruptionDateTime", at)
        reason = xml.text(stopped, "InterruptionReason")
        return [
            train.event(
                ("interruption", time.isoformat()),
                at,
                event_type=EventType.SHIPMENT,
                code="ON_HOLD",
                event_time=time,
                delay_reasons=_reasons(reason),
                attributes={
                    "delay_cause": reason,
                    "interruption": xml.text(stopped, "InterruptionDescription"),
                    "location_detail": xml.text(point, "DetailedDescriptionOfLocation"),
                    "internal_reference": xml.text(stopped, "InternalReferenceIdentifier"),
                },
            )
        ]

    return each("InterruptionPoint", points, read)


_READERS: dict[str, Callable[[_Train], list[Item]]] = {
    "TrainRunningInformationMessage": _running(Classifier.ACTUAL),
    "TrainRunningForecastMessage": _running(Classifier.ESTIMATED),
    "TrainDelayCauseMessage": _delay_cause,
    "TrainRunningInterruptionMessage": _interruption,
}


def decode(message: bytes, sender: str) -> list[Item]:
    """Reads a message, or those within an envelope."""
    try:
        root = xml.parse(message)
    except Unusable as error:
        return [error.rejected]
    found = list(xml.descendants(root, *_READERS))
    if not found:
        detail = f"{xml.name(root)[:100]!r} is none of {', '.join(_READERS)}"
        return [Rejected(Reject.UNSUPPORTED, None, detail)]
    return each("message", found, lambda part: _READERS[xml.name(part)](_Train(part, sender)))


def _time(text: str, field: str, at: _Place) -> datetime:
    # +1:00 is what some write for +01:00
    return instant(_SHORT_OFFSET.sub(r"\g<1>0\2:\3", text), field, at.zones)


def _code(location: Element | None) -> str | None:
    found = (xml.text(location, "CountryCodeISO"), xml.text(location, "LocationPrimaryCode"))
    return "".join(part for part in found if part) or None


def _identifier(identifier: Element) -> str:
    """A composite identifier: company, core, variant, timetable year, start date."""
    names = ("Company", "Core", "Variant", "TimetableYear", "StartDate")
    return "/".join(xml.text(identifier, name) or "" for name in names)


def _reasons(cause: str | None) -> tuple[str, ...] | None:
    reason = _REASONS.get(cause or "")
    return (reason,) if reason else None


def _minutes(text: str | None) -> int | str | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 6 else text


def _recognises(message: bytes) -> bool:
    head = message[:20_000]
    return b"<" in head and any(name.encode() in head for name in _READERS)


FORMAT = Format(
    name="taf-tsi",
    title="TAF/TAP TSI train running messages",
    decode=decode,
    topic=topics.CARRIER.name,
    content_type="application/xml",
    recognises=_recognises,
)
