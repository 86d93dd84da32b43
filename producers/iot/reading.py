"""What a report of a device says, as events of ours."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from pydantic import ValidationError

from corridor.codes import EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.identity import derived_id
from producers.adapter import Item, Unusable, container, event, malformed, moment, node, position
from producers.iot.report import ATTRIBUTES, CELSIUS, MEASURED, Gps, Lock, Reefer, Report
from producers.iot.spelling import Spelled, reports, spelled
from producers.iot.words import ALARMS, CODE_OF, NO_FIX, REPORT, Code, plain

_BOM = b"\xef\xbb\xbf"
_CARNET = re.compile(r"[A-Z]{2}\d{8}")
_BLANK = re.compile(r"\s+")
_MILLISECONDS = 1e11
"""Unix times from here on are in milliseconds: as seconds they would be of the year 5138."""
_FIRST = 946_684_800.0
"""The year 2000: what is earlier is a clock that was never set."""

_BREADCRUMB: Code = (EventType.IOT, "BREADCRUMB")
_STATUS: Code = (EventType.IOT, "DEVICE_STATUS")
_LOST: Code = (EventType.IOT, "SIGNAL_LOST")
_LOW: Code = (EventType.IOT, "LOW_BATTERY")
_MEASURED: Code = (EventType.REEFER, "MEASURED")
_BESIDES = frozenset({_LOW, _LOST, _MEASURED, (EventType.REEFER, "ADJUSTED")})
"""What is told beside a position, which then is an event of its own."""


def decode(model: type[Report], message: bytes, sender: str) -> list[Item]:
    """Reads the reports of a message: an object, a list of them, or a batch in an object."""
    try:
        parts = reports(orjson.loads(message.removeprefix(_BOM)))
    except orjson.JSONDecodeError as error:
        return [Rejected(Reject.MALFORMED, None, f"not JSON: {error}")]
    items: list[Item] = []
    for where, part in parts:
        try:
            if not isinstance(part, dict):
                malformed(None, "it is JSON, but not an object")
            found = list(_items(model, part, sender))
        except Unusable as error:
            found = [error.rejected]
        items.extend(_placed(item, where) for item in found)
    return items


def _placed(item: Item, where: str | None) -> Item:
    if where is None or not isinstance(item, Rejected):
        return item
    return item._replace(field=f"{where}.{item.field}" if item.field else where)


def _items(model: type[Report], part: dict[str, Any], sender: str) -> Iterator[Item]:
    words = spelled(part)
    report, faults = _validated(model, words)
    yield from faults
    time, updated = _times(report, words)
    codes, unknown = _codes(report, words)
    yield from unknown
    attributes = _attributes(report)
    where: tuple[float, float] | None = None
    try:
        where = _position(report, words, attributes)
    except Unusable as error:
        yield error.rejected
    place = None
    if report.place is not None:
        try:
            place = node(report.place, words.called("place"))
        except Unusable as error:
            yield error.rejected
    subject = _subject(report, words)
    for kind, code in _stated(codes, where is not None, report):
        yield event(
            event_id=_identity(report, time, code),
            source=sender,
            event_type=kind,
            code=code,
            event_time=time,
            updated_time=updated,
            node_id=place,
            latitude=where and where[0],
            longitude=where and where[1],
            attributes=attributes,
            **subject,
        )


def _validated(model: type[Report], words: Spelled) -> tuple[Report, list[Rejected]]:
    """The report without the fields that cannot be used, and what is wrong with these.

    Raises:
        Unusable: there is no device.
    """
    try:
        return model.model_validate(words.fields), []
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
    faults: list[Rejected] = []
    for fault in wrong:
        field = str(fault["loc"][0])
        if words.fields.pop(field, None) is not None:
            faults.append(Rejected(Reject.MALFORMED, words.called(field), fault["msg"]))
    if "device" not in words.fields:
        wrong_device = [fault for fault in faults if fault.field == words.called("device")]
        if "device" in words.said:
            raise Unusable(*wrong_device[0])
        raise Unusable(Reject.MALFORMED, "device", "nothing names the device")
    return model.model_validate(words.fields), faults


def _times(report: Report, words: Spelled) -> tuple[datetime, datetime]:
    """When it was so, and when that was said.

    Raises:
        Unusable: nobody can tell.
    """
    for field in ("time", "received"):  # the gateway's word, where a last will has no time
        said = getattr(report, field)
        if said is not None:
            time = _moment(said, words.called(field), report.zone)
            break
    else:
        malformed("time", "there is no time")
    if report.sent is None:
        return time, time
    return time, max(time, _moment(report.sent, words.called("sent"), report.zone))


def _moment(said: str | float, field: str, zone: str | None) -> datetime:
    if isinstance(said, str) and not (said.strip().isdecimal() and said.isascii()):
        return moment(said, field, zone=zone)
    seconds = float(said) if isinstance(said, float) or len(said) < 20 else -1.0
    if seconds >= _MILLISECONDS:
        seconds /= 1000
    if not _FIRST <= seconds < _MILLISECONDS:
        detail = f"{str(said)[:40]!r} is no Unix time since 2000; clocks that are not set say so"
        malformed(field, detail)
    try:
        return datetime.fromtimestamp(round(seconds, 6), UTC)
    except (ValueError, OverflowError, OSError):
        malformed(field, f"{str(said)[:40]!r} is no Unix time")


def _codes(report: Report, words: Spelled) -> tuple[dict[Code, None], list[Item]]:
    """What has happened by the report's own words, in their order; and words that say nothing."""
    codes: dict[Code, None] = {}
    unknown: list[Item] = []
    about = False
    for word in report.event:
        code = CODE_OF.get(plain(word))
        if code is not None:
            codes[code] = None
        if plain(word) in REPORT or code in (_STATUS, _BREADCRUMB, _LOW, _LOST, _MEASURED):
            about = True
        elif code is None:
            detail = f"nothing here is called {word[:40]!r}"
            unknown.append(Rejected(Reject.UNKNOWN_CODE, words.called("event"), detail))
    for word in report.alarms:
        if (code := CODE_OF.get(plain(word))) is not None:
            codes[code] = None
    # How things stand is news if the message is about nothing else, or if it is an alarm.
    door = f"door{report.door}" if report.door is not None else None
    for said in (report.state, door):
        code = CODE_OF.get(plain(said)) if said else None
        if code is not None and (code in ALARMS or not (about or report.event)):
            codes[code] = None
    if report.low:
        codes[_LOW] = None
    if isinstance(report, Lock) and report.authorised is False:
        # an opening that nobody allowed, whatever the device calls it
        codes = {_tampered(code): None for code in codes}
    return codes, unknown


def _tampered(code: Code) -> Code:
    opened = code == (EventType.IOT, "UNSEALED_AUTHORISED")
    return (EventType.IOT, "TAMPER") if opened else code


def _stated(codes: dict[Code, None], located: bool, report: Report) -> Iterator[Code]:
    """The events of a report: what has happened, and where the device is or that it lives."""
    stated = dict(codes)
    measures = isinstance(report, Reefer) and not MEASURED.isdisjoint(report.model_fields_set)
    if measures and (EventType.REEFER, "ADJUSTED") not in stated:
        stated[_MEASURED] = None
    for vague in (_BREADCRUMB, _STATUS):  # every event says where the device is, and that it lives
        stated.pop(vague, None)
    if located and _BESIDES.issuperset(stated):
        stated[_BREADCRUMB] = None
    elif not stated:
        stated[_STATUS] = None
    yield from stated


def _identity(report: Report, time: datetime, code: str) -> str:
    """The same statement has the same id, however often a device or a broker repeats it."""
    if report.message is not None:
        return derived_id("iot", report.device, report.message, code)
    if code == "SIGNAL_LOST" and report.time is None:
        # a last will comes with another time of receipt whenever it is delivered again
        since = report.connected if report.connected is not None else report.seq
        if since is not None:
            return derived_id("iot", report.device, str(since), code)
    return derived_id("iot", report.device, time.isoformat(), report.seq or "", code)


def _subject(report: Report, words: Spelled) -> dict[str, Any]:
    """What the report is about; a device whose bearer nobody names is a run of its own.

    Raises:
        Unusable: a number of it is wrong.
    """
    subject: dict[str, Any] = {"run_id": report.run, "shipment_id": report.bill or report.booking}
    if report.container is not None:
        subject["unit_id"] = container(report.container, words.called("container"))
    elif report.carnet is not None:
        number = _BLANK.sub("", report.carnet).upper()
        if not _CARNET.fullmatch(number):
            detail = f"{report.carnet[:40]!r} is no TIR carnet number: two letters, eight digits"
            malformed(words.called("carnet"), detail)
        subject["unit_id"] = number
    if any(subject.values()):
        return subject
    if report.plate is not None:
        return {"run_id": _BLANK.sub("", report.plate).upper(), "mode": Mode.TRUCK}
    return {"run_id": f"DEVICE:{report.device}"}


def _position(
    report: Report, words: Spelled, attributes: dict[str, Any]
) -> tuple[float, float] | None:
    """Where the device is; a position without a fix is only where it was last known to be.

    Raises:
        Unusable: that cannot be.
    """
    if report.latitude is None and report.longitude is None:
        return None
    field = words.called("latitude" if report.latitude is not None else "longitude")
    if report.latitude is None or report.longitude is None:
        malformed(field, "half a position: latitude and longitude belong together")
    no_fix = report.fix is not None and plain(report.fix) in NO_FIX
    if no_fix and report.latitude == report.longitude == 0:
        return None
    found = position(report.latitude, report.longitude, field)
    if no_fix:
        attributes["last_known_latitude"], attributes["last_known_longitude"] = found
        return None
    return found


def _attributes(report: Report) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    fahrenheit = isinstance(report, Reefer) and (report.degrees or "").upper()[:1] == "F"
    for field, name in ATTRIBUTES.items():
        value = getattr(report, field, None)
        if value is None:
            continue
        if fahrenheit and field in CELSIUS:
            value = round((value - 32) / 1.8, 2)
        attributes[name] = value
    codes = [word for word in report.alarms if plain(word) not in CODE_OF]
    if codes:
        attributes["alarms"] = ",".join(codes)
    return attributes


lock = partial(decode, Lock)
gps = partial(decode, Gps)
reefer = partial(decode, Reefer)
"""The decoders of the three formats."""
