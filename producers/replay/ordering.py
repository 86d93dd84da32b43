"""Sorts more records than fit into memory by when they became known."""

import heapq
import marshal
import tempfile
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import IO

from corridor.models import DeadLetter
from producers.replay.record import Record

MEMORY_BYTES = 64 * 1024 * 1024
"""Memory for records, before they go to a temporary file."""
FAN_IN = 64
"""Temporary files open at once."""
_RECORD_OVERHEAD = 300

_by_available = itemgetter(0)


class Sorter:
    """A stable external merge sort: `add` everything, then read `sorted` once."""

    def __init__(
        self,
        memory_bytes: int = MEMORY_BYTES,
        fan_in: int = FAN_IN,
        directory: Path | None = None,
    ) -> None:
        """Starts empty.

        Args:
            memory_bytes: Memory for records.
            fan_in: Temporary files that may be open at once.
            directory: Where they go; the system's own by default.
        """
        self._memory = memory_bytes
        self._fan_in = fan_in
        self._directory = directory
        self._held: list[Record] = []
        self.held_bytes = 0
        """What is in memory now, by its size."""
        self._runs: list[IO[bytes]] = []
        self.spills = 0
        """How often memory was written out."""

    def add(self, record: Record) -> None:
        """Takes one record."""
        self._held.append(record)
        self.held_bytes += len(record.key) + len(record.value) + _RECORD_OVERHEAD
        if self.held_bytes >= self._memory:
            self._spill()

    def sorted(self) -> Iterator[Record]:
        """All records by availability; those of one moment in the order they were added."""
        self._held.sort(key=_by_available)
        runs = [*(_read(run) for run in self._runs), iter(self._held)]
        return heapq.merge(*runs, key=_by_available)

    def _spill(self) -> None:
        if len(self._runs) == self._fan_in:
            merged = self._write(heapq.merge(*map(_read, self._runs), key=_by_available))
            for run in self._runs:
                run.close()
            self._runs = [merged]
        self._held.sort(key=_by_available)
        self._runs.append(self._write(iter(self._held)))
        self._held.clear()
        self.held_bytes = 0
        self.spills += 1

    def _write(self, records: Iterator[Record]) -> IO[bytes]:
        file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  it outlives this call
        for record in records:
            marshal.dump(tuple(record), file)
        file.seek(0)
        return file


def _read(file: IO[bytes]) -> Iterator[Record]:
    while True:
        try:
            yield Record._make(marshal.load(file))
        except EOFError:
            return


def merged(*sources: Iterator[Record | DeadLetter]) -> Iterator[Record | DeadLetter]:
    """Several sources, each in order of availability, as one in that order.

    What a source has rejected comes where it was met.
    """
    return (item for _, item in heapq.merge(*map(_dated, sources), key=_by_available))


def _dated(source: Iterator[Record | DeadLetter]) -> Iterator[tuple[int, Record | DeadLetter]]:
    reached = 0
    for item in source:
        if isinstance(item, Record):
            reached = item.available
        yield reached, item
