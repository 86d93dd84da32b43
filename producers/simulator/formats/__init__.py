"""The parties' own formats: who speaks which, and how a statement is written in it.

Written from the standards, apart from the decoders of `producers`, so that the two can be held
against each other.
"""

from collections.abc import Callable
from typing import NamedTuple

from corridor.containers import is_container_number
from producers.simulator.formats import (
    air,
    customs,
    dcsa,
    devices,
    edifact,
    epcis,
    one_record,
    own,
    rail,
)
from producers.simulator.statements import Statement


class Written(NamedTuple):
    """A message."""

    format: str
    """The name of the format that reads it."""
    suffix: str
    body: bytes


_Encode = Callable[[Statement], bytes]


def written(statement: Statement) -> Written | None:
    """A statement as its party sends it; None if that party's format has no word for it."""
    format, suffix, encode = _habit(statement)
    # neither can be taken back: who speaks them does not speak too early
    if format in (air.FSU, one_record.ONE_RECORD) and statement.mistaken:
        return None
    return Written(format, suffix, encode(statement))


def _habit(statement: Statement) -> tuple[str, str, _Encode]:
    kind, code, mode = statement.event_type, statement.code, statement.mode
    boxed = statement.unit_id is None or is_container_number(statement.unit_id)
    if kind == "TRANSPORT" and code in ("DEPARTED", "ARRIVED", "APPROACHING"):
        if mode == "RAIL" and code in rail.STATUSES:
            return rail.TAF_TSI, "xml", rail.encode
        if mode == "AIR" and statement.unit_id and code in air.STATUSES:
            if statement.party in air.MODERN:
                return air.XFSU, "xml", air.message
            return air.FSU, "txt", air.telex
        # of a truck the standard names no run, so it must name the unit
        if boxed and mode != "AIR" and (mode != "TRUCK" or statement.unit_id):
            flat = statement.party in dcsa.OLD_FASHIONED and not statement.retracted
            return dcsa.TNT, "json", dcsa.flat if flat else dcsa.nested
    if kind == "EQUIPMENT":
        if not boxed:
            by_air = mode in (None, "AIR") and "-" in (statement.unit_id or "")
            if by_air and code in air.STATUSES:
                if statement.party in one_record.PARTIES:
                    return one_record.ONE_RECORD, "jsonld", one_record.encode
                return air.FSU, "txt", air.telex
        elif code in edifact.GATES:
            return edifact.CODECO, "edi", edifact.codeco
        elif code in edifact.CALLS and mode in ("VESSEL", "BARGE"):
            return edifact.COARRI, "edi", edifact.coarri
        elif code in epcis.STEPS and mode == "TRUCK":
            return epcis.EPCIS, "json", epcis.encode
        else:
            return dcsa.TNT, "json", dcsa.nested
    if kind == "CUSTOMS":
        if code in customs.TIR:
            return customs.ETIR, "xml", customs.etir
        return customs.SINGLE_WINDOW, "json", customs.single_window
    if kind == "IOT" and statement.unit_id:
        if code == "BREADCRUMB":
            return devices.GPS, "json", devices.encode
        return devices.LOCK, "json", devices.encode
    return own.EVENT, "json", own.encode
