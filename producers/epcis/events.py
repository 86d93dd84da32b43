"""One EPCIS event (EPCIS 2.0, section 7.4) as events of ours: one of each unit and statement."""

import functools
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from corridor.codes import Mode, Reject
from corridor.decoding import Rejected
from corridor.identity import derived_id
from producers import adapter
from producers.adapter import Item, Unusable, malformed
from producers.epcis import identifiers, sensors
from producers.epcis.fields import (
    Fields,
    Scalar,
    block,
    identified,
    joined,
    kind,
    several,
    shown,
    text,
)
from producers.epcis.identifiers import Kind, Thing
from producers.epcis.vocabulary import (
    CARRIED,
    DOORS,
    FOREIGN,
    INTO_PARENT,
    NEUTRAL,
    PACKED,
    PAIRINGS,
    SIGHTING,
    STEPS,
    Meaning,
    local,
    word,
)

KINDS = frozenset(
    "ObjectEvent AggregationEvent AssociationEvent TransactionEvent TransformationEvent".split()
)
ACTIONS = frozenset({"ADD", "OBSERVE", "DELETE"})
HEAVIEST = 500_000
"""Units of an event times fields of its statements: a small message must not become a large one."""

LONGEST_ID = 500
MOST_LISTED = 100
_DOCUMENTS = ("bol", "booking")
"""Business transactions that name the shipment, the best first; the second is no word of CBV."""
_LOCATIONS = (("readPoint", "read_point"), ("bizLocation", "business_location"))
_UNSTABLE = frozenset(
    {"eventID", "recordTime", "errorDeclaration", "@context", "certificationInfo"}
)
"""What may differ where an event is told again; CBV 2.0, 8.9 leaves the same out of its hash."""


class Statement(NamedTuple):
    """What an event says of each of its units."""

    part: str
    """Tells it from the other statements of its event; empty for what it says by its step."""
    meaning: Meaning
    time: datetime
    attributes: dict[str, Scalar]
    position: tuple[float, float] | None


class Cast(NamedTuple):
    """Who plays which part in an event."""

    units: list[Thing]
    others: list[Thing]
    """What the units were put into, loaded with or paired with."""
    carried: bool
    """Whether the units are what goes into the others."""


def read(event: Any, path: str, source: str) -> Iterator[Item]:
    """What an EPCIS event says.

    Args:
        event: From JSON.
        path: Of the event in its document; for what is wrong with a part of it.
        source: Who says it.

    Raises:
        Unusable: it says nothing that can be used.
    """
    event = block(event, "")
    name = kind(event)
    what = local(name) if name else None
    if what not in KINDS:
        detail = f"{shown(name)} is no event of EPCIS 2.0"
        raise Unusable(Reject.UNSUPPORTED, "type", detail)
    zone = text(event, "eventTimeZoneOffset")
    time = adapter.moment(event.get("eventTime"), "eventTime", zone=zone)
    faults: list[Rejected] = []
    cast = _cast(event, what, faults)
    measured, unread = sensors.read(event, time, zone)
    position, fields = _common(event, zone, source)
    statements = [Statement(*part) for part in _measured(measured)]
    sensed = bool(measured or unread)
    try:
        spoken = _by_step(event, what, cast, time)
    except Unusable:
        if not sensed:
            raise
        spoken = []  # its sensors say something; the step stays in their attributes
    if not (sensed and any(one.meaning == SIGHTING for one in spoken)):
        statements = spoken + statements
    yield from (fault._replace(field=_at(path, fault.field)) for fault in faults + unread)
    if not (cast.units or faults) and fields["shipment_id"] is None:
        _nothing_tracked(event)
    if len(cast.units) * sum(20 + len(one.attributes) for one in statements) > HEAVIEST:
        detail = f"{len(cast.units)} units with {len(statements)} statements are too many at once"
        raise Unusable(Reject.UNSUPPORTED, None, detail)
    make = functools.partial(
        _event,
        fields=fields,
        shared=_attributes(event, zone, cast),
        position=position,
        identity=text(event, "eventID") or _content_id(event),
    )
    # where every unit is at fault there is none left to speak of
    units: Iterable[Thing | None] = cast.units or ([] if faults else [None])
    for unit in units:
        for statement in statements:
            yield make(unit, statement)


def _at(path: str, field: str | None) -> str | None:
    return f"{path}.{field}" if path and field else path or field


def _measured(parts: Iterable[sensors.Measured]) -> Iterator[tuple[Any, ...]]:
    for part in parts:
        yield f"sensor/{part.part}", part.meaning, part.time, part.attributes, part.position


def _event(
    unit: Thing | None,
    statement: Statement,
    *,
    fields: Fields,
    shared: dict[str, Scalar],
    position: tuple[float, float] | None,
    identity: str,
) -> Item:
    where = statement.position or position or (None, None)
    unit_id = None if unit is None else unit.id
    extra: dict[str, Scalar] = {}
    if unit is not None and unit.kind is Kind.VESSEL:
        extra["vessel_imo_number"] = identifiers.imo_number(unit)
    return adapter.event(
        **fields,
        event_id=derived_id("epcis", identity, unit_id or "", statement.part),
        event_type=statement.meaning[0],
        code=statement.meaning[1],
        event_time=statement.time,
        unit_id=unit_id,
        latitude=where[0],
        longitude=where[1],
        attributes=shared | extra | statement.attributes,
    )


def _content_id(event: Fields) -> str:
    """The same for the same event, told again or declared to be an error."""
    kept = {name: value for name, value in event.items() if name not in _UNSTABLE}
    try:
        content = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        malformed(None, "it nests too deeply")
    return derived_id("epcis", content.decode())


# -- who -----------------------------------------------------------------------------------------


def _cast(event: Fields, what: str, faults: list[Rejected]) -> Cast:
    """Finds the units. A container is the unit, whether things go into it or it goes into them."""
    if what in ("AggregationEvent", "AssociationEvent"):
        parents = _things([text(event, "parentID")], "parentID", faults)
        children = _things(several(event, "childEPCs"), "childEPCs", faults)
        boxes = [child for child in children if child.kind is Kind.CONTAINER]
        if any(parent.kind is Kind.VESSEL for parent in parents):
            return Cast(boxes or children, parents, carried=True)
        if not any(parent.kind is Kind.CONTAINER for parent in parents):
            if boxes:
                return Cast(boxes, parents, carried=True)
            if faults:
                return Cast([], [], carried=False)  # what is left of it are not the units
        if parents or not children:
            return Cast(parents, children, carried=False)
        return Cast(children, [], carried=False)
    if what == "TransformationEvent":
        units = _things(several(event, "outputEPCList"), "outputEPCList", faults)
        return Cast(units or _lots(event, "outputQuantityList"), [], carried=False)
    units = _things(several(event, "epcList"), "epcList", faults)
    parents = _things([text(event, "parentID")], "parentID", faults)
    if not units:
        units, parents = parents or _lots(event, "quantityList"), []
    return Cast(units, parents, carried=False)


def _things(epcs: list[Any], field: str, faults: list[Rejected]) -> list[Thing]:
    """What EPCs identify, each once; those that cannot be are faults."""
    found: dict[Thing, None] = {}
    for index, epc in enumerate(epcs):
        here = field if field == "parentID" else f"{field}[{index}]"
        if epc is None:
            continue
        try:
            if not isinstance(epc, str) or not 0 < len(epc.strip()) <= LONGEST_ID:
                malformed(here, f"{shown(epc)} is no EPC")
            found[identifiers.thing(epc.strip(), here)] = None
        except Unusable as error:
            faults.append(error.rejected)
    return list(found)


def _lots(event: Fields, field: str) -> list[Thing]:
    lots: dict[Thing, None] = {}
    for quantity in several(event, field):
        name = quantity.get("epcClass") if isinstance(quantity, dict) else None
        if isinstance(name, str) and identifiers.is_lot(name.strip()):
            lots[Thing(name.strip(), Kind.OTHER)] = None
    return list(lots)


def _nothing_tracked(event: Fields) -> None:
    if any(several(event, name) for name in ("quantityList", "childQuantityList")):
        detail = "it names a class of goods only, and neither a unit, a lot nor a bill of lading"
        raise Unusable(Reject.UNSUPPORTED, "quantityList", detail)
    raise Unusable(Reject.UNSUPPORTED, "epcList", "it names neither a unit nor a bill of lading")


# -- what ----------------------------------------------------------------------------------------


def _step(event: Fields) -> str | None:
    step = text(event, "bizStep")
    return None if step is None else word(step)


def _by_step(event: Fields, what: str, cast: Cast, time: datetime) -> list[Statement]:
    """What the step, the action and the disposition say together.

    Raises:
        Unusable: nothing that we have a word for.
    """
    if what == "TransformationEvent":
        detail = "goods become other goods: nothing that is tracked moves"
        raise Unusable(Reject.UNSUPPORTED, "type", detail)
    action = (text(event, "action") or "OBSERVE").upper()
    if action not in ACTIONS:
        raise Unusable(Reject.UNKNOWN_CODE, "action", f"{action[:40]!r} is no action of EPCIS")
    step = _step(event)
    loads = step in ("loading", "unloading") and cast.carried
    if what == "AssociationEvent" and action in PAIRINGS and not loads:
        devices: list[Thing | None] = [*cast.others] or [None]
        return [
            Statement(
                f"pair/{device.id}" if device else "",
                PAIRINGS[action],
                time,
                {"device_id": device.id} if device else {},
                None,
            )
            for device in devices
        ]
    into = what == "AggregationEvent" and not cast.carried
    meaning = (INTO_PARENT if into else STEPS).get(step or "")
    if meaning is None:
        meaning = _otherwise(event, what, action, step, cast)
    return [Statement("", meaning, time, {}, None)]


def _otherwise(event: Fields, what: str, action: str, step: str | None, cast: Cast) -> Meaning:
    """What an event says whose step is not one of ours."""
    if step in FOREIGN:
        detail = f"business step {step} says nothing of where or how a unit is"
        raise Unusable(Reject.UNSUPPORTED, "bizStep", detail)
    if step is not None and step not in NEUTRAL:
        detail = f"{shown(event.get('bizStep'))} is no business step of CBV 2.0"
        raise Unusable(Reject.UNKNOWN_CODE, "bizStep", detail)
    if what == "AggregationEvent" and action in PACKED:
        return (CARRIED if cast.carried else PACKED)[action]
    disposition = text(event, "disposition")
    door = DOORS.get(word(disposition)) if disposition else None
    if door is not None:
        return door
    if any(identified(event, name) for name, _ in _LOCATIONS):
        return SIGHTING
    said = f"business step {step}" if step else "an event without a business step"
    detail = f"{said} says nothing without a place or a sensor report"
    raise Unusable(Reject.UNSUPPORTED, "bizStep", detail)


# -- when, where, and the rest -------------------------------------------------------------------


def _common(
    event: Fields, zone: str | None, source: str
) -> tuple[tuple[float, float] | None, Fields]:
    """The position, and the fields that all events of an EPCIS event share."""
    fields: Fields = {"source": source, "updated_time": None, "mode": None}
    if event.get("recordTime") is not None:
        fields["updated_time"] = adapter.moment(event["recordTime"], "recordTime", zone=zone)
    if event.get("errorDeclaration") is not None:
        declaration = block(event["errorDeclaration"], "errorDeclaration")
        declared = adapter.moment(
            declaration.get("declarationTime"), "errorDeclaration.declarationTime", zone=zone
        )
        fields["retracted"] = True
        fields["updated_time"] = max(declared, fields["updated_time"] or declared)
    if identifiers.names_vessel(text(event, "parentID")):
        fields["mode"] = Mode.VESSEL
    position, node_id, fault = None, None, None
    for name, _ in _LOCATIONS:
        id = identified(event, name)
        if id is None:
            continue
        try:
            place = identifiers.place(id, name)
        except Unusable as error:
            fault = fault or error
            continue
        position, node_id = position or place.position, node_id or place.node_id
    if fault is not None and position is None and node_id is None:
        raise fault
    fields["node_id"] = node_id
    fields["shipment_id"] = _shipment(event)
    return position, fields


def _transactions(event: Fields) -> Iterator[tuple[str, str]]:
    for index, part in enumerate(several(event, "bizTransactionList")):
        where = f"bizTransactionList[{index}]"
        transaction = block(part, where)
        number = text(transaction, "bizTransaction", f"{where}.")
        name = text(transaction, "type", f"{where}.")
        if number is not None:
            yield word(name) if name else "", number


def _shipment(event: Fields) -> str | None:
    transactions = [(local(name).lower(), number) for name, number in _transactions(event)]
    for document in _DOCUMENTS:
        for name, number in transactions:
            if name == document:
                return identifiers.document_number(number)
    return None


def _attributes(event: Fields, zone: str | None, cast: Cast) -> dict[str, Scalar]:
    """What the event says beyond the fields that we have."""
    found: dict[str, Any] = {
        "epcis_event_id": text(event, "eventID"),
        "event_time_zone_offset": zone,
        "action": text(event, "action"),
        "biz_step": _step(event),
        "disposition": _word(text(event, "disposition")),
        "certification": joined(several(event, "certificationInfo")),
        "parent": text(event, "parentID"),
        "children": joined(several(event, "childEPCs")),
        "transformation_id": text(event, "transformationID"),
        "inputs": joined(several(event, "inputEPCList")),
    }
    for name, ours in _LOCATIONS:
        found[ours] = identified(event, name)
    children = len(several(event, "childEPCs"))
    if children:
        found["children_count"] = children
    vessel = next((thing for thing in cast.others if thing.kind is Kind.VESSEL), None)
    if vessel is not None:
        found["vessel_imo_number"] = identifiers.imo_number(vessel)
    quantities = several(event, "quantityList")
    if len(quantities) == 1 and isinstance(quantities[0], dict):
        for name, ours in (("epcClass", "goods_class"), ("quantity", "quantity")):
            value = quantities[0].get(name)
            found[ours] = value if isinstance(value, str | int | float) else None
        found["quantity_unit"] = text(quantities[0], "uom", "quantityList[0].")
    found |= _lists(event)
    persistent = event.get("persistentDisposition")
    if isinstance(persistent, dict):
        for name in ("set", "unset"):
            found[f"persistent_disposition_{name}"] = joined(
                [word(value) for value in several(persistent, name) if isinstance(value, str)]
            )
    declaration = event.get("errorDeclaration")
    if isinstance(declaration, dict):
        found["error_reason"] = _word(text(declaration, "reason", "errorDeclaration."))
        found["corrective_event_ids"] = joined(several(declaration, "correctiveEventIDs"))
    return {name: value for name, value in found.items() if value is not None}


def _lists(event: Fields) -> dict[str, str]:
    """Transactions, sources and destinations, by their type; several of a type in one."""
    found: dict[str, list[str]] = {}
    for name, number in _transactions(event):
        found.setdefault(f"transaction_{_name(name) or 'document'}", []).append(number)
    for end in ("source", "destination"):
        for part in several(event, f"{end}List"):
            if isinstance(part, dict) and isinstance(part.get(end), str):
                label = _name(word(str(part.get("type") or ""))) or "party"
                found.setdefault(f"{end}_{label}", []).append(part[end].strip())
    if len(found) > MOST_LISTED:
        malformed("bizTransactionList", f"it has more than {MOST_LISTED} kinds of reference")
    return {name: joined(list(values)) or "" for name, values in found.items()}


def _name(text: str) -> str:
    """A word as part of an attribute's name."""
    return "".join(c if c.isalnum() else "_" for c in local(text).lower())[:40].strip("_")


def _word(text: str | None) -> str | None:
    return None if text is None else word(text)
