"""The log of models: whole ones, and what has changed since, as records of a compacted topic.

What was learned is a function of how many lessons were read: a model is known by its *position*,
the offset of the next lesson. A whole model takes a reader to a position from anywhere, a change
takes it from one position to a later one.

Keys are `full/<generation % 2>/<i>` and `delta/<generation % 2>/<k>`. So compaction keeps what is
needed and little more, and a whole model that a crash has torn overwrites only pieces of the one
before the last: a complete one is always left. Generations are numbers that only grow; each try
to write a whole model takes a new one, with the other remainder than the last complete one.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec
from cramjam import zstd

CHUNK_BYTES = 512 * 1024
"""Of one record of a whole model."""

CHANGE_BYTES = 4 * 1024 * 1024
"""The largest change, compressed; more is said by a whole model."""

LEVEL = 3
"""zstd's own default."""

Record = tuple[bytes, bytes]
"""Key and value."""


class Stand(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a model has come to. Fields may be appended, never moved."""

    lineage: int
    """The generation that it began with; positions compare only within a lineage."""
    position: int
    """Offset of the next lesson."""
    version: str
    learned_until: datetime | None


class Full(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A whole model."""

    generation: int
    stand: Stand
    model: bytes
    learner: bytes
    """What only the learner needs to go on; empty for whoever left it out."""


class Delta(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What has changed since a position."""

    generation: int
    number: int
    since: int
    stand: Stand
    change: bytes


class _Chunk(msgspec.Struct, array_like=True, frozen=True, gc=False):
    generation: int
    stand: Stand
    index: int
    count: int
    models: int
    """The first so many chunks are the model, the others the learner's own."""
    data: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_chunk = msgspec.msgpack.Decoder(_Chunk).decode
_decode_delta = msgspec.msgpack.Decoder(Delta).decode


class TooLargeError(ValueError):
    """A change does not fit into a record."""


def full_records(full: Full) -> list[Record]:
    """A whole model in pieces; compresses, which takes a while."""
    model, learner = (_pieces(part) for part in (full.model, full.learner))
    pieces = [*model, *learner]
    return [
        (
            b"full/%d/%d" % (full.generation % 2, index),
            _encode(_Chunk(full.generation, full.stand, index, len(pieces), len(model), data)),
        )
        for index, data in enumerate(pieces)
    ]


def delta_record(delta: Delta) -> Record:
    """A change.

    Raises:
        TooLargeError: it has to be said by a whole model.
    """
    change = _compress(delta.change)
    if len(change) > CHANGE_BYTES:
        raise TooLargeError
    key = b"delta/%d/%d" % (delta.generation % 2, delta.number)
    return key, _encode(msgspec.structs.replace(delta, change=change))


def _pieces(part: bytes) -> list[bytes]:
    packed = _compress(part)
    return [packed[start : start + CHUNK_BYTES] for start in range(0, len(packed), CHUNK_BYTES)]


def _compress(data: bytes) -> bytes:
    return bytes(zstd.compress(data, level=LEVEL))


def decompress(data: bytes) -> bytes:
    """What was compressed; nothing stays nothing."""
    return bytes(zstd.decompress(data)) if data else b""


class ModelLog:
    """What a reader has of the log, fed record by record; `steps` says what to do with it.

    It is the same for one that begins and for one that follows: at any moment, doing the steps
    leads to the newest model that the records told of can give.
    """

    def __init__(self, *, with_learner: bool = False) -> None:
        """Nothing is read yet.

        Args:
            with_learner: Keep the learner's own part of whole models too.
        """
        self.stand: Stand | None = None
        """Where whoever does the steps stands."""
        self.complete: int | None = None
        """The newest generation that was there as a whole."""
        self.last = -1
        """The newest generation of which anything was seen."""
        self._furthest: dict[int, int] = {}
        self._with_learner = with_learner
        self._pieces: dict[int, dict[int, _Chunk]] = {}
        self._ready: Full | None = None
        self._changes: dict[tuple[int, int], Delta] = {}

    @property
    def torn(self) -> bool:
        """Whether there are only pieces of a model: compaction ran ahead of the reader."""
        return self.complete is None and bool(self._pieces)

    def furthest(self, lineage: int) -> int:
        """The latest position that any reader of a lineage may have come to."""
        return self._furthest.get(lineage, 0)

    def take(self, key: bytes, value: bytes | None) -> None:
        """Takes the next record of the log."""
        if value is None:
            return
        if key.startswith(b"full/"):
            self._chunk(_decode_chunk(value))
        elif key.startswith(b"delta/"):
            delta = _decode_delta(value)
            self._note(delta.generation, delta.stand)
            if not self._passed(delta):
                self._changes[delta.stand.lineage, delta.since] = delta

    def steps(self) -> Iterator[Full | Delta]:
        """What leads from where the reader stands to the newest model; bytes as compressed."""
        if (full := self._ready) is not None:
            self._ready = None
            if not self._reached(full.stand):
                self.stand = full.stand
                yield full
        while self.stand is not None:
            delta = self._changes.pop((self.stand.lineage, self.stand.position), None)
            if delta is None:
                break
            self.stand = delta.stand
            yield delta

    def _chunk(self, chunk: _Chunk) -> None:
        self._note(chunk.generation, chunk.stand)
        if self.complete is not None and chunk.generation <= self.complete:
            return
        if chunk.index >= chunk.models and not self._with_learner:
            chunk = msgspec.structs.replace(chunk, data=b"")
        pieces = self._pieces.setdefault(chunk.generation, {})
        if any(other.stand != chunk.stand for other in pieces.values()):
            pieces.clear()  # of a learner that did not know yet that it was no more the only one
        pieces[chunk.index] = chunk
        if len(pieces) == chunk.count:
            self._completed(chunk, pieces)

    def _note(self, generation: int, stand: Stand) -> None:
        self.last = max(self.last, generation)
        self._furthest[stand.lineage] = max(stand.position, self.furthest(stand.lineage))

    def _completed(self, last: _Chunk, pieces: dict[int, _Chunk]) -> None:
        data = [pieces[index].data for index in range(last.count)]
        self.complete = last.generation
        self._ready = Full(
            last.generation,
            last.stand,
            b"".join(data[: last.models]),
            b"".join(data[last.models :]),
        )
        for generation in [g for g in self._pieces if g <= last.generation]:
            del self._pieces[generation]
        self._changes = {at: d for at, d in self._changes.items() if not self._passed(d)}

    def _reached(self, stand: Stand) -> bool:
        mine = self.stand
        return (
            mine is not None and mine.lineage == stand.lineage and mine.position >= stand.position
        )

    def _passed(self, delta: Delta) -> bool:
        """Whether a change is of no use any more."""
        if self._reached(delta.stand):
            return True
        full = self._ready
        return (
            full is not None
            and delta.generation < full.generation
            and (
                delta.stand.lineage != full.stand.lineage
                or delta.stand.position <= full.stand.position
            )
        )


class ModelWriter:
    """Numbers what a learner says. Its memory is the log: a new one goes on after `ModelLog`."""

    def __init__(self, log: ModelLog, stand: Stand | None) -> None:
        """Goes on after what is there.

        Args:
            log: Read to its end.
            stand: Of the whole model that the learner goes on from; None begins a lineage.
        """
        self._complete, self._last = log.complete, log.last
        self._lineage = None if stand is None else stand.lineage
        self._furthest = 0 if stand is None else log.furthest(stand.lineage)
        self._number = 0
        self._said: int | None = None

    @property
    def said(self) -> int | None:
        """The position that readers can come to; None: a whole model has to be said first."""
        return self._said

    def may_say(self, position: int) -> bool:
        """Whether no reader is further: changes from before it would be of no use to that one."""
        return position >= self._furthest

    @property
    def changes(self) -> int:
        """Changes of this generation."""
        return self._number

    def full(
        self,
        position: int,
        version: str,
        learned_until: datetime | None,
        model: bytes,
        learner: bytes,
    ) -> Full:
        """Begins a generation. No other may begin before `completed` or a new writer."""
        self._last += 1
        if self._complete is not None and self._last % 2 == self._complete % 2:
            self._last += 1
        if self._lineage is None:
            self._lineage = self._last
        self._said, self._number = position, 0
        stand = Stand(self._lineage, position, version, learned_until)
        return Full(self._last, stand, model, learner)

    def completed(self) -> None:
        """All records of the last whole model are durable."""
        self._complete = self._last

    def delta(
        self, position: int, version: str, learned_until: datetime | None, change: bytes
    ) -> Record:
        """Says what has changed since the last whole model or change.

        Raises:
            TooLargeError: it has to be said by a whole model.
        """
        assert self._lineage is not None
        assert self._said is not None
        stand = Stand(self._lineage, position, version, learned_until)
        record = delta_record(Delta(self._last, self._number, self._said, stand, change))
        self._said, self._number = position, self._number + 1
        return record
