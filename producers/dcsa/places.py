"""Where an event is: node, position, and what else is said of the place."""

from collections.abc import Sequence
from typing import NamedTuple

from corridor.codes import Reject
from producers.adapter import Unusable, node, position
from producers.dcsa.blocks import Attributes, Block
from producers.dcsa.codes import FACILITY_TYPES, meaning

LOCODE = ("UNLocationCode", "UNLocode", "locationUnLocode")
FACILITY = ("facilityCode", "facilitySMDGCode")
_FACILITY_TYPE = ("facilityType", "facilityTypeCode")
_BIC_LENGTH = 9  # five of the UN/LOCODE, four of the facility (BIC Facility Codes)

_FIELDS = {
    "location_name": ("locationName",),
    "location_code": ("locationCode",),
    "other_facility": ("otherFacility",),
    "waterway_entry_point_code": ("waterwaySMDGEntryPointCode",),
}
_FACILITY_FIELDS = {
    "facility_code": FACILITY,
    "facility_code_list": ("facilityCodeListProvider", "facilityCodeListProviderCode"),
    "facility_name": ("facilityName",),
}
_ADDRESS = (
    "name",
    "street",
    "streetNumber",
    "floor",
    "POBox",
    "postCode",
    "city",
    "stateRegion",
    "country",
    "countryCode",
)


class Place(NamedTuple):
    """Where something happened."""

    node_id: str | None
    latitude: float | None
    longitude: float | None
    attributes: Attributes


def place(candidates: Sequence[Block]) -> Place:
    """Reads the first of some blocks that says where: a UN/LOCODE, a BIC facility or a position.

    A name, an address or a terminal alone does not say it. The terminal may come from another of
    the blocks, if that is about the same place. A position that cannot be is left out, with the
    reason among the attributes, where a node says where it is anyhow.

    Raises:
        Unusable: the place does not exist.
    """
    told = [block for block in candidates if block]
    if not told:
        return Place(None, None, None, {})
    block = next((block for block in told if _says_where(block)), told[0])
    facility = _facility(block, told)
    attributes = block.take(_FIELDS) | facility.take(_FACILITY_FIELDS)
    attributes |= _address(block)
    node_id = _node(block, facility)
    latitude = longitude = None
    try:
        latitude, longitude = _position(block) or (None, None)
    except Unusable as error:
        if node_id is None:
            raise
        attributes["position_left_out"] = error.rejected.detail
    return Place(node_id, latitude, longitude, attributes)


def facility_type(*blocks: Block) -> str | None:
    """The kind of a place in full words, from the first block that says it."""
    for block in blocks:
        value = block.scalar(*_FACILITY_TYPE)
        if isinstance(value, str):
            return meaning(FACILITY_TYPES, value) or value.strip()[:100]
    return None


def required_node(block: Block) -> str:
    """The node of a place that must be one.

    Raises:
        Unusable: it names none, or one that does not exist.
    """
    node_id = _node(block, block.only("facility") | block)
    if node_id is None:
        raise Unusable(
            Reject.MALFORMED, block.where(LOCODE[0]), "the place has no UN/LOCODE, so no node"
        )
    return node_id


def _says_where(block: Block) -> bool:
    if block.find(*LOCODE, "geoCoordinate", "geoLocation", "latitude"):
        return True
    return _is_bic(block.only("facility") | block)


def _facility(block: Block, told: Sequence[Block]) -> Block:
    """The terminal at the place of a block: its own, else that of another about the same place."""
    own = block.only("facility") | block
    if own.find(*FACILITY):
        return own
    here = _code(block)
    for other in told:
        facility = other.only("facility") | other
        if here and facility.find(*FACILITY) and _code(other) in (here, None):
            return facility
    return own


def _code(block: Block) -> str | None:
    code = block.text(*LOCODE)
    return None if code is None else "".join(code.split()).upper()


def _is_bic(facility: Block) -> bool:
    """Whether a facility's code has its place in it."""
    code = facility.scalar(*FACILITY)
    if not isinstance(code, str) or len(code) != _BIC_LENGTH:
        return False
    return str(facility.scalar("facilityCodeListProvider")).upper() == "BIC"


def _node(block: Block, facility: Block) -> str | None:
    code, facility_code = _code(block), facility.text(*FACILITY)
    if code is not None:
        path, _ = block.find(*LOCODE) or ("", None)
        return node(code, path, facility_code)
    if facility_code is None or not _is_bic(facility):
        return None  # another list's codes do not say at which place
    path, _ = facility.find(*FACILITY) or ("", None)
    return node(facility_code[:5], path, facility_code)


def _position(block: Block) -> tuple[float, float] | None:
    geo = block.only("geoCoordinate", "geoLocation") | block
    latitude, longitude = geo.find("latitude"), geo.find("longitude")
    if latitude is None and longitude is None:
        return None
    path = (latitude or longitude or ("", None))[0]
    return position(latitude and latitude[1], longitude and longitude[1], path)


def _address(block: Block) -> Attributes:
    """A postal address on one line."""
    found = block.find("address")
    if found is not None and isinstance(found[1], str):
        return {"address": found[1].strip()}
    address = block.only("address")
    parts = [address.scalar(name) for name in _ADDRESS]
    lines = (address | block).find("addressLines")
    if lines is not None and isinstance(lines[1], list):
        parts.extend(line for line in lines[1] if isinstance(line, str))
    text = ", ".join(str(part) for part in parts if part is not None)
    return {"address": text} if text else {}
