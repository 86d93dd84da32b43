"""CODECO, the gate report, and COARRI, the discharge and loading report: one event a container.

SMDG user manuals for D.95B and D.00B, and the ITIGG rules that they follow. The same code of a
document means the same in both directories.
"""

from collections.abc import Iterator

from corridor.codes import EventType, Mode, Reject
from producers.adapter import Item, Unusable, container, each, malformed
from producers.edifact import times
from producers.edifact.group import (
    Attributes,
    Group,
    Place,
    Transport,
    equipment,
    place,
    references,
    shipment,
    split,
)
from producers.edifact.header import Header
from producers.edifact.interchange import Message

REPORTS = {
    # data element 1001: the UN's codes, and those of SMDG's older and newer manuals
    "CODECO": {"34": "GATED_IN", "36": "GATED_OUT"},
    "COARRI": {
        "44": "DISCHARGED", "98": "DISCHARGED", "119": "DISCHARGED",
        "46": "LOADED", "270": "LOADED", "122": "LOADED",
    },
}  # fmt: skip
_NOT_MOVED = {
    # data element 8249 in a COARRI
    "4": "remained on board",
    "7": "is short-landed: it was expected and did not come",
}
_OVERLANDED = "8"
_ACCOMPANYING = {"CH", "RG", "RGF", "CHS"}
"""Data element 8053: chassis and generator sets, which come along with a container."""
_TIMES = ("203", "7", "181")
"""Data element 2005: execution, effective, positioning of equipment."""
_PLACES = {
    # data element 3227: where the report is of, in the header or with the container
    "GATED_IN": ("165", "99", "14"),
    "GATED_OUT": ("165", "98", "14"),
    "DISCHARGED": ("11", "165"),
    "LOADED": ("9", "165"),
}
_PORTS = {"2": "9", "3": "11", "6": "11"}
"""The port of a terminal that names itself nowhere: of an export box where it is loaded, of an
import box where it is discharged."""
_STAGES = {"GATED_IN": ("10", "1", "30"), "GATED_OUT": ("30", "1", "10")}
"""Data element 8051: what brings a container, and what takes it away."""


def read(message: Message, header: Header) -> list[Item]:
    """What happened to each container of a message.

    Raises:
        Unusable: it reports nothing that we know.
    """
    reports = REPORTS[header.kind]
    code = reports.get(header.document)
    if code is None:
        known = ", ".join(f"{number} {name}" for number, name in reports.items())
        detail = f"document {header.document[:20]!r} is no report of a {header.kind}: {known}"
        raise Unusable(Reject.UNKNOWN_CODE, "BGM.1001", detail)
    head, groups = split(message.segments, "EQD")
    if not groups:
        malformed("EQD", "the message names no container")
    common = _control(message, len(groups)) | _vessel_times(head)
    common |= equipment(Group((*head.all("NAD"), *head.all("LOC", "9", "11"))))
    return each("EQD", groups, lambda group: _movement(header, head, group, code, common))


def _movement(
    header: Header, head: Group, group: Group, code: str, common: Attributes
) -> Iterator[Item]:
    eqd = group.segments[0]
    if eqd.code(1) in _ACCOMPANYING:
        return
    if eqd.code(1) != "CN":
        detail = f"equipment {eqd.code(1)[:10]!r} is no container (CN)"
        raise Unusable(Reject.UNSUPPORTED, "8053", detail)
    unit_id = container(eqd.text(2), "8260")
    if header.kind == "COARRI" and eqd.text(5) in _NOT_MOVED:
        detail = f"container {unit_id} {_NOT_MOVED[eqd.text(5)]}, so nothing happened to it"
        raise Unusable(Reject.UNSUPPORTED, "8249", detail)
    where, basis = _place(head, group, code, eqd.text(5))
    dtm = group.first("DTM", *_TIMES) or head.first("DTM", *_TIMES)
    if dtm is None:
        malformed("DTM", "it does not say when: DTM+203 or DTM+7 is missing")
    stages = head.stages | group.stages
    sailing = stages.get("20")
    said = common | basis | equipment(group) | references(group, head)
    mode: Mode | None
    if header.kind == "COARRI":
        carrying = sailing
        mode = Mode.BARGE if sailing and sailing.mode is Mode.BARGE else Mode.VESSEL
    else:
        carrying = _inland(stages, code)
        mode = carrying.mode if carrying else None
        if sailing is not None and sailing is not carrying:
            # the box passed a gate, not a ship's rail: the ship is only why
            said |= sailing.attributes("main_")
            said |= {"main_run_id": sailing.run_id} if sailing.run_id else {}
    said |= carrying.attributes() if carrying else {}
    yield header.event(
        EventType.EQUIPMENT,
        code,
        times.instant(dtm, where.node_id if where else None),
        unit_id=unit_id,
        shipment_id=shipment(group, head),
        run_id=carrying.run_id if carrying else None,
        visit=(sailing.run_id or sailing.number.upper()) if sailing else None,
        mode=mode,
        place=where,
        attributes=said,
    )


def _place(head: Group, group: Group, code: str, status: str) -> tuple[Place | None, Attributes]:
    # some headers name the ship's other ports too; but an over-landed box names another
    order = (head, group) if status == _OVERLANDED else (group, head)
    for qualifier in _PLACES[code]:
        locs = [loc for part in order if (loc := part.first("LOC", qualifier))]
        if locs:
            # the same port may be told once with its terminal and once without
            terminals = [*locs, *(loc for part in order if (loc := part.first("LOC", "165")))]
            same = (loc for loc in terminals if loc.code(2) == locs[0].code(2) and loc.text(3))
            return place(next(same, locs[0])), {}
    if code.startswith("GATED"):
        port = _PORTS.get(status)
        for part in (head, group):
            loc = part.first("LOC", port) if port else None
            if loc is not None:
                return place(loc), {"place_taken_from": f"LOC+{port}"}
    return None, {}


def _inland(stages: dict[str, Transport], code: str) -> Transport | None:
    """What passed the gate with the container."""
    found = next((stages[number] for number in _STAGES[code] if number in stages), None)
    main = stages.get("20")
    if found is None and main is not None and main.mode not in (None, Mode.VESSEL):
        return main  # some give the truck as the main carriage
    return found


def _vessel_times(head: Group) -> Attributes:
    names = {"132": "vessel_eta", "133": "vessel_etd", "178": "vessel_ata", "186": "vessel_atd"}
    return {names[dtm.code(1)]: dtm.text(1, 2) for dtm in head.all("DTM", *names)}


def _control(message: Message, groups: int) -> Attributes:
    """UNT says whether segments were lost; this total is only the sender's own arithmetic."""
    cnt = Group(message.segments).first("CNT", "16")
    stated = cnt.text(1, 2)[:9] if cnt else ""
    if not (stated.isascii() and stated.isdigit()) or int(stated) == groups:
        return {}
    return {"control_total_fault": f"CNT+16 says {stated}, there are {groups}"}
