"""Cargo-IMP FSU, the status update of one air waybill as a telex (and FSA, the answer with it).

IATA Cargo Interchange Message Procedures, 32nd edition. Times are local to the airport that they
are told of. A message names days and months, never a year; see `_date`.
"""

import re
from dataclasses import dataclass
from dataclasses import field as field_of
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from corridor import topics
from corridor.codes import Reject
from corridor.decoding import Rejected
from producers.adapter import Format, Item, each, malformed
from producers.air import airports
from producers.air.airports import Airport, airport
from producers.air.statuses import (
    ACTUAL,
    MEANINGS,
    PLANNED,
    Status,
    Timed,
    Where,
    items,
    meaning_of,
)
from producers.air.waybills import flight, uld, waybill
from producers.zones import wall_clock

_START = re.compile(r"(?:(?<=[\s'])|^)(?:FSU|FSA)/\d{1,2}(?=[\s']|$)", re.ASCII)
_CONSIGNMENT = re.compile(r"(\d{3}-?\d{8})(?:([A-Z]{3})([A-Z]{3}))?(?:/(.*))?", re.ASCII)
_LINE = re.compile(r"([A-Z]{3})/(.*)")
_DATE = re.compile(r"(\d{1,2})([A-Z]{3})(\d{4})?", re.ASCII)
_TIME = re.compile(r"([AES])(\d{4})(?:-([A-Z]))?", re.ASCII)
_QUANTITY = re.compile(r"([TPSDM])(\d+)(?:([KL])(\d+(?:\.\d*)?))?([A-Z].*)?", re.ASCII)
_MORE = re.compile(r"(T|DG|MC|CC|CF|CI)(\d+(?:\.\d*)?)", re.ASCII)
_CARRIER = re.compile(r"[A-Z0-9]{2,3}")
_TELEX = re.compile(r"^\.([A-Z0-9]{7})(?:\s+(\d{2})(\d{2})(\d{2}))?", re.MULTILINE | re.ASCII)
_TELEX_FILE = re.compile(
    r"=ORIGIN\s{1,4}([A-Z0-9]{7})(?:\s{1,4}=MSGID\s{1,4}(\d{2})(\d{2})(\d{2}))?", re.ASCII
)
_INTERCHANGE = re.compile(r"UNB\+[^']*\+(\d{6}):(\d{4})\+", re.ASCII)
_ONE_LINE = re.compile(r"[ \t](?=\d{3}-\d{8}|(?:" + "|".join(MEANINGS) + r")/)")

_HEAD = 1000
"""How much before a message may be of its envelope."""
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_DAYS = {"P": -1, "N": 1, "S": 2, "T": 3}
"""Day change indicators: previous, next, second and third day after."""
_UNITS = {"K": "KG", "L": "LB"}
_NOTES = {"OSI": "service_information", "OCI": "customs_information"}
_TRANSFERS = {"TFD": "transferred_to", "RCT": "received_from", "TRM": "transferred_to"}


class _Sent(NamedTuple):
    """What the envelope says."""

    originator: str | None = None
    day: int | None = None
    hour: int = 0
    minute: int = 0
    time: datetime | None = None


@dataclass
class _Line:
    """A status line with the lines that belong to it."""

    code: str
    tokens: list[str]
    consignment: re.Match[str] | None
    notes: dict[str, list[str]] = field_of(default_factory=dict)


def decode(message: bytes, sender: str) -> list[Item]:
    """Reads one FSU, or several one after the other."""
    text = message.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    starts = [match.start() for match in _START.finditer(text)]
    if not starts:
        return [Rejected(Reject.MALFORMED, None, "there is no line FSU/version")]
    ends = [*starts[1:], len(text)]
    envelopes = [0, *ends[:-1]]
    parts = [
        (_envelope(text[max(before, start - _HEAD) : start]), text[start:end])
        for before, start, end in zip(envelopes, starts, ends, strict=True)
    ]
    return each("FSU", parts, lambda part: _message(part[1], part[0], sender))


def _envelope(text: str) -> _Sent:
    """Who sent it when, from a Type B header, as a telex or a file, or an EDIFACT interchange."""
    interchange = _INTERCHANGE.search(text)
    if interchange is not None:
        try:
            time = datetime.strptime("".join(interchange.groups()), "%y%m%d%H%M")
        except ValueError:
            return _Sent()
        return _Sent(time=time.replace(tzinfo=UTC))
    telex = _TELEX.search(text)
    file = _TELEX_FILE.search(text)
    originator = next((match.group(1) for match in (telex, file) if match), None)
    moment = next((match.groups()[1:] for match in (telex, file) if match and match.group(2)), None)
    if moment is None:
        return _Sent(originator)
    day, hour, minute = map(int, moment)
    if not (1 <= day <= 31 and hour < 24 and minute < 60):
        return _Sent(originator)
    return _Sent(originator, day, hour, minute)


def _message(text: str, sent: _Sent, sender: str) -> list[Item]:
    lines = _lines(text)
    if not lines:
        malformed(None, "it has no status line")
    return each("status", lines, lambda line: _status(line, sent, sender))


def _lines(text: str) -> list[_Line]:
    """The status lines of a message; notes are with the status that they follow."""
    first, _, rest = text.partition("\n")
    body = first.partition("'UN")[0].replace("'", "\n")
    rest = rest.partition("'UN")[0]
    rows = [row for line in [*body.split("\n"), *rest.split("\n")] for row in _ONE_LINE.split(line)]
    consignment: re.Match[str] | None = None
    lines: list[_Line] = []
    last: list[str] | None = None
    for row in (row.strip().upper() for row in rows[1:]):
        if match := _CONSIGNMENT.fullmatch(row):
            consignment, last = match, None
        elif row.startswith("/") and last is not None:
            last += row[1:].split("/")
        elif match := _LINE.fullmatch(row):
            code, tokens = match.group(1), match.group(2).split("/")
            if code in _NOTES or code == "ULD":
                if not lines or lines[-1].consignment is not consignment:
                    lines.append(_Line("OSI" if code == "ULD" else code, [], consignment))
                last = lines[-1].notes.setdefault(code, [])
                last += tokens
            else:
                last = tokens
                lines.append(_Line(code, tokens, consignment))
    return lines


def _status(line: _Line, sent: _Sent, sender: str) -> list[Item]:
    meaning = meaning_of(line.code)
    if line.consignment is None:
        malformed("waybill", "no line with the number of the waybill comes before the status")
    number, origin, destination, quantity = line.consignment.groups()
    status = Status(line.code, waybill(number, "waybill"), sender)
    told = status.attributes
    told |= {"waybill_origin": origin, "waybill_destination": destination}
    told |= {"telex_originator": sent.originator}
    if match := _QUANTITY.fullmatch(quantity or ""):
        told |= _pieces(match, "waybill_")
    for code, name in _NOTES.items():
        if code in line.notes:
            told[name] = "/".join(line.notes[code])
    units = [unit for text in line.notes.get("ULD", []) if (unit := uld(text.split("-")[0]))]
    told["uld_ids"] = " ".join(units) or None
    _read(line, status, meaning.where, sent)
    status.updated = sent.time or _sent(sent, status)
    if not line.tokens and origin and airports.known(origin):
        status.place = airport(origin, "airport")  # a note of its own names none
    if status.time is None and not (status.departure or status.arrival):
        _by_sending(status)
    undated = status.day is None and status.time is None and status.departs is None
    if undated and (not line.tokens or meaning.classifier is PLANNED):
        status.time = status.updated  # a note, or a plan without a day, is of when it was sent
    status.attributes = {name: value for name, value in told.items() if value is not None}
    return items(status)


def _read(line: _Line, status: Status, where: Where, sent: _Sent) -> None:
    """Fills in what a status line says, token by token; the order is that of the procedures."""
    tokens = [token.strip() for token in line.tokens]
    carrier: str | None = None
    stated: re.Match[str] | None = None
    places: list[str] = []
    index = 0
    while index < len(tokens) and not places:
        token = tokens[index]
        index += 1
        if not token:
            continue
        if match := _DATE.fullmatch(token):
            if match.group(2) not in _MONTHS:
                malformed("date", f"{token!r} is no day and month")
            stated = match
        elif carrier is not None and stated is None and token.isdecimal():
            status.flight = flight(carrier + token)  # some part carrier and number
            carrier = None
        elif stated is None and status.flight is None and (designator := flight(token)):
            status.flight = designator
        elif stated is None and carrier is None and _CARRIER.fullmatch(token):
            carrier = token
        elif re.fullmatch(r"[A-Z]{3}|[A-Z]{6}", token):
            places = [token[:3], token[3:]] if len(token) == 6 else [token]
        else:
            malformed(None, f"{token[:40]!r} is no flight, date or airport")
    following = tokens[index] if index < len(tokens) else ""
    apart = len(places) == 1 and where is Where.DEPARTURE and status.flight is not None
    if apart and airports.known(following):  # some part the two airports
        places.append(following)
        index += 1
    if carrier is not None:
        status.attributes[_TRANSFERS.get(line.code, "carrier")] = carrier
    _places(status, where, places)
    clocks = _rest(line.code, tokens[index:], status)
    _times(status, where, stated, clocks, sent)


def _places(status: Status, where: Where, codes: list[str]) -> None:
    found = [airport(code, "airport") for code in codes]
    if where is Where.DEPARTURE or len(found) == 2:
        status.origin, status.destination = (*found, None, None)[:2]
        status.place = status.destination if where is Where.ARRIVAL else status.origin
    elif found and where is Where.ARRIVAL:
        status.destination = status.place = found[0]
    elif found:
        status.place = found[0]


def _rest(code: str, tokens: list[str], status: Status) -> list[re.Match[str] | None]:
    """Reads what follows the airport; returns the flight's times: of departure, of arrival."""
    clocks: list[re.Match[str] | None] = []
    remarks: list[str] = []
    seen = False
    last = max((at for at, token in enumerate(tokens) if _TIME.fullmatch(token)), default=-1)
    for position, token in enumerate(tokens):
        if code == "DIS" and status.discrepancy is None and re.fullmatch(r"[A-Z]{4}", token):
            status.discrepancy = token
        elif match := _TIME.fullmatch(token):
            clocks.append(match)
        elif not seen and (match := _QUANTITY.fullmatch(token)):
            seen = True
            status.attributes |= _pieces(match, "")
            if match.group(1) != "T":
                status.part = "".join(match.group(1, 2))
        elif not token:
            if not clocks and position < last:
                clocks.append(None)  # an empty place before a time is that of the departure
        else:
            remarks.append(token)
    if remarks:
        status.attributes["remarks"] = "/".join(remarks)
    return clocks


def _pieces(match: re.Match[str], prefix: str) -> dict[str, str | int | float | bool | None]:
    """A quantity; descriptions: T all, P part, S split, D divided, M several parts."""
    description, pieces, unit, weight, more = match.groups()
    told: dict[str, str | int | float | bool | None] = {
        "pieces": _count(pieces),
        "shipment_description": description,
        "weight": float(weight) if weight and len(weight) < 15 else None,
        "weight_unit": _UNITS[unit] if unit else None,
    }
    for kind, value in _MORE.findall(more or ""):
        if kind == "T":
            told["total_pieces"] = _count(value)
        elif kind == "DG":
            told["density_group"] = value
        else:
            told |= {"volume": value, "volume_unit": kind}
    return {f"{prefix}{name}": value for name, value in told.items()}


def _count(digits: str) -> int | str:
    return int(digits) if len(digits) < 10 else digits


def _times(
    status: Status,
    where: Where,
    stated: re.Match[str] | None,
    clocks: list[re.Match[str] | None],
    sent: _Sent,
) -> None:
    if stated is None:
        return
    day = _date(stated, sent, MEANINGS[status.code].classifier is PLANNED)
    here = status.place or status.origin or status.destination
    if here is None:
        malformed("airport", f"{status.code} does not say where")
    if stated.group(3):
        status.time = _clock(day, stated.group(3), here)
    else:
        status.day = wall_clock(datetime(day.year, day.month, day.day), here.zone)
    departure, arrival = (*clocks, None, None)[:2]
    if departure is not None:
        leaves = day + timedelta(days=_change(departure))
        if status.origin is not None:
            status.departure = _timed(departure, leaves, status.origin)
        elif where is Where.ARRIVAL:
            # where it departed is not said, so only the day can be used
            status.departs = leaves
            status.attributes["departure_time"] = departure.group(0)
    if arrival is not None:
        reaches = day + timedelta(days=_change(arrival))
        if status.destination is not None:
            status.arrival = _timed(arrival, reaches, status.destination)
        else:
            status.attributes["arrival_time"] = arrival.group(0)
    if where is Where.DEPARTURE and status.flight:
        status.departs = day
        if MEANINGS[status.code].classifier is PLANNED and status.time and not status.departure:
            # what is planned has no time but the flight's
            status.departure, status.time = Timed("S", status.time), None


def _timed(match: re.Match[str], day: date, place: Airport) -> Timed:
    return Timed(match.group(1), _clock(day, match.group(2), place))


def _change(match: re.Match[str]) -> int:
    letter = match.group(3)
    if letter is None:
        return 0
    if letter not in _DAYS:
        malformed("time", f"{letter!r} is no day change indicator: P, N, S or T")
    return _DAYS[letter]


def _clock(day: date, hours: str, place: Airport) -> datetime:
    hour, minute = int(hours[:2]), int(hours[2:])
    if hour > 23 or minute > 59:
        malformed("time", f"{hours!r} is no time of day")
    return wall_clock(datetime(day.year, day.month, day.day, hour, minute), place.zone)


def _date(match: re.Match[str], sent: _Sent, planned: bool) -> date:
    """The day that is meant: the last one of that name if it has happened, else the nearest.

    Seen from when the message was sent; where the envelope does not say that, from now, which is
    the only thing that this adapter takes from outside of the message.
    """
    nearby = sent.time.date() if sent.time else _today()
    day, month = int(match.group(1)), _MONTHS.index(match.group(2)) + 1
    found: list[date] = []
    for year in range(nearby.year - 4, nearby.year + 2):
        try:
            found.append(date(year, month, day))
        except ValueError:
            continue
    if not planned:
        # it may be tomorrow already where it has happened
        found = [candidate for candidate in found if candidate <= nearby + timedelta(days=1)]
    if not found:
        malformed("date", f"there is no day {match.group(0)!r}")
    return min(found, key=lambda candidate: abs(candidate - nearby))


def _by_sending(status: Status) -> None:
    """What happened on a day at no stated time happened before it was told on the same day."""
    day, told = status.day, status.updated
    actual = meaning_of(status.code, status.discrepancy).classifier is ACTUAL
    if actual and day is not None and told is not None and day <= told < day + timedelta(days=1):
        status.time = told
        status.attributes["time_type"] = "SENT"


def _sent(sent: _Sent, status: Status) -> datetime | None:
    """When a telex was sent: it names the day of the month only, which is near to what it tells.

    What has happened is told on that day or after it, what is planned until then.
    """
    if sent.day is None:
        return None
    told, last = status.time or status.day, _today()
    if told is not None:
        planned = MEANINGS[status.code].classifier is PLANNED
        last = min(last, told.date()) if planned else told.date() + timedelta(days=27)
    for back in range(62):
        day = last - timedelta(days=back)
        if day.day == sent.day:
            return datetime(day.year, day.month, day.day, sent.hour, sent.minute, tzinfo=UTC)
    return None


def _today() -> date:
    return datetime.now(UTC).date()


def _recognises(message: bytes) -> bool:
    return _START.search(message[:4000].decode("utf-8", "replace")) is not None


FORMAT = Format(
    name="fsu",
    title="Cargo-IMP FSU: status update of an air waybill",
    decode=decode,
    topic=topics.CARRIER.name,
    content_type="text/plain",
    recognises=_recognises,
)
