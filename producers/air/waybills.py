"""Numbers of air cargo: waybills, unit load devices, flights."""

import re
from datetime import date

from corridor.codes import Reject
from producers.adapter import Unusable, malformed

_WAYBILL = re.compile(r"(\d{3})[\s-]*(\d{8})", re.ASCII)
_ULD = re.compile(r"[A-Z][A-Z0-9]{2}\d{4,5}[A-Z0-9]{2}", re.ASCII)
_FLIGHT = re.compile(r"([A-Z]{3}|[A-Z][A-Z0-9]|[0-9][A-Z])\s*-?\s*0*(\d{1,5})([A-Z]?)", re.ASCII)
_LONGEST = 40


def waybill(text: str, field: str) -> str:
    """An air waybill number as `999-99999999`, checked (IATA Resolution 600a: modulus 7).

    Raises:
        Unusable: it is none, or its check digit is wrong.
    """
    match = _WAYBILL.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        detail = f"{text[:40]!r} is no air waybill number: three digits, a dash, eight digits"
        malformed(field, detail)
    prefix, serial = match.groups()
    digit = int(serial[:7]) % 7
    if digit != int(serial[7]):
        detail = f"waybill {prefix}-{serial} has check digit {serial[7]}, where it needs {digit}"
        raise Unusable(Reject.BAD_CHECK_DIGIT, field, detail)
    return f"{prefix}-{serial}"


def uld(text: str) -> str | None:
    """A unit load device's id (IATA ULD Regulations: type, serial, owner), or None."""
    number = text.replace(" ", "").upper()
    return number if _ULD.fullmatch(number) else None


def flight(text: str) -> str | None:
    """A flight designator, carrier and number without leading zeros, or None where it is none.

    Numbers are written with three or four digits, as each system pleases: CA433 is CA0433.
    """
    match = _FLIGHT.fullmatch(text.strip().upper()) if len(text) <= _LONGEST else None
    return "".join(match.groups()) if match else None


def run_id(designator: str, departs: date) -> str:
    """The id of one flight: its designator and the local date that it is to depart on."""
    return f"{designator}-{departs:%Y%m%d}"
