"""The documents and references that an event names."""

import re
from typing import NamedTuple

from producers.dcsa.blocks import Attributes, Block
from producers.dcsa.codes import (
    DOCUMENTS,
    REFERENCES,
    SHIPMENT_DOCUMENTS,
    SHIPMENT_LOCATIONS,
    meaning,
)

# numbers that some carriers write beside the event instead of in its list of documents
_LOOSE = {
    "TRANSPORT_DOCUMENT": ("transportDocumentReference", "transportDocumentID"),
    "BOOKING": ("carrierBookingReference", "bookingReference"),
    "CARRIER_BOOKING_REQUEST": ("carrierBookingRequestReference",),
    "SHIPPING_INSTRUCTIONS": ("shippingInstructionReference", "shippingInstructionID"),
    "TRANSPORT_ORDER": ("transportOrder",),
}
_LISTS = ("additionalDocumentReferences", "documentReferences", "relatedDocumentReferences")
_TYPE = ("type", "typeCode", "documentReferenceType", "referenceType")
_VALUE = ("reference", "value", "documentReferenceValue", "referenceValue")
_ATTRIBUTE = re.compile(r"[A-Z0-9_]{1,60}")
_EQUIPMENT = "EQUIPMENT_REFERENCE"

Numbers = dict[str, list[str]]


class Documents(NamedTuple):
    """What an event says of paper."""

    primary: str | None
    """The type of the document that the event itself is about."""
    numbers: Numbers
    references: Numbers
    attributes: Attributes

    @property
    def shipment_id(self) -> str | None:
        """The number that stands for the shipment."""
        return next(
            (self.numbers[kind][0] for kind in SHIPMENT_DOCUMENTS if kind in self.numbers), None
        )

    @property
    def equipment(self) -> list[str]:
        """Equipment that the event refers to, without being of it."""
        return self.references.get(_EQUIPMENT, [])


def documents(shipment: Block, page: Block) -> Documents:
    """Reads the documents and references of an event.

    Args:
        shipment: What the event says of them.
        page: What is said of them for all events of a message.

    Raises:
        Unusable: a number is no text.
    """
    numbers: Numbers = {}
    primary = _primary(shipment, numbers)
    for name in _LISTS:
        _collect(shipment.blocks(name), DOCUMENTS, numbers)
    for kind, names in _LOOSE.items():
        number = (shipment | page).text(*names)
        if number is not None and number not in numbers.setdefault(kind, []):
            numbers[kind].append(number)
    references: Numbers = {}
    for name in ("shipmentReferences", "references"):
        _collect(shipment.blocks(name), REFERENCES, references)
    attributes = shipment.take({"price_calculation_date": ("priceCalculationDate",)})
    if primary is not None:
        attributes["document_type"] = primary
        attributes["document_number"] = numbers[primary][0]
    for found, suffix in ((numbers, "_reference"), (references, "")):
        attributes |= {
            f"{kind.lower().removesuffix('_reference')}{suffix or '_reference'}": ", ".join(values)
            for kind, values in found.items()
            if _ATTRIBUTE.fullmatch(kind)
        }
    location = shipment.scalar("shipmentLocationType", "shipmentLocationTypeCode")
    if location is not None:
        attributes["shipment_location_type"] = (
            meaning(SHIPMENT_LOCATIONS, str(location)) or location
        )
    for name, table in (
        ("documentReferenceReplacements", DOCUMENTS),
        ("shipmentReferenceReplacements", REFERENCES),
    ):
        replaced = [_replacement(part, table) for part in shipment.blocks(name)]
        if replaced:
            attributes[f"{name[: -len('ReferenceReplacements')]}_replacements"] = "; ".join(
                replaced
            )
    return Documents(primary, numbers, references, attributes)


def _primary(shipment: Block, numbers: Numbers) -> str | None:
    """The document that the event is about: an object in 3.0, two fields before."""
    found = shipment.find("documentReference")
    if found is not None and isinstance(found[1], dict | list):
        _collect(shipment.blocks("documentReference"), DOCUMENTS, numbers)
    else:
        kind, number = (
            shipment.text("documentTypeCode"),
            shipment.text("documentReference", "documentID"),
        )
        if kind is not None and number is not None:
            numbers[_word(DOCUMENTS, kind)] = [number]
    return next(iter(numbers), None)


def _collect(parts: list[Block], table: dict[str, str], into: Numbers) -> None:
    for part in parts:
        kind, value = part.text(*_TYPE), part.text(*_VALUE)
        if kind is not None and value is not None:
            values = into.setdefault(_word(table, kind), [])
            if value not in values:
                values.append(value)


def _replacement(part: Block, table: dict[str, str]) -> str:
    """`old > new`, for people."""
    sides: list[str] = []
    for name in ("oldReferences", "newReferences"):
        numbers: Numbers = {}
        _collect(part.blocks(name), table, numbers)
        sides.append(", ".join(f"{kind} {n}" for kind, found in numbers.items() for n in found))
    return " > ".join(sides)


def _word(table: dict[str, str], kind: str) -> str:
    return meaning(table, kind) or kind.strip().upper()
