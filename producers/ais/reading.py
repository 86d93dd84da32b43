"""What ships say over AIS (ITU-R M.1371-5), as events of ours."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pyais.messages import MSG_CLASS

from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.identity import derived_id
from corridor.network import gazetteer
from producers.adapter import Item, Unusable, event, malformed, position
from producers.ais.sentences import Group, groups

POSITIONS = frozenset({1, 2, 3, 18, 19, 27})
STATIC = frozenset({5, 19, 24})
OTHERS = {
    4: "a base station's report",
    6: "an addressed binary message",
    7: "an acknowledgement",
    8: "a binary broadcast",
    9: "the position of a search and rescue aircraft",
    10: "a question for the time",
    11: "an answer of the time",
    12: "a safety message to one station",
    13: "an acknowledgement of a safety message",
    14: "a safety message to all",
    15: "an interrogation",
    16: "an assignment of slots",
    17: "a correction of satellite positions",
    20: "data link management",
    21: "an aid to navigation",
    22: "channel management",
    23: "an assignment of a group",
    25: "a short binary message",
    26: "a binary message",
    28: "an aid to navigation",
}
"""Messages that say nothing of a ship's voyage (M.1371-5, annex 8, table 46)."""
NOT_SHIPS = {
    "00": "a coast station",
    "0": "a group of ships",
    "111": "an aircraft",
    "970": "a search and rescue transmitter",
    "972": "a man overboard device",
    "974": "an emergency beacon",
    "98": "a craft that belongs to a ship",
    "99": "an aid to navigation",
    "8": "a handheld radio",
}
"""Whose an MMSI is that does not begin with a country (ITU-R M.585)."""
STATUS = (
    "under way using engine",
    "at anchor",
    "not under command",
    "restricted manoeuvrability",
    "constrained by draught",
    "moored",
    "aground",
    "engaged in fishing",
    "under way sailing",
    "carries dangerous goods, high speed craft",
    "carries dangerous goods, wing in ground",
    "towing astern",
    "pushing ahead or towing alongside",
    "reserved",
    "search and rescue transmitter",
)
"""Navigational status (M.1371-5, table 47); 15 says nothing."""

NO_LATITUDE, NO_LONGITUDE = 91.0, 181.0
NO_SPEED, NO_SPEED_27, NO_COURSE, NO_HEADING = 102.3, 63, 360.0, 511
_BITS = {1: 168, 2: 168, 3: 168, 5: 422, 18: 168, 19: 312, 24: 160, 27: 96}
"""The least that a message needs; a shorter one would be read as if it had said zeros."""
_SPACES = re.compile(r"\s+")
_LOCODE = re.compile(r"[A-Z]{2}[A-Z2-9]{3}")
_ETA_PAST = timedelta(days=60)
"""AIS tells an ETA without its year: it is the first that is not longer ago than this."""


def decode(message: bytes, sender: str) -> list[Item]:
    """Reads lines of NMEA 0183; each message that they make up is a statement of its own."""
    items: list[Item] = []
    for group in groups(message):
        items.extend(read(group, sender))
    return items


def read(group: Group, sender: str) -> list[Item]:
    """What one message says; nothing at all if it says that it does not know."""
    try:
        return list(_read(group, sender))
    except Unusable as error:
        reason, field, detail = error.rejected
        where = f"line {group.sentences[0].number}"
        return [Rejected(reason, f"{where}, {field}" if field else where, detail)]


def _read(group: Group, sender: str) -> Iterator[Item]:
    if (fault := next((s.fault for s in group.sentences if s.fault), None)) is not None:
        malformed(None, fault)
    if group.missing is not None:
        malformed(None, group.missing)
    kind, said = _payload(group)
    if kind is None:
        return
    mmsi = f"{int(said.mmsi):09}"
    if kind not in POSITIONS | STATIC:
        detail = f"type {kind}, {OTHERS.get(kind, 'which AIS does not have')}, is not a ship's word"
        raise Unusable(Reject.UNSUPPORTED, None, detail)
    if mmsi[0] not in "234567":
        whose = next(
            (NOT_SHIPS[p] for p in (mmsi[:3], mmsi[:2], mmsi[:1]) if p in NOT_SHIPS), "none"
        )
        raise Unusable(Reject.UNSUPPORTED, "mmsi", f"MMSI {mmsi} is no ship's, but {whose}'s")
    received = next((s.time for s in group.sentences if s.time is not None), None)
    if received is None:
        malformed(
            "c",
            "nothing says when it was received: AIS tells only the second of the minute, so"
            " the line needs a tag block with c:",
        )
    known = {"source": sender, "run_id": f"MMSI:{mmsi}", "mode": Mode.VESSEL}
    if kind in POSITIONS:
        yield from _position(said, kind, mmsi, received, known)
    if kind in STATIC:
        yield from _static(said, mmsi, received, known)


def _payload(group: Group) -> tuple[int | None, Any]:
    """The type and the fields of a message; no type if it is empty.

    Raises:
        Unusable: it is not what its type has.
    """
    sentences = [s.parsed for s in group.sentences if s.parsed is not None]
    if not any(sentence.payload for sentence in sentences):
        return None, None
    whole = type(sentences[0]).assemble_from_iterable(sentences)
    # what pyais keeps is of the first part alone
    kind = int(whole.bv.get(0, 6))
    if kind not in MSG_CLASS:
        raise Unusable(Reject.UNSUPPORTED, None, f"AIS has no type {kind}")
    if len(whole.bv) < _BITS.get(kind, 38):
        malformed(None, f"of type {kind}, but with only {len(whole.bv)} bits")
    try:
        return kind, MSG_CLASS[kind].from_vector(whole.bv)
    except Exception as error:  # whatever pyais makes of bits that are none of its types
        malformed(None, f"of type {kind}, but not as that is made: {error}")


def _position(
    said: Any, kind: int, mmsi: str, received: datetime, known: dict[str, Any]
) -> Iterator[Item]:
    if said.lat == NO_LATITUDE or said.lon == NO_LONGITUDE:
        return  # the ship says that it does not know: there is nothing to tell
    latitude, longitude = position(said.lat, said.lon, "position")
    time = _moment(received, getattr(said, "second", 60))
    attributes = _known(
        mmsi=mmsi,
        message_type=kind,
        speed_knots=None if said.speed == (NO_SPEED_27 if kind == 27 else NO_SPEED) else said.speed,
        course_degrees=None if said.course >= NO_COURSE else said.course,
        heading_degrees=None if getattr(said, "heading", NO_HEADING) >= 360 else said.heading,
        accuracy_metres_under_10=bool(said.accuracy),
        navigation_status=_status(said),
    )
    yield event(
        **known,
        event_id=derived_id("ais", mmsi, "BREADCRUMB", time.isoformat()),
        event_type=EventType.IOT,
        code="BREADCRUMB",
        event_time=time,
        latitude=latitude,
        longitude=longitude,
        attributes=attributes,
    )


def _status(said: Any) -> str | None:
    status = int(getattr(said, "status", 15))
    return STATUS[status] if status < len(STATUS) else None


def _moment(received: datetime, second: int) -> datetime:
    """When a position was taken: the nearest time to its receipt that has this second.

    So it is the same whichever receiver heard it, and a receiver's clock may be off by seconds.
    """
    if second > 59:
        return received
    off = (second - received.second + 30) % 60 - 30
    return received.replace(microsecond=0) + timedelta(seconds=off)


def _static(said: Any, mmsi: str, received: datetime, known: dict[str, Any]) -> Iterator[Item]:
    imo = _imo(getattr(said, "imo", 0))
    eta = _eta(said, received)
    destination = _text(getattr(said, "destination", ""))
    attributes = _known(
        mmsi=mmsi,
        message_type=int(said.msg_type),
        vessel_name=_text(getattr(said, "shipname", "")),
        vessel_imo=imo,
        call_sign=_text(getattr(said, "callsign", "")),
        ship_type=int(getattr(said, "ship_type", 0) or 0) or None,
        draught_metres=getattr(said, "draught", 0) or None,
        length_metres=(getattr(said, "to_bow", 0) + getattr(said, "to_stern", 0)) or None,
        beam_metres=(getattr(said, "to_port", 0) + getattr(said, "to_starboard", 0)) or None,
        destination=destination,
        eta=eta.isoformat() if eta is not None else None,
    )
    yield event(
        **known,
        event_id=derived_id("ais", mmsi, f"STATIC{said.msg_type}", received.isoformat()),
        event_type=EventType.IOT,
        code="DEVICE_STATUS",
        event_time=received,
        attributes=attributes,
    )
    place = _place(destination)
    if imo is not None and eta is not None and place is not None:
        yield event(
            **known,
            event_id=derived_id("ais", imo, "ETA", place),
            event_type=EventType.TRANSPORT,
            code="ARRIVED",
            classifier=Classifier.ESTIMATED,
            event_time=eta,
            updated_time=received,
            node_id=place,
            attributes=attributes,
        )


def _imo(number: int) -> str | None:
    """An IMO number, if its check digit is right: crews type it, and typing errors are common."""
    digits = f"{number:07}"
    if len(digits) != 7 or number == 0:
        return None
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(7, 1, -1), strict=False))
    return digits if total % 10 == int(digits[6]) else None


def _eta(said: Any, received: datetime) -> datetime | None:
    month, day = getattr(said, "month", 0), getattr(said, "day", 0)
    hour, minute = getattr(said, "hour", 24), getattr(said, "minute", 60)
    if not month or not day or hour > 23 or minute > 59:
        return None
    for year in (received.year - 1, received.year, received.year + 1):
        try:
            eta = datetime(year, month, day, hour, minute, tzinfo=UTC)
        except ValueError:
            continue  # a 29th of February, or no date at all
        if eta > received - _ETA_PAST:
            return eta
    return None


def _place(destination: str | None) -> str | None:
    """The place that a destination names as IMO SN.1/Circ.244 says: `CNQZH>SGSIN`, or one alone."""
    if destination is None:
        return None
    code = _SPACES.sub("", re.split(r"[<>=]+", destination)[-1])
    return gazetteer.resolve(code) if _LOCODE.fullmatch(code) else None


def _text(said: str | None) -> str | None:
    return _SPACES.sub(" ", (said or "").replace("@", " ")).strip() or None


def _known(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
