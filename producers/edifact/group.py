"""What segments say together: references, transport, places, equipment."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from corridor.codes import Mode
from corridor.network import gazetteer
from producers.adapter import Unusable, node
from producers.edifact.interchange import Segment

Attributes = dict[str, str | int | float | bool | None]

TRANSPORT_DOCUMENTS = ("BM", "MB", "MWB", "AWB", "AAS", "AAM", "BH", "HWB", "XC")
"""Data element 1153: bills of lading, air waybills, other transport documents; the first counts."""
BOOKINGS = ("BN",)
AIR_WAYBILLS = ("MWB", "AWB")
EQUIPMENT_NUMBERS = ("EQ", "AAQ")

_REFERENCES = {
    "BN": "booking_number",
    "BM": "bill_of_lading",
    "ABT": "declaration_number",
    "MRN": "declaration_number",
    "ZMR": "declaration_number",
    "ACD": "additional_reference",
    "AAJ": "delivery_order",
    "RE": "release_number",
    "UCN": "unique_consignment_reference",
    "CU": "consignor_reference",
    "FF": "forwarder_reference",
    "SI": "shipper_reference",
    "ABO": "originator_reference",
}
_MODES = {
    # UN/ECE Recommendation 19, data element 8067
    "1": Mode.VESSEL, "2": Mode.RAIL, "3": Mode.TRUCK, "4": Mode.AIR, "8": Mode.BARGE,
}  # fmt: skip
_MEANS = {
    # data element 8179, directories up to D.02A
    "6": Mode.AIR, "8": Mode.VESSEL, "11": Mode.VESSEL, "12": Mode.VESSEL, "13": Mode.VESSEL,
    "21": Mode.RAIL, "23": Mode.RAIL, "25": Mode.RAIL, "31": Mode.TRUCK, "32": Mode.TRUCK,
}  # fmt: skip
_SAILING = (Mode.VESSEL, Mode.BARGE)
_LOADS = {"4": "EMPTY", "5": "LADEN", "7": "LADEN", "8": "LADEN", "9": "LADEN"}  # 8169
_STATUSES = {
    # data element 8249
    "1": "CONTINENTAL", "2": "EXPORT", "3": "IMPORT", "4": "REMAIN_ON_BOARD", "5": "SHIFTER",
    "6": "TRANSHIPMENT", "7": "SHORTLANDED", "8": "OVERLANDED", "9": "DOMESTIC",
    "10": "POSITIONING", "11": "DELIVERY", "12": "REDELIVERY", "13": "REPAIR", "14": "RELOADER",
    "15": "RETURNED", "16": "DROPPED_OFF",
}  # fmt: skip
_PLACES = {
    # data element 3227
    "9": "load_port",
    "11": "discharge_port",
    "13": "transhipment_port",
    "76": "original_load_port",
    "7": "place_of_delivery",
    "88": "place_of_receipt",
    "147": "stowage_cell",
}
_WEIGHTS = {
    # data element 6313
    "G": "gross_weight_kg", "EGW": "gross_weight_kg", "WT": "gross_weight_kg",
    "AET": "gross_weight_kg", "VGM": "verified_gross_mass_kg", "T": "tare_kg",
}  # fmt: skip
_KILOGRAMS = {"KGM": 1.0, "TNE": 1000.0, "LBR": 0.45359237}
_PARTIES = {"CF": "container_operator", "CA": "carrier", "TR": "terminal_operator"}
_NOT_PLACES = {"16", "162", "163"}
"""Data element 1131: postcodes, countries and their parts."""
_ULD = re.compile(r"[A-Z][A-Z0-9]{2}[0-9]{4,5}[A-Z0-9]{2,3}")
_LOCODE = 5
"""A name that is not longer could be taken for a code."""


class Group:
    """Some segments of a message, in order.

    What is asked of a head again for each of thousands of groups is worked out once.
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        self.segments = list(segments)
        self._by_tag: dict[str, list[Segment]] = {}
        self._by_qualifier: dict[tuple[str, str], list[Segment]] = {}
        for segment in self.segments:
            self._by_tag.setdefault(segment.tag, []).append(segment)
            self._by_qualifier.setdefault((segment.tag, segment.code(1)), []).append(segment)

    def all(self, tag: str, *qualifiers: str) -> Iterator[Segment]:
        """Segments of a tag; with qualifiers only these, in the order of the qualifiers."""
        if not qualifiers:
            yield from self._by_tag.get(tag, ())
        for qualifier in qualifiers:
            yield from self._by_qualifier.get((tag, qualifier), ())

    def first(self, tag: str, *qualifiers: str) -> Segment | None:
        """The first of them."""
        return next(self.all(tag, *qualifiers), None)

    def until(self, *tags: str) -> "Group":
        """What comes before the first segment of some tags."""
        for index, segment in enumerate(self.segments):
            if segment.tag in tags:
                return Group(self.segments[:index])
        return self

    def reference(self, *qualifiers: str) -> str | None:
        """The first reference number of some kinds."""
        return next((self._numbers[q] for q in qualifiers if q in self._numbers), None)

    @cached_property
    def _numbers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for rff in self.all("RFF"):
            if rff.text(1, 2):
                found.setdefault(rff.code(1), rff.text(1, 2))
        return found

    @cached_property
    def containers(self) -> dict[str, str]:
        """Container numbers as they are written, and where: EQD, else references."""
        found = {eqd.text(2): "EQD+CN.8260" for eqd in self.all("EQD", "CN")}
        return found or {
            rff.text(1, 2): f"RFF+{rff.code(1)}"
            for rff in self.all("RFF", *EQUIPMENT_NUMBERS)
            if rff.text(1, 2)
        }

    @cached_property
    def unit_load_devices(self) -> list[str]:
        """Those that have IATA's form of a number."""
        return [eqd.code(2) for eqd in self.all("EQD", "UL") if _ULD.fullmatch(eqd.code(2))]

    @cached_property
    def details(self) -> dict[str, "Attributes"]:
        """What is said of each container, by its number as it is written."""
        groups = split(self.segments, "EQD")[1]
        return {group.segments[0].text(2): equipment(group) for group in groups}

    @cached_property
    def references(self) -> "Attributes":
        """Reference numbers by their names."""
        found: Attributes = {}
        for qualifier, name in _REFERENCES.items():
            if qualifier in self._numbers:
                found.setdefault(name, self._numbers[qualifier])
        return found

    @cached_property
    def stages(self) -> dict[str, "Transport"]:
        """The first TDT of each stage of the journey."""
        found: dict[str, Transport] = {}
        for tdt in self.all("TDT"):
            if tdt.text(1) not in found:
                found[tdt.text(1)] = Transport.of(tdt, self.reference("VON"))
        return found


def split(segments: list[Segment], tag: str) -> tuple[Group, list[Group]]:
    """What comes before the first segment of a tag, and the groups that each begins."""
    starts = [index for index, segment in enumerate(segments) if segment.tag == tag]
    bounds = [*starts, len(segments)]
    return Group(segments[: bounds[0]]), [Group(segments[a:b]) for a, b in pairwise(bounds)]


@dataclass(frozen=True, slots=True)
class Transport:
    """A TDT segment: one stage of the journey."""

    stage: str
    """Data element 8051: 1 inland, 10 before, 20 main, 30 after the main carriage."""
    number: str
    """Voyage, flight or train number."""
    mode: Mode | None
    carrier: str
    imo: str
    name: str
    call_sign: str
    plate: str

    @classmethod
    def of(cls, tdt: Segment, voyage: str | None = None) -> "Transport":
        """Reads it; `voyage` is what RFF+VON says, where TDT says none."""
        mode = _MODES.get(tdt.text(3).lstrip("0")) or _MEANS.get(tdt.text(4).lstrip("0"))
        identity, kind, name = tdt.text(8), tdt.text(8, 2), tdt.text(8, 4)
        digits = re.sub(r"(?i)^IMO\s*", "", identity)
        imo = digits if _is_imo(digits) and mode in (None, Mode.VESSEL) else ""
        return cls(
            stage=tdt.text(1),
            number=tdt.text(2) or voyage or "",
            mode=mode,
            carrier=tdt.text(5) or tdt.text(5, 4),
            imo=imo,
            name=name,
            call_sign=identity if kind == "103" and not imo else "",
            plate=(identity or name) if mode is Mode.TRUCK else "",
        )

    @property
    def run_id(self) -> str | None:
        """The sailing: ship and voyage."""
        ship = self.imo or self.name or self.call_sign
        if not (ship and self.number) or self.mode not in (None, *_SAILING):
            return None
        return f"{ship}-{self.number}".upper()

    def attributes(self, prefix: str = "") -> Attributes:
        """What is said of it; `prefix` tells apart what brings a box and what the event is of."""
        ship = self.mode in (None, *_SAILING)
        said = {
            "carrier": self.carrier,
            "vessel_imo": self.imo,
            "vessel_name": self.name if ship else "",
            "vessel_call_sign": self.call_sign if ship else "",
            "voyage_number": self.number if ship else "",
            "train_number": self.number if self.mode is Mode.RAIL else "",
            "flight_number": self.number if self.mode is Mode.AIR else "",
            "truck_plate": self.plate,
        }
        return {prefix + name: value for name, value in said.items() if value}


def _is_imo(text: str) -> bool:
    """IMO resolution A.1117(30): the last digit is the weighted sum of the others."""
    if not re.fullmatch(r"[0-9]{7}", text):
        return False
    return sum(int(d) * w for d, w in zip(text, range(7, 1, -1), strict=False)) % 10 == int(text[6])


class Place(NamedTuple):
    """Where something is said to be."""

    node_id: str | None
    """None where it has a name only."""
    attributes: Attributes


def place(loc: Segment) -> Place:
    """The place of a LOC segment.

    Raises:
        Unusable: it has a code that nobody knows.
    """
    facility = "" if loc.code(3, 2) in _NOT_PLACES else loc.text(3)
    named = not loc.text(2) or loc.code(2, 2) in _NOT_PLACES
    said: Attributes = {
        "facility_code": "" if named else facility,
        "facility_name": loc.text(3, 4),
        "location_name": loc.text(2, 4) or (loc.text(2) if named else ""),
    }
    if not named:
        node_id: str | None = node(loc.text(2), f"LOC+{loc.code(1)[:10]}", facility or None)
    else:
        name = loc.text(2, 4)
        node_id = gazetteer.resolve(name) if len(name) > _LOCODE else None
    return Place(node_id, {name: value for name, value in said.items() if value})


def known(locs: Iterable[Segment]) -> Place | None:
    """The first of some places that is known, for those that need not be."""
    for loc in locs:
        try:
            found = place(loc)
        except Unusable:
            continue
        if found.node_id is not None:
            return found
    return None


def containers(*groups: Group) -> dict[str, str]:
    """The containers that the nearest group names; see `Group.containers`."""
    return next((group.containers for group in groups if group.containers), {})


def air_waybill(text: str) -> str | None:
    """An air waybill as we write it, 999-99999999, if it is one: IATA resolution 600a."""
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch(r"[0-9]{11}", digits) or int(digits[3:10]) % 7 != int(digits[10]):
        return None
    return f"{digits[:3]}-{digits[3:]}"


def shipment(*groups: Group, consignment: str = "") -> str | None:
    """The transport document, else the consignment number, else the booking.

    The nearest group counts first.
    """
    documents, bookings, waybills = (
        next(filter(None, (group.reference(*kinds) for group in groups)), None)
        for kinds in (TRANSPORT_DOCUMENTS, BOOKINGS, AIR_WAYBILLS)
    )
    if documents and documents == waybills:
        documents = air_waybill(documents) or documents
    return documents or consignment or bookings


def references(*groups: Group) -> Attributes:
    """Reference numbers by their names; the nearest group counts first."""
    said: Attributes = {}
    for group in reversed(groups):
        said |= group.references
    return said


def equipment(group: Group) -> Attributes:
    """What is said of one container, besides what happened to it."""
    said: Attributes = {}
    eqd = group.first("EQD", "CN")
    if eqd is not None:
        said["iso_type"] = eqd.text(3)
        said["load_state"] = _LOADS.get(eqd.text(6), eqd.text(6))
        said["equipment_status"] = _STATUSES.get(eqd.text(5), eqd.text(5))
    for loc in group.all("LOC", *_PLACES):
        said.setdefault(_PLACES[loc.code(1)], loc.text(2) or loc.text(2, 4))
    seals = [seal for seal in group.all("SEL") if seal.text(1)]
    said["seal_number"] = ", ".join(seal.text(1) for seal in seals)
    said["seal_issuer"] = ", ".join(seal.text(2) for seal in seals if seal.text(2))
    for mea in group.all("MEA"):
        name = _WEIGHTS.get(mea.code(2)) or _WEIGHTS.get(mea.code(1))
        weight = _kilograms(mea.text(3, 2), mea.code(3))
        if name and weight is not None:
            said.setdefault(name, weight)
    for nad in group.all("NAD", *_PARTIES):
        said.setdefault(_PARTIES[nad.code(1)], nad.text(2) or nad.text(4))
    said["temperature_setting"] = " ".join(
        f"{tmp.text(2)} {tmp.text(2, 2)}" for tmp in group.all("TMP", "2")
    )
    said["dangerous_goods"] = ", ".join(
        f"class {dgs.text(2)} UN {dgs.text(3)}" for dgs in group.all("DGS")
    )
    said["damage"] = ", ".join(
        " ".join(filter(None, (dam.text(n, 4) or dam.text(n) for n in (2, 3, 4))))
        for dam in group.all("DAM")
    )
    tmd = group.first("TMD")
    said["movement_type"] = tmd.text(1) if tmd is not None else ""
    said["goods"] = _free_text(group, "AAA")
    said["remarks"] = _free_text(group, "AAI", "OSI", "AHN")
    return {name: value for name, value in said.items() if value != ""}


def _free_text(group: Group, *subjects: str) -> str:
    return "; ".join(
        " ".join(filter(None, ftx.elements[3] if len(ftx.elements) > 3 else ()))
        for ftx in group.all("FTX", *subjects)
    )


def _kilograms(text: str, unit: str) -> float | None:
    factor = _KILOGRAMS.get(unit)
    if factor is None or not re.fullmatch(r"[0-9]{1,9}([.,][0-9]{0,6})?", text):
        return None
    return round(float(text.replace(",", ".")) * factor, 3)
