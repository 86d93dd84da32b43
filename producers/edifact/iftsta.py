"""IFTSTA, the status report of carriers and forwarders: an event for each status of each unit.

Directories D.95B to D.24A. Ocean carriers add the calls of the journey, with the times that they
expect: these are events too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from producers.adapter import Item, Unusable, container, malformed
from producers.edifact import times
from producers.edifact.group import (
    AIR_WAYBILLS,
    Attributes,
    Group,
    Transport,
    air_waybill,
    containers,
    equipment,
    place,
    references,
    shipment,
    split,
)
from producers.edifact.header import Header, within
from producers.edifact.interchange import Message, Segment
from producers.edifact.statuses import (
    CARRIERS_OWN,
    CATEGORIES_OF_OTHERS,
    REC_24,
    REC_24_WITHOUT_EVENT,
    SMDG_DELAYS,
    X12,
    Status,
)

_TIMES = {
    # data element 2005, the likeliest first
    Classifier.ACTUAL: ("334", "78", "7", "203", "178", "186", "35", "11", "200", "310"),
    Classifier.ESTIMATED: ("132", "133", "17", "191"),
    Classifier.PLANNED: ("232", "189", "10", "2"),
}
_MOVES = {"ARRIVED", "DEPARTED", "LOADED", "DISCHARGED", "CROSSED", "HANDED_OVER"}
"""What happens to a box with the vehicle that the message names."""
_LEAVES = {"DEPARTED", "LOADED", "PICKED_UP"}
_EXPECTED = {"ARRIVED": ("132", "17"), "DEPARTED": ("133",)}
_HERE = ("175", "14", "165")
"""Data element 3227: activity, goods, terminal."""
_FROM, _TO = ("9", "5", "88"), ("11", "8", "60", "7")
_CALLS = {
    # data element 2005 behind a place of the journey
    "132": ("ARRIVED", Classifier.ESTIMATED),
    "178": ("ARRIVED", Classifier.ACTUAL),
    "232": ("ARRIVED", Classifier.PLANNED),
    "133": ("DEPARTED", Classifier.ESTIMATED),
    "186": ("DEPARTED", Classifier.ACTUAL),
    "189": ("DEPARTED", Classifier.PLANNED),
}


MOST = 50_000
"""Events of one message: each status could be of each container, and each of them have calls."""


def read(message: Message, header: Header) -> list[Item]:
    """Every status of a message.

    Raises:
        Unusable: it has none.
    """
    items: list[Item] = []
    for index, (status, consignment, head) in enumerate(_statements(message)):
        items.extend(within(f"STS[{index}]", _statement(header, status, consignment, head)))
        if len(items) > MOST:
            detail = f"after {MOST:,} events of one message the rest is not read"
            items.append(Rejected(Reject.UNSUPPORTED, f"STS[{index}]", detail))
            break
    return items


def _statements(message: Message) -> Iterator[tuple[Group, Group, Group]]:
    """Each status with its consignment and the message's head."""
    head, consignments = split(message.segments, "CNI")
    if not consignments:
        # some leave out CNI where there is one consignment
        head, statuses = split(message.segments, "STS")
        if not statuses:
            malformed("STS", "the message has no status")
        if head.first("EQD") and any(status.first("EQD") for status in statuses):
            malformed("EQD", "containers come before and after a status: whose are they?")
        for status in statuses:
            yield status, Group(()), head
    for consignment in consignments:
        common, statuses = split(consignment.segments, "STS")
        for status in statuses or [Group(())]:
            yield status, common, head


def _statement(header: Header, status: Group, consignment: Group, head: Group) -> list[Item]:
    """What a status says of each of its units, and the calls of the journey with it."""
    subject = _Subject.of(status, consignment, head)
    items: list[Item] = [fault.rejected for fault in subject.faults]
    if len(subject.units) * len(status.segments) > MOST:
        detail = f"a status of {len(subject.units):,} units with so many places is not read"
        return [Rejected(Reject.UNSUPPORTED, None, detail)]
    if not subject.units and not subject.shipment_id:
        if not items:
            detail = "it names neither a container nor a transport document or booking"
            items.append(Rejected(Reject.MALFORMED, "CNI", detail))
        return items
    try:
        items.extend(_happened(header, status, subject))
    except Unusable as fault:
        items.append(fault.rejected)
    said = {item.event_id for item in items if isinstance(item, TrackingEvent)}
    for call in _calls(header, status, subject):
        # the journey repeats what the status has said
        if isinstance(call, Rejected) or call.event_id not in said:
            said.update([] if isinstance(call, Rejected) else [call.event_id])
            items.append(call)
    return items


@dataclass(frozen=True, slots=True)
class _Subject:
    """Whom a status is of."""

    units: dict[str | None, Attributes]
    """What is said of each; None stands for the whole shipment."""
    shipment_id: str | None
    common: Attributes
    faults: list[Unusable]

    @classmethod
    def of(cls, status: Group, consignment: Group, head: Group) -> "_Subject":
        near = (status, consignment, head)
        units: dict[str | None, Attributes] = {}
        faults: list[Unusable] = []
        named = containers(*near)
        for number, field in named.items():
            details = (group.details[number] for group in near if number in group.details)
            try:
                units[container(number, field)] = next(details, {})
            except Unusable as fault:
                faults.append(fault)
        if not named:
            ulds = next((g.unit_load_devices for g in near if g.unit_load_devices), [])
            units.update((uld, {}) for uld in ulds)
        if not named and not units:
            waybill = next(filter(None, (g.reference(*AIR_WAYBILLS) for g in near)), "")
            units.update({air_waybill(waybill): {}} if air_waybill(waybill) else {})
        cni = consignment.first("CNI")
        shipment_id = shipment(*near, consignment=cni.text(2) if cni else "")
        if not units and not faults and shipment_id:
            units[None] = {}
        common = equipment(status.until("EQD")) | references(*near)
        return cls(units, shipment_id, common, faults)


def _happened(header: Header, status: Group, subject: _Subject) -> Iterator[Item]:
    """The status itself."""
    sts = status.first("STS")
    if sts is None:
        malformed("4405", "there is no status code")
    meaning = _meaning(sts)
    own = status.until("TDT", "EQD", "GID")
    stages = _stages(status)
    transport, journey = next(
        (stage for stage in stages if stage[0].stage == "20"), stages[0] if stages else (None, None)
    )
    if meaning.classifier is Classifier.ESTIMATED:
        dtm, loc = _expected(meaning, own, [group for _, group in stages])
        classifier = Classifier.ESTIMATED
    else:
        dtm, classifier = _time(own)
        loc = own.first("LOC", *_HERE) or _end(meaning.code, own, journey)
    where = place(loc) if loc else None
    when = times.instant(dtm, where.node_id if where else None)
    reasons = [sts.code(n) for n in range(3, 8) if sts.text(n)]
    said: Attributes = {
        "status_code": sts.text(2),
        "status_text": sts.text(2, 4),
        "status_note": meaning.note or "",
        "reason_codes": ", ".join(reasons),
        "reason_text": "; ".join(sts.text(n, 4) for n in range(3, 8) if sts.text(n, 4)),
    }
    said = {name: value for name, value in said.items() if value}
    mode, run_id = meaning.mode, None
    if transport is not None:
        moves = meaning.code in _MOVES
        if moves and meaning.mode in (None, transport.mode):
            run_id = transport.run_id or _flight(transport, journey)
        if mode is None and (moves or transport.mode is not Mode.VESSEL):
            mode = transport.mode
        said |= transport.attributes()
    for unit_id, details in subject.units.items():
        yield header.event(
            meaning.event_type,
            meaning.code,
            when,
            classifier=classifier,
            unit_id=unit_id,
            shipment_id=subject.shipment_id,
            run_id=run_id,
            visit=run_id or (transport.number.upper() if transport else None),
            mode=mode,
            place=where,
            delay_reasons=meaning.delay_reasons + tuple(r for r in reasons if r in SMDG_DELAYS),
            attributes=subject.common | details | said,
        )


def _meaning(sts: Segment) -> Status:
    category, code, agency = sts.code(1), sts.code(2).lstrip("0"), sts.code(2, 3)
    if category in CATEGORIES_OF_OTHERS:
        detail = f"status category {category} is not transport (1)"
        raise Unusable(Reject.UNSUPPORTED, "9015", detail)
    if not code:
        malformed("4405", "there is no status code")
    said = f"status {code[:10]} {sts.text(2, 4)[:60]}".strip()
    if code in REC_24:
        return REC_24[code]
    if code in REC_24_WITHOUT_EVENT:
        detail = f"{said} of Recommendation 24 is nothing that we have an event for"
        raise Unusable(Reject.UNSUPPORTED, "4405", detail)
    if code in X12 and agency not in CARRIERS_OWN:
        return X12[code]
    whose = f", which agency {agency[:10]} has assigned," if agency else ""
    detail = f"{said}{whose} is neither of Recommendation 24 nor of X12"
    raise Unusable(Reject.UNKNOWN_CODE, "4405", detail)


def _time(own: Group) -> tuple[Segment, Classifier]:
    """When it happened, else when it is expected to, else when it is planned."""
    for classifier, qualifiers in _TIMES.items():
        dtm = own.first("DTM", *qualifiers)
        if dtm is not None:
            return dtm, classifier
    malformed("DTM", "the status does not say when: DTM+334 or DTM+7 is missing")


def _expected(meaning: Status, own: Group, journey: list[Group]) -> tuple[Segment, Segment | None]:
    """When and where something is expected: by the status itself, else along the journey."""
    qualifiers = _EXPECTED.get(meaning.code, _EXPECTED["ARRIVED"])
    what = meaning.note or meaning.code.lower()
    loc = _end(meaning.code, own, None)
    if loc is None and not (meaning.delay and meaning.code == "ARRIVED"):
        loc = own.first("LOC", *_HERE)  # of a delay on the way this is where it is now
    dtm = own.first("DTM", *qualifiers)
    if dtm is None:
        calls = [
            (due, there)
            for stage in journey
            for due, there in _dated(stage)
            if due.code(1) in qualifiers and (loc is None or there.code(2) == loc.code(2))
        ]
        if not calls:
            detail = f"{what}: the status does not say until when (DTM+132 or DTM+133)"
            raise Unusable(Reject.UNSUPPORTED, "DTM", detail)
        dtm, loc = calls[0 if meaning.code in _LEAVES else -1]
    for stage in journey:
        loc = loc or _end(meaning.code, stage, None)
    if loc is None and meaning.delay:
        raise Unusable(Reject.UNSUPPORTED, "LOC", f"{what}: the status does not say where to")
    return dtm, loc


def _end(code: str, own: Group, journey: Group | None) -> Segment | None:
    """The end of the journey that a status is of."""
    ends = _FROM if code in _LEAVES else _TO
    return own.first("LOC", *ends) or (journey.first("LOC", *ends) if journey else None)


def _dated(stage: Group) -> Iterator[tuple[Segment, Segment]]:
    """The times of the calls of a stage, each with its place."""
    loc: Segment | None = None
    for segment in stage.segments:
        if segment.tag == "LOC":
            loc = segment
        elif segment.tag == "DTM" and loc is not None and segment.code(1) in _CALLS:
            yield segment, loc


def _stages(status: Group) -> list[tuple[Transport, Group]]:
    """The stages of the journey, each with its places and times."""
    groups = split(status.until("EQD", "GID").segments, "TDT")[1]
    return [(Transport.of(g.segments[0], g.reference("VON")), g) for g in groups]


def _flight(transport: Transport, journey: Group | None) -> str | None:
    """Carrier, number and the local day of departure: scheduled, else as stated."""
    dtm = journey.first("DTM", "189", "133", "186") if journey else None
    number = re.sub(r"\s+", "", transport.number).upper()
    if transport.mode is not Mode.AIR or dtm is None or not number:
        return None
    if number.isdigit():
        number = transport.carrier.upper() + number
    day = dtm.text(1, 2)[:8]
    return f"{number}-{day}" if day.startswith("20") and len(day) == 8 else None


def _calls(header: Header, status: Group, subject: _Subject) -> Iterator[TrackingEvent | Rejected]:
    """Arrivals and departures along the journey, actual and expected."""
    for transport, journey in _stages(status):
        for dtm, loc in _dated(journey):
            try:
                yield from _call(header, transport, journey, loc, dtm, subject)
            except Unusable as fault:
                yield fault.rejected


def _call(
    header: Header,
    transport: Transport,
    journey: Group,
    loc: Segment,
    dtm: Segment,
    subject: _Subject,
) -> Iterator[TrackingEvent]:
    where = place(loc)
    if where.node_id is None:
        return
    code, classifier = _CALLS[dtm.code(1)]
    # the ports of the main carriage are also told with the train that comes after it
    aboard = transport.stage == "20" and loc.code(1) != "7"
    run_id = (transport.run_id or _flight(transport, journey)) if aboard else None
    when = times.instant(dtm, where.node_id)
    for unit_id, details in subject.units.items():
        yield header.event(
            EventType.TRANSPORT,
            code,
            when,
            classifier=classifier,
            unit_id=unit_id,
            shipment_id=subject.shipment_id,
            run_id=run_id,
            visit=run_id or transport.number.upper() or None,
            mode=transport.mode if aboard else None,
            place=where,
            attributes=subject.common | details | (transport.attributes() if aboard else {}),
        )
