"""What the status codes of an IFTSTA mean to us.

UN/ECE Recommendation 24 (data element 4405, 9011 before D.99B), and the codes of ASC X12 (data
element 157 and 1650), which ocean carriers have always sent in its place.
"""

from typing import NamedTuple

from corridor.codes import Classifier, EventType, Mode


class Status(NamedTuple):
    """What a status code says."""

    event_type: EventType
    code: str
    classifier: Classifier = Classifier.ACTUAL
    mode: Mode | None = None
    note: str | None = None
    """What the code says beyond ours."""
    delay: bool = False
    """It says that something will be late: an event only where the message says how late."""
    delay_reasons: tuple[str, ...] = ()


_EQUIPMENT, _TRANSPORT = EventType.EQUIPMENT, EventType.TRANSPORT
_CUSTOMS, _IOT, _SHIPMENT = EventType.CUSTOMS, EventType.IOT, EventType.SHIPMENT
_ESTIMATED = Classifier.ESTIMATED


def _delayed(code: str, note: str, *reasons: str) -> Status:
    return Status(_TRANSPORT, code, _ESTIMATED, None, note, True, reasons)


REC_24 = {
    "1": Status(_TRANSPORT, "ARRIVED"),
    "3": Status(_TRANSPORT, "ARRIVED", note="in defective condition"),
    "6": Status(_SHIPMENT, "CONFIRMED", note="booked"),
    "7": Status(_SHIPMENT, "CANCELLED", note="booking cancelled"),
    "12": Status(_CUSTOMS, "CUSTOMS_RELEASED"),
    "13": Status(_EQUIPMENT, "PICKED_UP"),
    "16": Status(_EQUIPMENT, "CROSSED"),
    "17": Status(_CUSTOMS, "REFUSED"),
    "20": _delayed("ARRIVED", "delayed in transport"),
    "21": Status(_EQUIPMENT, "DROPPED_OFF", note="delivered"),
    "22": Status(_EQUIPMENT, "DROPPED_OFF", note="delivered as instructed"),
    "24": Status(_TRANSPORT, "DEPARTED"),
    "25": _delayed("DEPARTED", "departure delayed"),
    "26": Status(_EQUIPMENT, "DISCHARGED", mode=Mode.RAIL, note="deramped"),
    "27": Status(_TRANSPORT, "DEPARTED", note="despatched"),
    "28": Status(_EQUIPMENT, "STRIPPED"),
    "29": Status(_EQUIPMENT, "DISCHARGED"),
    "39": Status(_CUSTOMS, "CUSTOMS_RELEASED", note="released from bond"),
    "40": Status(_TRANSPORT, "ARRIVED", note="at port"),
    "41": Status(_TRANSPORT, "HANDED_OVER"),
    "42": Status(_TRANSPORT, "HANDED_OVER", note="handed over"),
    "43": Status(_TRANSPORT, "HANDED_OVER", note="taken over"),
    "48": Status(_EQUIPMENT, "LOADED"),
    "59": Status(_EQUIPMENT, "DISCHARGED", note="off-loaded"),
    "62": Status(_EQUIPMENT, "DISCHARGED", note="over-landed"),
    "64": Status(_EQUIPMENT, "AVAILABLE_FOR_PICKUP"),
    "67": Status(_EQUIPMENT, "DROPPED_OFF", note="positioned"),
    "70": Status(_EQUIPMENT, "LOADED", mode=Mode.RAIL, note="ramped"),
    "79": Status(_EQUIPMENT, "LOADED", note="reloaded"),
    "83": Status(_IOT, "SEALED"),
    "92": Status(_EQUIPMENT, "LOADED", note="stowed"),
    "93": Status(_EQUIPMENT, "STUFFED"),
    "94": Status(_EQUIPMENT, "STUFFED", note="stuffed and sealed"),
    "101": _delayed("ARRIVED", "delayed in transit"),
    "126": Status(_CUSTOMS, "CLEARANCE_IN_PROGRESS", note="clearance in progress"),
    "128": Status(_CUSTOMS, "CLEARANCE_IN_PROGRESS", note="awaiting import release"),
    "208": Status(_EQUIPMENT, "RESEALED"),
    "228": Status(_CUSTOMS, "CUSTOMS_SELECTED_FOR_INSPECTION"),
    "266": _delayed("ARRIVED", "delayed by weather", "WEA"),
    "270": _delayed("ARRIVED", "delayed by local circumstances"),
    "273": _delayed("ARRIVED", "delayed in operation"),
    "314": _delayed("DEPARTED", "delayed at origin"),
    "335": Status(_IOT, "TAMPER", note="seals damaged"),
    "336": Status(_IOT, "TAMPER", note="seals broken"),
    "337": Status(_IOT, "TAMPER", note="seals tampered with"),
    "364": Status(_TRANSPORT, "ARRIVED", note="at yard"),
    "365": Status(_TRANSPORT, "DEPARTED", note="from yard"),
}

REC_24_WITHOUT_EVENT = frozenset(str(n) for n in range(1, 104) if str(n) not in REC_24)
"""Codes of the recommendation that say nothing that our vocabulary has a word for: repairs,
hire, damage, lost or unidentified goods, what was not done, receipts, transfers of title."""

X12 = {
    "A": Status(_TRANSPORT, "ARRIVED"),
    "AE": Status(_EQUIPMENT, "LOADED", mode=Mode.VESSEL),
    "AF": Status(_EQUIPMENT, "PICKED_UP"),
    "AG": Status(_EQUIPMENT, "DROPPED_OFF", _ESTIMATED, note="delivery"),
    "AL": Status(_EQUIPMENT, "LOADED", mode=Mode.RAIL),
    "AM": Status(_EQUIPMENT, "LOADED", mode=Mode.TRUCK),
    "AO": Status(_EQUIPMENT, "LOADED", mode=Mode.BARGE),
    "AP": Status(_EQUIPMENT, "LOADED", mode=Mode.VESSEL, note="feeder"),
    "AR": Status(_TRANSPORT, "ARRIVED", mode=Mode.RAIL),
    "AV": Status(_EQUIPMENT, "AVAILABLE_FOR_PICKUP"),
    "BF": Status(_SHIPMENT, "CONFIRMED", note="booked"),
    "C": Status(_TRANSPORT, "DEPARTED", _ESTIMATED),
    "CS": Status(_IOT, "SEALED"),
    "CT": Status(_CUSTOMS, "CUSTOMS_RELEASED"),
    "CU": Status(_CUSTOMS, "CUSTOMS_RELEASED", note="released by carrier too"),
    "D": Status(_EQUIPMENT, "DROPPED_OFF", note="delivered"),
    "E": Status(_TRANSPORT, "ARRIVED", _ESTIMATED),
    "EE": Status(_EQUIPMENT, "GATED_OUT", note="empty, for loading"),
    "I": Status(_EQUIPMENT, "GATED_IN"),
    "OA": Status(_EQUIPMENT, "GATED_OUT"),
    "P": Status(_TRANSPORT, "DEPARTED"),
    "PA": Status(_CUSTOMS, "CUSTOMS_SELECTED_FOR_INSPECTION", note="intensive examination"),
    "PB": Status(_CUSTOMS, "ON_HOLD", note="insufficient paperwork"),
    "RD": Status(_EQUIPMENT, "GATED_IN", note="empty, returned"),
    "RL": Status(_TRANSPORT, "DEPARTED", mode=Mode.RAIL),
    "UR": Status(_EQUIPMENT, "DISCHARGED", mode=Mode.RAIL),
    "UV": Status(_EQUIPMENT, "DISCHARGED", mode=Mode.VESSEL),
    "VA": Status(_TRANSPORT, "ARRIVED", mode=Mode.VESSEL),
    "VD": Status(_TRANSPORT, "DEPARTED", mode=Mode.VESSEL),
    "X1": Status(_TRANSPORT, "ARRIVED", note="at the place of delivery"),
    "X4": Status(_TRANSPORT, "ARRIVED", note="at a terminal"),
}

CATEGORIES_OF_OTHERS = frozenset("2 3 4 5 6 7 8 9 10".split())
"""Data element 9015: orders, contracts, meters …; 1 is transport."""

CARRIERS_OWN = frozenset({"86", "87", "91", "92"})
"""Data element 3055: codes that a party has assigned itself."""

SMDG_DELAYS = frozenset(
    "ACC DEV EDD ENG MVX PAU SPE STW VGR OTV AIP ANA BUN CGS CRN FTE HLD LAB LAS LOT MIL PBC PIT"
    " PLT PRD QUA YRD OTS CAE CIN DIN LEK REF SPH STF UCC WGT OTC HOL QUV PTF RSC STR TID VIN WEA"
    " OTF".split()
)
"""SMDG's list DELAY: a status reason (9013) that is one of them is a delay reason."""
