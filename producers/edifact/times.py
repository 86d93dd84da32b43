"""Times of UN/EDIFACT: DTM (C507) with the formats of data element 2379, and UNB's S004."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from corridor.network import gazetteer
from producers.adapter import malformed
from producers.edifact.interchange import Segment

# data element 2379, the formats of points in time
_SHORT_YEAR = {"101", "201", "202", "301", "302"}
_LONG_YEAR = {"", "102", "203", "204", "205", "303", "304"}
_SHORT = {6: "%y%m%d", 10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S"}
_LONG = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}

_HOURS = {
    # only those that mean one thing wherever one is; CST, EST, IST and BST do not
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2, "EET": 2,
    "EEST": 3, "MSK": 3, "SGT": 8, "HKT": 8, "JST": 9, "KST": 9,
}  # fmt: skip
_ZONED = re.compile(r"([0-9]+)\s*(.*)", re.DOTALL)
_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})?")


class Instant(NamedTuple):
    """A point in time, and what had to be taken for granted to know it."""

    time: datetime
    zone: str | None
    """The time zone that was assumed, where the text has none: the place's, else UTC."""
    day: bool
    """Only the day is known; the time is its beginning."""

    def attributes(self) -> dict[str, str]:
        """What an event says of how its time was read."""
        said = {} if self.zone is None else {"assumed_time_zone": self.zone}
        return said | ({"time_precision": "day"} if self.day else {})


def instant(dtm: Segment, node_id: str | None) -> Instant:
    """The point in time of a DTM segment.

    Args:
        dtm: The segment.
        node_id: Where it is meant, whose local time a time without a zone is.

    Raises:
        Unusable: it is no point in time, or nobody can tell which.
    """
    return read(dtm.text(1, 2), dtm.text(1, 3), f"DTM+{dtm.text(1)[:10]}", node_id)


def read(text: str, form: str, field: str, node_id: str | None) -> Instant:
    """The point in time of a text in a format of 2379; see `instant`."""
    match = _ZONED.fullmatch(text)
    digits, zone = match.groups() if match else ("", "")
    # a format is often wrong about how exact a time is, seldom about its century
    layout = _SHORT.get(len(digits)) if form in _SHORT_YEAR else None
    if layout is None and (form in _LONG_YEAR or digits[:2] in ("19", "20")):
        layout = _LONG.get(len(digits)) if form in _SHORT_YEAR | _LONG_YEAR else None
    if layout is None:
        malformed(field, f"{text[:40]!r} is no point in time of format {form[:10] or '(none)'!r}")
    try:
        local = datetime.strptime(digits, layout)
        where, assumed = _zone(zone.strip().upper(), text, field, node_id)
        time = local.replace(tzinfo=where).astimezone(UTC)
    except (ValueError, OverflowError):
        malformed(field, f"{text[:40]!r} is no time that the calendar has")
    return Instant(time, assumed, "%H" not in layout)


def _zone(name: str, text: str, field: str, node_id: str | None) -> tuple[tzinfo, str | None]:
    if not name:
        here = zone_of(node_id)
        return (UTC, "UTC") if here is None else (here, here.key)
    if name in _HOURS:
        return timezone(timedelta(hours=_HOURS[name])), None
    match = _OFFSET.fullmatch(name)
    if match is None:
        malformed(field, f"{text[:40]!r} is in a time zone {name[:10]!r} that is not one alone")
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-offset if sign == "-" else offset), None


def zone_of(node_id: str | None) -> ZoneInfo | None:
    """The time zone of a node, where the gazetteer knows it."""
    found = gazetteer.node(node_id) if node_id else None
    if found is None:
        return None
    try:
        return ZoneInfo(found.time_zone)
    except (ValueError, ZoneInfoNotFoundError):
        return None  # a node that a user has added, in a zone that there is not
