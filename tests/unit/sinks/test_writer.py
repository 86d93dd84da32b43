"""Which block is sent when; what the connection does is a function that a test chooses."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import TopicPartition

from corridor.settings import Settings
from sinks.clickhouse.batches import Block
from sinks.clickhouse.client import Writer
from sinks.clickhouse.intents import Intent
from sinks.clickhouse.tables import EVENTS
from tests.support import wait_until


def block(partition: int, *, lease: float = 60.0) -> Block:
    """A block of one row, that may be sent for so many seconds."""
    return Block(
        partition=TopicPartition("events", partition),
        table=EVENTS,
        intent=Intent("id", "events", 0, 1),
        columns=[],
        rows=1,
        bytes=0,
        oldest=0,
        rejected=[],
        lease=time.monotonic() + lease,
    )


class Server:
    """Takes blocks, but for those that it is told to refuse or to be slow with."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.refused: set[int] = set()
        self.slow: set[int] = set()
        self.go_on = threading.Event()

    def insert(self, client: Any, database: str, block: Block) -> None:
        number = block.partition.partition
        self.sent.append(number)
        if number in self.slow:
            self.go_on.wait(10)
        if number in self.refused:
            raise ConnectionResetError("refused")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def writer(server: Server) -> Iterator[Writer]:
    writer = Writer(Settings(), insert=server.insert, longest_pause=0.02)
    yield writer
    server.go_on.set()
    writer.close(time.monotonic() + 5)


def written(writer: Writer, count: int) -> list[int]:
    """Partitions of the next blocks that are written."""
    found: list[int] = []

    def enough() -> bool:
        found.extend(block.partition.partition for block in writer.written())
        return len(found) >= count

    wait_until(enough, 10, interval=0.005)
    return found


def test_a_block_that_is_refused_is_tried_again_and_holds_up_nobody(
    server: Server, writer: Writer
) -> None:
    server.refused = {0}
    writer.submit(block(0))
    writer.submit(block(1))
    assert written(writer, 1) == [1]
    wait_until(lambda: server.sent.count(0) > 3, 10)
    assert "refused" in (writer.trouble or "")
    server.refused = set()
    assert written(writer, 1) == [0]
    assert writer.trouble is None


def test_a_block_is_not_sent_while_its_lease_is_over(server: Server, writer: Writer) -> None:
    stale = block(0, lease=-1)
    writer.submit(stale)
    writer.submit(block(1))
    assert written(writer, 1) == [1]
    assert server.sent == [1]
    stale.lease = time.monotonic() + 60
    assert written(writer, 1) == [0]


def test_what_is_forgotten_is_not_sent_and_what_is_being_sent_is_not_tried_again(
    server: Server, writer: Writer
) -> None:
    server.slow = server.refused = {0}
    writer.submit(block(0))
    wait_until(lambda: server.sent == [0], 10)
    writer.submit(block(1))
    mine = [TopicPartition("events", 0), TopicPartition("events", 1)]
    writer.forget(mine)
    assert writer.is_sending(mine)
    server.go_on.set()
    writer.submit(block(2))
    assert written(writer, 1) == [2]
    assert not writer.is_sending(mine)
    assert server.sent == [0, 2]
    assert writer.trouble is None
