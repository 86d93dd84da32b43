"""Wall clocks: times that a message tells without saying how far from UTC they are."""

from collections.abc import Collection
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from producers.adapter import malformed, moment

_BARE = "Z"


def wall_clock(time: datetime, zone: str) -> datetime:
    """The instant at which the clocks of an IANA zone show a time, in UTC.

    An hour that the clocks show twice is taken at its first pass; one that they skip is taken as
    if they had not been put forward yet.
    """
    return time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def instant(text: str, field: str, zones: Collection[str]) -> datetime:
    """A point in time from ISO 8601 text; without an offset it is read from a wall clock.

    Args:
        text: The time.
        field: Its name in the message.
        zones: The IANA zones that the wall clock may be of.

    Raises:
        Unusable: it is no time, or the zones do not agree on it.
    """
    told = moment(text, field, zone=_BARE)
    if not 1970 <= told.year < 2200:
        malformed(field, f"{text[:40]!r} is not in the years 1970 to 2199")
    if has_offset(text):
        return told
    shown = told.replace(tzinfo=None)
    found = {wall_clock(shown, zone) for zone in zones}
    if len(found) != 1:
        malformed(field, f"{text[:40]!r} has no offset from UTC, and nothing tells of which zone")
    return found.pop()


def has_offset(text: str) -> bool:
    """Whether a time says how far from UTC it is."""
    clock = text.strip().upper().partition("T")[2] or text.strip()[10:]
    return clock.endswith("Z") or "+" in clock or "-" in clock
