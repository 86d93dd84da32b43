"""TRUST train movements of Network Rail: JSON from its STOMP and Kafka feeds.

Open Rail Data wiki, "Train Movements": messages 0001 to 0008, one or a list of them. All values are
texts, absent ones empty. Times are milliseconds since 1970 as if British wall clocks showed UTC:
an hour too late in summer. Only `msg_queue_timestamp` is true UTC.
"""

from codecs import BOM_UTF8
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from corridor import topics
from corridor.codes import Classifier, EventType, Mode, Reject
from corridor.decoding import Rejected
from corridor.identity import derived_id
from producers.adapter import Format, Item, Unusable, each, event, malformed
from producers.rail.places import place
from producers.zones import wall_clock

_BRITAIN = "Europe/London"
_MILESTONES = {"ARRIVAL": "ARRIVED", "DEPARTURE": "DEPARTED"}
_EARLY = {"EARLY": -1, "LATE": 1, "ON TIME": 0}

Message = dict[str, Any]


class _Train:
    """What all messages say of their train."""

    def __init__(self, header: Message, body: Message, sender: str) -> None:
        self.body = body
        self.sender = sender
        queued = _text(header, "msg_queue_timestamp")
        self.queued = _epoch(queued, "header.msg_queue_timestamp") if queued else None
        train_id = _text(body, "train_id")
        if train_id is None:
            malformed("body.train_id", "it is missing")
        self.train_id = train_id.upper()
        self.attributes: dict[str, str | int | float | bool | None] = {
            "train_id": self.train_id,
            "current_train_id": _text(body, "current_train_id"),
            "train_service_code": _text(body, "train_service_code"),
            "toc_id": _text(body, "toc_id"),
            "train_file_address": _text(body, "train_file_address"),
            "original_data_source": _text(header, "original_data_source"),
        }

    def run_id(self, near: datetime) -> str:
        """The run: the id ends in the day of the month that the train starts on.

        Ids come again each month; the day is the one nearest to a time of the run.
        """
        text = self.train_id[-2:]
        local = near.astimezone(ZoneInfo(_BRITAIN)).date()
        days = [local + timedelta(days=offset) for offset in range(-15, 16)]
        fitting = [day for day in days if text == f"{day.day:02d}"]
        if len(self.train_id) != 10 or not fitting:
            malformed("body.train_id", f"{self.train_id[:40]!r} does not end in a day of the month")
        day: date = min(fitting, key=lambda candidate: abs(candidate - local))
        return f"{self.train_id}-{day:%Y%m%d}"

    def stanox(self, *names: str) -> str | None:
        """The first location code that the message gives under these names."""
        return next(filter(None, (_text(self.body, name) for name in names)), None)

    def time(self, *names: str) -> datetime | None:
        """The first time that the message gives under these names."""
        for name in names:
            if text := _text(self.body, name):
                shown = _epoch(text, f"body.{name}").replace(tzinfo=None)
                return wall_clock(shown, _BRITAIN)
        return None

    def needed(self, *names: str) -> datetime:
        """As `time`.

        Raises:
            Unusable: there is none.
        """
        time = self.time(*names)
        if time is None:
            malformed(f"body.{names[0]}", "it is missing")
        return time

    def event(self, statement: str, of: datetime, **fields: Any) -> Item:
        """An event of the train's run; `statement` tells it from the run's other ones."""
        run_id = self.run_id(of)
        fields["attributes"] = {
            name: value
            for name, value in (self.attributes | fields.pop("attributes", {})).items()
            if value is not None
        }
        return event(
            event_id=derived_id("trust", run_id, statement),
            source=self.sender,
            updated_time=self.queued,
            run_id=run_id,
            mode=Mode.RAIL,
            **fields,
        )


def _activation(train: _Train) -> list[Item]:
    """0001: the train is called; what it will depart by."""
    departs = train.needed("origin_dep_timestamp")
    body = train.body
    told = {
        name: _text(body, name)
        for name in ("train_uid", "schedule_type", "schedule_source", "train_call_type")
    }
    return [_planned(train, departs, "tp_origin_stanox", "sched_origin_stanox", told=told)]


def _planned(train: _Train, departs: datetime, *names: str, told: Message) -> Item:
    """Where the train starts and when: a new origin takes the place of the old one."""
    stanox = train.stanox(*names)
    if stanox is None:
        malformed(f"body.{names[0]}", "it is missing")
    return train.event(
        "origin",
        departs,
        event_type=EventType.TRANSPORT,
        code="DEPARTED",
        classifier=Classifier.PLANNED,
        event_time=departs,
        node_id=_node(stanox),
        attributes={"stanox": stanox, **told},
    )


def _cancellation(train: _Train) -> list[Item]:
    """0002: the whole train, or the rest of its way from a place onwards."""
    cancelled = train.needed("canx_timestamp")
    of = train.time("dep_timestamp") or cancelled
    kind = (_text(train.body, "canx_type") or "").upper()
    stanox = train.stanox("loc_stanox")
    # a train that does not start is cancelled everywhere; one that ends on its way, from there
    whole = kind in ("ON CALL", "AT ORIGIN") or stanox is None
    return [
        train.event(
            "cancellation",
            of,
            event_type=EventType.TRANSPORT,
            code="CANCELLED",
            event_time=cancelled,
            node_id=None if whole or stanox is None else _node(stanox),
            attributes={
                "stanox": stanox,
                "cancellation_type": kind or None,
                "cancellation_reason": _text(train.body, "canx_reason_code"),
                "original_stanox": train.stanox("orig_loc_stanox"),
            },
        )
    ]


def _movement(train: _Train) -> list[Item]:
    """0003: the train has arrived at, departed from or passed a place."""
    body = train.body
    kind = (_text(body, "event_type") or "").upper()
    code = _MILESTONES.get(kind)
    if code is None:
        raise Unusable(Reject.UNKNOWN_CODE, "body.event_type", f"{kind[:40]!r} is no movement")
    happened = train.needed("actual_timestamp")
    planned = train.time("planned_timestamp")
    stanox = train.stanox("loc_stanox")
    if stanox is None:
        malformed("body.loc_stanox", "it is missing")
    variation = _text(body, "timetable_variation")
    status = (_text(body, "variation_status") or "").upper() or None
    minutes = None
    if variation is not None and variation.isdecimal() and len(variation) < 6:
        minutes = int(variation) * _EARLY.get(status or "", 1) if status != "OFF ROUTE" else None
    passenger = train.time("gbtt_timestamp")
    visit = _text(body, "planned_timestamp") or ""
    return [
        train.event(
            f"{code}/{stanox}/{visit}",
            planned or happened,
            event_type=EventType.TRANSPORT,
            code=code,
            event_time=happened,
            node_id=_node(stanox),
            attributes={
                "stanox": stanox,
                "planned_time": planned and _iso(planned),
                "passenger_time": passenger and _iso(passenger),
                "delay_minutes": minutes,
                "variation_status": status,
                "off_route": _flag(body, "offroute_ind"),
                "train_terminated": _flag(body, "train_terminated"),
                "correction": _flag(body, "correction_ind"),
                "planned_event_type": _text(body, "planned_event_type"),
                "event_source": _text(body, "event_source"),
                "platform": _text(body, "platform"),
                "line": _text(body, "line_ind"),
                "route": _text(body, "route"),
                "reporting_stanox": train.stanox("reporting_stanox"),
                "original_stanox": train.stanox("original_loc_stanox"),
                "next_stanox": train.stanox("next_report_stanox"),
                "next_run_minutes": _text(body, "next_report_run_time"),
            },
        )
    ]


def _reinstatement(train: _Train) -> list[Item]:
    """0005: the train runs after all; its cancellation is taken back."""
    reinstated = train.needed("reinstatement_timestamp")
    of = train.time("dep_timestamp") or reinstated
    return [
        train.event(
            "cancellation",
            of,
            event_type=EventType.TRANSPORT,
            code="CANCELLED",
            event_time=reinstated,
            retracted=True,
            attributes={"stanox": train.stanox("loc_stanox")},
        )
    ]


def _change_of_origin(train: _Train) -> list[Item]:
    """0006: the train starts from another place than its schedule says."""
    told = {
        "origin_changed": True,
        "change_reason": _text(train.body, "reason_code"),
        "original_stanox": train.stanox("original_loc_stanox"),
    }
    return [_planned(train, train.needed("dep_timestamp"), "loc_stanox", told=told)]


def _change_of_identity(train: _Train) -> list[Item]:
    """0007: the train has a new id, but messages go on naming the one that it was called by."""
    changed = train.needed("event_timestamp")
    revised = _text(train.body, "revised_train_id")
    if revised is None:
        malformed("body.revised_train_id", "it is missing")
    return [
        train.event(
            f"identity/{revised}",
            changed,
            event_type=EventType.SHIPMENT,
            code="UPDATE_CONFIRMED",
            event_time=changed,
            attributes={"revised_train_id": revised},
        )
    ]


def _change_of_location(train: _Train) -> list[Item]:
    """0008: the train is to call at another place than its schedule says."""
    departs = train.needed("dep_timestamp")
    stanox = train.stanox("loc_stanox")
    if stanox is None:
        malformed("body.loc_stanox", "it is missing")
    original = train.stanox("original_loc_stanox")
    return [
        train.event(
            f"location/{original or stanox}",
            departs,
            event_type=EventType.TRANSPORT,
            code="DEPARTED",
            classifier=Classifier.PLANNED,
            event_time=departs,
            node_id=_node(stanox),
            attributes={"stanox": stanox, "original_stanox": original},
        )
    ]


_READERS: dict[str, Callable[[_Train], list[Item]]] = {
    "0001": _activation,
    "0002": _cancellation,
    "0003": _movement,
    "0005": _reinstatement,
    "0006": _change_of_origin,
    "0007": _change_of_identity,
    "0008": _change_of_location,
}


def decode(message: bytes, sender: str) -> list[Item]:
    """Reads a message or a list of them."""
    try:
        raw = orjson.loads(message.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        return [Rejected(Reject.MALFORMED, None, f"not JSON: {error}")]
    parts = raw if isinstance(raw, list) else [raw]
    return each("messages", parts, lambda part: _read(part, sender))


def _read(part: Any, sender: str) -> list[Item]:
    header = part.get("header") if isinstance(part, dict) else None
    body = part.get("body") if isinstance(part, dict) else None
    if not isinstance(header, dict) or not isinstance(body, dict):
        malformed(None, "it has no header and body")
    kind = _text(header, "msg_type") or ""
    reader = _READERS.get(kind.zfill(4))
    if reader is None:
        detail = f"message type {kind[:40]!r} is none of {', '.join(_READERS)}"
        raise Unusable(Reject.UNSUPPORTED, "header.msg_type", detail)
    return reader(_Train(header, body, sender))


def _node(stanox: str) -> str:
    # a STANOX is not a location code of TAF/TAP TSI, which is five digits of GB as well
    return place("GB", f"STANOX{stanox}"[:12])


def _text(holder: Message, name: str) -> str | None:
    value = holder.get(name)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return value.strip()[:500] or None if isinstance(value, str) else None


def _flag(holder: Message, name: str) -> bool | None:
    text = (_text(holder, name) or "").lower()
    return {"true": True, "false": False}.get(text)


def _epoch(text: str, field: str) -> datetime:
    if not (text.isascii() and text.isdecimal() and len(text) <= 14):
        malformed(field, f"{text[:40]!r} is no number of milliseconds since 1970")
    try:
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        malformed(field, f"{text[:40]!r} is no time that the calendar has")


def _iso(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _recognises(message: bytes) -> bool:
    head = message[:4000]
    return b'"msg_type"' in head and b'"train_id"' in head


FORMAT = Format(
    name="trust",
    title="TRUST train movements",
    decode=decode,
    topic=topics.CARRIER.name,
    content_type="application/json",
    recognises=_recognises,
)
