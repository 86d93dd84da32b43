"""Airports by their IATA codes: where they are in the gazetteer, and what their clocks show."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import airportsdata

from corridor.codes import Reject
from corridor.network import gazetteer
from producers.adapter import Unusable, malformed

_CODE = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Airport:
    """One airport; `node_id` is None where the gazetteer does not have it."""

    code: str
    zone: str
    """IANA name of its time zone."""
    node_id: str | None


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    return airportsdata.load("IATA")


def known(code: str) -> bool:
    """Whether there is an airport of that code."""
    return code in _table()


def airport(code: str, field: str) -> Airport:
    """The airport of an IATA code.

    Raises:
        Unusable: there is none.
    """
    text = code.strip().upper()
    if not _CODE.fullmatch(text):
        malformed(field, f"{code[:40]!r} is no IATA airport code: three letters")
    row = _table().get(text)
    if row is None:
        raise Unusable(Reject.UNKNOWN_NODE, field, f"there is no airport {text!r}")
    return Airport(text, row["tz"], gazetteer.resolve(text))
