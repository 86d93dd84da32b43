"""What an event says has happened: its type, code and classifier, in our words."""

from typing import NamedTuple, NoReturn

from corridor.codes import Classifier, EventType, Reject
from producers.adapter import Unusable, malformed
from producers.dcsa import codes
from producers.dcsa.blocks import Block
from producers.dcsa.codes import meaning

OPERATIONS = "operationsEventTypeCode"
_TYPES = " or ".join(codes.TYPES)
_CLASSIFIER = ("eventClassifier", "eventClassifierCode")
# deprecated in 2.x, where it has the code; 3.0 has the type in it
_OLD_CODE = ("eventTypeCode", "eventSubtype")


class Happening(NamedTuple):
    """What happened."""

    event_type: EventType
    code: str
    told: str | None = None
    """In their words, where ours are not quite the same."""


def happening(body: Block, primary_document: str | None, at: str | None) -> Happening:
    """Type and code of an event; what customs decide is of type CUSTOMS, whatever tells of it.

    Args:
        body: The event.
        primary_document: The type of the document that the event is about.
        at: The type of the facility where it happens.

    Raises:
        Unusable: it does not say, or says something that we have no word for.
    """
    classification = body.block("eventClassification") | body
    if classification.find(OPERATIONS):
        return _port_call(classification, at)
    kind = _kind(classification)
    names, table = codes.SUBTYPES[kind]
    told = classification.text(*names, *_OLD_CODE)
    path = _path(classification, *names, *_OLD_CODE)
    if told is None or told.upper() == kind:
        path = _missing(body, classification, *names)
        malformed(path, f"the {kind} event does not say what happened")
    code = meaning(table, told)
    if code is None and kind is EventType.IOT and told.upper() in codes.IOT_WRAPPERS:
        path, told, code = _wrapped(body.block("iotDetails") | body, told)
    if code is None:
        detail = f"{told[:40]!r} is no code of {kind} events in DCSA Track & Trace"
        raise Unusable(Reject.UNKNOWN_CODE, path, detail)
    inexact = told.upper() if told.upper() in codes.INEXACT else None
    if kind is EventType.EQUIPMENT and code in codes.CUSTOMS:
        return Happening(EventType.CUSTOMS, code)
    if kind is EventType.SHIPMENT and primary_document in codes.CUSTOMS_DOCUMENTS:
        decision = codes.CUSTOMS_OF_DOCUMENT.get(code)
        if decision is not None:
            return Happening(EventType.CUSTOMS, decision, told.upper())
    if kind is EventType.TRANSPORT and at in codes.OFF_BERTH:
        if code == "DEPARTED":
            _unread(classification, names[1], f"{told[:40]!r} at {at}")
        return Happening(kind, "APPROACHING", f"{told.upper()} {at}")
    return Happening(kind, code, inexact)


def classifier(body: Block, event_type: EventType, retracted: bool) -> Classifier:
    """Whether it has happened, is expected, or is planned.

    Raises:
        Unusable: it does not say, or it is only asked for.
    """
    classification = body.block("eventClassification") | body
    told = classification.text(*_CLASSIFIER)
    if told is None:
        if retracted or event_type in codes.ALWAYS_ACTUAL:
            return Classifier.ACTUAL
        path = _missing(body, classification, *_CLASSIFIER)
        malformed(path, "it is not said whether the event is actual, estimated or planned")
    return classified(told, _path(classification, *_CLASSIFIER))


def classified(told: str, path: str) -> Classifier:
    """What a classifier means.

    Raises:
        Unusable: it is unknown, or says that something is only asked for.
    """
    word = meaning(codes.CLASSIFIERS, told)
    if word is not None:
        return Classifier(word)
    if told.upper() in codes.REQUESTED:
        detail = "a requested time is a wish: send the planned one (PLN) when it is agreed"
        raise Unusable(Reject.UNSUPPORTED, path, detail)
    raise Unusable(Reject.UNKNOWN_CODE, path, f"{told[:40]!r} is none of ACT, EST and PLN")


def _kind(classification: Block) -> EventType:
    stated = classification.text("eventType")
    kind = meaning(codes.TYPES, stated) or meaning(
        codes.TYPES, classification.text("eventTypeCode")
    )
    if kind is not None:
        return kind
    # not stated, or in words of their own: it is certain where there is one code only
    kinds = [kind for kind, (names, _) in codes.SUBTYPES.items() if classification.find(*names)]
    if len(kinds) == 1:
        return kinds[0]
    path = _path(classification, "eventType", "eventTypeCode")
    if stated is None:
        malformed(path, f"the event does not say of which type it is: {_TYPES}")
    raise Unusable(Reject.UNSUPPORTED, path, f"{stated[:40]!r} is not {_TYPES}")


def _wrapped(iot: Block, wrapper: str) -> tuple[str, str, str | None]:
    """What happened, where the drafts of 3.0 leave it to iotEventCode: path, code, our word."""
    path = _path(iot, "iotEventCode")
    detail = iot.text("iotEventCode")
    if detail is not None:
        return path, detail, meaning(codes.IOT_DETAILS, detail)
    word = codes.IOT_WRAPPERS[wrapper.upper()]
    if word is None:
        malformed(path, f"{wrapper} alone does not say what was detected")
    return path, wrapper, word


def _port_call(classification: Block, at: str | None) -> Happening:
    """A timestamp of Just-in-Time: what it says of the goods aboard."""
    operation = (classification.text(OPERATIONS) or "").upper()
    phase = (classification.text("portCallPhaseTypeCode") or "").upper()
    service = classification.text("portCallServiceTypeCode")
    told = (classification.text(*_CLASSIFIER) or "").upper()
    if service is not None:
        _unread(classification, "portCallServiceTypeCode", f"the service {service[:40]!r}")
    code = codes.PORT_CALLS.get((operation, None if operation == "OMIT" else at))
    if (told, operation, at, phase) == codes.END_OF_SEA_PASSAGE:
        code = "APPROACHING"
    if code is None:
        _unread(classification, OPERATIONS, f"{operation[:40]!r} at {at or 'no facility'}")
    return Happening(EventType.TRANSPORT, code, f"{operation} {at or ''}".strip())


def _unread(classification: Block, name: str, what: str) -> NoReturn:
    path = _path(classification, name)
    detail = f"{what} moves no goods: of port calls we read arrival, departure and omission"
    raise Unusable(Reject.UNSUPPORTED, path, detail)


def _missing(body: Block, classification: Block, new: str, old: str, *_: str) -> str:
    """Where a code should be: nested by its new name, flat by the old."""
    return classification.where(new if body.find("eventClassification") else old)


def _path(block: Block, *names: str) -> str:
    found = block.find(*names)
    return found[0] if found else block.where(names[0])
