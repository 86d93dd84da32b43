"""The places that we know, by every code that somebody uses for them.

How a code is read, in this order:

1. A code or name that the gazetteer has, in any case, accents and spaces aside.
2. Three letters are the IATA code of an airport, and nothing else: never the end of a UN/LOCODE.
3. Five characters are a UN/LOCODE of an ISO 3166 country, or of XZ, international waters. It is
   returned as it is: the gazetteer knows some places, not all.

`Boten` is a name and `BOTEN` a UN/LOCODE of Bolivia: where a name of ours has the form of a
UN/LOCODE, only a capital letter followed by small ones is read as the name.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import airportsdata
import pycountry

from corridor.codes import Mode
from corridor.network import files
from corridor.network.files import NodeEntry


class NodeKind(StrEnum):
    """What a node is. DCSA's facility types, and ours where it has no word."""

    PORT_TERMINAL = "PORT_TERMINAL"
    INLAND_TERMINAL = "INLAND_TERMINAL"
    BORDER = "BORDER"
    RAIL_TERMINAL = "RAIL_TERMINAL"  # ours
    AIRPORT = "AIRPORT"  # ours
    LOCK = "LOCK"  # ours
    ROAD_BASE = "ROAD_BASE"  # ours
    CITY = "CITY"  # ours: a place of several terminals, itself without a fence


MODES: dict[NodeKind, frozenset[Mode]] = {
    NodeKind.PORT_TERMINAL: frozenset({Mode.VESSEL, Mode.BARGE, Mode.RAIL, Mode.TRUCK}),
    NodeKind.INLAND_TERMINAL: frozenset({Mode.RAIL, Mode.BARGE, Mode.TRUCK}),
    NodeKind.BORDER: frozenset({Mode.RAIL, Mode.TRUCK}),
    NodeKind.RAIL_TERMINAL: frozenset({Mode.RAIL, Mode.TRUCK}),
    NodeKind.AIRPORT: frozenset({Mode.AIR, Mode.TRUCK}),
    NodeKind.LOCK: frozenset({Mode.VESSEL, Mode.BARGE}),
    NodeKind.ROAD_BASE: frozenset({Mode.TRUCK}),
    NodeKind.CITY: frozenset({Mode.RAIL, Mode.TRUCK, Mode.BARGE, Mode.VESSEL}),
}
"""In which modes one can come to a node of a kind."""


@dataclass(frozen=True, slots=True)
class Node:
    """A place where a leg starts or ends."""

    node_id: str
    """A UN/LOCODE, or a UN/LOCODE or country with a suffix of ours: `CNCQI-TJC`, `KZ-DOSTYK`."""
    name: str
    kind: NodeKind
    country: str
    """ISO 3166-1 alpha-2."""
    time_zone: str
    """IANA name."""
    latitude: float
    longitude: float
    """WGS 84 degrees; the middle of where handling takes place, to about a kilometre."""
    place: str | None = None
    """The node that it is a part of."""
    inside_km: float | None = None
    """Within this distance one has arrived; None: it has no fence."""
    approach_km: float | None = None
    """Within this distance one approaches it."""
    gauges: tuple[int, ...] = ()
    """Track gauges in mm."""
    gauge_change: bool = False
    """Whether boxes are reloaded, or bogies changed, between its gauges."""
    codes: tuple[str, ...] = ()
    """What else it is called in messages: other UN/LOCODEs, IATA and ICAO codes."""
    names: tuple[str, ...] = ()
    """English, local and pinyin."""
    facilities: tuple[str, ...] = ()
    """Terminal codes that mean something only together with the place."""

    @property
    def modes(self) -> frozenset[Mode]:
        """In which modes one can come here: those of its kind, by rail only if it has a track."""
        return MODES[self.kind] if self.gauges else MODES[self.kind] - {Mode.RAIL}


NODE_ID = re.compile(r"[A-Z]{2}(?:[A-Z2-9]{3}(?:-[A-Z0-9]{2,12})?|-[A-Z0-9]{2,12})")
_LOCODE = re.compile(r"([A-Za-z]{2})[ -]?([A-Za-z2-9]{3})", re.ASCII)
_LONGEST = 120
INTERNATIONAL_WATERS = "XZ"


def nodes() -> tuple[Node, ...]:
    """All nodes, in the order of their ids."""
    return _index().nodes


def node(node_id: str) -> Node | None:
    """The node of an id; None where the gazetteer does not have it."""
    return _index().by_id.get(node_id)


def same_place(one: str, other: str) -> bool:
    """Whether two node ids are the same node, or one is the place that the other is a part of."""
    if one == other:
        return True
    by_id = _index().by_id
    return any(
        (found := by_id.get(part)) is not None and found.place == whole
        for part, whole in ((one, other), (other, one))
    )


def resolve(code: str, facility: str | None = None) -> str | None:
    """The node that a code stands for, or None where there is no such place.

    Args:
        code: A node id, a UN/LOCODE, the IATA or ICAO code of an airport, or a name; see above.
        facility: A terminal or station at that place, by whatever code or name the speaker uses.
            One that the gazetteer does not know is ignored.
    """
    if len(code) > _LONGEST or (facility is not None and len(facility) > _LONGEST):
        return None
    return _resolved(code, facility)


@files.remembered(16384)
def _resolved(code: str, facility: str | None) -> str | None:
    index = _index()
    place = _place(code, index)
    if place is not None and facility:
        return index.by_facility.get((place, fold(facility)), place)
    return place


def _place(code: str, index: "_Index") -> str | None:
    text = code.strip()
    key = fold(text)
    found = index.by_code.get(key)
    if found is not None:
        return found
    match = _LOCODE.fullmatch(text)
    is_name = text.istitle()
    if (match is None or is_name) and key in index.by_name:
        return index.by_name[key]
    if len(text) == 3 and text.isascii() and text.isalpha():
        return _airport(text.upper())
    if match is None or is_name or key in _country_names():
        return None
    country = match[1].upper()
    return f"{country}{match[2].upper()}" if is_country(country) else None


def is_country(code: str) -> bool:
    """Whether two capital letters begin UN/LOCODEs."""
    return code in _countries()


def fold(text: str) -> str:
    """The letters and digits of a text, in capitals and without accents."""
    plain = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(c for c in plain.replace("ł", "l").replace("Ł", "L") if c.isalnum()).upper()


def build(entries: Iterable[NodeEntry]) -> list[Node]:
    """The nodes of their entries; those of an unknown kind are left out."""
    return [
        Node(
            node_id=entry.id,
            name=entry.name,
            kind=NodeKind(entry.kind),
            country=entry.country or entry.id[:2],
            time_zone=entry.time_zone,
            latitude=entry.position[0],
            longitude=entry.position[1],
            place=entry.place,
            inside_km=entry.inside_km,
            approach_km=entry.approach_km,
            gauges=entry.gauges,
            gauge_change=entry.gauge_change,
            codes=entry.codes,
            names=entry.names,
            facilities=entry.facilities,
        )
        for entry in entries
        if entry.kind in NodeKind.__members__
    ]


@dataclass(frozen=True)
class _Index:
    nodes: tuple[Node, ...]
    by_id: dict[str, Node]
    by_code: dict[str, str]
    by_name: dict[str, str]
    by_facility: dict[tuple[str, str], str]


def _indexed(found: Iterable[Node]) -> _Index:
    by_id = {node.node_id: node for node in found}
    index = _Index(tuple(by_id[key] for key in sorted(by_id)), by_id, {}, {}, {})
    for node in index.nodes:
        for code in (node.node_id, *node.codes):
            index.by_code[fold(code)] = node.node_id
        for name in (node.name, *node.names):
            index.by_name[fold(name)] = node.node_id
        for place in {node.place or node.node_id, node.node_id}:
            for code in (node.node_id, node.name, *node.codes, *node.names, *node.facilities):
                index.by_facility[place, fold(code)] = node.node_id
    return index


@files.remembered(None)
def _index() -> _Index:
    return _indexed(build(files.known().nodes))


@cache
def _countries() -> frozenset[str]:
    return frozenset({country.alpha_2 for country in pycountry.countries} | {INTERNATIONAL_WATERS})


@cache
def _country_names() -> frozenset[str]:
    return frozenset(fold(country.name) for country in pycountry.countries)


@cache
def _airports() -> Mapping[str, Mapping[str, Any]]:
    return airportsdata.load("IATA")


def _airport(code: str) -> str | None:
    row = _airports().get(code)
    return f"{row['country']}{code}" if row is not None and is_country(row["country"]) else None
