"""IATA ONE Record: logistics events in JSON-LD.

Data model 3.3 (July 2026) and those before it; API 2.2: an event, a list or collection of events,
a logistics object with its events, or a notification that carries its event.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from corridor import topics
from corridor.codes import Classifier, Mode, Reject
from corridor.decoding import SAID, Rejected
from corridor.identity import derived_id
from producers.adapter import Format, Item, Unusable, each, event, malformed, node, position
from producers.air import airports
from producers.air.airports import Airport, airport
from producers.air.json_ld import Document, Object, first, local, plain_text, values
from producers.air.statuses import (
    ACTUAL,
    DISCREPANCIES,
    ESTIMATED,
    MEANINGS,
    PLANNED,
    meaning_of,
)
from producers.air.waybills import flight, run_id, uld, waybill
from producers.zones import has_offset, instant

_EVENTS = {"LogisticsEvent", "StatusUpdateEvent", "Event"}
_FOR = ("eventFor", "linkedObject")
_HAS_EVENTS = ("events", "logisticsEvents")
_LOCATION = ("eventLocation", "recordedAtLocation", "location")
_RECORDED_BY = ("recordingOrganization", "recordedBy", "performedBy")

_TIME_TYPES: dict[str, Classifier] = {
    "ACTUAL": ACTUAL,
    "PLANNED": PLANNED,
    "SCHEDULED": PLANNED,
    "ESTIMATED": ESTIMATED,
    "EXPECTED": ESTIMATED,
    "PREDICTED": ESTIMATED,
}
"""Code list EventTimeType; the last names are those of older models. REQUESTED is no statement."""

_TOWARDS_WAYBILL = (
    "waybill",
    "masterWaybill",
    "shipment",
    "partOfShipment",
    "involvedInShipment",
    "ofShipment",
)
_STEPS = 3
"""How far from a piece its waybill may be."""
_FLIGHT_DATE = re.compile(r"(.+)/(\d{2})([A-Z]{3})(\d{4})", re.ASCII)


_NAMED_WAYBILL = re.compile(
    r"(?:m?awb|waybill|shipment)?[-_]?(\d{3})-(\d{8})", re.IGNORECASE | re.ASCII
)
"""How servers name their shipments that know only waybills; the check digit must be right."""


class _Subject(NamedTuple):
    """What an event is of."""

    unit_id: str | None = None
    shipment_id: str | None = None
    run_id: str | None = None
    flight: str | None = None
    iri: str | None = None
    departs: datetime | None = None
    """When the flight is to depart."""


class _Place(NamedTuple):
    airport: Airport | None = None
    node_id: str | None = None
    position: tuple[float, float] | None = None
    iri: str | None = None
    code: str | None = None


class _Found(NamedTuple):
    """An event in a document, and what it is of where it does not say so itself."""

    event: Object
    holder: Object | None


def decode(message: bytes, sender: str) -> list[Item]:
    """Reads every logistics event of a document."""
    try:
        document = Document(message)
    except Unusable as error:
        return [error.rejected]
    found: dict[int, _Found] = {}
    for root in document.roots:
        for one in _events(root, None, document):
            known = found.get(id(one.event))
            if known is None or known.holder is None:
                found[id(one.event)] = one
    if not found:
        return [_nothing(document)]
    return each(
        "LogisticsEvent", found.values(), lambda one: _read(one.event, one.holder, document, sender)
    )


def _nothing(document: Document) -> Rejected:
    for root in document.roots:
        if isinstance(root, dict) and (told := plain_text(root, "hasLogisticsEvent")):
            detail = (
                f"the notification names event {told[:200]} without carrying it: push the event"
            )
            return Rejected(Reject.UNSUPPORTED, "hasLogisticsEvent", detail)
    return Rejected(Reject.MALFORMED, None, "there is no LogisticsEvent in it")


def _events(value: Any, holder: Object | None, document: Document) -> Iterator[_Found]:
    if isinstance(value, list):
        for part in value:
            yield from _events(part, holder, document)
        return
    if not isinstance(value, dict):
        return
    if _is_event(value):
        yield _Found(value, holder)
        return
    for name, part in value.items():
        inner: Object | None = None
        if name == "hasItem":
            inner = _owner(plain_text(value, "@id"))
        elif name in _HAS_EVENTS:
            inner = value
            # events that the graph has elsewhere are of this object all the same
            part = [_event_of(one, document) for one in values(value, name)]
        elif name == "hasLogisticsEvent":
            inner = _notified(value, document)
        yield from _events(part, inner, document)


def _event_of(value: Any, document: Document) -> Any:
    found = document.resolved(value)
    # anything else may lead back to where it came from
    return found if isinstance(found, dict) and _is_event(found) else value


def _is_event(value: Object) -> bool:
    named = _EVENTS & set(value.get("@type", ()))
    said = "eventCode" in value or "eventDate" in value
    return said or (bool(named) and not set(value) <= {"@id", "@type"})


def _notified(notification: Object, document: Document) -> Object | None:
    """The logistics object that a notification is about."""
    about = document.resolved(first(notification, "hasLogisticsObject"))
    if isinstance(about, str):
        about = {"@id": about}
    if not isinstance(about, dict):
        return None
    kind = plain_text(notification, "hasLogisticsObjectType")
    return about if "@type" in about or kind is None else {**about, "@type": [local(kind)]}


def _read(told: Object, holder: Object | None, document: Document, sender: str) -> list[Item]:
    code, discrepancy = _code(told)
    meaning = meaning_of(code, discrepancy, "eventCode")
    place = _place(first(told, *_LOCATION), document)
    stated = plain_text(told, "eventDate", "dateTime")
    if stated is None:
        malformed("eventDate", "it is missing")
    time = _time(stated, "eventDate", place)
    created = plain_text(told, "creationDate")
    updated = _time(created, "creationDate", place) if created else None
    classifier = _classifier(told, time, updated)
    movement = document.resolved(first(told, "transportMovementReference"))
    by = _subject(movement, document) if movement is not None else _Subject()
    if classifier is ACTUAL and code != "BKD":
        classifier = meaning.classifier
        if classifier is PLANNED and by.departs is not None:
            time = by.departs
    recorded = plain_text({"by": document.resolved(first(told, *_RECORDED_BY))}, "by")
    identity = plain_text(told, "@id")
    if identity is not None and identity.startswith(("_:", "internal:")):
        identity = None  # a name within this document only
    targets = [document.resolved(target) for target in values(told, *_FOR)]
    if not targets:
        targets = [holder or _owner(identity)]
    subjects = list(dict.fromkeys(_subject(target, document) for target in targets))
    items: list[Item] = []
    for subject in subjects:
        subject = _joined(subject, by)
        if subject.unit_id is None and subject.shipment_id is None and subject.run_id is None:
            malformed("eventFor", "it does not say what it is of")
        own = identity if len(subjects) == 1 else None
        items.append(
            event(
                event_id=own or _id(subject, identity, code, discrepancy, classifier, place),
                source=recorded or sender,
                event_type=meaning.event_type,
                code=meaning.code,
                classifier=classifier,
                event_time=time,
                updated_time=updated,
                unit_id=subject.unit_id,
                run_id=subject.run_id,
                shipment_id=subject.shipment_id,
                mode=Mode.AIR,
                node_id=place.node_id,
                latitude=place.position and place.position[0],
                longitude=place.position and place.position[1],
                attributes=_attributes(told, code, discrepancy, place, subject, document),
            )
        )
    return items


def _owner(identity: str | None) -> Object | None:
    """The logistics object of an event's or collection's IRI, which the API has begin with its."""
    owner, found, _ = (identity or "").rpartition("/logistics-events")
    return {"@id": owner} if found and owner else None


def _joined(subject: _Subject, by: _Subject) -> _Subject:
    return subject._replace(run_id=subject.run_id or by.run_id, flight=subject.flight or by.flight)


def _id(
    subject: _Subject,
    identity: str | None,
    code: str,
    discrepancy: str | None,
    classifier: Classifier,
    place: _Place,
) -> str:
    """An event of several objects, or without an id of its own."""
    of = subject.unit_id or subject.run_id or subject.shipment_id or ""
    if identity is not None:
        return derived_id(identity, of)
    where = place.node_id or place.code or place.iri or ""
    return derived_id(of, code, discrepancy or "", classifier, where, subject.run_id or "")


def _code(told: Object) -> tuple[str, str | None]:
    """The status code; a discrepancy code may stand beside DIS, or for it."""
    codes = [_one_code(value) for value in values(told, "eventCode", "typeCode")]
    name = plain_text(told, "eventName")
    if not codes and name is not None and name.upper() in MEANINGS:
        codes = [name.upper()]
    if not codes:
        detail = f"it has no eventCode, only the name {name[:100]!r}" if name else "it is missing"
        malformed("eventCode", detail)
    discrepancy = next((code for code in codes if code in DISCREPANCIES), None)
    return ("DIS" if discrepancy else codes[0]), discrepancy


def _one_code(value: Any) -> str:
    """A code from its text, from an object with `code`, or from the IRI of a code list element."""
    text = plain_text({"value": value}, "value") or ""
    name = local(text)  # ...StatusCode#DEP, ...coreCodeLists#StatusCode_DEP
    return name.rpartition("_")[2].strip().upper()


def _classifier(told: Object, time: datetime, updated: datetime | None) -> Classifier:
    stated = plain_text(told, "eventTimeType", "eventTypeIndicator")
    if stated is None:
        # an event is what has occurred, unless it was written down before it did
        if updated is not None and time > updated:
            malformed("eventTimeType", "it is missing, and eventDate is after creationDate")
        return ACTUAL
    name = local(stated).rpartition("_")[2].upper()
    classifier = _TIME_TYPES.get(name)
    if classifier is None:
        detail = f"eventTimeType {name[:40]!r} is none of {', '.join(_TIME_TYPES)}"
        raise Unusable(Reject.UNSUPPORTED, "eventTimeType", detail)
    return classifier


def _time(text: str, field: str, place: _Place) -> datetime:
    return instant(text, field, (place.airport.zone,) if place.airport else ())


def _place(value: Any, document: Document) -> _Place:
    location = document.resolved(value)
    if location is None:
        return _Place()
    if isinstance(location, str):
        location = {"@id": location} if ":" in location else {"locationCodes": location}
    if not isinstance(location, dict):
        malformed("eventLocation", "it is no location")
    iri = plain_text(location, "@id")
    codes = [
        _location_code(code)
        for code in values(location, "locationCodes", "locationCode", "code", "iataCode")
    ]
    if not codes and iri is not None and airports.known(local(iri)):
        codes = [local(iri)]  # as many servers name their airports
    found = _Place(iri=iri, code=next(filter(None, codes), None))
    for code in codes:
        if re.fullmatch("[A-Z]{3}", code):
            here = airport(code, "eventLocation.locationCodes")
            found = found._replace(airport=here, node_id=here.node_id, code=code)
            break
    if found.node_id is None:
        for code in codes:
            if re.fullmatch("[A-Z]{2}[A-Z2-9]{3}", code):
                node_id = node(code, "eventLocation.locationCodes")
                found = found._replace(node_id=node_id, code=found.code or code)
                break
    at = document.resolved(first(location, "geolocation", "geoLocation"))
    if isinstance(at, dict) and first(at, "latitude") is not None:
        where = position(
            plain_text(at, "latitude"), plain_text(at, "longitude"), "eventLocation.geolocation"
        )
        found = found._replace(position=where)
    return found


def _location_code(value: Any) -> str:
    text = plain_text({"value": value}, "value") or ""
    return local(text).upper()


def _subject(value: Any, document: Document) -> _Subject:
    """What an object is, or belongs to: a waybill, a unit load device, a flight, else its IRI."""
    target = document.resolved(value)
    if isinstance(target, str):
        target = {"@id": target}
    if not isinstance(target, dict):
        return _Subject()
    iri = plain_text(target, "@id")
    kinds = set(target.get("@type", ()))
    if number := _waybill(target, document, 0):
        unit = number if re.fullmatch(r"[0-9]{3}-[0-9]{8}", number) else None
        return _Subject(unit_id=unit, shipment_id=number, iri=iri)
    if unit := _uld(target):
        return _Subject(unit_id=unit, iri=iri)
    if "TransportMovement" in kinds or "transportIdentifier" in target:
        return _flight(target, document)
    if (named := _NAMED_WAYBILL.fullmatch(local(iri or ""))) and _is_waybill(*named.groups()):
        number = "-".join(named.groups())
        return _Subject(unit_id=number, shipment_id=number, iri=iri)
    if kinds & {"Shipment", "Waybill", "Booking", "BookingShipment"}:
        return _Subject(shipment_id=iri, iri=iri)
    return _Subject(unit_id=iri, iri=iri)


def _is_waybill(prefix: str, serial: str) -> bool:
    return int(serial[:7]) % 7 == int(serial[7])


def _waybill(target: Object, document: Document, depth: int) -> str | None:
    number = plain_text(target, "waybillNumber")
    if number is not None:
        prefix = plain_text(target, "waybillPrefix") or ""
        whole = f"{prefix}-{number}" if prefix and re.fullmatch(r"[0-9]{8}", number) else number
        if re.fullmatch(r"[0-9]{3}[\s-]*[0-9]{8}", whole):
            return waybill(whole, "waybillNumber")
        return whole  # a house waybill has a number of its forwarder's making
    if depth >= _STEPS:
        return None
    for name in _TOWARDS_WAYBILL:
        inner = document.resolved(first(target, name))
        found = _waybill(inner, document, depth + 1) if isinstance(inner, dict) else None
        if found is not None:
            return found
    return None


def _uld(target: Object) -> str | None:
    serial = plain_text(target, "uldSerialNumber", "serialNumber")
    kind, owner = plain_text(target, "uldTypeCode", "uldType"), plain_text(target, "ownerCode")
    if serial is None:
        return None
    return uld(local(kind or "") + serial + local(owner or "")) or uld(serial)


def _flight(movement: Object, document: Document) -> _Subject:
    """A flight and its date: in its identifier, else that of its planned departure."""
    iri = plain_text(movement, "@id")
    text = (plain_text(movement, "transportIdentifier") or "").upper()
    origin = _place(first(movement, "departureLocation"), document)
    times = list(_departures(movement, origin, document))
    planned = next((time for kind, time in times if kind is PLANNED), None)
    departs = planned or next((time for _, time in times), None)
    dated = _FLIGHT_DATE.fullmatch(text)
    designator = flight(dated.group(1) if dated else text)
    run: str | None = None
    if designator and dated:
        try:
            day = datetime.strptime("".join(dated.groups()[1:]), "%d%b%Y").date()
        except ValueError:
            malformed("transportIdentifier", f"{text[:40]!r} names no day of the calendar")
        run = run_id(designator, day)
    elif designator and departs is not None and origin.airport is not None:
        run = run_id(designator, departs.astimezone(ZoneInfo(origin.airport.zone)).date())
    elif not designator:
        run = iri
    return _Subject(run_id=run, flight=designator, iri=iri, departs=planned)


def _departures(
    movement: Object, origin: _Place, document: Document
) -> Iterator[tuple[Classifier, datetime]]:
    for value in values(movement, "movementTimes"):
        told = document.resolved(value)
        text = plain_text(told, "movementTimestamp", "timestamp")
        direction = local(plain_text(told, "direction") or "").upper()
        kind = _TIME_TYPES.get(
            local(plain_text(told, "timeType", "movementTimeType") or "").upper()
        )
        told_where = text is not None and (has_offset(text) or origin.airport is not None)
        if text and kind and told_where and direction.endswith("OUTBOUND"):
            yield kind, _time(text, "movementTimes.movementTimestamp", origin)


def _attributes(
    told: Object,
    code: str,
    discrepancy: str | None,
    place: _Place,
    subject: _Subject,
    document: Document,
) -> dict[str, str | int | float | bool]:
    def party(name: str) -> str | None:
        return plain_text({"party": document.resolved(first(told, name))}, "party")

    def measure(name: str) -> tuple[str | None, str | None]:
        value = document.resolved(first(told, name))
        if not isinstance(value, dict):
            return plain_text(told, name), None
        unit = plain_text(value, "unit")
        return plain_text(value, "numericalValue", "value"), unit and local(unit)

    weight, weight_unit = measure("recordedWeight")
    volume, volume_unit = measure("recordedVolume")
    partial = (plain_text(told, "partialEventIndicator") or "").lower()
    found = {
        "status_code": code,
        "discrepancy_code": discrepancy,
        "event_name": plain_text(told, "eventName"),
        "airport": place.airport.code if place.airport else None,
        "location_code": place.code if place.airport is None else None,
        "location_iri": place.iri,
        "linked_object": subject.iri,
        "flight": subject.flight,
        "partial": {"true": True, "false": False}.get(partial),
        "pieces": plain_text(told, "recordedPieceCount", "partialPieceCount"),
        "weight": weight,
        "weight_unit": weight_unit,
        "volume": volume,
        "volume_unit": volume_unit,
        "transferred_from": party("transferredFrom"),
        "transferred_to": party("transferredTo"),
        "notified_party": party("notifiedOrganization"),
        "recording_actor": party("recordingActor"),
    }
    return {
        name: value[:SAID] if isinstance(value, str) else value
        for name, value in found.items()
        if value is not None
    }


def _recognises(message: bytes) -> bool:
    head = message[:20_000]
    named = b"onerecord.iata.org" in head or (b"LogisticsEvent" in head and b"eventCode" in head)
    return named and head.removeprefix(BOM_UTF8).lstrip()[:1] in (b"{", b"[")


FORMAT = Format(
    name="one-record",
    title="IATA ONE Record: logistics events",
    decode=decode,
    topic=topics.CARRIER.name,
    content_type="application/ld+json",
    recognises=_recognises,
)
