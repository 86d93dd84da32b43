"""From bytes to the messages of an interchange: ISO 9735 syntax versions 1 to 4, as it is sent.

pydifact's tokenizer takes the text apart; what it cannot know is done here: whose service
characters are in force, which character set the bytes are in, what belongs to which message, and
whether anything was lost on the way.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydifact.control.characters import Characters
from pydifact.exceptions import EDISyntaxError
from pydifact.token import Token
from pydifact.tokenizer import Tokenizer

from corridor.codes import Reject
from corridor.decoding import Rejected
from producers.adapter import malformed

CHARACTER_SETS = {
    # ISO 9735, data element 0001; what is not here is ASCII
    "UNOC": "latin-1",
    "UNOD": "iso8859-2",
    "UNOE": "iso8859-5",
    "UNOF": "iso8859-7",
    "UNOG": "iso8859-3",
    "UNOH": "iso8859-4",
    "UNOI": "iso8859-6",
    "UNOJ": "iso8859-8",
    "UNOK": "iso8859-9",
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BEGINS = re.compile(r"UN[ABGH]", re.IGNORECASE)
_HEADS = re.compile(rb"UNH([^A-Za-z0-9])[^\r\n]{0,40}?\1\s*([A-Za-z]{6})", re.IGNORECASE)
_EDGES = " \t\r\n\0\x1a\ufeff"  # what editors, mainframes and old DOS leave around a file
_LINE_ENDS = re.compile(r"[\r\n]+")


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; data elements and components are counted as in the directories."""

    tag: str
    elements: tuple[tuple[str, ...], ...]

    def text(self, element: int, component: int = 1) -> str:
        """A component as it is written, or nothing."""
        if element > len(self.elements):
            return ""
        components = self.elements[element - 1]
        return components[component - 1] if component <= len(components) else ""

    def code(self, element: int, component: int = 1) -> str:
        """A coded component: upper case."""
        return self.text(element, component).upper()


@dataclass(slots=True)
class Message:
    """One message: what is between UNH and UNT."""

    kind: str
    reference: str
    segments: list[Segment] = field(default_factory=list)
    fault: Rejected | None = None
    """Why nothing of it can be trusted."""
    note: str | None = None
    """What is wrong with its envelope, where nothing can have been lost by it."""


@dataclass(slots=True)
class Interchange:
    """What one party sent at once."""

    sender: str = ""
    date: str = ""
    time: str = ""
    test: bool = False
    messages: list[Message] = field(default_factory=list)
    faults: list[Rejected] = field(default_factory=list)
    """What is wrong with it besides its messages."""


def interchanges(message: bytes) -> list[Interchange]:
    """Every interchange that is in some bytes, bare or inside of JSON.

    Raises:
        Unusable: there is none.
    """
    return [
        interchange
        for text in _texts(message)
        for interchange in _assembled(_segments(text.strip(_EDGES)))
    ]


def kinds(message: bytes) -> set[str]:
    """The kinds of the messages in some bytes, at a glance."""
    return {found[2].decode().upper() for found in _HEADS.finditer(message)}


def looks_like_edifact(message: bytes) -> bool:
    """Whether some bytes are an interchange, a message, or JSON around one."""
    head = message.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n\0")
    if head[:3].upper() in (b"UNA", b"UNB", b"UNG", b"UNH"):
        return True
    return head[:1] in (b"{", b"[") and bool(kinds(message))


def _texts(message: bytes) -> list[str]:
    text = _decoded(message).strip(_EDGES)
    if text[:1] in ("{", "["):
        return _enveloped(text)
    if not _BEGINS.match(text):
        malformed(None, "it does not begin like UN/EDIFACT: UNA, UNB or UNH")
    return [text]


def _decoded(message: bytes) -> str:
    for mark, encoding in _MARKS:
        if message.startswith(mark):
            return message[len(mark) :].decode(encoding, errors="replace")
    try:
        # many say UNOC and send UTF-8; that Latin-1 text looks like UTF-8 hardly ever happens
        return message.decode("utf-8")
    except UnicodeDecodeError:
        declared = re.search(rb"UNB.(UNO[A-Z])", message[:200], re.IGNORECASE | re.DOTALL)
        name = declared[1].decode().upper() if declared else ""
        return message.decode(CHARACTER_SETS.get(name, "ascii"), errors="replace")


def _enveloped(text: str) -> list[str]:
    """The raw messages in JSON; whatever the member is called, it begins like an interchange."""
    try:
        document: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        malformed(None, f"it is neither UN/EDIFACT nor JSON: {error}")
    objects = document if isinstance(document, list) else [document]
    found = [
        value
        for item in objects
        for value in (item.values() if isinstance(item, dict) else [item])
        if isinstance(value, str) and _BEGINS.match(value.lstrip(_EDGES))
    ]
    if not found:
        malformed(None, "no member of the JSON holds a message: a text that begins with UNB or UNH")
    return found


def _characters(advice: str) -> Characters:
    """The service characters of a UNA segment's six."""
    return Characters(*advice)  # type: ignore[no-untyped-call]


_LEVEL_A = _characters(":+.? '")
_LINES = _characters(":+.? \n")
_LEVEL_B = _characters("\x1f\x1d.\0 \x1c")  # IS1, IS3, IS4; nothing needs to be released


def _service_characters(text: str) -> tuple[Characters, str]:
    """The service characters in force, and the text behind them."""
    if text[:3].upper() == "UNA":
        match = re.search(r"UN[BGH]", text[3:20], re.IGNORECASE)
        end = 3 + match.start() if match else 9
        advice = text[3:9] if end >= 9 else ""
        if len(advice) == 6 and len({advice[0], advice[1], advice[5]}) == 3:
            # a space in the place of the release character means that nothing is released
            release = "\0" if advice[3] == " " else advice[3]
            return _characters(advice[:3] + release + advice[4:]), text[9:]
        return _LEVEL_A, text[end:]  # damaged: the standard ones, if they fit
    if text[3:4] == "\x1d":
        return _LEVEL_B, text
    if "'" not in text and "\n" in text:
        return _LINES, text
    return _LEVEL_A, text


def _segments(text: str) -> Iterator[Segment]:
    characters, text = _service_characters(text)
    terminator = characters.segment_terminator
    # no character set of EDIFACT has line ends: they are there to be read by people
    text = _LINE_ENDS.sub("\n" if terminator in "\r\n" else "", text) + terminator
    elements: list[list[str]] = [[""]]
    try:
        for token in Tokenizer().get_tokens(text, characters):
            if token.type is Token.Type.CONTENT:
                elements[-1][-1] += token.value
            elif token.type is Token.Type.COMPONENT_SEPARATOR:
                elements[-1].append("")
            elif token.type is Token.Type.DATA_SEPARATOR:
                elements.append([""])
            else:
                tag = elements[0][0].strip(_EDGES).upper()
                if tag:
                    yield Segment(tag, tuple(tuple(map(str.strip, e)) for e in elements[1:]))
                elements = [[""]]
    except EDISyntaxError:
        return  # it ends amidst a segment, so its message has no UNT


def _assembled(segments: Iterator[Segment]) -> list[Interchange]:
    found: list[Interchange] = []
    current: Interchange | None = None
    message: Message | None = None
    enveloped = False  # between UNB and UNZ
    groups = 0
    for segment in segments:
        if segment.tag in ("UNB", "UNH", "UNZ", "UNE", "UNG") and message is not None:
            message.fault = _cut_off(message)
            message = None
        if segment.tag == "UNB":
            if current is not None and enveloped:
                current.faults.append(_unfinished(current))
            current, enveloped, groups = _opened(segment), True, 0
            found.append(current)
            continue
        if current is None:
            current = Interchange()
            found.append(current)
        match segment.tag:
            case "UNH":
                message = Message(segment.code(2), segment.text(1))
                current.messages.append(message)
            case "UNT" if message is not None:
                _close(message, segment)
                message = None
            case "UNG":
                groups += 1
            case "UNZ":
                _check_total(current, groups, segment)
                enveloped = False
            case "UNE":
                pass
            case tag if message is not None:
                message.segments.append(segment)
            case tag if not tag.startswith("UNA"):
                _stray(current, tag)
    if message is not None:
        message.fault = _cut_off(message)
    if current is not None and enveloped:
        current.faults.append(_unfinished(current))
    return found


def _opened(unb: Segment) -> Interchange:
    return Interchange(unb.text(2), unb.text(4, 1), unb.text(4, 2), unb.text(11) == "1")


def _stray(interchange: Interchange, tag: str) -> None:
    fault = Rejected(
        Reject.MALFORMED, tag[:40], f"segment {tag[:40]!r} is in no message: its UNH is missing"
    )
    # one for all that stand together: the whole is kept anyway
    if not interchange.faults:
        interchange.faults.append(fault)


def _cut_off(message: Message) -> Rejected:
    return Rejected(
        Reject.MALFORMED,
        "UNT",
        f"message {message.reference[:40]!r} has no UNT: it is cut off, and a part may be lost",
    )


def _unfinished(interchange: Interchange) -> Rejected:
    return Rejected(
        Reject.MALFORMED,
        "UNZ",
        f"the interchange has no UNZ: after {len(interchange.messages)} messages others may be"
        " lost",
    )


def _close(message: Message, unt: Segment) -> None:
    """Compares a message with its trailer; fewer segments than counted means a loss."""
    present = len(message.segments) + 2
    stated = _number(unt.text(1))
    same = unt.text(2).lstrip("0") == message.reference.lstrip("0")
    if stated is not None and stated > present:
        detail = f"UNT counts {stated} segments, but {present} came: a part may be lost"
        message.fault = Rejected(Reject.MALFORMED, "UNT.0074", detail)
    elif not same and stated != present:
        detail = (
            f"UNT closes message {unt.text(2)[:40]!r}, not {message.reference[:40]!r}, and its"
            f" count {unt.text(1)[:20]!r} is wrong too: parts of two messages may be mixed"
        )
        message.fault = Rejected(Reject.MALFORMED, "UNT.0062", detail)
    elif not same:
        message.note = f"UNT closes {unt.text(2)[:40]}, UNH opened {message.reference[:40]}"
    elif stated != present:
        message.note = f"UNT counts {unt.text(1)[:20]}, there are {present} segments"


def _check_total(interchange: Interchange, groups: int, unz: Segment) -> None:
    stated, present = _number(unz.text(1)), groups or len(interchange.messages)
    if stated is not None and stated > present:
        what = "groups" if groups else "messages"
        detail = f"UNZ counts {stated} {what}, but {present} came: others may be lost"
        interchange.faults.append(Rejected(Reject.MALFORMED, "UNZ.0036", detail))


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
