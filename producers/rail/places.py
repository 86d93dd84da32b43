"""Places of railways: the gazetteer's node of a location code, else a node id made of the code.

A train reports at many places that no leg begins or ends at. Such a place has a node id all the
same: an event of a run that named none would be taken for one of the run's own ends.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import airportsdata

from corridor.network import gazetteer


def place(country: str, code: str) -> str:
    """The node of a country's location code: `DE-18713`, unless the gazetteer knows it."""
    return gazetteer.resolve(f"{country}{code}") or f"{country}-{code}"


def zones(country: str) -> frozenset[str]:
    """The IANA time zones of a country, by its ISO 3166-1 alpha-2 code."""
    return _zones().get(country, frozenset())


@cache
def _zones() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    table: Mapping[str, Mapping[str, Any]] = airportsdata.load("IATA")
    for row in table.values():
        found.setdefault(row["country"], set()).add(row["tz"])
    return {country: frozenset(names) for country, names in found.items()}
