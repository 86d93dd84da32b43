"""Lines of NMEA 0183 as receivers send them: tag blocks (4.10, 7.1) and sentences of several parts.

AIS itself tells nothing of the time but the second of the minute; what a receiver adds as `c:` in
a tag block says the rest.
"""

from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from pyais.messages import AISSentence, NMEASentenceFactory
from pyais.util import checksum

WAITING = 1_000
"""Parts that wait for their others; beyond that, the oldest are given up."""
_MILLISECONDS = 1e11
_LONGEST = 1024
"""Bytes of a line; the standard has 82, and a tag block before it 80."""


class Sentence(NamedTuple):
    """One line."""

    number: int
    raw: bytes
    parsed: AISSentence | None
    fault: str | None
    """What is wrong with it, where it is not parsed."""
    time: datetime | None


class Group(NamedTuple):
    """The lines of one message, in order."""

    sentences: tuple[Sentence, ...]
    missing: str | None = None

    @property
    def raw(self) -> bytes:
        """The lines."""
        return b"\n".join(sentence.raw for sentence in self.sentences)


def sentence(raw: bytes, number: int = 1) -> Sentence:
    """One line, as far as it can be read."""
    raw = raw.strip()
    try:
        if len(raw) > _LONGEST:
            raise ValueError("longer than a line can be")
        parsed = NMEASentenceFactory.produce(raw)
    except Exception as error:  # whatever pyais makes of bytes that are no sentence
        said = str(error) if isinstance(error, ValueError) else "no NMEA sentence with AIS"
        return Sentence(number, raw, None, said, None)
    if not isinstance(parsed, AISSentence):
        return Sentence(number, raw, None, "an NMEA sentence, but not AIS", None)
    if not parsed.is_valid:
        return Sentence(number, raw, None, "its checksum is wrong", None)
    return Sentence(number, raw, parsed, *_tag_time(parsed))


def _tag_time(parsed: AISSentence) -> tuple[str | None, datetime | None]:
    block = parsed.tag_block
    if block is None:
        return None, None
    block.init()
    if not block.is_valid:
        return "the checksum of its tag block is wrong", None
    try:
        seconds = float(block.receiver_timestamp or "")
        if seconds >= _MILLISECONDS:
            seconds /= 1000
        return None, datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None, None


class Assembler:
    """Brings the parts of messages together."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[tuple[object, ...], dict[int, Sentence]] = OrderedDict()

    def add(self, line: Sentence) -> Iterator[Group]:
        """The messages that are complete with a line, or given up."""
        parsed = line.parsed
        if parsed is None or line.fault is not None or parsed.frag_cnt == 1:
            yield Group((line,))
            return
        key = (parsed.seq_id, parsed.channel, parsed.frag_cnt)
        parts = self._waiting.setdefault(key, {})
        if parsed.frag_num in parts:  # of the next message with this number
            yield self._given_up(key)
            parts = self._waiting.setdefault(key, {})
        parts[parsed.frag_num] = line
        if len(parts) == parsed.frag_cnt:
            del self._waiting[key]
            yield Group(tuple(parts[number] for number in sorted(parts)))
        while len(self._waiting) > WAITING:
            yield self._given_up(next(iter(self._waiting)))

    def rest(self) -> Iterator[Group]:
        """What is still incomplete at the end."""
        while self._waiting:
            yield self._given_up(next(iter(self._waiting)))

    def _given_up(self, key: tuple[object, ...]) -> Group:
        parts = self._waiting.pop(key)
        total = key[2]
        came = ", ".join(map(str, sorted(parts)))
        missing = f"a message of {total} parts, of which only part {came} came"
        return Group(tuple(parts[number] for number in sorted(parts)), missing)


def groups(message: bytes) -> Iterator[Group]:
    """The messages in a text of lines; empty lines and comments (`#`) are none."""
    assembler = Assembler()
    for number, raw in enumerate(message.splitlines(), 1):
        if is_line(raw):
            yield from assembler.add(sentence(raw, number))
    yield from assembler.rest()


def is_line(raw: bytes) -> bool:
    """Whether a line says anything."""
    return bool(raw.strip()) and not raw.lstrip().startswith(b"#")


def stamped(raw: bytes, received: datetime) -> bytes:
    """A line with the time of its receipt in a tag block, unless it has one."""
    raw = raw.strip()
    fields, rest = b"", raw
    if raw.startswith(b"\\"):
        block, _, rest = raw[1:].partition(b"\\")
        fields = block.partition(b"*")[0]
        if any(field.startswith(b"c:") for field in fields.split(b",")):
            return raw
        fields += b","
    fields += b"c:%d" % int(received.timestamp())
    return b"\\%s*%02X\\%s" % (fields, checksum(fields), rest)
