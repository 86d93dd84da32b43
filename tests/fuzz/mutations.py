"""Messages that are almost right, from messages that are."""

import random
from collections.abc import Callable
from typing import Any

import orjson

_TOKENS = (
    *(b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"null", b"NaN", b"1e999"),
    *(b"-1", b"9" * 400, b"[" * 80, b"{" * 80, b"]]", b"'", b'"', b"+", b":", b"?", b"\r\n", b"<"),
    *(b">", b"/", b"&lt;", b"]]>", b"<!DOCTYPE a>", b"UNB+", b"UNH+1+IFTSTA:D:00B:UN'"),
    *(b"!AIVDM,1,1,,A,,0*26", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b"T24:00"),
    *(b"+99:99", b"29FEB", b"31FEB", b"XXXXX", b"0000", b'"\\ud800"', b"a" * 600),
    "重庆\u202e".encode(),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**63 - 1, 1e308, -0.0, "", " ", "x" * 3000, "\x00", "null"),
    *([], {}, [None], [[]], {"": None}, "2026-02-30T00:00:00Z", "9999-12-31T23:59:59+14:00"),
    *({"id": {}}, {"type": []}, "urn:", "geo:,", "9" * 400, "é" * 600, "2026-13-45T99:99:99Z"),
    *("9999-12-31T23:59:59-14:00", "ADD", "ARRI", "RELEASED", "cbv:BizStep-"),
    *("91", "181", "CSQU3054384", "ZZZZZ", "urn:epc:id:sscc:0.0", "999-12345678"),
)


def mutated(message: bytes, other: bytes, dice: random.Random) -> bytes:
    """A message with one to four faults.

    Args:
        message: What is spoiled.
        other: Another message, of which a piece may go in.
        dice: Decides.
    """
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        message = dice.choice(_WAYS)(message, other, dice)
    return message


def _tree(message: bytes, other: bytes, dice: random.Random) -> bytes:
    """Changes one place of a JSON document."""
    try:
        document = orjson.loads(message)
    except orjson.JSONDecodeError:
        return _flip(message, other, dice)
    place, key = _pick(document, dice)
    if place is None:
        return orjson.dumps(dice.choice(_VALUES))
    way = dice.randrange(5)
    if way == 0:
        del place[key]
    elif way == 1 and isinstance(place, list):
        place.extend([place[key]] * dice.choice((1, 3)))
    elif way == 2 and isinstance(place, dict):
        place[dice.choice((key.upper(), key.swapcase(), f" {key}", ""))] = place.pop(key)
    elif way == 3:
        place[key] = _piece(other, dice)
    else:
        place[key] = dice.choice((*_VALUES, [place[key]], {"x": place[key]}, str(place[key])))
    return orjson.dumps(document)


def _piece(message: bytes, dice: random.Random) -> Any:
    """A value out of a JSON document; None if it is none."""
    try:
        place, key = _pick(orjson.loads(message), dice)
    except orjson.JSONDecodeError:
        return None
    return None if place is None else place[key]


def _pick(document: Any, dice: random.Random) -> tuple[Any, Any]:
    """A container of the document, and one of its keys."""
    places: list[tuple[Any, Any]] = []
    stack = [document]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            places += [(value, key) for key in value]
            stack += value.values()
        elif isinstance(value, list):
            places += [(value, index) for index in range(len(value))]
            stack += value
    return dice.choice(places) if places else (None, None)


def _span(message: bytes, dice: random.Random) -> tuple[int, int]:
    start = dice.randrange(len(message) + 1)
    return start, min(len(message), start + int(dice.expovariate(0.1)) + 1)


def _flip(message: bytes, _: bytes, dice: random.Random) -> bytes:
    start, _end = _span(message, dice)
    return message[:start] + bytes([dice.randrange(256)]) + message[start + 1 :]


def _cut(message: bytes, _: bytes, dice: random.Random) -> bytes:
    start, end = _span(message, dice)
    return message[:start] + message[end:]


def _truncate(message: bytes, _: bytes, dice: random.Random) -> bytes:
    return message[: dice.randrange(len(message) + 1)]


def _repeat(message: bytes, _: bytes, dice: random.Random) -> bytes:
    start, end = _span(message, dice)
    return message[:start] + message[start:end] * dice.choice((2, 3, 20)) + message[end:]


def _insert(message: bytes, _: bytes, dice: random.Random) -> bytes:
    start, end = _span(message, dice)
    end = dice.choice((start, end))
    return message[:start] + dice.choice(_TOKENS) + message[end:]


def _splice(message: bytes, other: bytes, dice: random.Random) -> bytes:
    start, end = _span(message, dice)
    start2, end2 = _span(other, dice)
    return message[:start] + other[start2 : dice.choice((end2, len(other)))] + message[end:]


def _digits(message: bytes, _: bytes, dice: random.Random) -> bytes:
    """Changes a digit, which keeps most messages well-formed."""
    places = [index for index, byte in enumerate(message) if 48 <= byte <= 57]
    if not places:
        return message
    place = dice.choice(places)
    return message[:place] + b"%d" % dice.randrange(10) + message[place + 1 :]


_WAYS: tuple[Callable[[bytes, bytes, random.Random], bytes], ...] = (
    *(_tree, _tree, _tree, _tree, _flip, _cut, _truncate, _repeat, _insert, _insert, _splice),
    *(_digits, _digits),
)
