"""From bytes to the EPCIS events of a document, a query's answer, a list, or one by itself."""

import re
from typing import Any

import orjson

from corridor import topics
from corridor.codes import Reject
from corridor.decoding import Rejected
from producers.adapter import Format, Item, Unusable, malformed
from producers.epcis import events
from producers.epcis.fields import block, kind, several, shown, text
from producers.epcis.vocabulary import local

MOST = 20_000
"""Statements that we take from one message."""

_BOM = b"\xef\xbb\xbf"
_EVENT = re.compile(rb'"(?:Object|Aggregation|Association|Transaction|Transformation)Event"')


def decode(message: bytes, sender: str) -> list[Item]:
    """What an EPCIS message says; see `producers.adapter`."""
    try:
        document = orjson.loads(message.removeprefix(_BOM))
    except orjson.JSONDecodeError as error:
        return [Rejected(Reject.MALFORMED, None, f"it is no JSON: {error}")]
    items: list[Item] = []
    try:
        path, parts, source = _events(document, sender)
    except Unusable as error:
        return [error.rejected]
    for index, part in enumerate(parts):
        # one event by itself has no place in a list to be named
        where = f"{path}[{index}]" if path is not None else ""
        try:
            items.extend(events.read(part, where, source))
        except Unusable as error:
            reason, field, detail = error.rejected
            field = f"{where}.{field}" if where and field else where or field
            items.append(Rejected(reason, field, detail))
        if len(items) > MOST:
            detail = f"it says more than {MOST:,} things; send it in parts"
            return [*items[:MOST], Rejected(Reject.UNSUPPORTED, path, detail)]
    return items


def _events(document: Any, sender: str) -> tuple[str | None, list[Any], str]:
    """Where the events of a message are, what they are, and who speaks.

    Raises:
        Unusable: it is no message that has events.
    """
    if isinstance(document, list):
        return "", document, sender
    fields = block(document, None)
    name = kind(fields)
    what = local(name) if name else None
    if what in events.KINDS:
        return None, [fields], sender
    body = fields.get("epcisBody")
    if what not in ("EPCISDocument", "EPCISQueryDocument", None) or body is None:
        detail = f"{shown(name)} is no document with EPCIS events"
        raise Unusable(Reject.UNSUPPORTED, "type", detail)
    path, inner = "epcisBody", block(body, "epcisBody")
    for layer in ("queryResults", "resultsBody"):
        if inner.get(layer) is not None:
            path += f".{layer}"
            inner = block(inner[layer], path)
    for list_name in ("eventList", "event"):
        if inner.get(list_name) is not None:
            parts = several(inner, list_name)
            return f"{path}.{list_name}", parts, text(fields, "sender") or sender
    malformed(f"{path}.eventList", "it has no events")


def _recognises(message: bytes) -> bool:
    start = message[:4096].lstrip(_BOM + b" \t\r\n")
    return start[:1] in (b"{", b"[") and (
        b"epcisBody" in message or (_EVENT.search(message) is not None and b"eventTime" in message)
    )


EPCIS = Format(
    name="epcis",
    title="GS1 EPCIS 2.0 events (JSON, JSON-LD)",
    decode=decode,
    topic=topics.PORT.name,
    content_type="application/ld+json",
    recognises=_recognises,
)
