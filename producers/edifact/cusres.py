"""CUSRES, the answer of customs: a decision on each container, waybill or consignment.

Directories D.93A to D.24A: GIS until D.01C, GEI after it, with the same code list 7365. National
codes in their place are told by their agency (3055) and are not guessed at.
"""

from typing import NamedTuple

from corridor.codes import EventType, Reject
from producers.adapter import Item, Unusable, container, malformed
from producers.edifact import times
from producers.edifact.group import (
    AIR_WAYBILLS,
    Attributes,
    Group,
    Place,
    Transport,
    air_waybill,
    containers,
    equipment,
    known,
    references,
    shipment,
    split,
)
from producers.edifact.header import Header, within
from producers.edifact.interchange import Message, Segment
from producers.edifact.times import Instant


class Decision(NamedTuple):
    """What a processing indicator says."""

    code: str
    note: str | None = None


DECISIONS = {
    # data element 7365
    "1": Decision("DECLARATION_ACCEPTED", "message content accepted"),
    "2": Decision("DECLARATION_REJECTED", "message content rejected, with comment"),
    "3": Decision("DECLARATION_REJECTED", "message content rejected"),
    "4": Decision("CUSTOMS_RELEASED"),
    "5": Decision("CUSTOMS_SELECTED_FOR_INSPECTION"),
    "6": Decision("DOCUMENTS_REQUIRED"),
    "7": Decision("ON_HOLD", "goods detained"),
    "8": Decision("TRANSIT_ALLOWED"),
    "9": Decision("DECLARATION_ACCEPTED", "awaiting the arrival of the goods"),
    "15": Decision("DECLARATION_ACCEPTED", "correction approved"),
    "16": Decision("DECLARATION_REJECTED", "correction not approved"),
    "32": Decision("DECLARATION_ACCEPTED", "transaction accepted"),
    "33": Decision("DECLARATION_REJECTED", "transaction rejected"),
}
_UN = frozenset({"", "6"})
"""Data element 3055: the UN's own codes."""
_TIMES = ("58", "9", "7", "334", "203", "148", "137")
"""Data element 2005: clearance, processing, effective, status, execution, acceptance, message."""
_PLACES = ("22", "14", "41", "60", "165", "11", "9", "12")
"""Data element 3227: office of clearance, goods, entry, arrival, terminal, ports."""


MOST = 50_000
"""Events of one message: each indicator is of each unit."""


def read(message: Message, header: Header) -> list[Item]:
    """The decisions of a message on each of its units.

    Raises:
        Unusable: there is no decision, or nobody can tell on what.
    """
    group = Group(message.segments)
    indicators = [*group.all("GIS"), *group.all("GEI")]
    if not indicators:
        malformed("GIS", "there is no processing indicator, so no decision")
    items, units = _units(group)
    shipment_id = shipment(group)
    if not units and not items:
        if shipment_id is None:
            malformed("RFF", "it names neither a container nor a transport document")
        units = [None]
    if len(units) * len(indicators) > MOST:
        detail = f"{len(indicators):,} indicators for {len(units):,} units are not read"
        raise Unusable(Reject.UNSUPPORTED, "GIS", detail)
    where = known(group.all("LOC", *_PLACES))
    when, basis = _time(header, group, where)
    said = _attributes(group) | basis
    declaration = said.get("declaration_number")
    for index, indicator in enumerate(indicators):
        try:
            decision = _decision(indicator)
            items.extend(
                header.event(
                    EventType.CUSTOMS,
                    decision.code,
                    when,
                    unit_id=unit_id,
                    shipment_id=shipment_id,
                    visit=str(declaration) if declaration else None,
                    place=where,
                    attributes=said | _note(decision),
                )
                for unit_id in units
            )
        except Unusable as fault:
            items.extend(within(f"{indicator.tag}[{index}]", [fault.rejected]))
    return items


def _units(group: Group) -> tuple[list[Item], list[str | None]]:
    faults: list[Item] = []
    units: list[str | None] = []
    for number, field in containers(group).items():
        try:
            units.append(container(number, field))
        except Unusable as fault:
            faults.append(fault.rejected)
    waybill = None if units or faults else air_waybill(group.reference(*AIR_WAYBILLS) or "")
    return faults, [*units, *([waybill] if waybill else [])]


def _decision(indicator: Segment) -> Decision:
    element = 1 if indicator.tag == "GIS" else 2
    code, agency = indicator.code(element).lstrip("0"), indicator.code(element, 3)
    if agency not in _UN:
        detail = f"indicator {code[:10]} is of agency {agency[:10]}, not of the UN's list 7365"
        raise Unusable(Reject.UNKNOWN_CODE, "7365", detail)
    if code not in DECISIONS:
        detail = f"indicator {code[:10]!r} of list 7365 is no decision that we have an event for"
        reason = Reject.UNSUPPORTED if code.isdigit() else Reject.UNKNOWN_CODE
        raise Unusable(reason, "7365", detail)
    return DECISIONS[code]


def _note(decision: Decision) -> Attributes:
    return {"decision_note": decision.note} if decision.note else {}


def _time(header: Header, group: Group, where: Place | None) -> tuple[Instant, Attributes]:
    """When it was decided; an answer that does not say so is as old as its message."""
    node_id = where.node_id if where else None
    head = group.until("RFF", "DOC", "TAX", "ERP")
    fault: Unusable | None = None
    for dtm in (*head.all("DTM", *_TIMES), *group.all("DTM", *_TIMES[:-1])):
        try:
            when = times.instant(dtm, node_id)
        except Unusable as error:
            fault = fault or error
            continue
        return when, {"time_taken_from": "DTM+137"} if dtm.code(1) == "137" else {}
    made = header.made(node_id)
    if made is None:
        raise fault or Unusable(Reject.MALFORMED, "DTM", "it does not say when: DTM+9 or DTM+58")
    return made, {"time_taken_from": "UNB"}


def _attributes(group: Group) -> Attributes:
    office, tdt = group.first("LOC", "22", "41"), group.first("TDT", "20")
    said: Attributes = {
        "customs_office": office.text(2) or office.text(2, 4) if office else "",
        "error_codes": ", ".join(erc.text(1) for erc in group.all("ERC") if erc.text(1)),
        "customs_text": "; ".join(
            " ".join(filter(None, ftx.elements[3]))
            for ftx in group.all("FTX")
            if len(ftx.elements) > 3
        ),
    }
    said |= equipment(split(group.segments, "EQD")[0]) | references(group)
    said |= Transport.of(tdt).attributes() if tdt else {}
    return {name: value for name, value in said.items() if value != ""}
