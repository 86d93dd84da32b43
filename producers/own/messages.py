"""Reads `TrackingEvent` and `Itinerary` as JSON: one object, a list of them, or one on each line.

The models judge; this module only finds the objects. `kind` and `available_time`, which the lines
of a replay file have, are understood: `kind` must be one that the format reads; `available_time` is
left out, since what comes over an edge is known from now on.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
from pydantic import ValidationError

from corridor.codes import Reject
from corridor.decoding import Rejected, explain
from corridor.models import Itinerary, TrackingEvent
from producers.adapter import Format, Item

_MODELS: dict[str, type[TrackingEvent] | type[Itinerary]] = {
    "event": TrackingEvent,
    "itinerary": Itinerary,
}
_BOM = b"\xef\xbb\xbf"

Kinds = tuple[str, ...]


def decode(kinds: Kinds, message: bytes, sender: str) -> list[Item]:
    """Reads every object of a message.

    Args:
        kinds: What the objects may be. Where there is only one, an object need not say it.
        message: The bytes.
        sender: The source of an event that names none.
    """
    return [_item(kinds, sender, where, text) for where, text in _objects(message)]


def _objects(message: bytes) -> Iterator[tuple[str | None, Any]]:
    """The objects of a message, each with what to call it; what is not JSON stays bytes."""
    message = message.removeprefix(_BOM)
    whole = _parsed(message)
    if isinstance(whole, list):
        yield from ((f"[{index}]", part) for index, part in enumerate(whole))
        return
    lines = message.splitlines() if isinstance(whole, bytes) else []
    numbered = [(number, _parsed(line)) for number, line in enumerate(lines, 1) if line.strip()]
    if any(isinstance(part, dict) for _, part in numbered):
        yield from ((f"line {number}", part) for number, part in numbered)
    else:
        yield None, whole


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _item(kinds: Kinds, sender: str, where: str | None, part: Any) -> Item:
    item = _read(kinds, sender, part)
    if where is None or not isinstance(item, Rejected):
        return item
    joint = "." if where.startswith("[") else ": "
    return item._replace(field=f"{where}{joint}{item.field}" if item.field else where)


def _read(kinds: Kinds, sender: str, part: Any) -> Item:
    if isinstance(part, bytes):
        return Rejected(Reject.MALFORMED, None, _why_not_json(part))
    if not isinstance(part, dict):
        return Rejected(Reject.MALFORMED, None, "it is JSON, but not an object")
    fields = _without_nulls(part)
    kind = fields.pop("kind", kinds[0] if len(kinds) == 1 else None)
    if not isinstance(kind, str) or kind not in _MODELS:
        return Rejected(Reject.MALFORMED, "kind", f"kind must be {' or '.join(kinds)}")
    if kind not in kinds:
        detail = f"this is of kind {kind}; it belongs into the format {kind}"
        return Rejected(Reject.UNSUPPORTED, "kind", detail)
    if kind == "event":
        fields.setdefault("source", sender)
    try:
        return _MODELS[kind].model_validate(fields)
    except ValidationError as error:
        return explain(error)


def _without_nulls(part: dict[str, Any]) -> dict[str, Any]:
    """An object without what is null, which is as good as absent; of an itinerary, its legs too."""
    fields = {name: value for name, value in part.items() if value is not None}
    legs = fields.get("legs")
    if isinstance(legs, list):
        fields["legs"] = [_without_nulls(leg) if isinstance(leg, dict) else leg for leg in legs]
    return fields


def _why_not_json(text: bytes) -> str:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"not JSON: {error}"
    return "not JSON"


_KIND = re.compile(rb'"kind"\s*:\s*"(event|itinerary)"')
_EVENT = re.compile(rb'"event_type"\s*:')
_ITINERARY = re.compile(rb'"legs"\s*:')
_LOOKED_AT = 100_000


def _recognises(mark: re.Pattern[bytes], message: bytes) -> bool:
    start = message[:_LOOKED_AT].removeprefix(_BOM).lstrip()
    if start[:1] not in (b"{", b"["):
        return False
    # whoever states the kind may mix kinds
    if _KIND.search(start):
        return mark is _KIND
    return mark.search(start) is not None


def _format(name: str, title: str, kinds: Kinds, mark: re.Pattern[bytes]) -> Format:
    return Format(
        name,
        title,
        partial(decode, kinds),
        None,
        "application/json",
        partial(_recognises, mark),
        by_line=True,
    )


EVENT = _format("event", "Our tracking event, JSON", ("event",), _EVENT)
ITINERARY = _format("itinerary", "Our itinerary, JSON", ("itinerary",), _ITINERARY)
REPLAY = _format("replay", "Lines of a replay file, of both kinds", ("event", "itinerary"), _KIND)
