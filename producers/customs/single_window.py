"""Decisions of a customs single window: a JSON format of ours, in the words of the trade.

There is no open standard for what a single window tells the trade of its decisions: the WCO data
model and UN/EDIFACT CUSRES are bound to each authority's profile. A gateway of an authority
translates its own messages into this one. `docs/schemas/SingleWindowMessage.json` is its schema.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, TypeVar

import orjson
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from corridor import topics
from corridor.codes import EventType, Mode, Reject
from corridor.decoding import Rejected, explain
from corridor.identity import derived_id
from producers import adapter
from producers.adapter import Format, Item, Unusable, each, malformed
from producers.air.waybills import waybill
from producers.customs.carnets import carnet

MOST = 5_000
"""Units of one statement."""

_BOM = b"\xef\xbb\xbf"


def _code(value: Any) -> Any:
    return re.sub(r"[\s-]+", "_", value.strip()).upper() if isinstance(value, str) else value


def _list(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, str) else value


def _moment(value: Any) -> datetime:
    try:
        return adapter.moment(value, "")
    except Unusable as error:
        raise PydanticCustomError("no_time", "{why}", {"why": error.rejected.detail}) from None


Text = Annotated[str, Field(min_length=1, max_length=500)]
Texts = Annotated[list[Text], BeforeValidator(_list), Field(max_length=MOST)]
Few = Annotated[list[Text], BeforeValidator(_list), Field(max_length=50)]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]


class Procedure(StrEnum):
    EXPORT = "EXPORT"
    IMPORT = "IMPORT"
    TRANSIT = "TRANSIT"
    TRANSSHIPMENT = "TRANSSHIPMENT"
    TEMPORARY_STORAGE = "TEMPORARY_STORAGE"
    TEMPORARY_ADMISSION = "TEMPORARY_ADMISSION"
    WAREHOUSING = "WAREHOUSING"
    OTHER = "OTHER"


class Lane(StrEnum):
    """How the risk of a declaration was judged."""

    GREEN = "GREEN"
    BLUE = "BLUE"  # released, to be audited later
    YELLOW = "YELLOW"  # documents
    ORANGE = "ORANGE"  # scan
    RED = "RED"  # goods


class Verdict(StrEnum):
    """What was decided."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    RELEASED = "RELEASED"
    TRANSIT_RELEASED = "TRANSIT_RELEASED"
    SELECTED_FOR_DOCUMENT_CHECK = "SELECTED_FOR_DOCUMENT_CHECK"
    SELECTED_FOR_INSPECTION = "SELECTED_FOR_INSPECTION"
    SELECTED_FOR_SCAN = "SELECTED_FOR_SCAN"
    HELD = "HELD"
    DETAINED = "DETAINED"
    RELEASED_FROM_HOLD = "RELEASED_FROM_HOLD"
    SEIZED = "SEIZED"
    REFUSED = "REFUSED"
    EXIT_CONFIRMED = "EXIT_CONFIRMED"


CODE_OF = {
    Verdict.ACCEPTED: "DECLARATION_ACCEPTED",
    Verdict.REJECTED: "DECLARATION_REJECTED",
    Verdict.RELEASED: "CUSTOMS_RELEASED",
    Verdict.TRANSIT_RELEASED: "TRANSIT_ALLOWED",
    Verdict.SELECTED_FOR_DOCUMENT_CHECK: "DOCUMENTS_REQUIRED",
    Verdict.SELECTED_FOR_INSPECTION: "CUSTOMS_SELECTED_FOR_INSPECTION",
    Verdict.SELECTED_FOR_SCAN: "CUSTOMS_SELECTED_FOR_SCAN",
    Verdict.HELD: "ON_HOLD",
    Verdict.DETAINED: "ON_HOLD",
    Verdict.RELEASED_FROM_HOLD: "HOLD_LIFTED",
    Verdict.SEIZED: "SEIZED",
    Verdict.REFUSED: "REFUSED",
    Verdict.EXIT_CONFIRMED: "EXIT_CONFIRMED",
}
"""The code of EventType.CUSTOMS for each decision."""


class Kind(StrEnum):
    """What an inspection is."""

    DOCUMENTS = "DOCUMENTS"
    SCAN = "SCAN"
    PHYSICAL = "PHYSICAL"
    SAMPLING = "SAMPLING"
    QUARANTINE = "QUARANTINE"
    WEIGHING = "WEIGHING"


class Result(StrEnum):
    """What an inspection came to."""

    PASSED = "PASSED"
    DISCREPANCY = "DISCREPANCY"
    FAILED = "FAILED"
    INCONCLUSIVE = "INCONCLUSIVE"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


class Statement(_Part):
    """What decisions and inspections share."""

    declaration_number: Text = Field(description="The authority's number of the declaration.")
    procedure: Annotated[Procedure, BeforeValidator(_code)] | None = None
    containers: Texts = Field([], description="ISO 6346 numbers; each is a unit.")
    air_waybills: Texts = Field([], description="999-99999999; each is a unit.")
    tir_carnets: Texts = Field([], description="Carnet or guarantee numbers; each is a unit.")
    transport_document: Text | None = Field(
        None, description="Bill of lading or consignment note; the subject where no unit is named."
    )
    booking: Text | None = None
    office: Text | None = Field(None, description="The customs office's own code.")
    location: Text | None = Field(None, description="UN/LOCODE of where the goods are.")
    facility: Text | None = Field(None, description="Terminal or station at that place.")
    seals: Few = Field([], description="Seals that customs put on or checked.")
    reason_codes: Few = Field([], description="The authority's own codes.")
    remark: Annotated[str, Field(max_length=2000)] | None = None
    cancelled: bool = Field(
        False, description="It no longer stands: the same id again, with this set."
    )


class Decision(Statement):
    """One decision on a declaration, of all or some of its units."""

    decision_id: Text = Field(description="Stable: a correction has the same.")
    decision: Annotated[Verdict, BeforeValidator(_code)]
    decided_time: Moment
    lane: Annotated[Lane, BeforeValidator(_code)] | None = None


class Inspection(Statement):
    """One inspection: told when it begins, and again, under the same id, when it has ended."""

    inspection_id: Text = Field(description="Stable: a correction, and its end, have the same.")
    kind: Annotated[Kind, BeforeValidator(_code)]
    begin_time: Moment | None = None
    end_time: Moment | None = None
    result: Annotated[Result, BeforeValidator(_code)] | None = None


class SingleWindowMessage(_Part):
    """What a single window has decided, in one message."""

    message_id: Text
    sender: Text | None = Field(None, description="The authority; by default who sent the message.")
    sent_time: Moment = Field(description="When it was made: newer corrects older.")
    decisions: list[Decision] = []
    inspections: list[Inspection] = []


M = TypeVar("M", bound=BaseModel)


def decode(message: bytes, sender: str) -> list[Item]:
    """What a message of a single window says; see `producers.adapter`."""
    try:
        document = orjson.loads(message.removeprefix(_BOM))
    except orjson.JSONDecodeError as error:
        return [Rejected(Reject.MALFORMED, None, f"it is no JSON: {error}")]
    if not isinstance(document, dict):
        return [Rejected(Reject.MALFORMED, None, "the message is one object")]
    try:
        head = _valid(SingleWindowMessage, document | {"decisions": [], "inspections": []})
        decisions, inspections = _parts(document, "decisions"), _parts(document, "inspections")
    except Unusable as error:
        return [error.rejected]
    source = head.sender or sender
    items: list[Item] = each(
        "decisions", enumerate(decisions), lambda part: _decided(*part, head, source)
    )
    items += each(
        "inspections", enumerate(inspections), lambda part: _inspected(*part, head, source)
    )
    return items


def _parts(document: dict[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _valid(model: type[M], value: Any) -> M:
    """Raises `Unusable`: the model does not take it."""
    if isinstance(value, dict):
        value = {name: part for name, part in value.items() if part is not None}
    try:
        return model.model_validate(value)
    except ValidationError as error:
        rejected = explain(error)
        if error.errors(include_url=False, include_input=False)[0]["type"] == "enum":
            rejected = rejected._replace(reason=Reject.UNKNOWN_CODE)
        raise Unusable(*rejected) from None


class _Happening(NamedTuple):
    """What a statement says of each of its units."""

    part: str
    """With the statement's id, what stays the same when it is corrected."""
    code: str
    time: datetime
    attributes: Mapping[str, str | None]


def _decided(index: int, part: Any, head: SingleWindowMessage, source: str) -> Iterator[Item]:
    decision = _valid(Decision, part)
    about = {
        "decision_id": decision.decision_id,
        "decision": decision.decision.value,
        "lane": decision.lane and decision.lane.value,
    }
    code = CODE_OF[decision.decision]
    happening = _Happening(f"decision/{decision.decision_id}", code, decision.decided_time, about)
    return _events(decision, f"decisions[{index}]", [happening], head, source)


def _inspected(index: int, part: Any, head: SingleWindowMessage, source: str) -> Iterator[Item]:
    inspection = _valid(Inspection, part)
    begin, end, result = inspection.begin_time, inspection.end_time, inspection.result
    if begin is None and end is None:
        malformed("begin_time", "an inspection has begun, or ended, at a time")
    if begin is not None and end is not None and end < begin:
        malformed("end_time", "it ends before it begins")
    if result is not None and end is None:
        malformed("end_time", "an inspection with a result has ended at a time")
    about = {"inspection_id": inspection.inspection_id, "inspection": inspection.kind.value}
    happenings = []
    if begin is not None:
        part = f"inspection/begin/{inspection.inspection_id}"
        happenings.append(_Happening(part, "INSPECTION_STARTED", begin, about))
    if end is not None:
        part = f"inspection/end/{inspection.inspection_id}"
        told = about | {"result": result and result.value}
        happenings.append(_Happening(part, "INSPECTED", end, told))
    return _events(inspection, f"inspections[{index}]", happenings, head, source)


def _events(
    statement: Statement,
    path: str,
    happenings: list[_Happening],
    head: SingleWindowMessage,
    source: str,
) -> Iterator[Item]:
    units, faults = _units(statement, path)
    yield from faults
    shipment_id = statement.transport_document or statement.booking
    if not units and not faults:
        if shipment_id is None:
            malformed("containers", "it names neither a unit nor a transport document")
        units = [(None, None)]
    node_id = None
    if statement.location is not None:
        node_id = adapter.node(statement.location, "location", statement.facility)
    shared = {
        "declaration_number": statement.declaration_number,
        "procedure": statement.procedure and statement.procedure.value,
        "customs_office": statement.office,
        "facility_code": statement.facility,
        "booking": statement.booking,
        "seals": ", ".join(statement.seals) or None,
        "reason_codes": ", ".join(statement.reason_codes) or None,
        "remark": statement.remark,
        "message_id": head.message_id,
    }
    for unit_id, mode in units:
        for happening in happenings:
            told = {**shared, **happening.attributes}
            yield adapter.event(
                event_id=derived_id("single-window", happening.part, unit_id or shipment_id or ""),
                source=source,
                event_type=EventType.CUSTOMS,
                code=happening.code,
                event_time=happening.time,
                updated_time=head.sent_time,
                retracted=statement.cancelled or None,
                unit_id=unit_id,
                shipment_id=shipment_id,
                mode=mode,
                node_id=node_id,
                attributes={name: value for name, value in told.items() if value is not None},
            )


_UNITS: tuple[tuple[str, Callable[[str, str], str], Mode | None], ...] = (
    ("containers", adapter.container, None),
    ("air_waybills", waybill, Mode.AIR),
    ("tir_carnets", carnet, Mode.TRUCK),
)


def _units(
    statement: Statement, path: str
) -> tuple[list[tuple[str | None, Mode | None]], list[Rejected]]:
    """The units that can be, and what is wrong with the others."""
    units: dict[tuple[str | None, Mode | None], None] = {}
    faults: list[Rejected] = []
    for name, check, mode in _UNITS:
        for index, text in enumerate(getattr(statement, name)):
            try:
                units[check(text, f"{path}.{name}[{index}]"), mode] = None
            except Unusable as error:
                faults.append(error.rejected)
    return list(units), faults


def _recognises(message: bytes) -> bool:
    start = message[:64].lstrip(_BOM + b" \t\r\n")
    return start[:1] == b"{" and (
        b'"declaration_number"' in message
        and (b'"decisions"' in message or b'"inspections"' in message)
    )


SINGLE_WINDOW = Format(
    name="single-window",
    title="Decisions of a customs single window (JSON)",
    decode=decode,
    topic=topics.CUSTOMS.name,
    content_type="application/json",
    recognises=_recognises,
)
