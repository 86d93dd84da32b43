"""DCSA Commercial Schedules 1.0: vessel and port schedules, and routings in an envelope of ours."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from corridor.codes import EventType, Mode, Reject
from corridor.identity import derived_id
from producers.adapter import Item, Unusable, event, malformed, moment
from producers.dcsa.blocks import Attributes, Block, each_block, load
from producers.dcsa.codes import CUT_OFFS, TRANSPORT, meaning
from producers.dcsa.happenings import classified
from producers.dcsa.places import facility_type, place
from producers.dcsa.routings import bare, itineraries
from producers.dcsa.transports import SERVICE, Voyages, run_of, vessel_attributes, voyages_of

_CALL = {
    "transport_call_reference": ("transportCallReference",),
    "port_visit_reference": ("portVisitReference",),
}
_PARTNER = {"carrier_code": ("carrierCode",), "carrier_code_list": ("carrierCodeListProvider",)}
_VOYAGES = (
    "carrierImportVoyageNumber",
    "carrierExportVoyageNumber",
    "universalImportVoyageReference",
    "universalExportVoyageReference",
)


class Stamp(NamedTuple):
    """One time of one call of a vessel, on the voyages of one of its carriers."""

    stamp: Block
    call: Block
    schedule: Block
    location: Block
    voyages: Block
    service: Block


def decode(message: bytes, sender: str) -> list[Item]:
    """Reads schedules as the API answers them, and envelopes; one or a list."""
    try:
        value = load(message)
    except Unusable as error:
        return [error.rejected]
    parts = (
        [(f"[{index}]", part) for index, part in enumerate(value)]
        if isinstance(value, list)
        else [("", value)]
    )
    return each_block(parts, lambda part: _part(Block.of(part[1], part[0]), sender))


def _part(block: Block, sender: str) -> Iterable[Item]:
    if block.find("routing"):
        return itineraries(block)
    if block.find("schedules"):
        issued = block.find("issued_time")
        return each_block(block.blocks("schedules"), lambda part: _schedule(part, issued, sender))
    if block.find("placeOfReceipt", "placeOfDelivery", "legs"):
        bare(block)
    return _schedule(block, None, sender)


def _schedule(block: Block, issued: tuple[str, Any] | None, sender: str) -> Iterable[Item]:
    if not block.find("vesselSchedules", "transportCalls"):
        malformed(block.where("vesselSchedules"), "the message is no schedule and no routing")
    return each_block(_stamps(block), lambda stamp: [_event(stamp, issued, sender)])


def _stamps(block: Block) -> Iterator[Stamp]:
    """Every time in the schedules of a service, a vessel or a port."""
    schedules = block.blocks("vesselSchedules") or [block]
    for schedule in schedules:
        for call in schedule.blocks("transportCalls"):
            if call.scalar("isCargoOperationalCall") is False:
                continue  # bunkers or a waterway: nobody's goods depart or arrive
            location = _only(call, "location")
            for stamp in call.blocks("timestamps"):
                yield Stamp(stamp, call, schedule, location, call, block)
        # a port's schedule has the times beside the vessel, and a voyage for each partner
        location = _only(block, "location")
        for partner in _partners(schedule):
            for stamp in schedule.blocks("timestamps"):
                yield Stamp(stamp, schedule, schedule, location, partner | schedule, partner)


def _partners(schedule: Block) -> Iterator[Block]:
    """The partners of a service that have voyages of their own."""
    seen = set()
    for partner in schedule.blocks("servicePartners") or [Block()]:
        voyages = tuple(partner.scalar(name) for name in _VOYAGES)
        if voyages not in seen:
            seen.add(voyages)
            yield partner


def _event(stamp: Stamp, issued: tuple[str, Any] | None, sender: str) -> Item:
    told = stamp.stamp.text("eventTypeCode", "transportEventTypeCode")
    code = meaning(TRANSPORT, told)
    if code is None:
        detail = f"{(told or 'nothing')[:40]!r} is neither ARRI nor DEPA"
        raise Unusable(Reject.UNKNOWN_CODE, stamp.stamp.where("eventTypeCode"), detail)
    path = stamp.stamp.where("eventClassifierCode")
    how = classified(stamp.stamp.text("eventClassifierCode") or "", path)
    found = stamp.stamp.find("eventDateTime")
    if found is None:
        malformed(stamp.stamp.where("eventDateTime"), "the time is missing")
    event_time = moment(found[1], found[0])
    updated_time = moment(issued[1], issued[0]) if issued else None
    vessel = stamp.schedule.block("vessel")
    voyages = voyages_of(stamp.voyages)
    run_id = _run(stamp, vessel, voyages, code)
    where = place((stamp.location,))
    if where.node_id is None:
        malformed(
            stamp.location.where("UNLocationCode") if stamp.location else path,
            "the call has no UN/LOCODE, so nobody can tell where it is",
        )
    attributes = (
        stamp.call.take(_CALL)
        | (stamp.service | stamp.schedule).take(SERVICE)
        | stamp.service.take(_PARTNER)
        | vessel_attributes(vessel)
        | voyages.attributes()
        | where.attributes
        | cut_offs(stamp.call)
    )
    kind = facility_type(stamp.location)
    if kind is not None:
        attributes["facility_type"] = kind
    call = attributes.get("transport_call_reference") or (
        f"{where.node_id} {where.attributes.get('facility_code', '')}"
    )
    # without a time of issue nobody can tell which of two times is newer: each stands for itself
    time = event_time.isoformat() if updated_time is None else ""
    return event(
        event_id=derived_id("dcsa-schedule", run_id, str(call), code, how, time),
        source=sender,
        event_type=EventType.TRANSPORT,
        code=code,
        classifier=how,
        event_time=event_time,
        updated_time=updated_time,
        run_id=run_id,
        mode=Mode.VESSEL,
        node_id=where.node_id,
        latitude=where.latitude,
        longitude=where.longitude,
        attributes=attributes,
    )


def _run(stamp: Stamp, vessel: Block, voyages: Voyages, code: str) -> str:
    voyage = next(iter(voyages.of(code, None)), None)
    if voyage is None:
        malformed(stamp.call.where("carrierImportVoyageNumber"), "the call is of no voyage")
    dummy = stamp.schedule.scalar("isDummyVessel") is True and not vessel.find("vesselIMONumber")
    run_id = None if dummy else run_of(vessel, vessel, voyage)
    if run_id is not None:
        return run_id
    where = (vessel or stamp.schedule).where("vesselIMONumber" if vessel else "vessel")
    if dummy:
        detail = "no vessel is assigned yet (isDummyVessel), so that there is no run to speak of"
        raise Unusable(Reject.UNSUPPORTED, where, detail)
    malformed(where, "no vessel is named, by number or by name")


def cut_offs(block: Block) -> Attributes:
    """The cut-off times of a call, in UTC; what is no time is kept as it is written."""
    attributes: Attributes = {}
    for part in block.blocks("cutOffTimes"):
        code, told = part.scalar("cutOffDateTimeCode"), part.scalar("cutOffDateTime")
        name = meaning(CUT_OFFS, code) if isinstance(code, str) else None
        if name is None or not isinstance(told, str):
            continue
        with suppress(Unusable):
            told = moment(told, "").isoformat().replace("+00:00", "Z")
        attributes[f"cutoff_{name}"] = told
    return attributes


def _only(block: Block, name: str) -> Block:
    return next(iter(block.blocks(name)), Block())
