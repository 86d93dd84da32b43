"""Customs: decisions of a single window in JSON, TIR operations as eTIR messages."""

from xml.sax.saxutils import escape

import orjson

from corridor.containers import is_container_number
from producers.simulator.formats.places import locode
from producers.simulator.statements import Statement, text

SINGLE_WINDOW, ETIR = "single-window", "etir"

_DECISIONS = {
    "CUSTOMS_RELEASED": "RELEASED",
    "CUSTOMS_SELECTED_FOR_INSPECTION": "SELECTED_FOR_INSPECTION",
    "CUSTOMS_SELECTED_FOR_SCAN": "SELECTED_FOR_SCAN",
    "ON_HOLD": "HELD",
}
TIR = {
    # the request of eTIR 4.3, the element that says when, and the one with the office
    "TIR_ACCEPTED": ("I1", "AcceptanceDateTime", "DepartureCustomsOffice"),
    "TIR_STARTED": ("I9", "StartDateTime", "StartCustomsOffice"),
    "TIR_TERMINATED": ("I11", "TerminationDateTime", "TerminationCustomsOffice"),
    "TIR_DISCHARGED": ("I13", "DischargeDateTime", "DischargeCustomsOffice"),
}


def single_window(statement: Statement) -> bytes:
    """One decision about one unit."""
    unit = statement.unit_id or ""
    kind = (
        "containers"
        if is_container_number(unit)
        else "air_waybills"
        if "-" in unit
        else "tir_carnets"
    )
    decision = {
        "decision_id": statement.name,
        "declaration_number": f"D-{statement.shipment_id}",
        "decision": _DECISIONS[statement.code],
        "decided_time": text(statement.time),
        kind: [unit],
        "transport_document": statement.shipment_id,
        "cancelled": statement.retracted,
    }
    if statement.node_id is not None:
        decision["location"], decision["facility"] = locode(statement.node_id)
    message = {
        "message_id": f"{statement.name}@{round(statement.updated)}",
        "sender": statement.party,
        "sent_time": text(statement.updated),
        "decisions": [decision],
    }
    return orjson.dumps(message)


def etir(statement: Statement) -> bytes:
    """One step of a TIR transport."""
    number, when, office = TIR[statement.code]
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<{number} xmlns="urn:wco:datamodel:eTIR:4.3">
  <IssueDateTime>{text(statement.updated)}</IssueDateTime>
  <FunctionalReferenceID>{escape(statement.name)}</FunctionalReferenceID>
  <FunctionCode>{"1" if statement.retracted else "9"}</FunctionCode>
  <TypeCode>{number}</TypeCode>
  <ObligationGuarantee><ReferenceID>{statement.unit_id}</ReferenceID></ObligationGuarantee>
  <{office}><ID>{statement.node_id}</ID></{office}>
  <{when}>{text(statement.time)}</{when}>
</{number}>
""".encode()
