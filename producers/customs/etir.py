"""eTIR messages in XML: what becomes of a TIR transport.

Messages, their numbers and their order: eTIR specifications version 4.3 (UNECE, adopted under
annex 11 of the TIR Convention). Their schemas use names of the WCO data model, but are handed to
contracting parties and guarantee chains, not published: what is read here are those names by their
local part, wherever they stand and in whatever namespace, with the spellings in use (`NAMES`).
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import NamedTuple
from xml.etree.ElementTree import Element

from corridor import containers, topics
from corridor.codes import EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.identity import derived_id
from corridor.network import gazetteer
from producers import adapter, xml
from producers.adapter import Format, Item, Unusable, malformed
from producers.customs.carnets import carnet


class Message(NamedTuple):
    """A request of the eTIR specifications that tells of something, with its answer."""

    answer: str
    code: str
    time: str
    """What in `NAMES` says when it happened."""
    at: str | None
    """What in `NAMES` is the office where it happened."""
    statement: str
    """What it makes a statement of: a later message of the same one corrects it."""
    retracts: bool = False


MESSAGES = {
    "E1": Message("E2", "TIR_REGISTERED", "issued", None, "guarantee"),
    "E3": Message("E4", "TIR_CANCELLED", "cancelled", None, "cancellation"),
    "E9": Message("E10", "TIR_DECLARED", "issued", "departure", "advance"),
    "E11": Message("E12", "TIR_DECLARED", "issued", "departure", "advance"),
    "E13": Message("E14", "TIR_DECLARED", "issued", "departure", "advance", retracts=True),
    "I1": Message("I2", "TIR_ACCEPTED", "accepted", "departure", "acceptance"),
    "I7": Message("I8", "TIR_DECLARED", "declared", "departure", "declaration"),
    "I9": Message("I10", "TIR_STARTED", "started", "start_office", "start"),
    "I11": Message("I12", "TIR_TERMINATED", "terminated", "end_office", "termination"),
    "I13": Message("I14", "TIR_DISCHARGED", "discharged", "end_office", "discharge"),
    "I17": Message("I18", "TIR_REFUSED", "refused", "start_office", "refusal"),
}
"""Requests that tell of a TIR transport."""

OF_OPERATION = frozenset({"start", "termination", "discharge", "refusal"})
"""Statements that are made once in each country on the way."""

SILENT = {
    "I3": "a question for a holder's data",
    "I5": "a question for a guarantee's data",
    "I15": "what happened before, passed on to the customs ahead",
    "I19": "a question for customs offices",
    "E5": "a question for a guarantee's data",
    "E7": "what customs said before, passed on to the guarantee chain",
}
"""Requests that tell of nothing new, and what they are. Their answers have the next number."""

TITLES = {
    "I1": "accept guarantee",
    "I2": "acceptance results",
    "I7": "record declaration data",
    "I8": "record declaration data results",
    "I9": "start TIR operation",
    "I10": "start results",
    "I11": "terminate TIR operation",
    "I12": "termination results",
    "I13": "discharge TIR operation",
    "I14": "discharge results",
    "I17": "refusal to start TIR operation",
    "I18": "refusal results",
    "E1": "register guarantee",
    "E2": "registration results",
    "E3": "cancel guarantee",
    "E4": "cancellation results",
    "E9": "advance TIR data",
    "E10": "advance TIR data results",
    "E11": "advance amendment data",
    "E12": "advance amendment data results",
    "E13": "cancel advance data",
    "E14": "cancel advance data results",
}
"""A root may be called by its message's title instead of its number."""

ANSWERS = {message.answer: number for number, message in MESSAGES.items()}
_SILENT_ANSWERS = {f"{number[0]}{int(number[1:]) + 1}": number for number in SILENT}

NAMES: dict[str, tuple[str, ...]] = {
    "carnet": (
        "ObligationGuarantee/ReferenceID",
        "ObligationGuarantee/ID",
        "TransitGuarantee/ReferenceID",
        "Guarantee/ReferenceID",
        "Guarantee/ID",
        "GuaranteeReferenceID",
        "GuaranteeReference",
        "TIRCarnetNumber",
        "TIRCarnetID",
        "CarnetNumber",
    ),
    "message_id": ("FunctionalReferenceID", "MessageID", "MessageIdentifier"),
    "function": ("FunctionCode", "MessageFunctionCode", "MessageFunction"),
    "type": ("TypeCode", "MessageTypeCode", "MessageType"),
    "issued": (
        "IssueDateTime",
        "PreparationDateTime",
        "MessageDateTime",
        "CreationDateTime",
    ),
    "accepted": ("ObligationGuarantee/AcceptanceDateTime", "AcceptanceDateTime"),
    "declared": (
        "Declaration/AcceptanceDateTime",
        "DeclarationDateTime",
        "RegistrationDateTime",
        "AcceptanceDateTime",
    ),
    "cancelled": ("CancellationDateTime",),
    "started": ("StartDateTime", "ActualStartDateTime", "Start/DateTime", "RegistrationDateTime"),
    "terminated": ("TerminationDateTime", "Termination/DateTime", "CompletionDateTime"),
    "discharged": ("DischargeDateTime", "Discharge/DateTime"),
    "refused": ("RefusalDateTime", "Refusal/DateTime", "RejectionDateTime"),
    "sequence": (
        "TIROperation/SequenceNumeric",
        "TransitOperation/SequenceNumeric",
        "Operation/SequenceNumeric",
        "TIROperationSequenceNumeric",
        "OperationSequenceNumeric",
    ),
    "operation_id": (
        "TIROperation/ID",
        "TransitOperation/ID",
        "Operation/ID",
        "RegistrationID",
        "RegistrationNumber",
    ),
    "start_office": (
        "StartCustomsOffice/ID",
        "Start/CustomsOffice/ID",
        "PresentationOffice/ID",
        "CustomsOffice/ID",
    ),
    "end_office": (
        "TerminationCustomsOffice/ID",
        "Termination/CustomsOffice/ID",
        "DischargeCustomsOffice/ID",
        "Discharge/CustomsOffice/ID",
        "PresentationOffice/ID",
        "CustomsOffice/ID",
    ),
    "departure": ("TransitDeparture/ID", "DepartureCustomsOffice/ID", "CustomsOffice/ID"),
    "offices": (
        "TransitDeparture/ID",
        "TransitEntry/ID",
        "TransitOffice/ID",
        "TransitExit/ID",
        "TransitDestination/ID",
        "DepartureCustomsOffice/ID",
        "EntryCustomsOffice/ID",
        "ExitCustomsOffice/ID",
        "DestinationCustomsOffice/ID",
        "Itinerary/ID",
        "Itinerary/CustomsOffice/ID",
    ),
    "countries": ("Itinerary/RoutingCountryCode", "RoutingCountryCode"),
    "seals": (
        "Seal/ID",
        "Seal/SealID",
        "SealNumber",
        "SealID",
        "CustomsSeal/ID",
    ),
    "vehicles": (
        "BorderTransportMeans/ID",
        "DepartureTransportMeans/ID",
        "ArrivalTransportMeans/ID",
        "TransportMeans/ID",
        "TransportMeans/RegistrationNumber",
        "VehicleRegistrationNumber",
        "LicensePlate",
        "PlateNumber",
    ),
    "containers": (
        "TransportEquipment/ID",
        "Container/ID",
        "ContainerID",
        "ContainerNumber",
        "EquipmentIdentificationID",
    ),
    "declaration": ("Declaration/ID", "DeclarationReferenceID", "MovementReferenceID", "MRN"),
    "holder": ("TransitPrincipal/ID", "Principal/ID", "Holder/ID", "TIRHolder/ID", "HolderID"),
    "surety": ("Surety/ID", "GuaranteeChain/ID", "GuaranteeChainID"),
    "expires": ("ObligationGuarantee/ExpirationDateTime", "ExpirationDateTime"),
    "reason": (
        "Refusal/ReasonCode",
        "RefusalReasonCode",
        "Refusal/Description",
        "RefusalReason",
        "ReasonCode",
        "CancellationReason",
    ),
    "control": ("Control/ResultCode", "ControlResultCode", "Control/TypeCode"),
    "control_remark": ("Control/Description", "Control/Remarks", "ControlRemarks"),
    "reservation": ("ReservationIndicator", "Reservation", "TerminationReservation"),
}
"""What is read: the ends of paths of local names, the better ones first. Case does not matter."""

_ENDS: dict[str, list[tuple[str, int, tuple[str, ...]]]] = {}
"""By the last name of a path: field, rank and path of whatever ends so."""
for _field, _names in NAMES.items():
    for _rank, _name in enumerate(_names):
        _path = tuple(_name.lower().split("/"))
        _ENDS.setdefault(_path[-1], []).append((_field, _rank, _path))
_NUMBER = re.compile(r"\s*([ie])[-_ ]?(\d{1,2})(?![0-9])", re.IGNORECASE | re.ASCII)
_BY_TITLE = {re.sub(r"\W", "", title).lower(): number for number, title in TITLES.items()}
_TITLE_ENDS = re.compile(r"(?:message|request|response|type|msg)$")

LONGEST = 2_000
"""Characters of an attribute."""
CANCELLED = frozenset({"1", "3"})
"""UN/EDIFACT 1225: cancellation, deletion. Other functions are originals and changes."""
NEGATIVE = frozenset({"10", "27"})
"""UN/EDIFACT 1225: not found, not accepted."""

_COMPACT = re.compile(
    r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?",
    re.IGNORECASE | re.ASCII,
)
"""UN/EDIFACT 2379 formats 102, 203 to 208, 303 and 304, as in the WCO's `DateTimeString`."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NEAR = timedelta(days=1)


class Document:
    """An eTIR message, by the names in it."""

    def __init__(self, root: Element) -> None:
        self.root = root
        self.error: str | None = None
        """What its first error says."""
        self._found: dict[str, list[tuple[int, Element]]] = {}
        # the names of the elements that one lies in; the tree is bounded in depth
        stack: list[tuple[Element, tuple[str, ...]]] = [(root, ())]
        while stack:
            element, above = stack.pop()
            path = (*above, xml.name(element).lower())
            for field, rank, end in _ENDS.get(path[-1], ()):
                if path[-len(end) :] == end and _said(element):
                    self._found.setdefault(field, []).append((rank, element))
            if path[-1] == "error" and self.error is None:
                self.error = _error(element)
            stack.extend((child, path) for child in reversed(element))

    def all(self, field: str) -> list[str]:
        """The different values of a field, in the order of the document."""
        texts = (_said(element) for _, element in self._found.get(field, ()))
        return list(dict.fromkeys(text for text in texts if text))

    def best(self, field: str) -> Element | None:
        """The element of a field with the best of its names, the first of these."""
        found = self._found.get(field)
        return min(found, key=lambda pair: pair[0])[1] if found else None

    def text(self, field: str) -> str | None:
        """What that says."""
        element = self.best(field)
        return None if element is None else _said(element)

    def sole(self, field: str) -> str | None:
        """What the best name of a field says that says one thing only: an itinerary has many."""
        by_rank: dict[int, set[str]] = {}
        for rank, element in self._found.get(field, ()):
            by_rank.setdefault(rank, set()).add(_said(element) or "")
        return next((min(by_rank[r]) for r in sorted(by_rank) if len(by_rank[r]) == 1), None)


def _said(element: Element) -> str | None:
    """The text of an element, or of the only one in it (`DateTimeString`)."""
    text = (element.text or "").strip()
    if not text and len(element) == 1:
        text = (element[0].text or "").strip()
    return text or None


def _error(element: Element) -> str:
    parts = [_said(part) for part in element if not len(part)]
    return ", ".join(part for part in parts if part) or (_said(element) or "no code")


def decode(message: bytes, sender: str) -> list[Item]:
    """What an eTIR message says; see `producers.adapter`."""
    try:
        return list(_read(Document(xml.parse(message)), sender))
    except Unusable as error:
        return [error.rejected]


def _read(document: Document, sender: str) -> Iterator[Item]:
    number = _number(document)
    request = ANSWERS.get(number, number)
    answers = number in ANSWERS
    if answers:
        _check_accepted(document, number)
    message = _told(number, request)
    text = document.text("carnet")
    if text is None:
        malformed(NAMES["carnet"][0], "it names neither a TIR carnet nor a guarantee")
    carnet_number = carnet(text, NAMES["carnet"][0])
    issued = _instant(document, "issued")
    if isinstance(issued, date) and not isinstance(issued, datetime):
        issued = None  # a day is not when a message was made
    time, attributes = _time(document, message, issued, answers)
    if time is None:
        detail = f"{number} confirms {request}, which says what happened; it does not say when"
        raise Unusable(Reject.UNSUPPORTED, None, detail)
    office = document.sole(message.at) if message.at else None
    attributes |= _attributes(document, number, office)
    boxes, faults = _containers(document)
    yield from faults
    for unit_id in dict.fromkeys([carnet_number, *boxes]):
        operation = _operation(document, message, office)
        yield adapter.event(
            event_id=derived_id("etir", carnet_number, message.statement, operation, unit_id),
            source=sender,
            event_type=EventType.CUSTOMS,
            code=message.code,
            event_time=time,
            # an answer repeats its request, and so must never take its place
            updated_time=time if answers else issued,
            retracted=(message.retracts or _function(document) in CANCELLED) or None,
            unit_id=unit_id,
            mode=Mode.TRUCK,
            node_id=gazetteer.resolve(office) if office else None,
            attributes=attributes | {"tir_carnet": carnet_number},
        )


def _number(document: Document) -> str:
    """Which message it is.

    Raises:
        Unusable: none that can be told.
    """
    top = document.root
    if xml.name(top) == "Envelope":
        top = next(iter(xml.find(top, "Body") or ()), top)
    name = xml.name(top)
    for element in _wrapped(top):
        label = xml.name(element)
        bare = re.sub(r"[\W_]", "", label).lower()
        title = _BY_TITLE.get(bare) or _BY_TITLE.get(_TITLE_ENDS.sub("", bare))
        if title is not None:
            return title
        match = _NUMBER.match(label)
        if match is not None:
            break
    else:
        matches = (_NUMBER.fullmatch(text) for text in document.all("type"))
        match = next((match for match in matches if match is not None), None)
    if match is None:
        raise Unusable(Reject.UNSUPPORTED, name[:80], f"{name[:40]!r} is no message of eTIR 4.3")
    return f"{match[1].upper()}{int(match[2])}"


def _wrapped(element: Element) -> Iterator[Element]:
    """An element and, while there is nothing beside it, what is in it."""
    yield element
    while len(element) == 1:
        element = element[0]
        yield element


def _told(number: str, request: str) -> Message:
    """What a message tells of.

    Raises:
        Unusable: nothing.
    """
    message = MESSAGES.get(request)
    if message is not None:
        return message
    asked = _SILENT_ANSWERS.get(number)
    if asked is not None:
        detail = f"{number} answers {asked}, {SILENT[asked]}"
    elif number in SILENT:
        detail = f"{number} is {SILENT[number]}"
    else:
        detail = f"eTIR 4.3 has no message {number}"
    raise Unusable(Reject.UNSUPPORTED, None, detail)


def _function(document: Document) -> str:
    return (document.text("function") or "").lstrip("0")


def _check_accepted(document: Document, number: str) -> None:
    """Raises `Unusable`: it answers that the request was not accepted."""
    function = _function(document)
    said = document.error
    if said is None and function in NEGATIVE:
        said = f"message function {function}"
    if said is not None:
        about = document.text("carnet")
        of = f" of carnet {about[:40]}" if about else ""
        detail = f"{number} says that {ANSWERS[number]}{of} was not accepted: {said[:200]}"
        raise Unusable(Reject.UNSUPPORTED, "Error", detail)


# -- when ----------------------------------------------------------------------------------------


def _time(
    document: Document, message: Message, issued: datetime | None, answers: bool
) -> tuple[datetime | None, dict[str, str]]:
    """When it happened, and what to say of that; None for an answer that leaves it open.

    Raises:
        Unusable: it does not say when.
    """
    happened = None if answers and message.time == "issued" else _instant(document, message.time)
    if isinstance(happened, datetime):
        return happened, {}
    if answers:
        return None, {}
    if issued is None:
        malformed(NAMES["issued"][0], "it says neither when it happened nor when it was made")
    if happened is None:
        return issued, {"time_basis": "MESSAGE"}
    noon = datetime.combine(happened, clock(12), UTC)
    if abs(issued - noon) > _NEAR + timedelta(hours=12):
        field = NAMES[message.time][0]
        malformed(field, f"it happened on {happened}, and nothing tells at what time of that day")
    return issued, {"time_basis": "MESSAGE", f"{message.time}_date": happened.isoformat()}


def _instant(document: Document, field: str) -> datetime | date | None:
    """A point in time, or the day where no more is said.

    Raises:
        Unusable: it is neither, or nobody can tell which.
    """
    text = document.text(field)
    if text is None:
        return None
    element = document.best(field)
    where = xml.name(element) if element is not None else field
    compact = _COMPACT.fullmatch(text)
    if compact is not None:
        year, month, day, hour, minute, second, offset = compact.groups()
        text = f"{year}-{month}-{day}"
        if hour is not None:
            offset = {"UTC": "Z", "GMT": "Z"}.get((offset or "").upper(), offset or "")
            text += f"T{hour}:{minute}:{second or '00'}{offset}"
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            malformed(where, f"{text[:40]!r} is no day that the calendar has")
    return adapter.moment(text, where)


# -- what else -----------------------------------------------------------------------------------


def _operation(document: Document, message: Message, office: str | None) -> str:
    """Tells the TIR operations of a transport apart: one in each country."""
    if message.statement not in OF_OPERATION:
        return ""
    # without any of these a correction cannot be told from another country's operation
    names = (document.text("sequence"), office, document.text("operation_id"))
    return next((name for name in names if name), None) or document.text("message_id") or ""


def _containers(document: Document) -> tuple[list[str], list[Rejected]]:
    """Container numbers; equipment with other numbers is told in the attributes only."""
    numbers, faults = [], []
    for text in document.all("containers"):
        if not containers.is_container_number(containers.normalised(text)):
            continue
        try:
            numbers.append(adapter.container(text, NAMES["containers"][0]))
        except Unusable as error:
            faults.append(error.rejected)
    return numbers, faults


_ALL = {
    "itinerary_offices": "offices",
    "itinerary_countries": "countries",
    "seals": "seals",
    "vehicles": "vehicles",
    "equipment": "containers",
}
_ONE = {
    "message_id": "message_id",
    "message_function": "function",
    "tir_operation": "sequence",
    "tir_operation_id": "operation_id",
    "declaration_number": "declaration",
    "holder": "holder",
    "guarantee_chain": "surety",
    "guarantee_expires": "expires",
    "reason": "reason",
    "control_result": "control",
    "control_remark": "control_remark",
    "reservation": "reservation",
}


def _attributes(document: Document, number: str, office: str | None) -> dict[str, str]:
    found = {
        "etir_message": number,
        "customs_office": office,
        **{ours: ", ".join(document.all(field)) for ours, field in _ALL.items()},
        **{ours: document.text(field) for ours, field in _ONE.items()},
    }
    return {name: value[:LONGEST] for name, value in found.items() if value}


_HINT = re.compile(rb"\betir\b|ObligationGuarantee|TIRCarnet|TIROperation", re.IGNORECASE)


def _recognises(message: bytes) -> bool:
    start = message[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start[:1] == b"<" and _HINT.search(message) is not None


ETIR = Format(
    name="etir",
    title="eTIR messages (XML)",
    decode=decode,
    topic=topics.CUSTOMS.name,
    content_type="application/xml",
    recognises=_recognises,
)
