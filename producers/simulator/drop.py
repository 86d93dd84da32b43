"""Writes the parties' own messages into a drop folder: one file each."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from producers.simulator.formats import own, written
from producers.simulator.statements import Statement, text


class Drop:
    """`FOLDER/{party}/{format}/FILE`; names and file times follow when a message was sent."""

    def __init__(self, folder: Path) -> None:
        """Args: folder: is made where there is none.

        Raises:
            OSError: it cannot be.
        """
        self._folder = folder
        self._made: set[Path] = set()
        self.kinds: Counter[str] = Counter()
        self.files = 0
        folder.mkdir(parents=True, exist_ok=True)

    def hears(self, available: float, statement: Statement) -> None:
        message = written(statement)
        if message is None:
            return
        self.kinds[f"{message.format} {statement.code}"] += 1
        self._write(available, statement.party, *message)

    def receives(self, available: float, party: str, itinerary: dict[str, Any]) -> None:
        self.kinds[own.ITINERARY] += 1
        self._write(available, party, own.ITINERARY, "json", own.itinerary(itinerary))

    def _write(self, available: float, party: str, format: str, suffix: str, body: bytes) -> None:
        folder = self._folder / party / format
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)
        stamp = text(available).replace("-", "").replace(":", "")
        path = folder / f"{stamp}-{self.files:07d}.{suffix}"
        path.write_bytes(body)
        # a gateway takes the oldest file first
        os.utime(path, (available, available))
        self.files += 1
