"""DCSA Track & Trace 2.2, 2.3 and 3.0, and the port calls of Just-in-Time 1.x.

Every event is read by its own shape, never by a version: flat (2.x), `metadata` and `payload`
(3.0 beta), or nested details (3.0), with four-letter codes or full words.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NoReturn

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.identity import derived_id
from producers.adapter import Item, Unusable, container, event, malformed, moment
from producers.dcsa.blocks import Attributes, Block, each_block, load
from producers.dcsa.documents import Documents, documents
from producers.dcsa.happenings import OPERATIONS, Happening, classifier, happening
from producers.dcsa.measurements import (
    equipment_attributes,
    iot_attributes,
    phase_of,
    reefer_attributes,
)
from producers.dcsa.parties import source
from producers.dcsa.places import Place, facility_type, place
from producers.dcsa.transports import delay_reasons, transport

_CHANGED = ("eventUpdatedDateTime", "eventCreatedDateTime")
_TEXTS = {
    "reason": ("reason",),
    "change_remark": ("changeRemark",),
    "remark": ("remark",),
    "description": ("description",),
}
_MARKS = (
    "eventID",
    "eventType",
    "eventClassification",
    "eventClassifierCode",
    "metadata",
    OPERATIONS,
    "isRetracted",
)
_BARE = (
    "a retraction of nothing but an id reaches nobody: events are kept by what they are of, so"
    " send the event whole, and retracted"
)
_REPEATED = frozenset({EventType.IOT, EventType.REEFER, EventType.SHIPMENT})


def decode(message: bytes, sender: str) -> list[Item]:
    """Reads one event, a list of them, or an object or page with `events`."""
    try:
        value = load(message)
        if isinstance(value, list):
            return _events(value, "", Block(), sender)
        whole = Block.of(value, "")
        found = whole.find("events")
        if found is not None:
            path, parts = found
            if not isinstance(parts, dict | list):
                malformed(path, "must be a list of events")
            return _events(parts if isinstance(parts, list) else [parts], path, whole, sender)
        if whole.find(*_MARKS) is None:
            malformed("events", "the message is no event, and has no events")
        return list(_event(value, "", Block(), sender))
    except Unusable as error:
        return [error.rejected]


def _events(parts: list[Any], path: str, page: Block, sender: str) -> list[Item]:
    return each_block(
        enumerate(parts), lambda part: _event(part[1], f"{path}[{part[0]}]", page, sender)
    )


def _event(value: Any, path: str, page: Block, sender: str) -> Iterable[Item]:
    """Reads one event.

    Args:
        value: The event.
        path: Where it is.
        page: What it came in: documents that are named there are those of all events.
        sender: Who sent it.
    """
    root = Block.of(value, path)
    body = root.block("payload") | root.block("metadata") | root
    equipment = body.block("equipmentDetails") | body
    movement = body.block("transportDetails") | body
    call = movement.block("transportCall") | body
    taken_back = body.text("retractedEventID")
    retracted = taken_back is not None or body.flag("isRetracted")
    if retracted and body.find("eventClassification", "eventDateTime") is None:
        path, _ = body.find("retractedEventID", "isRetracted") or ("", None)
        raise Unusable(Reject.UNSUPPORTED, path, _BARE)
    papers = documents(body.block("shipmentDetails") | body, page)
    reference = equipment.find("equipmentReference")
    unit_id = None
    if reference is not None:
        unit_id = container(equipment.text("equipmentReference") or "", reference[0])

    at = facility_type(body.only("eventLocation"), body.only("location"), body, call)
    what = happening(body, papers.primary, at)
    how = classifier(body, what.event_type, retracted)
    carried = transport(call, what.code, phase_of(equipment))
    run_ids, shipment_id = carried.run_ids, papers.shipment_id
    of_run = what.event_type is EventType.TRANSPORT  # what happens to a box is not of all aboard
    if unit_id is None and shipment_id is None and not (run_ids and of_run):
        # what is left: the one box that it refers to, or a lorry by its plate
        if len(papers.equipment) == 1:
            unit_id = container(papers.equipment[0], body.where("references"))
        elif carried.truck is not None and of_run:
            run_ids = (carried.truck,)
        else:
            _nobody(equipment, what)
    where = place((body.only("eventLocation"), body.only("location"), call.only("location") | call))
    event_time, updated_time = _times(body, retracted)
    spoken_by, attributes = source(body, sender)
    told_id = taken_back or body.text("eventID")
    attributes |= where.attributes | carried.attributes | papers.attributes
    attributes |= equipment_attributes(equipment) | _particulars(body, movement, what, at)
    delays, unlisted = delay_reasons(movement)
    attributes |= unlisted
    mode = carried.mode
    if mode is None and body.find(OPERATIONS):
        mode = Mode.VESSEL  # Just-in-Time is of vessels only
    for run_id in run_ids or (None,):
        subject = (unit_id or "", run_id or "", shipment_id or "")
        event_id = told_id if len(run_ids) < 2 else told_id and f"{told_id}/{run_id}"
        yield event(
            event_id=event_id
            or _derived_id(what, how, subject, papers, where, event_time, updated_time),
            source=spoken_by,
            event_type=what.event_type,
            code=what.code,
            classifier=how,
            event_time=event_time,
            updated_time=updated_time,
            retracted=retracted or None,
            unit_id=unit_id,
            run_id=run_id,
            shipment_id=shipment_id,
            mode=mode,
            node_id=where.node_id,
            latitude=where.latitude,
            longitude=where.longitude,
            delay_reasons=delays or None,
            attributes=attributes or None,
        )


def _particulars(body: Block, movement: Block, what: Happening, at: str | None) -> Attributes:
    """What is said in words, and what is measured."""
    attributes = (movement | body.block("shipmentDetails")).take(_TEXTS)
    if at is not None:
        attributes["facility_type"] = at
    if what.told is not None:
        attributes["dcsa_code"] = what.told
    if what.event_type is EventType.IOT:
        attributes |= iot_attributes(body.block("iotDetails") | body)
    elif what.event_type is EventType.REEFER:
        attributes |= reefer_attributes(body.block("reeferDetails") | body)
    return attributes


def _times(body: Block, retracted: bool) -> tuple[datetime, datetime | None]:
    """When it happens, and when the event was last changed."""
    told, changed = body.find("eventDateTime"), body.find(*_CHANGED)
    updated = moment(changed[1], changed[0]) if changed else None
    if told is not None:
        return moment(told[1], told[0]), updated
    if retracted and updated is not None:
        return updated, updated  # of an event that is taken back, its time is irrelevant
    malformed(body.where("eventDateTime"), "the event does not say when it happens")


def _derived_id(
    what: Happening,
    how: Classifier,
    subject: tuple[str, str, str],
    papers: Documents,
    where: Place,
    event_time: datetime,
    updated_time: datetime | None,
) -> str:
    """An id for an event that has none: the same when the same is said again, or corrected.

    The time is part of it where the event can happen to the subject again, and where nothing says
    which of two is newer.
    """
    unit_id, *journey = subject
    again = what.event_type in _REPEATED or (unit_id and not any(journey))
    place_of_it = where.node_id or f"{where.latitude},{where.longitude}"
    if where.node_id is None and where.latitude is None:
        place_of_it = str(where.attributes.get("location_name", ""))
    facility = str(where.attributes.get("facility_code", ""))
    time = event_time.isoformat() if again or updated_time is None else ""
    about = (papers.primary or "", str(papers.attributes.get("document_number", "")))
    said = (what.event_type, what.code, how, *subject, *about, place_of_it, facility, time)
    return derived_id("dcsa-tnt", *said)


def _nobody(equipment: Block, what: Happening) -> NoReturn:
    lacking = "no equipment, no transport document or booking"
    if what.event_type is EventType.TRANSPORT:
        lacking += ", and no vessel with its voyage, rail departure or lorry"
    path = equipment.where("equipmentReference")
    malformed(path, f"{what.code} of what? The event names {lacking}")
