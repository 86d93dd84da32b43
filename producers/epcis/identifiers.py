"""What is tracked, and where: EPC URNs, GS1 Digital Links, UN/LOCODEs and geo URIs.

Sources: GS1 EPC Tag Data Standard 2.0, section 6; GS1 Digital Link URI Syntax 1.3; CBV 2.0,
section 8; RFC 5870 (geo URIs).
"""

import re
from enum import Enum, auto
from typing import NamedTuple
from urllib.parse import unquote

from corridor import containers
from corridor.network import gazetteer
from producers import adapter

_EPC = re.compile(r"urn:epc:id:([a-z]+):(.+)", re.IGNORECASE)
_LINK = re.compile(
    r"https?://[^/]+/(?:.*/)?(00|01|253|255|401|402|414|417|8003|8004|8006|8010|8017|8018"
    r"|sscc|gtin|grai|giai)/.+",
    re.IGNORECASE,
)
_PARTS = re.compile(r"[:/=#?&.]")
_MAY_NAME_A_CONTAINER = frozenset({None, "giai", "grai", "8003", "8004"})
_IMO = re.compile(r"\d{7}", re.ASCII)
_LOT = re.compile(r"urn:epc:class:lgtin:.+|https?://[^/]+/(?:.*/)?01/\d+/10/.+", re.IGNORECASE)


class Kind(Enum):
    CONTAINER = auto()
    VESSEL = auto()
    OTHER = auto()


class Thing(NamedTuple):
    """Something that an EPC identifies."""

    id: str
    kind: Kind


def thing(epc: str, field: str) -> Thing:
    """What an EPC identifies: a container number where it has one, else the EPC as it is.

    Raises:
        Unusable: it has a container number, or an IMO number, that cannot be.
    """
    urn = _EPC.fullmatch(epc)
    link = _LINK.fullmatch(epc)
    key = urn[1].lower() if urn else link[1].lower() if link else None
    if key == "bic":
        return Thing(adapter.container(unquote(epc.rpartition(":")[2]), field), Kind.CONTAINER)
    if key == "imovn":
        if not _IMO.fullmatch(epc.rpartition(":")[2]):
            adapter.malformed(field, f"{epc[:60]!r} has no IMO number: seven digits")
        return Thing(epc, Kind.VESSEL)
    last = unquote(_PARTS.split(epc)[-1])
    if key in _MAY_NAME_A_CONTAINER and not epc.lower().startswith("urn:epc:class"):
        number = containers.normalised(last)
        if containers.is_container_number(number):
            return Thing(adapter.container(number, field), Kind.CONTAINER)
    return Thing(epc, Kind.OTHER)


def imo_number(vessel: Thing) -> str:
    """The IMO number of a vessel."""
    return vessel.id.rpartition(":")[2]


def is_lot(epc_class: str) -> bool:
    """Whether a class of goods is one lot, and so can be followed."""
    return _LOT.fullmatch(epc_class) is not None


class Place(NamedTuple):
    """What is known of a place."""

    node_id: str | None = None
    position: tuple[float, float] | None = None


_GEO = re.compile(
    r"geo:(-?[\d.]+),(-?[\d.]+)(?:,-?[\d.]+)?((?:;[^;=]+(?:=[^;]*)?)*)", re.IGNORECASE | re.ASCII
)
_LOCODE = re.compile(
    r"(?:.*[:/#])?(?:un[-_:/]?)?(?:locode|loclist)[:/#=]+([a-z]{2}[ +_-]?[a-z2-9]{3})(?:[/?#;].*)?",
    re.IGNORECASE | re.ASCII,
)


def place(text: str, field: str) -> Place:
    """What a location id says; one that the gazetteer does not have, like most SGLNs, nothing.

    Raises:
        Unusable: it is a UN/LOCODE that does not exist, or a position that cannot be.
    """
    geo = _GEO.fullmatch(text)
    if geo is not None:
        crs = re.search(r";crs=([^;]*)", geo[3], re.IGNORECASE)
        if crs is not None and crs[1].lower() != "wgs84":
            return Place()
        return Place(position=adapter.position(geo[1], geo[2], field))
    locode = _LOCODE.fullmatch(text)
    if locode is not None:
        return Place(adapter.node(re.sub(r"[^A-Za-z2-9]", "", locode[1]).upper(), field))
    return Place(gazetteer.resolve(text))


_TRANSACTION = re.compile(
    r"urn:epcglobal:cbv:bt:[^:]*:(.+)|.*[:/](?:bt|bol|booking)[:/](.+)", re.IGNORECASE
)


def document_number(transaction: str) -> str:
    """The number of a document from a business transaction id (CBV 8.5); else the id itself."""
    match = _TRANSACTION.fullmatch(transaction)
    return unquote(match[1] or match[2]) if match else transaction


def names_vessel(epc: str | None) -> bool:
    """Whether an EPC is a vessel's."""
    return epc is not None and epc.lower().startswith("urn:epc:id:imovn:")
