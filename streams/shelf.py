"""Structs of one kind, by name, each encoded in its bucket until it is wanted.

Most of them are finished and only kept for corrections: so a bucket is written at the cost of
copying it, and the collector has nothing to walk.
"""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar
from zlib import crc32

import msgspec

S = TypeVar("S")

BUCKETS = 256
"""Buckets of a partition; part of the stored format."""

_encode = msgspec.msgpack.Encoder().encode
_decode_raws = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode


def bucket_of(name: bytes) -> int:
    """The bucket of a unit, run or shipment, by its record key."""
    return crc32(name) % BUCKETS


class Shelf(Generic[S]):
    """One kind of struct in all buckets of a partition."""

    def __init__(self, kind: type[S]) -> None:
        self.raws: list[dict[str, msgspec.Raw]] = [{} for _ in range(BUCKETS)]
        """Per bucket, as of the last `drain`."""
        self._decode: Callable[[Any], S] = msgspec.msgpack.Decoder(kind).decode
        self._changed: dict[str, S | None] = {}

    def get(self, name: str) -> S | None:
        """What is kept under a name; a change of it counts only with `put`."""
        if name in self._changed:
            return self._changed[name]
        raw = self.raws[bucket_of(name.encode())].get(name)
        return None if raw is None else self._decode(raw)

    def put(self, name: str, value: S | None) -> None:
        """Keeps a value, or (None) keeps nothing under that name any more."""
        self._changed[name] = value

    def __contains__(self, name: str) -> bool:
        if name in self._changed:
            return self._changed[name] is not None
        return name in self.raws[bucket_of(name.encode())]

    def __iter__(self) -> Iterator[S]:
        """All values, as of the last `drain`."""
        return (self._decode(raw) for raws in self.raws for raw in raws.values())

    def __len__(self) -> int:
        return sum(map(len, self.raws))

    @property
    def changed(self) -> bool:
        """Whether anything has changed since the last `drain`."""
        return bool(self._changed)

    def drain(self) -> set[int]:
        """Encodes what has changed; returns its buckets."""
        dirty: set[int] = set()
        for name, value in self._changed.items():
            index = bucket_of(name.encode())
            if value is None:
                self.raws[index].pop(name, None)
            else:
                self.raws[index][name] = msgspec.Raw(_encode(value))
            dirty.add(index)
        self._changed.clear()
        return dirty

    def load(self, index: int, encoded: msgspec.Raw) -> None:
        """Takes a bucket as it was stored."""
        # copied, else a few old values would keep whole changelog records in memory
        self.raws[index] = {name: raw.copy() for name, raw in _decode_raws(encoded).items()}
