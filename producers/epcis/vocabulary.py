"""What the words of the Core Business Vocabulary mean to us: GS1 CBV 2.0, section 7.

A word comes bare (`arriving`), as a URN (`urn:epcglobal:cbv:bizstep:arriving`), as a web URI
(`https://ref.gs1.org/cbv/BizStep-arriving`) or as a CURIE (`cbv:BizStep-arriving`).
"""

import re

from corridor.codes import EventType

Meaning = tuple[EventType, str]

_CBV = re.compile(
    r"(?:urn:epcglobal:cbv:[a-z]+:"
    r"|(?:https?://(?:ref|ns)\.gs1\.org/cbv/|cbv:)(?:[a-z]+-)?"
    r"|(?:https?://(?:www\.)?gs1\.org/voc/|gs1:)(?:MT-)?)"
    r"(\w+)",
    re.IGNORECASE | re.ASCII,
)
_LOCAL = re.compile(r"[:/#]")


def word(text: str) -> str:
    """The bare word of a CBV spelling, lower case; what others coined stays as it is."""
    match = _CBV.fullmatch(text)
    if match is not None:
        return match[1].lower()
    return text if _LOCAL.search(text) else text.lower().replace("-", "_").replace(" ", "_")


def local(text: str) -> str:
    """The last part of a name, whoever coined it: `ex:Tamper` is `Tamper`."""
    match = _CBV.fullmatch(text)
    return match[1] if match is not None else _LOCAL.split(text.rstrip("/#:"))[-1]


STEPS: dict[str, Meaning] = {
    "arriving": (EventType.TRANSPORT, "ARRIVED"),
    "receiving": (EventType.TRANSPORT, "ARRIVED"),  # CBV 7.1: it is there, and in our custody
    "departing": (EventType.TRANSPORT, "DEPARTED"),
    "shipping": (EventType.TRANSPORT, "DEPARTED"),  # CBV 7.1: staging, loading and departing in one
    "void_shipping": (EventType.TRANSPORT, "CANCELLED"),  # CBV 7.1: it was not shipped after all
    "accepting": (EventType.TRANSPORT, "HANDED_OVER"),
    "consigning": (EventType.TRANSPORT, "HANDED_OVER"),
    "loading": (EventType.EQUIPMENT, "LOADED"),
    "unloading": (EventType.EQUIPMENT, "DISCHARGED"),
    "packing": (EventType.EQUIPMENT, "STUFFED"),
    "unpacking": (EventType.EQUIPMENT, "STRIPPED"),
    "inspecting": (EventType.EQUIPMENT, "INSPECTED"),
    "holding": (EventType.SHIPMENT, "ON_HOLD"),
}
"""Business steps that are events of ours."""

INTO_PARENT: dict[str, Meaning] = STEPS | {
    "loading": (EventType.EQUIPMENT, "STUFFED"),
    "unloading": (EventType.EQUIPMENT, "STRIPPED"),
}
"""The same where the unit is the parent, so that what is loaded goes into it."""

SIGHTING: Meaning = (EventType.IOT, "BREADCRUMB")
"""What a neutral step says: the unit was seen at a place."""

NEUTRAL = frozenset(
    "collecting cycle_counting entering_exiting other picking reserving sampling sensor_reporting"
    " staging_outbound stock_taking stocking storing transporting".split()
)
"""Steps that only say that something was there."""

FOREIGN = frozenset(
    "assembling commissioning creating_class_instance decommissioning destroying disassembling"
    " dispensing encoding installing killing removing repackaging repairing replacing"
    " retail_selling".split()
)
"""Steps of making, selling and tagging goods: no movement, no state of a unit."""

DOORS: dict[str, Meaning] = {
    "container_closed": (EventType.IOT, "DOOR_CLOSED"),
    "container_open": (EventType.IOT, "DOOR_OPENED"),
}
"""Dispositions that tell more than a neutral step (CBV 7.2)."""

PAIRINGS: dict[str, Meaning] = {
    "ADD": (EventType.IOT, "PAIRING"),
    "DELETE": (EventType.IOT, "UNPAIRING"),
}
"""What an association begins and ends, by action."""

PACKED: dict[str, Meaning] = {
    "ADD": (EventType.EQUIPMENT, "STUFFED"),
    "DELETE": (EventType.EQUIPMENT, "STRIPPED"),
}
"""What an aggregation does to a parent that is the unit, where its step is neutral."""

CARRIED: dict[str, Meaning] = {
    "ADD": (EventType.EQUIPMENT, "LOADED"),
    "DELETE": (EventType.EQUIPMENT, "DISCHARGED"),
}
"""What it does to containers, whose parent is then a conveyance."""

ALARMS: dict[str, Meaning] = {
    "tamper": (EventType.IOT, "TAMPER"),
    "tampering": (EventType.IOT, "TAMPER"),
    "shacklecut": (EventType.IOT, "SHACKLE_CUT"),
    "lowbattery": (EventType.IOT, "LOW_BATTERY"),
    "batterylow": (EventType.IOT, "LOW_BATTERY"),
    "dooropen": (EventType.IOT, "DOOR_OPENED"),
    "dooropened": (EventType.IOT, "DOOR_OPENED"),
}
"""Alarms whose name says what happened, letters only. CBV has none: they are others' types."""
