"""DCSA Commercial Schedules 1.0: vessel and port schedules, and routings in an envelope of ours.

The service schedules of Operational Vessel Schedules 3.0 are the same but for the vessel's fields,
which are beside its calls, and the status of a call: they are read too.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.identity import derived_id
from producers.adapter import Item, Unusable, event, malformed, moment
from producers.dcsa.blocks import Attributes, Block, each_block, load
from producers.dcsa.codes import CUT_OFFS, OMITTED, TRANSPORT, meaning
from producers.dcsa.happenings import classified
from producers.dcsa.places import place
from producers.dcsa.routings import bare, itineraries
from producers.dcsa.transports import (
    SERVICE,
    Voyages,
    delay_reasons,
    run_of,
    vessel_attributes,
    voyages_of,
)

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

    stamp: Block | None
    """None, if the call is omitted, so that its times mean nothing."""
    call: Block
    schedule: Block
    location: Block
    voyages: Block
    service: Block


class Said(NamedTuple):
    """What a time says."""

    code: str
    classifier: Classifier
    event_time: datetime


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
    return each_block(_stamps(block), lambda stamp: _events(stamp, issued, sender))


def _stamps(block: Block) -> Iterator[Stamp]:
    """Every time in the schedules of a service, a vessel or a port."""
    schedules = block.blocks("vesselSchedules") or [block]
    for schedule in schedules:
        for call in schedule.blocks("transportCalls"):
            location = call.only("location")
            if call.scalar("isCargoOperationalCall") is False or _is_waterway(location):
                continue  # nobody's goods depart or arrive
            omitted = not OMITTED.isdisjoint(_statuses(call))
            for stamp in [None] if omitted else call.blocks("timestamps"):
                yield Stamp(stamp, call, schedule, location, call, block)
        # a port's schedule has the times beside the vessel, and a voyage for each partner
        location = block.only("location")
        for partner in _partners(schedule):
            for stamp in schedule.blocks("timestamps"):
                yield Stamp(stamp, schedule, schedule, location, partner | schedule, partner)


def _is_waterway(location: Block) -> bool:
    kind = location.scalar("locationType")
    return kind == "WWAY" or location.find("waterwaySMDGEntryPointCode") is not None


def _statuses(call: Block) -> list[str]:
    found = call.find("statusCodes", "statusCode")
    told = found[1] if found else []
    return [str(code).upper() for code in (told if isinstance(told, list) else [told])]


def _partners(schedule: Block) -> Iterator[Block]:
    """The partners of a service that have voyages of their own."""
    seen = set()
    for partner in schedule.blocks("servicePartners") or [Block()]:
        voyages = tuple(partner.scalar(name) for name in _VOYAGES)
        if voyages not in seen:
            seen.add(voyages)
            yield partner


def _events(stamp: Stamp, issued: tuple[str, Any] | None, sender: str) -> Iterable[Item]:
    updated_time = moment(issued[1], issued[0]) if issued else None
    said = _omission(stamp, updated_time) if stamp.stamp is None else _said(stamp.stamp)
    vessel = stamp.schedule.block("vessel")
    voyages = voyages_of(stamp.voyages)
    run_ids = _runs(stamp, vessel, voyages, said.code)
    where = place((stamp.location,))
    if where.node_id is None:
        path = (stamp.location or stamp.call).where("UNLocationCode")
        malformed(path, "the call has no UN/LOCODE, so nobody can tell where it is")
    delays, other = delay_reasons(stamp.stamp or Block())
    attributes = (
        stamp.call.take(_CALL)
        | (stamp.service | stamp.schedule).take(SERVICE)
        | stamp.service.take(_PARTNER)
        | vessel_attributes(vessel, stamp.schedule)
        | voyages.attributes()
        | where.attributes
        | cut_offs(stamp.call)
        | (stamp.stamp or Block()).take({"change_remark": ("changeRemark",)})
        | other
    )
    statuses = _statuses(stamp.call)
    if statuses:
        attributes["call_status"] = ", ".join(statuses)
    call = attributes.get("transport_call_reference") or (
        f"{where.node_id} {where.attributes.get('facility_code', '')}"
    )
    # without a time of issue nobody can tell which of two times is newer: each stands for itself
    time = said.event_time.isoformat() if updated_time is None else ""
    for run_id in run_ids:
        yield event(
            event_id=derived_id(
                "dcsa-schedule", run_id, str(call), said.code, said.classifier, time
            ),
            source=sender,
            event_type=EventType.TRANSPORT,
            code=said.code,
            classifier=said.classifier,
            event_time=said.event_time,
            updated_time=updated_time,
            run_id=run_id,
            mode=Mode.VESSEL,
            node_id=where.node_id,
            latitude=where.latitude,
            longitude=where.longitude,
            delay_reasons=delays or None,
            attributes=attributes,
        )


def _said(stamp: Block) -> Said:
    told = stamp.text("eventTypeCode", "transportEventTypeCode")
    code = meaning(TRANSPORT, told)
    if code is None:
        detail = f"{(told or 'nothing')[:40]!r} is neither ARRI nor DEPA"
        raise Unusable(Reject.UNKNOWN_CODE, stamp.where("eventTypeCode"), detail)
    path = stamp.where("eventClassifierCode")
    how = classified(stamp.text("eventClassifierCode") or "", path)
    found = stamp.find("eventDateTime")
    if found is None:
        malformed(stamp.where("eventDateTime"), "the time is missing")
    return Said(code, how, moment(found[1], found[0]))


def _omission(stamp: Stamp, issued_time: datetime | None) -> Said:
    """A call that will not be made: a fact from when it is told, not from when it was due."""
    if issued_time is None:
        detail = "the call is omitted, since when nobody says: wrap it in {issued_time, schedules}"
        raise Unusable(Reject.UNSUPPORTED, stamp.call.where("statusCode"), detail)
    return Said("CANCELLED", Classifier.ACTUAL, issued_time)


def _runs(stamp: Stamp, vessel: Block, voyages: Voyages, code: str) -> list[str]:
    told = voyages.of(code, None)
    if not told:
        malformed(stamp.call.where("carrierImportVoyageNumber"), "the call is of no voyage")
    named = vessel | stamp.schedule
    dummy = stamp.schedule.scalar("isDummyVessel") is True and not named.find("vesselIMONumber")
    if not dummy:
        runs = [run for voyage in told if (run := run_of(named, vessel, voyage))]
        if runs:
            return runs
    path = named.where("vesselIMONumber")
    if dummy:
        detail = "no vessel is assigned yet (isDummyVessel), so that there is no run to speak of"
        raise Unusable(Reject.UNSUPPORTED, path, detail)
    malformed(path, "no vessel is named, by number or by name")


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
