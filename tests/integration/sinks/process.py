"""A sink as a process of its own, which kills itself at a named point.

`python -m tests.integration.sinks.process NAME POINT NTH` with Kafka and ClickHouse from the
environment; POINT is one of `POINTS`, or `never`.
"""

import os
import signal
import sys
import threading
from typing import Any

from corridor import settings
from corridor.observability import configure_logging
from sinks.clickhouse import client
from sinks.clickhouse.batches import Block
from sinks.clickhouse.client import Writer
from sinks.clickhouse.consumer import Sink
from sinks.clickhouse.tables import TABLES

POINTS = (
    "before the insert",
    "during the insert",
    "after the insert",
    "before the commit",
    "after the commit",
)


class Fuse:
    """Kills the process the n-th time that the point is passed."""

    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._left = nth

    def burns(self, point: str) -> bool:
        if point != self._point:
            return False
        self._left -= 1
        return self._left == 0

    def at(self, point: str) -> None:
        if self.burns(point):
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class MortalSink(Sink):
    """A sink with a fuse around its commits."""

    fuse: Fuse

    def _commit(self) -> None:
        self.fuse.at("before the commit")
        super()._commit()
        self.fuse.at("after the commit")


def main(name: str, point: str, nth: int) -> None:
    known = settings.load()
    configure_logging("WARNING")
    fuse = Fuse(point, nth)

    def insert(connection: Any, database: str, block: Block) -> None:
        fuse.at("before the insert")
        if fuse.burns("during the insert"):
            threading.Timer(0.003, die).start()
        client.insert(connection, database, block)
        fuse.at("after the insert")

    MortalSink.fuse = fuse
    sink = MortalSink(
        known,
        tables={f"{name}.{table.name}": table for table in TABLES},
        dead_letters=f"{name}.dead_letters",
        writer=Writer(known, insert=insert),
    )
    signal.signal(signal.SIGTERM, lambda *_: sink.stop())
    sink.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
