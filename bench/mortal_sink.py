"""A sink as a process that dies, or stands still, at a named point.

`bench.sink_kills` starts it by a fork of a warm process, so that a death costs a test no second of
imports.
"""

import multiprocessing
import os
import random
import signal
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from corridor.observability import configure_logging
from corridor.settings import Settings
from sinks.clickhouse import client, consumer
from sinks.clickhouse.batches import Block
from sinks.clickhouse.client import Writer
from sinks.clickhouse.consumer import Sink
from sinks.clickhouse.intents import Intent
from sinks.clickhouse.tables import EVENTS

SESSION_SECONDS = 1.0
"""The shortest that the embedded Kafka allows."""
RECORDS_A_POLL = (8, 40)
"""Fewest and most; each process cuts its batches otherwise, as another load would."""
LONGEST_INSERT_SECONDS = 0.006
"""A death in the insert comes within this; an insert of these blocks takes about as long."""
PAUSE_SECONDS = 0.2
"""Longest pause between two tries of an insert."""


class Point(StrEnum):
    """Where a sink can die."""

    BEFORE_INTENT = "before the intent"
    AFTER_INTENT = "after the intent"
    IN_INSERT = "in the insert"
    AFTER_INSERT = "after the insert"
    BEFORE_NEXT_COMMIT = "before the next commit"
    PAUSED = "paused"  # stands still, with a block in its hand, until it is woken up


@dataclass(frozen=True)
class Order:
    """What one sink process is told."""

    settings: Settings
    topic: str
    letters: str
    intents: bool = True
    point: Point | None = None
    nth: int = 1
    """It dies when it passes its point for the n-th time."""
    seed: int = 0


class _Fuse:
    def __init__(self, order: Order) -> None:
        self._point, self._left = order.point, order.nth

    def burns(self, point: Point) -> bool:
        if point is not self._point:
            return False
        self._left -= 1
        return self._left == 0

    def at(self, point: Point) -> None:
        if self.burns(point):
            die()


class _MortalSink(Sink):
    def __init__(self, order: Order, fuse: _Fuse, writer: Writer) -> None:
        super().__init__(
            order.settings,
            tables={order.topic: EVENTS},
            dead_letters=order.letters,
            writer=writer,
            session_seconds=SESSION_SECONDS,
        )
        self._fuse = fuse

    def _commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        lanes = [self._lanes[partition] for partition in offsets]
        declares = any(lane.block is not None and lane.block.lease == 0 for lane in lanes)
        if any(lane.said is not None and lane.confirmed > lane.said.first for lane in lanes):
            self._fuse.at(Point.BEFORE_NEXT_COMMIT)
        if declares:
            self._fuse.at(Point.BEFORE_INTENT)
        super()._commit(offsets)
        if declares:
            self._fuse.at(Point.AFTER_INTENT)


class _SinkWithoutIntents(_MortalSink):
    """Says only how far it has come: what the protocol adds to that is missing."""

    def _offset(self, intent: Intent) -> OffsetAndMetadata:
        return OffsetAndMetadata(intent.first, "", -1)


def run(order: Order) -> None:
    """The process; returns when it is told to stop, and has."""
    threading.Thread(target=_end_with_who_asked, daemon=True).start()
    configure_logging(os.environ.get("KILLS_LOG", "ERROR"))
    fuse, chance = _Fuse(order), random.Random(order.seed)
    consumer.MAX_POLL_RECORDS = chance.randint(*RECORDS_A_POLL)

    def insert(connection: Any, database: str, block: Block) -> None:
        if fuse.burns(Point.PAUSED):
            os.kill(os.getpid(), signal.SIGSTOP)
        if fuse.burns(Point.IN_INSERT):
            threading.Timer(chance.uniform(0, LONGEST_INSERT_SECONDS), die).start()
        client.insert(connection, database, block)
        fuse.at(Point.AFTER_INSERT)

    kind = _MortalSink if order.intents else _SinkWithoutIntents
    writer = Writer(order.settings, insert=insert, longest_pause=PAUSE_SECONDS)
    sink = kind(order, fuse, writer)
    signal.signal(signal.SIGTERM, lambda *_: sink.stop())
    sink.run()


def die() -> None:
    """kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def _end_with_who_asked() -> None:
    if (asked := multiprocessing.parent_process()) is not None:
        asked.join()
    os._exit(1)
