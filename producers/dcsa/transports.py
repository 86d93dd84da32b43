"""What carries it: mode, run and the particulars of a transport call."""

import re
from typing import NamedTuple

from corridor.codes import Mode
from producers.dcsa.blocks import Attributes, Block
from producers.dcsa.codes import EXPORT_SIDE, IMPORT_SIDE, MODES, meaning

_IMO = re.compile(r"(?:IMO)?[\s-]*(\d{7,8})", re.IGNORECASE)
_SMDG_DELAY = re.compile(r"[A-Z]{3}")
_NO_VOYAGE = "9999R"
"""What Operational Vessel Schedules 3.0 writes for a voyage that has no number."""

_MODE = ("modeOfTransport", "modeOfTransportCode", "DCSATransportType")
_IMPORT = ("carrierImportVoyageNumber", "importVoyageNumber")
_EXPORT = ("carrierExportVoyageNumber", "exportVoyageNumber")
_CALL = {
    "transport_call_reference": ("transportCallReference", "transportCallID"),
    "transport_call_sequence_number": ("transportCallSequenceNumber",),
    "transport_call_sequence_number_max": ("transportCallSequenceNumberMax",),
    "port_visit_reference": ("portVisitReference",),
}
SERVICE = {
    "carrier_service_code": ("carrierServiceCode",),
    "carrier_service_name": ("carrierServiceName",),
    "universal_service_reference": ("universalServiceReference",),
}
_VESSEL = {
    "vessel_imo_number": ("vesselIMONumber",),
    "vessel_mmsi_number": ("vesselMMSINumber", "MMSINumber"),
    "vessel_name": ("vesselName",),
    "vessel_flag": ("vesselFlag",),
    "vessel_call_sign": ("vesselCallSign", "vesselCallSignNumber"),
    "vessel_operator": (
        "vesselOperatorCarrierCode",
        "operatorCarrierCode",
        "vesselOperatorSMDGLinerCode",
    ),
    "vessel_operator_code_list": (
        "vesselOperatorCarrierCodeListProvider",
        "vesselOperatorCarrierCodeList",
        "operatorCarrierCodeListProvider",
    ),
}
# short names, which mean the vessel only within its own block
_VESSEL_SHORT = {
    "vessel_name": ("name",),
    "vessel_flag": ("flag",),
    "vessel_call_sign": ("callSign",),
}
_RAIL = {
    "rail_car_reference": ("railCarReference", "railCar"),
    "rail_service_reference": ("railServiceReference", "railService"),
    "departure_id": ("departureID",),
}
_VEHICLE = {"license_plate": ("licensePlate",), "vin": ("vehicleIdentificationNumber",)}
_TRUCK_FLAT = {
    "tractor_license_plate": ("licencePlate", "licensePlate"),
    "trailer_license_plate": ("chassisLicencePlate", "chassisLicensePlate"),
}


class Transport(NamedTuple):
    """What an event says of the means of transport."""

    mode: Mode | None
    run_ids: tuple[str, ...]
    """One as a rule; both where a call is omitted, that one voyage ends at and another begins."""
    truck: str | None
    """The plate of the tractor: a run only where nothing better is known."""
    attributes: Attributes


def mode_of(call: Block) -> Mode | None:
    """The mode of a call; None if it is not stated, or not one."""
    return meaning(MODES, call.text(*_MODE))


def transport(call: Block, code: str, phase: str | None) -> Transport:
    """Reads a transport call, nested as in 3.0 or flat as in 2.x.

    Args:
        call: The call.
        code: What happened: it tells whether the incoming or the outgoing voyage is meant.
        phase: EXPORT, IMPORT or TRANSSHIPMENT, where it is stated.

    Raises:
        Unusable: a field that names the run is no text.
    """
    mode = mode_of(call)
    service = call.block("serviceCodeOrReference") | call
    attributes = call.take(_CALL) | service.take(SERVICE)
    if mode is None or call.text(*_MODE) not in (mode.value, None):
        attributes |= call.take({"mode_of_transport": _MODE})
    vessel = vessel_of(call)
    attributes |= vessel_attributes(vessel, call)
    rail = call.block("railTransport") | call
    attributes |= rail.take(_RAIL)
    trucks = _trucks(call)
    attributes |= trucks
    voyages = voyages_of(call)
    attributes |= voyages.attributes()
    run_ids: list[str | None] = []
    if mode is Mode.RAIL:
        departure = rail.text("departureID")
        run_ids.append(departure and departure.upper())
    elif mode in (Mode.VESSEL, Mode.BARGE, None):
        run_ids += [run_of(vessel | call, vessel, voyage) for voyage in voyages.of(code, phase)]
    plate = trucks.get("tractor_license_plate")
    truck = "".join(str(plate).split()).upper() if plate is not None else None
    return Transport(mode, tuple(run for run in run_ids if run), truck, attributes)


class Voyages(NamedTuple):
    """The voyages of one call: the vessel comes in on one and may leave on another."""

    incoming: str | None = None
    outgoing: str | None = None
    universal_incoming: str | None = None
    universal_outgoing: str | None = None
    plain: str | None = None
    """One that is said to be neither, as in 2.0 and in Just-in-Time 1.0."""

    def of(self, code: str, phase: str | None) -> tuple[str, ...]:
        """The voyage that an event is of; the carrier's number before the universal reference.

        A call that names one voyage comes in and leaves on it. None, where nothing says which of
        two is meant; both, where the call is omitted.
        """
        into, out = self.incoming or self.plain, self.outgoing or self.plain
        if into is None and out is None:
            into, out = self.universal_incoming, self.universal_outgoing
        meant: tuple[str | None, ...] = ()
        if code in IMPORT_SIDE or (code not in EXPORT_SIDE and phase == "IMPORT"):
            meant = (into or out,)
        elif code in EXPORT_SIDE or phase == "EXPORT":
            meant = (out or into,)
        elif code == "CANCELLED" or None in (into, out) or into == out:
            meant = (into, out)
        return tuple(dict.fromkeys(voyage for voyage in meant if voyage))

    def attributes(self) -> Attributes:
        """All of them, to be kept."""
        names = (
            "import_voyage_number",
            "export_voyage_number",
            "universal_import_voyage_reference",
            "universal_export_voyage_reference",
            "voyage_number",
        )
        return {name: voyage for name, voyage in zip(names, self, strict=True) if voyage}


def voyages_of(call: Block) -> Voyages:
    """The voyages of a call, nested as in 3.0 or flat.

    Raises:
        Unusable: one is no text.
    """
    incoming = call.block("importVoyageNumberOrReference")
    outgoing = call.block("exportVoyageNumberOrReference")
    told = (
        incoming.text("carrierVoyageNumber") or call.text(*_IMPORT),
        outgoing.text("carrierVoyageNumber") or call.text(*_EXPORT),
        incoming.text("universalVoyageReference") or call.text("universalImportVoyageReference"),
        outgoing.text("universalVoyageReference") or call.text("universalExportVoyageReference"),
        call.text("carrierVoyageNumber"),
    )
    return Voyages(*(None if voyage == _NO_VOYAGE else voyage for voyage in told))


def vessel_of(call: Block) -> Block:
    """The block of the vessel or barge."""
    return call.block("vesselTransport", "vessel", "barge")


def vessel_attributes(vessel: Block, call: Block | None = None) -> Attributes:
    """The particulars of a vessel; some versions write them beside the call's."""
    told = vessel.take(_VESSEL_SHORT) | (vessel if call is None else vessel | call).take(_VESSEL)
    return {name: str(value) for name, value in told.items()}


def run_of(vessel: Block, own: Block, voyage: str) -> str | None:
    """The run of a vessel on a voyage: by its IMO number, else by its name.

    Args:
        vessel: Where its number and name are.
        own: The part of it that is only about the vessel.
        voyage: The voyage.
    """
    match = _IMO.fullmatch(vessel.text("vesselIMONumber") or "")
    name = match[1] if match else vessel.text("vesselName") or own.text("name")
    return " ".join(f"{name}-{voyage}".upper().split()) if name else None


def delay_reasons(block: Block) -> tuple[tuple[str, ...], Attributes]:
    """SMDG codes, and what is none; the list grows, so that only their form is checked."""
    found = block.find("delayReasonCodes", "delayReasonCode")
    told = found[1] if found else []
    words = [
        word.strip().upper()
        for word in (told if isinstance(told, list) else [told])
        if isinstance(word, str) and word.strip()
    ]
    codes = dict.fromkeys(word for word in words if _SMDG_DELAY.fullmatch(word))
    other = ", ".join(word for word in words if word not in codes)
    return tuple(codes), {"delay_reason_text": other} if other else {}


def _trucks(call: Block) -> Attributes:
    truck = call.block("truckTransport")
    attributes = call.take(_TRUCK_FLAT)
    for part in ("tractor", "trailer"):
        details = truck.block(f"{part}Details").take(_VEHICLE)
        attributes |= {f"{part}_{name}": value for name, value in details.items()}
    return attributes
