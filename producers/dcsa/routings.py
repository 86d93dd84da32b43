"""Point-to-point routings (Commercial Schedules 1.0) as itineraries.

A routing says how one can go, not who goes that way. Our envelope says that:

    {"unit_ids": […], "shipment_id": …, "corridor_id": …, "version": …, "issued_time": …,
     "parties": […], "routing": <PointToPoint>}
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NoReturn

from pydantic import ValidationError

from corridor.codes import Mode, Reject
from corridor.decoding import explain
from corridor.models import Itinerary, Leg
from producers.adapter import Item, Unusable, container, malformed, moment
from producers.dcsa.blocks import Block
from producers.dcsa.codes import HAND_IN
from producers.dcsa.places import required_node
from producers.dcsa.transports import mode_of, run_of, vessel_of, voyages_of

REQUIRED = ("unit_ids", "shipment_id", "corridor_id", "version", "issued_time")
"""What a routing does not say, and an itinerary must."""


def bare(block: Block) -> NoReturn:
    """Rejects a routing without its envelope.

    Raises:
        Unusable: always.
    """
    detail = (
        "a routing alone says how one can go, not who goes that way: send"
        f" {{{', '.join(REQUIRED)}, routing}}"
    )
    raise Unusable(Reject.UNSUPPORTED, block.where("unit_ids"), detail)


def itineraries(envelope: Block) -> Iterable[Item]:
    """One itinerary for each unit.

    Raises:
        Unusable: something is missing, or a leg is none of ours; a plan with a gap is no plan.
    """
    for name in REQUIRED:
        if not envelope.find(*_names(name)):
            malformed(envelope.where(name), "is missing: the routing alone does not say it")
    units = _units(envelope)
    issued_path, issued = envelope.find("issued_time") or ("", None)
    version_path, version = envelope.find("version") or ("", None)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        malformed(version_path, "must be a whole number from 1")
    issued_time = moment(issued, issued_path)
    legs = _legs(envelope.block("routing"))
    parties = envelope.find("parties")
    try:
        return [
            Itinerary(
                unit_id=unit_id,
                shipment_id=envelope.text("shipment_id") or "",
                corridor_id=envelope.text("corridor_id") or "",
                version=version,
                issued_time=issued_time,
                legs=legs,
                parties=() if parties is None else parties[1],
            )
            for unit_id in units
        ]
    except ValidationError as error:
        reason, field, detail = explain(error)
        raise Unusable(reason, envelope.where(field or ""), detail) from None


def _names(name: str) -> tuple[str, ...]:
    return ("unit_ids", "unit_id") if name == "unit_ids" else (name,)


def _units(envelope: Block) -> list[str]:
    path, told = envelope.find(*_names("unit_ids")) or ("", [])
    told = told if isinstance(told, list) else [told]
    if not told:
        malformed(path, "names no unit")
    return list(dict.fromkeys(container(_text(unit, path), path) for unit in told))


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        malformed(path, "must be container numbers")
    return value


def _legs(routing: Block) -> tuple[Leg, ...]:
    told = routing.blocks("legs")
    if not told:
        malformed(routing.where("legs"), "the routing has no legs")
    numbers = [leg.number("sequenceNumber") for leg in told]
    order = list(range(len(told)))
    if None not in numbers:
        order.sort(key=lambda index: numbers[index] or 0)
    ordered = [told[index] for index in order]
    modes = [_mode(leg) for leg in ordered]
    # what the routing says of hand-in is of the first main leg: that is what one must not miss
    main = next((i for i, m in enumerate(modes) if m in (Mode.VESSEL, Mode.BARGE)), 0)
    whole = _cutoff(routing)
    return tuple(
        _leg(leg, mode, index, _cutoff(leg) or (whole if index == main else None))
        for index, (leg, mode) in enumerate(zip(ordered, modes, strict=True))
    )


def _mode(leg: Block) -> Mode:
    transport = leg.block("transport") | leg
    mode = mode_of(transport)
    if mode is not None:
        return mode
    path, told = transport.find("modeOfTransport") or (transport.where("modeOfTransport"), None)
    if told is None:
        malformed(path, "the leg does not say in which mode it goes")
    detail = f"a leg has one mode; {str(told)[:40]!r} is none, or several: send a leg for each"
    raise Unusable(Reject.UNSUPPORTED, path, detail)


def _leg(leg: Block, mode: Mode, index: int, cutoff: datetime | None) -> Leg:
    departure, arrival = leg.block("departure"), leg.block("arrival")
    from_node, planned_departure = _end(leg, departure, "departure")
    to_node, planned_arrival = _end(leg, arrival, "arrival")
    transport = leg.block("transport")
    vessel = vessel_of(transport)
    partner = _partner(transport, vessel)
    service = partner | transport
    run_id = None
    if mode in (Mode.VESSEL, Mode.BARGE):
        # goods leave on the outgoing voyage of the call where they are loaded
        for voyage in voyages_of(service).of("DEPARTED", None):
            run_id = run_of(vessel, vessel, voyage)
    try:
        return Leg(
            leg_id=f"{from_node}-{to_node}.{mode}",
            sequence=index,
            mode=mode,
            from_node=from_node,
            to_node=to_node,
            run_id=run_id,
            service_id=service.text("carrierServiceCode", "universalServiceReference"),
            carrier_id=partner.text("carrierCode") or vessel.text("operatorCarrierCode"),
            planned_departure=planned_departure,
            planned_arrival=planned_arrival,
            cutoff=cutoff,
        )
    except ValidationError as error:
        reason, field, detail = explain(error)
        raise Unusable(reason, leg.where(field or "arrival"), detail) from None


def _end(leg: Block, end: Block, name: str) -> tuple[str, datetime]:
    if not end:
        malformed(leg.where(name), "is missing")
    found = end.find("dateTime")
    if found is None:
        malformed(end.where("dateTime"), "is missing")
    return required_node(end.block("location") or end), moment(found[1], found[0])


def _partner(transport: Block, vessel: Block) -> Block:
    """Whose service it is: the operator's own, else the first that is named."""
    partners = transport.blocks("servicePartners")
    operator = vessel.scalar("operatorCarrierCode")
    own = (partner for partner in partners if partner.scalar("carrierCode") == operator)
    return next(own, partners[0] if partners else Block())


def _cutoff(block: Block) -> datetime | None:
    """Until when a unit must be handed in, by the most telling of the cut-offs.

    Raises:
        Unusable: it is no time.
    """
    found = {
        str(part.scalar("cutOffDateTimeCode")).upper(): part for part in block.blocks("cutOffTimes")
    }
    for code in HAND_IN:
        if code in found:
            told = found[code].find("cutOffDateTime")
            if told is not None:
                return moment(told[1], told[0])
    return None
