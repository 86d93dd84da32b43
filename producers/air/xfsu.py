"""Cargo-XML XFSU, the status message of an air waybill.

IATA Cargo-XML Toolkit, StatusMessage 3.00 to 6.00 (root `StatusMessage`, `iata:statusmessage:1`).
Times without an offset are local to the airport that they are told of.
"""

from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from corridor import topics
from corridor.codes import Reject
from corridor.decoding import Rejected
from producers import xml
from producers.adapter import Format, Item, Unusable, each, malformed
from producers.air.airports import Airport, airport
from producers.air.statuses import INDICATORS, Status, Timed, Where, items, meaning_of
from producers.air.waybills import flight, uld, waybill
from producers.zones import instant

_UTC = ("UTC",)
_PARTIES = {
    "NotifiedParty": "notified_party",
    "DeliveryParty": "delivery_party",
    "AssociatedReceivedFromParty": "received_from",
    "AssociatedTransferredFromParty": "transferred_from",
}


def decode(message: bytes, sender: str) -> list[Item]:
    """Reads one status message."""
    try:
        root = xml.parse(message)
    except Unusable as error:
        return [error.rejected]
    messages = list(xml.descendants(root, "StatusMessage"))
    if not messages:
        detail = f"the root is {xml.name(root)[:100]!r}, not StatusMessage"
        return [Rejected(Reject.MALFORMED, None, detail)]
    return each("StatusMessage", messages, lambda part: _message(part, sender))


def _message(message: Element, sender: str) -> list[Item]:
    consignment = xml.find(message, "MasterConsignment")
    if consignment is None:
        malformed("MasterConsignment", "it is missing")
    reported = xml.children(consignment, "ReportedStatus")
    if not reported:
        malformed("MasterConsignment.ReportedStatus", "it is missing")
    header = _Header(message, consignment, sender)
    return each(
        "MasterConsignment.ReportedStatus", reported, lambda status: _reported(status, header)
    )


class _Header:
    """What a message says once for all of its statuses."""

    def __init__(self, message: Element, consignment: Element, sender: str) -> None:
        head = xml.find(message, "MessageHeaderDocument")
        self.number = waybill(
            xml.text(consignment, "TransportContractDocument", "ID")
            or xml.text(message, "BusinessHeaderDocument", "ID")
            or "",
            "MasterConsignment.TransportContractDocument.ID",
        )
        self.source = xml.text(head, "SenderParty", "PrimaryID") or sender
        purpose = (xml.text(head, "PurposeCode") or "").lower()
        self.retracted = purpose.startswith(("delet", "cancel"))
        issued = xml.text(head, "IssueDateTime")
        # the header is of no airport: its bare times are UTC (Cargo-XML, data type DateTime)
        self.issued = instant(issued, "IssueDateTime", _UTC) if issued else None
        self.attributes: dict[str, str | int | float | bool | None] = {
            "message_id": xml.text(head, "ID"),
            "waybill_origin": xml.text(consignment, "OriginLocation", "ID"),
            "waybill_destination": xml.text(consignment, "FinalDestinationLocation", "ID"),
            "waybill_pieces": _number(
                xml.text(consignment, "TotalPieceQuantity")
                or xml.text(consignment, "PieceQuantity")
            ),
            **_weight(consignment, "GrossWeightMeasure", "waybill_weight"),
        }


def _reported(reported: Element, header: _Header) -> list[Item]:
    code = (xml.text(reported, "ReasonCode") or "").upper()
    meaning_of(code, field="ReasonCode")
    parts: list[Element] = xml.children(reported, "AssociatedStatusConsignment") or [reported]
    return each("AssociatedStatusConsignment", parts, lambda part: _consignment(code, part, header))


def _consignment(code: str, part: Element, header: _Header) -> list[Item]:
    """The events of one status of one part of the consignment, for each flight that it names."""
    movements: list[Element] = xml.children(part, "SpecifiedLogisticsTransportMovement") or [part]
    return each(
        "SpecifiedLogisticsTransportMovement",
        movements,
        lambda movement: _movement(code, part, movement, header),
    )


def _movement(code: str, part: Element, movement: Element, header: _Header) -> list[Item]:
    status = Status(
        code, header.number, header.source, updated=header.issued, retracted=header.retracted
    )
    discrepancy = xml.text(part, "DiscrepancyDescriptionCode")
    status.discrepancy = discrepancy.upper() if discrepancy else None
    where = meaning_of(code, status.discrepancy).where
    _flight(movement, status)
    _places(movement, part, status, where)
    _times(movement, part, status, where)
    split, pieces = xml.text(part, "TransportSplitDescription"), xml.text(part, "PieceQuantity")
    if split and split.upper() != "T":
        status.part = f"{split.upper()}{pieces or ''}"
    told: dict[str, str | int | float | bool | None] = {
        **header.attributes,
        "pieces": _number(pieces),
        "shipment_description": split,
        **_weight(part, "GrossWeightMeasure", "weight"),
        **_weight(part, "GrossVolumeMeasure", "volume"),
        "carrier": xml.text(movement, "CarrierParty", "PrimaryID"),
        "transfer_manifest": xml.text(part, "AssociatedManifestDocument", "ID"),
        "uld_ids": _ulds(part),
        "service_information": _joined(part, "Description", "HandlingOSIInstructions")
        or _joined(part, "Description", "HandlingInstructions"),
        "customs_information": _joined(part, "Content", "IncludedCustomsNote"),
    }
    for element, name in _PARTIES.items():
        told[name] = xml.text(part, element, "Name") or xml.text(part, element, "PrimaryID")
    status.attributes |= {name: value for name, value in told.items() if value is not None}
    return items(status)


def _flight(movement: Element, status: Status) -> None:
    text = xml.text(movement, "ID")
    if text is None:
        return
    carrier = xml.text(movement, "CarrierParty", "PrimaryID") or ""
    # some give the number alone, the carrier beside it
    status.flight = flight(text) or flight(carrier + text)
    if status.flight is None:
        status.attributes["transport_movement_id"] = text


def _places(movement: Element, part: Element, status: Status, where: Where) -> None:
    ends = {
        "DEPARTURE": xml.text(movement, "DepartureEvent", "OccurrenceDepartureLocation", "ID"),
        "ARRIVAL": xml.text(movement, "ArrivalEvent", "OccurrenceArrivalLocation", "ID"),
    }
    here: str | None = None
    for location in (
        *xml.children(movement, "SpecifiedLocation"),
        *(xml.children(part, "SpecifiedLocation") if part is not movement else ()),
    ):
        code = xml.text(location, "ID")
        end = (xml.text(location, "FlightStatusTypeCode") or "").upper()
        if code and end in ends:
            ends[end] = ends[end] or code
        elif code:
            here = here or code
    if where is Where.DEPARTURE:
        ends["DEPARTURE"] = ends["DEPARTURE"] or here
    elif where is Where.ARRIVAL:
        ends["ARRIVAL"] = ends["ARRIVAL"] or here
    status.origin = _airport(ends["DEPARTURE"], "DepartureEvent.OccurrenceDepartureLocation.ID")
    status.destination = _airport(ends["ARRIVAL"], "ArrivalEvent.OccurrenceArrivalLocation.ID")
    status.place = _airport(here, "SpecifiedLocation.ID")
    if where is Where.AIRPORT and status.place is None:
        # a status of an airport that names one end of a flight only is of that end
        ends_known = [end for end in (status.destination, status.origin) if end is not None]
        status.place = ends_known[0] if len(ends_known) == 1 else None


def _airport(code: str | None, field: str) -> Airport | None:
    return airport(code, field) if code else None


def _times(movement: Element, part: Element, status: Status, where: Where) -> None:
    here = {
        Where.DEPARTURE: status.origin or status.place,
        Where.ARRIVAL: status.destination or status.place,
        Where.AIRPORT: status.place,
    }[where]
    status.departure = _timed(movement, "Departure", status.origin)
    status.arrival = _timed(movement, "Arrival", status.destination)
    scheduled = xml.text(movement, "DepartureEvent", "ScheduledOccurrenceDateTime")
    leaves = xml.text(movement, "DepartureEvent", "DepartureOccurrenceDateTime")
    if (day := scheduled or leaves) and status.origin:
        time = instant(day, "DepartureEvent.DepartureOccurrenceDateTime", (status.origin.zone,))
        status.departs = time.astimezone(ZoneInfo(status.origin.zone)).date()
    for holder in (movement, part):
        for happened in xml.children(holder, "SpecifiedEvent"):
            text = xml.text(happened, "OccurrenceDateTime")
            kind = (xml.text(happened, "DateTimeTypeCode") or "A").upper()
            if text is None or status.time is not None:
                continue
            if kind in INDICATORS and kind != "A" and where is not Where.AIRPORT:
                continue  # the flight's times say the same
            if here is None:
                malformed("SpecifiedLocation.ID", f"{status.code} does not say where")
            status.time = instant(text, "SpecifiedEvent.OccurrenceDateTime", (here.zone,))
            status.foreseen = kind if kind in ("E", "S") else None


def _timed(movement: Element, end: str, place: Airport | None) -> Timed | None:
    found = xml.find(movement, f"{end}Event")
    text, kind = (
        xml.text(found, f"{end}OccurrenceDateTime"),
        xml.text(found, f"{end}DateTimeTypeCode"),
    )
    if text is None:
        text, kind = xml.text(found, "ScheduledOccurrenceDateTime"), "S"
    if text is None and end == "Arrival":
        found = xml.find(movement, "ScheduledArrivalEvent")
        text, kind = xml.text(found, "ScheduledOccurrenceDateTime"), "S"
    if text is None or place is None:
        return None
    kind = (kind or "S").upper()
    if kind not in INDICATORS:
        malformed(f"{end}Event.{end}DateTimeTypeCode", f"{kind[:40]!r} is not one of A, E, S")
    return Timed(kind, instant(text, f"{end}Event.{end}OccurrenceDateTime", (place.zone,)))


def _ulds(part: Element) -> str | None:
    found = [
        (xml.text(unit, "CharacteristicCode") or "")
        + (xml.text(unit, "ID") or "")
        + (xml.text(unit, "OperatingParty", "PrimaryID") or "")
        for unit in xml.children(part, "UtilizedUnitLoadTransportEquipment")
    ]
    return " ".join(uld(text) or text for text in found if text) or None


def _joined(part: Element, leaf: str, *elements: str) -> str | None:
    texts = (xml.text(element, leaf) for name in elements for element in xml.children(part, name))
    return "; ".join(text for text in texts if text) or None


def _number(text: str | None) -> int | str | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else text


def _weight(parent: Element, name: str, attribute: str) -> dict[str, str | float | None]:
    element = xml.find(parent, name)
    text = xml.text(element)
    if element is None or text is None:
        return {}
    value: str | float = text
    if len(text) < 15 and text.replace(".", "", 1).isdecimal() and text.isascii():
        value = float(text)
    return {attribute: value, f"{attribute}_unit": element.get("unitCode")}


FORMAT = Format(
    name="xfsu",
    title="Cargo-XML XFSU: status message of an air waybill",
    decode=decode,
    topic=topics.CARRIER.name,
    content_type="application/xml",
    recognises=lambda message: b"StatusMessage" in message[:4000] and b"<" in message[:4000],
)
