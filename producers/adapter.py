"""What every adapter is: from the bytes of somebody's format to our events, or the reason why not.

`decode(message, sender)` is pure and never raises. It returns, in the order of the message, an
event or itinerary for each statement that it can use, and a `Rejected` for each that it cannot.
Inside, a reader says `raise Unusable(...)`; `each` turns it into a value, one statement at a time.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from corridor import containers
from corridor.codes import Reject
from corridor.decoding import Rejected, explain
from corridor.models import Itinerary, TrackingEvent
from corridor.network import gazetteer

T = TypeVar("T")

Item = TrackingEvent | Itinerary | Rejected
Decode = Callable[[bytes, str], list[Item]]
"""`decode(message, sender)`; the sender is the source where the message names none."""

NESTED = 64
"""How deep a message may nest."""


@dataclass(frozen=True)
class Format:
    """One format that we read."""

    name: str
    """What people call it on the command line and in a dead letter: lower case, with dashes."""
    title: str
    decode: Decode
    topic: str | None
    """Where its events go; None: where their type belongs. Itineraries have their own topic."""
    content_type: str
    recognises: Callable[[bytes], bool]
    """Whether a message looks like this format, for files that do not say what they are."""
    by_line: bool = False
    """Whether each line of a large message can be read by itself."""


class Unusable(Exception):
    """A statement cannot be used; `rejected` says why."""

    def __init__(self, reason: Reject, field: str | None, detail: str) -> None:
        super().__init__(detail)
        self.rejected = Rejected(reason, field, detail)


def malformed(field: str | None, detail: str) -> NoReturn:
    """Raises `Unusable`: not the shape that the format has."""
    raise Unusable(Reject.MALFORMED, field, detail)


def each(path: str, parts: Iterable[T], read: Callable[[T], Iterable[Item]]) -> list[Item]:
    """Reads the statements of a message, each for itself; a bad one does not spoil the others.

    Args:
        path: What the statements are called in the message; a fault's field begins with it.
        parts: The statements.
        read: Reads one; may raise `Unusable`.
    """
    items: list[Item] = []
    for index, part in enumerate(parts):
        try:
            items.extend(read(part))
        except Unusable as error:
            reason, field, detail = error.rejected
            where = f"{path}[{index}]"
            items.append(Rejected(reason, f"{where}.{field}" if field else where, detail))
    return items


def event(**fields: Any) -> TrackingEvent:
    """An event of ours; what is None is left out.

    Raises:
        Unusable: the model does not take it.
    """
    try:
        return TrackingEvent(**{name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise Unusable(*explain(error)) from None


def container(text: str, field: str) -> str:
    """A container number, checked.

    Raises:
        Unusable: it is none, or its check digit is wrong.
    """
    number = containers.normalised(text)
    if not containers.is_container_number(number):
        form = "three letters, then U, J or Z, then seven digits"
        malformed(field, f"{text[:40]!r} is no container number: {form}")
    digit = containers.check_digit(number)
    if digit != int(number[10]):
        detail = (
            f"container {number} has check digit {number[10]}, where {number[:10]} needs {digit}"
        )
        raise Unusable(Reject.BAD_CHECK_DIGIT, field, detail)
    return number


def node(code: str, field: str, facility: str | None = None) -> str:
    """The node that a code stands for.

    Raises:
        Unusable: there is no such place.
    """
    found = gazetteer.resolve(code, facility)
    if found is None:
        raise Unusable(Reject.UNKNOWN_NODE, field, f"there is no place {code[:40]!r}")
    return found


def position(latitude: Any, longitude: Any, field: str) -> tuple[float, float]:
    """A position in WGS 84 degrees; numbers may be texts.

    Raises:
        Unusable: it is not on Earth, or 0, 0, which trackers say when they do not know.
    """
    try:
        lat, lon = float(latitude), float(longitude)
    except (TypeError, ValueError):
        malformed(field, f"{str(latitude)[:40]!r}, {str(longitude)[:40]!r} is no position")
    if not (math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90 and abs(lon) <= 180):
        raise Unusable(Reject.IMPOSSIBLE_POSITION, field, f"{lat}, {lon} is not on Earth")
    if lat == lon == 0:
        detail = "0, 0 is what a tracker says that has no position"
        raise Unusable(Reject.IMPOSSIBLE_POSITION, field, detail)
    return lat, lon


_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d)?([.,]\d+)?\s*([Zz]|[+-]\d\d:?\d\d|[+-]\d\d)?"
)


def moment(text: Any, field: str, *, zone: str | None = None) -> datetime:
    """A point in time from ISO 8601 text.

    Args:
        text: With an offset, unless `zone` says what is meant without one.
        field: Its name in the message.
        zone: `+hh:mm` or `Z`: for texts without an offset; by default such a text is a fault.

    Raises:
        Unusable: it is no time, or nobody can tell which.
    """
    match = _TIME.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        malformed(field, f"{str(text)[:40]!r} is no time like 2026-11-24T08:30:00Z")
    day, minute, second, fraction, offset = match.groups()
    offset = offset or zone
    if offset is None:
        malformed(field, f"{text[:40]!r} has no offset from UTC")
    offset = "+00:00" if offset in "Zz" else f"{offset}:00" if len(offset) == 3 else offset
    whole = f"{day}T{minute}{second or ':00'}{(fraction or '').replace(',', '.')[:7]}{offset}"
    try:
        return datetime.fromisoformat(whole).astimezone(UTC)
    except (ValueError, OverflowError):
        malformed(field, f"{text[:40]!r} is no time that the calendar has")
