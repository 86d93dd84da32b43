"""How what was learned gets from the learner to whoever predicts, and over a restart.

Everything that learns is a component. A snapshot is all of it, bit for bit: whoever loads it goes
on learning as the one that wrote it would have. A delta is what has changed of what predictions
stand on, since the last delta, as values and not as differences: to apply it twice is to apply it
once. A reader loads a snapshot and applies the deltas after it, in order; it then says what the
learner would say. Numbers are raw IEEE 754 doubles, little-endian.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

encode = msgspec.msgpack.Encoder().encode
_decode_parts = msgspec.msgpack.Decoder(dict[str, bytes]).decode
_decode_numbers = msgspec.msgpack.Decoder(list[bytes]).decode
_decode_all_numbers = msgspec.msgpack.Decoder(tuple[bool, list[bytes]]).decode

Floats = NDArray[np.float64]


class Component(Protocol):
    """See above."""

    def snapshot(self) -> bytes:
        """Everything, including what the next delta will say."""

    def load(self, data: bytes) -> None:
        """Becomes what wrote the snapshot. ValueError: that had another shape."""

    def delta(self) -> bytes | None:
        """What has changed since the last delta; None: nothing that a prediction stands on."""

    def apply(self, data: bytes) -> None:
        """Takes in a delta."""


C = TypeVar("C", bound=Component)


class Numbers:
    """A component of arrays whose shapes never change. Whoever changes one says `changed`."""

    def __init__(self, told: Sequence[Floats], kept: Sequence[Floats] = ()) -> None:
        """Takes arrays, and from then on writes into them.

        Args:
            told: What predictions stand on.
            kept: What only learning needs.
        """
        self._told, self._all = list(told), [*told, *kept]
        self.changed = False

    def snapshot(self) -> bytes:
        return encode((self.changed, [array.tobytes() for array in self._all]))

    def load(self, data: bytes) -> None:
        self.changed, raws = _decode_all_numbers(data)
        _fill(self._all, raws)

    def delta(self) -> bytes | None:
        if not self.changed:
            return None
        self.changed = False
        return encode([array.tobytes() for array in self._told])

    def apply(self, data: bytes) -> None:
        _fill(self._told, _decode_numbers(data))


def _fill(arrays: Sequence[Floats], raws: Sequence[bytes]) -> None:
    for array, raw in zip(arrays, raws, strict=True):
        array[...] = np.frombuffer(raw).reshape(array.shape)


class Composite:
    """A component made of others, by name."""

    def __init__(self, parts: Mapping[str, Component]) -> None:
        self._parts = parts

    def snapshot(self) -> bytes:
        return encode({name: part.snapshot() for name, part in self._parts.items()})

    def load(self, data: bytes) -> None:
        for name, raw in _decode_parts(data).items():
            self._part(name).load(raw)

    def delta(self) -> bytes | None:
        deltas = {name: part.delta() for name, part in self._parts.items()}
        changed = {name: delta for name, delta in deltas.items() if delta is not None}
        return encode(changed) if changed else None

    def apply(self, data: bytes) -> None:
        for name, raw in _decode_parts(data).items():
            self._part(name).apply(raw)

    def _part(self, name: str) -> Component:
        return self._parts[name]


class Family(Composite, Generic[C]):
    """Components of one kind, each made when it is first needed."""

    def __init__(self, make: Callable[[str], C]) -> None:
        self._make = make
        self._made: dict[str, C] = {}
        super().__init__(self._made)

    def __getitem__(self, name: str) -> C:
        """The one of this name, to be changed."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(name)
        return made

    def __contains__(self, name: str) -> bool:
        return name in self._made

    def values(self) -> Iterable[C]:
        """All that have been made."""
        return self._made.values()

    def look(self, name: str) -> C:
        """The one of this name, or one that has learned nothing, to be read."""
        made = self._made.get(name)
        return self._make(name) if made is None else made

    def load(self, data: bytes) -> None:
        self._made.clear()
        super().load(data)

    def _part(self, name: str) -> Component:
        return self[name]
