"""The code lists of DCSA, both spellings, and what they mean to us.

Four-letter codes: Track & Trace 2.2 and 2.3 (event domain 2.0), 3.0 up to the snapshot of January
2026. Full words: Track & Trace 3.0.0, snapshot 20260525-beta. Port calls: Just-in-Time 1.2.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from corridor.codes import EventType, Mode

T = TypeVar("T")

_GAPS = re.compile(r"[\s-]+")


def meaning(table: Mapping[str, T], text: str | None) -> T | None:
    """What a code stands for, whatever its case and gaps; None if the list does not have it."""
    return None if text is None else table.get(_GAPS.sub("_", text.strip()).upper())


def _words(codes: str) -> dict[str, str]:
    """`CODE=FULL_WORD` pairs as a table that has both spellings."""
    pairs = dict(pair.split("=") for pair in codes.split())
    return {word: word for word in pairs.values()} | pairs


TYPES = {str(kind): kind for kind in EventType if kind is not EventType.CUSTOMS}
"""eventType; OPERATIONS is read apart."""

CLASSIFIERS = _words("ACT=ACTUAL EST=ESTIMATED PLN=PLANNED")
REQUESTED = frozenset({"REQ", "REQUESTED"})
"""Classifiers of a wish: Just-in-Time 1.2 has them, the words of our events do not."""

TRANSPORT = _words("ARRI=ARRIVED DEPA=DEPARTED") | {"APPROACHING": "APPROACHING"}
EQUIPMENT = _words(
    "LOAD=LOADED DISC=DISCHARGED GTIN=GATED_IN GTOT=GATED_OUT STUF=STUFFED STRP=STRIPPED"
    " AVPU=AVAILABLE_FOR_PICKUP PICK=PICKED_UP AVDO=AVAILABLE_FOR_DROP_OFF DROP=DROPPED_OFF"
    " INSP=INSPECTED RSEA=RESEALED RMVD=REMOVED CROS=CROSSED CUSR=CUSTOMS_RELEASED"
    " CUSS=CUSTOMS_SELECTED_FOR_SCAN CUSI=CUSTOMS_SELECTED_FOR_INSPECTION"
)
SHIPMENT = _words(
    "AMCF=AMENDMENT_CONFIRMED AMCN=AMENDMENT_CANCELLED AMDC=AMENDMENT_DECLINED"
    " AMPR=AMENDMENT_IN_PROGRESS AMRE=AMENDMENT_RECEIVED APPR=APPROVED CACF=CANCELLATION_CONFIRMED"
    " CADC=CANCELLATION_DECLINED CANC=CANCELLED CARE=CANCELLATION_RECEIVED CMPL=COMPLETED"
    " CONF=CONFIRMED DECL=DECLINED DRFT=DRAFTED HOLD=ON_HOLD ISSU=ISSUED PENA=PENDING_APPROVAL"
    " PENM=PENDING_AMENDMENT PENU=PENDING_UPDATE PSAM=PENDING_SURRENDER_FOR_AMENDMENT"
    " PSDL=PENDING_SURRENDER_FOR_DELIVERY RECE=RECEIVED REJE=REJECTED RELS=RELEASED REQS=REQUESTED"
    " SUAM=SURRENDERED_FOR_AMENDMENT SUBM=SUBMITTED SUDL=SURRENDERED_FOR_DELIVERY SURR=SURRENDERED"
    " UPCF=UPDATE_CONFIRMED UPCN=UPDATE_CANCELLED UPDC=UPDATE_DECLINED UPDT=UPDATE_IN_PROGRESS"
    " UPRE=UPDATE_RECEIVED VOID=VOIDED"
) | {
    # 2.x only: 3.0 has no word for a confirmation that is awaited, and its approval is the nearest
    "PENC": "PENDING_APPROVAL",
    "PENDING_CONFIRMATION": "PENDING_APPROVAL",
    # the event domain 2.0 has it beside CMPL
    "COMP": "COMPLETED",
}
IOT = {
    word: word
    for word in (
        "BREADCRUMB DEVICE_STATUS DOOR_CLOSED DOOR_OPENED GEOFENCE_ENTRY GEOFENCE_EXIT"
        " MOTION_START MOTION_STOP PAIRING UNPAIRING".split()
    )
}
IOT_WRAPPERS: dict[str, str | None] = {"DETC": None, "DETECTED": None, "TELEMETRY": "DEVICE_STATUS"}
"""Types of the drafts that leave it to iotEventCode what happened; and what is left without it."""
IOT_DETAILS = IOT | {
    "DRO": "DOOR_OPENED",
    "DRC": "DOOR_CLOSED",
    "LOC": "BREADCRUMB",
    # a place that means something, without a fence: the position is all that is certain
    "LOCATION_REACHED": "BREADCRUMB",
}
REEFER = _words("MEAS=MEASURED ADJU=ADJUSTED")

INEXACT = frozenset({"PENC", "PENDING_CONFIRMATION", "LOCATION_REACHED", "TELEMETRY"})
"""Codes of which our word says less, or more; they are kept beside it."""

SUBTYPES: dict[EventType, tuple[tuple[str, ...], Mapping[str, str]]] = {
    EventType.TRANSPORT: (("transportEventType", "transportEventTypeCode"), TRANSPORT),
    EventType.EQUIPMENT: (("equipmentEventType", "equipmentEventTypeCode"), EQUIPMENT),
    EventType.SHIPMENT: (("shipmentEventType", "shipmentEventTypeCode"), SHIPMENT),
    EventType.IOT: (("iotEventType", "iotEventTypeCode", "iotTypeCode"), IOT),
    EventType.REEFER: (("reeferEventType", "reeferEventTypeCode"), REEFER),
}
"""What the field of each type's code is called, in 3.0 and before, and its list."""

ALWAYS_ACTUAL = frozenset({EventType.SHIPMENT, EventType.IOT, EventType.REEFER})
"""Types that only ever are actual (event domain 2.0 and 3.2): a missing classifier says nothing."""

CUSTOMS = frozenset(
    {"CUSTOMS_RELEASED", "CUSTOMS_SELECTED_FOR_INSPECTION", "CUSTOMS_SELECTED_FOR_SCAN"}
)
"""Equipment events that are decisions of customs."""
CUSTOMS_DOCUMENTS = frozenset({"CUSTOMS_CLEARANCE", "CUSTOMS_INSPECTION"})
CUSTOMS_OF_DOCUMENT = {"ON_HOLD": "ON_HOLD", "RELEASED": "CUSTOMS_RELEASED"}
"""What is decided when this happens to a document of customs."""

IMPORT_SIDE = frozenset({"APPROACHING", "ARRIVED", "DISCHARGED"})
EXPORT_SIDE = frozenset({"DEPARTED", "LOADED"})
"""Whether it is the incoming or the outgoing voyage of a call that an event is of."""

MODES: dict[str, Mode] = {
    "VESSEL": Mode.VESSEL,
    "RAIL": Mode.RAIL,
    "TRUCK": Mode.TRUCK,
    "BARGE": Mode.BARGE,
    # UN Recommendation 19, first digit; 2.x sends the code or DCSA's name for it
    "1": Mode.VESSEL,
    "2": Mode.RAIL,
    "3": Mode.TRUCK,
    "4": Mode.AIR,
    "8": Mode.BARGE,
    "MARITIME": Mode.VESSEL,
    "ROAD": Mode.TRUCK,
    "AIR": Mode.AIR,
    "INLAND_WATER": Mode.BARGE,
}
"""MULTIMODAL (6), pairs as RAIL_TRUCK, mail and pipelines are no mode of ours."""

FACILITY_TYPES = _words(
    "BORD=BORDER CLOC=CUSTOMER_LOCATION COFS=CONTAINER_FREIGHT_STATION DEPO=DEPOT"
    " INTE=INLAND_TERMINAL OFFD=OFF_DOCK_STORAGE POTE=PORT_TERMINAL RAMP=RAMP WAYP=WAYPOINT"
    " PBPL=PILOT_BOARDING_PLACE BRTH=BERTH ANCH=ANCHORAGE"
)
PHASES = _words("EXPORT=EXPORT IMPORT=IMPORT TRANSSHIPMENT=TRANSSHIPMENT")
SEAL_SOURCES = _words(
    "CAR=CARRIER CNS=CONSOLIDATOR CST=CUSTOMER CUS=CUSTOMS PHY=PHYTOSANITARY SHI=SHIPPER"
    " TER=TERMINAL VET=VETERINARY"
)
SEAL_TYPES = _words("KLP=KEYLESS_PADLOCK BLT=BOLT WIR=WIRE")
SHIPMENT_LOCATIONS = _words(
    "FCD=FULL_CONTAINER_DROP_OFF IEL=INTERMEDIATE_EXPORT_STOP_OFF OIR=ONWARD_INLAND_ROUTING"
    " ORI=ORIGIN_OF_GOODS PCF=PRE_CARRIAGE_FROM PDE=PLACE_OF_DELIVERY POD=PORT_OF_DISCHARGE"
    " POL=PORT_OF_LOADING PRE=PLACE_OF_RECEIPT PTP=PROHIBITED_TRANSSHIPMENT_PORT"
    " RTP=REQUESTED_TRANSSHIPMENT_PORT"
)

DOCUMENTS = _words(
    "AMF=ADVANCE_MANIFEST_FILING ARN=ARRIVAL_NOTICE BKG=BOOKING CAS=CARGO_SURVEY"
    " CBR=CARRIER_BOOKING_REQUEST CEA=CERTIFICATE_OF_ANALYSIS CEO=CERTIFICATE_OF_ORIGIN"
    " CRO=CONTAINER_RELEASE_ORDER CQU=CONTRACT_QUOTATION CUC=CUSTOMS_CLEARANCE"
    " DGD=DANGEROUS_GOODS_DECLARATION DEI=DELIVERY_INSTRUCTIONS DEO=DELIVERY_ORDER"
    " FCE=FUMIGATION_CERTIFICATE HCE=HEALTH_CERTIFICATE ICE=INSPECTION_CERTIFICATE INV=INVOICE"
    " OOG=OUT_OF_GAUGE_DECLARATION PCE=PHYTOSANITARY_CERTIFICATE PFD=PROOF_OF_DELIVERY"
    " SHI=SHIPPING_INSTRUCTIONS TRD=TRANSPORT_DOCUMENT TRO=TRANSPORT_ORDER"
    " VGM=VERIFIED_GROSS_MASS VCE=VETERINARY_CERTIFICATE"
    # 2.2 only
    " SRM=SHIPMENT_RELEASE_MESSAGE CUS=CUSTOMS_INSPECTION"
)
SHIPMENT_DOCUMENTS = (
    "TRANSPORT_DOCUMENT",
    "BOOKING",
    "CARRIER_BOOKING_REQUEST",
    "SHIPPING_INSTRUCTIONS",
)
"""Documents whose number stands for the shipment, the best first."""

REFERENCES = _words(
    "AAO=CONSIGNEES_REFERENCE AES=AUTOMATED_EXPORT_SYSTEM BID=BOOKING_REQUEST_ID"
    " BPR=BOOKING_PARTY_REFERENCE_NUMBER CER=CANADIAN_EXPORT_REPORTING_NUMBER"
    " CR=CUSTOMERS_REFERENCE CSI=CUSTOMER_SHIPMENT_ID DUE=DECLARACAO_UNICA_DE_EXPORTACAO"
    " ECR=EMPTY_CONTAINER_RELEASE_REFERENCE EQ=EQUIPMENT_REFERENCE"
    " FF=FREIGHT_FORWARDERS_REFERENCE PO=PURCHASE_ORDER_REFERENCE"
    " RUC=REGISTRO_UNICO_DEL_CONTRIBUYENTE SI=SHIPPERS_REFERENCE"
)

OFF_BERTH = frozenset({"PILOT_BOARDING_PLACE", "ANCHORAGE"})
"""Where a vessel has not arrived with its goods, but is close to it."""
PORT_CALLS: dict[tuple[str, str | None], str] = {
    ("ARRI", "BERTH"): "ARRIVED",
    ("ARRI", "PILOT_BOARDING_PLACE"): "APPROACHING",
    ("ARRI", "ANCHORAGE"): "APPROACHING",
    ("DEPA", "BERTH"): "DEPARTED",
    ("OMIT", None): "CANCELLED",
}
"""Operations events of a call itself, by operationsEventTypeCode and facility type."""
END_OF_SEA_PASSAGE = ("ACT", "ARRI", "BERTH", "INBD")
"""Timestamp TS105, which is spelled as an arrival at the berth, but is one off the port."""

OMITTED = frozenset({"OMIT", "BLNK"})
"""Status codes of calls that will not be made (Operational Vessel Schedules 3.0)."""

CUT_OFFS = {
    "DCO": "documentation",
    "VCO": "vgm",
    "FCO": "fcl_delivery",
    "LCO": "lcl_delivery",
    "PCO": "port",
    "ECP": "empty_pick_up",
    "EFC": "earliest_full_delivery",
    "RCO": "reefer",
    "DGC": "dangerous_goods",
    "OBC": "out_of_gauge",
    "TCO": "transhipment",
    "STA": "standard_booking",
    "SPA": "special_booking",
    "CUA": "customs_acceptance",
    "AFC": "advance_filing",
}
"""cutOffDateTimeCode (Commercial Schedules 1.0)."""
HAND_IN = ("FCO", "PCO", "LCO", "TCO")
"""Cut-offs that say until when a unit must be handed in, the most telling first."""
