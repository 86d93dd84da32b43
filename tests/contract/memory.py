"""An in-memory broker behind Faust's own consumer, conductor, streams, acks and commits.

Everything above the fetch is the real code; a test drives time by waiting for conditions.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import faust
from aiokafka.structs import ConsumerRecord
from faust.transport.base import Transport
from faust.transport.consumer import Consumer, RecordMap
from faust.transport.producer import Producer
from faust.types import TP
from faust.types.tuples import RecordMetadata

from corridor.settings import Settings
from streams.app import create_app
from streams.emitter import Emitter, Record
from streams.state import PartitionState
from streams.transport import BatchDelivery

NOW_MS = 1_795_000_000_000


class MemoryBroker:
    """Logs of records, and the committed offsets of one group of one member.

    `offered` is what a worker is assigned when it subscribes.
    """

    def __init__(self) -> None:
        self.logs: dict[TP, list[ConsumerRecord]] = defaultdict(list)
        self.holes: set[tuple[TP, int]] = set()
        self.committed: dict[TP, int] = {}
        self.assignment: set[TP] = set()
        self.offered: set[TP] = set()
        self.generation = 0

    def append(self, tp: TP, key: bytes, value: bytes) -> int:
        """Writes a record and returns its offset."""
        log = self.logs[tp]
        log.append(
            ConsumerRecord(
                tp.topic,
                tp.partition,
                len(log),
                NOW_MS,
                0,
                key,
                value,
                None,
                len(key),
                len(value),
                (),
            )
        )
        return len(log) - 1

    def transport(self) -> type[Transport]:
        """A Faust transport class that is bound to this broker."""

        class Bound(MemoryTransport):
            broker = self

        return Bound


class MemoryFetcher(Consumer):
    """Fetches from a `MemoryBroker` as aiokafka does from Kafka."""

    transport: "MemoryTransport"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.positions: dict[TP, int] = {}
        self.fetch_records = 100
        self.fetching = asyncio.Event()
        super().__init__(*args, **kwargs)

    @property
    def broker(self) -> MemoryBroker:
        return self.transport.broker

    async def rebalance(self, assigned: Iterable[TP]) -> None:
        """One eager rebalance, as aiokafka would drive it."""
        broker = self.broker
        self.app.on_rebalance_start()
        await self.on_partitions_revoked(set(broker.assignment))
        broker.generation += 1
        broker.assignment = set(assigned)
        self.positions = {tp: broker.committed.get(tp, 0) for tp in broker.assignment}
        self.app.consumer_generation_id = broker.generation
        await self.on_partitions_assigned(set(broker.assignment), broker.generation)

    async def subscribe(self, topics: Iterable[str]) -> None:
        self.first = asyncio.create_task(self.rebalance(self.broker.offered))

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> RecordMap:  # noqa: ASYNC109
        self.fetching.set()
        fetched: dict[TP, list[ConsumerRecord]] = {}
        for tp in sorted(active_partitions or ()):
            position = self.positions.get(tp)
            if position is None:
                continue
            records = self.broker.logs[tp][position : position + self.fetch_records]
            if records:
                self.positions[tp] = records[-1].offset + 1
                kept = [r for r in records if (tp, r.offset) not in self.broker.holes]
                if kept:
                    fetched[tp] = kept
        await asyncio.sleep(0 if fetched else 0.001)
        return fetched

    async def seek_to_committed(self) -> Mapping[TP, int]:
        committed = self.broker.committed
        offsets = {tp: committed[tp] for tp in self.broker.assignment if tp in committed}
        self.positions.update(offsets)
        return offsets  # and nothing moves where nothing was committed: so does aiokafka

    async def _seek(self, partition: TP, offset: int) -> None:
        self.positions[partition] = offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        self.positions.update(partitions)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        self.broker.committed.update(offsets)
        return True

    def assignment(self) -> set[TP]:
        return set(self.broker.assignment)

    def highwater(self, tp: TP) -> int:
        return len(self.broker.logs[tp])

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        return {tp: self.highwater(tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return dict.fromkeys(partitions, 0)

    async def position(self, tp: TP) -> int | None:
        return self.positions.get(tp)

    def topic_partitions(self, topic: str) -> int | None:
        return None

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def _to_message(self, tp: TP, record: Any) -> Any:
        raise AssertionError("batch delivery makes its own messages")

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        pass

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int:
        return 0


class MemoryConsumer(BatchDelivery, MemoryFetcher):
    """Record-batch delivery over a `MemoryBroker`."""

    def asked_ms(self, tp: TP) -> int | None:
        return int(time.time() * 1000)

    async def _rewind(self, tps: set[TP]) -> None:
        self.positions.update(dict.fromkeys(tps, 0))


class MemoryProducer(Producer):
    """Faust's own producer; the workers do not write with it."""

    async def send(self, *args: Any, **kwargs: Any) -> Any:
        future: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        future.set_result(RecordMetadata("", 0, TP("", 0), 0))
        return future


class MemoryTransport(Transport):
    """Binds consumer and producer to a broker."""

    broker: ClassVar[MemoryBroker]
    Consumer: ClassVar[type[Consumer]] = MemoryConsumer
    Producer: ClassVar[type[Producer]] = MemoryProducer
    driver_version = "memory"
    default_port = 0


class Crash(Exception):
    """A test made the worker die here."""


class MemoryEmitter(Emitter):
    """Writes to the broker's logs, and dies where it is told to."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__()
        self.broker = broker
        self.sends_left: int | None = None

    async def start_once(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def _send(self, topic: str, partition: int, records: list[Record]) -> None:
        for key, value in records:
            if self.sends_left is not None:
                if self.sends_left == 0:
                    raise Crash
                self.sends_left -= 1
            self.broker.append(TP(topic, partition), key, value)
        await asyncio.sleep(0)


def restore_from(broker: MemoryBroker, changelog: str) -> Any:
    """What `streams.restore` does, over the broker's logs."""

    async def restore(partitions: Iterable[int]) -> dict[int, PartitionState]:
        states = {partition: PartitionState() for partition in partitions}
        for partition, state in states.items():
            for record in broker.logs[TP(changelog, partition)]:
                assert record.key is not None
                state.load(record.key, record.value)
            state.start()
        return states

    return restore


def memory_app(broker: MemoryBroker, **settings: Any) -> faust.App:
    """A bare Faust app on the broker."""
    app = create_app(Settings(group="contract"), broker.transport())
    for name, value in settings.items():
        setattr(app.conf, name, value)
    return app


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for a condition, which must come true in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
