"""Rows of numbers by key, of a bounded number: what was not touched for longest goes first."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from corridor.eta.component import Floats, encode

Places = NDArray[np.intp]

MOST_ROWS = 1 << 18
_LEAST_ROWS = 64

_decode = msgspec.msgpack.Decoder(tuple[float | None, list[str], bytes]).decode
_decode_all = msgspec.msgpack.Decoder(tuple[float | None, list[str], bytes, bytes, int]).decode


class Table:
    """A component: see `corridor.eta.component`.

    The last number of a row is when it was touched, minutes. Rows move when others are dropped: a
    place is good until the next `claim`.
    """

    def __init__(self, width: int, keep: float, most: int = MOST_ROWS) -> None:
        """Makes an empty table.

        Args:
            width: Numbers in a row, apart from its time.
            keep: Minutes after which a row that was not touched says nothing any more.
            most: Number of rows at most.
        """
        self.rows: Floats = np.zeros((_LEAST_ROWS, width + 1))
        self._keep, self._most = keep, most
        self._places: dict[str, int] = {}
        self.keys: list[str] = []
        """By place."""
        self._changed = np.zeros(_LEAST_ROWS, np.bool_)
        self._dropped: float | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def place(self, key: str) -> int:
        """Where the row of a key is; -1: nowhere."""
        return self._places.get(key, -1)

    def find(self, keys: Sequence[str]) -> Places:
        """Where the rows of some keys are; -1: nowhere."""
        get = self._places.get
        return np.array([get(key, -1) for key in keys])

    def claim(self, keys: Sequence[str], now: float) -> Places:
        """Where the rows of some keys are, to be changed; new ones are zeros.

        Args:
            keys: Each once.
            now: Minutes.
        """
        if len(self.keys) + len(keys) > len(self.rows):
            self._make_room(len(keys), now)
        places = np.array([self._place(key) for key in keys])
        self._changed[places] = True
        return places

    def snapshot(self) -> bytes:
        count = len(self.keys)
        changed = np.packbits(self._changed[:count]).tobytes()
        rows = self.rows[:count].tobytes()
        return encode((self._dropped, self.keys, rows, changed, len(self.rows)))

    def load(self, data: bytes) -> None:
        dropped, keys, raw, changed, capacity = _decode_all(data)
        count, width = len(keys), self.rows.shape[1]
        rows = np.zeros((capacity, width))
        rows[:count] = np.frombuffer(raw).reshape(count, width)
        self.rows, self.keys, self._dropped = rows, keys, dropped
        self._places = {key: place for place, key in enumerate(keys)}
        self._changed = np.zeros(capacity, np.bool_)
        self._changed[:count] = np.unpackbits(np.frombuffer(changed, np.uint8), count=count)

    def delta(self) -> bytes | None:
        places = np.flatnonzero(self._changed)
        if self._dropped is None and not len(places):
            return None
        keys = [self.keys[place] for place in places.tolist()]
        said = encode((self._dropped, keys, self.rows[places].tobytes()))
        self._changed[places] = False
        self._dropped = None
        return said

    def apply(self, data: bytes) -> None:
        dropped, keys, raw = _decode(data)
        if dropped is not None:
            self._drop(dropped)
        new = sum(key not in self._places for key in keys)
        while len(self.keys) + new > len(self.rows):
            self._grow()
        places = [self._place(key) for key in keys]
        self.rows[places] = np.frombuffer(raw).reshape(len(keys), self.rows.shape[1])

    def _place(self, key: str) -> int:
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.keys)
            self.keys.append(key)
        return place

    def _make_room(self, count: int, now: float) -> None:
        """So much that it is seldom needed: a quarter of the table at least."""
        self._forget(now - self._keep)
        while len(self.keys) + max(count, len(self.rows) // 4) > len(self.rows):
            if len(self.rows) < self._most:
                self._grow()
            else:
                times = self.rows[: len(self.keys), -1]
                quarter = len(times) // 4
                self._forget(float(np.partition(times, quarter)[quarter]))

    def _forget(self, until: float) -> None:
        if self._drop(until):
            self._dropped = until if self._dropped is None else max(self._dropped, until)

    def _drop(self, until: float) -> bool:
        """Drops what was not touched after a time; whether there was any."""
        count = len(self.keys)
        kept = np.flatnonzero(self.rows[:count, -1] > until)
        if len(kept) == count:
            return False
        for array in (self.rows, self._changed):
            array[: len(kept)] = array[kept]
            array[len(kept) :] = 0
        self.keys = [self.keys[place] for place in kept.tolist()]
        self._places = {key: place for place, key in enumerate(self.keys)}
        return True

    def _grow(self) -> None:
        self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        self._changed = np.concatenate([self._changed, np.zeros_like(self._changed)])
