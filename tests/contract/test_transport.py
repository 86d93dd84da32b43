"""The promises of `streams/transport.py`, in the words of its docstring."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import faust
from faust.contrib.asgi import faust_app_running
from faust.types import TP

from streams.transport import BatchMessage, BatchSchema
from tests.contract.memory import MemoryBroker, MemoryConsumer, memory_app, until

TOPIC = "contract"
P0, P1 = TP(TOPIC, 0), TP(TOPIC, 1)

Handle = Callable[[BatchMessage], Awaitable[None]]


class Harness:
    """A running app with one agent that does what the test says with each batch."""

    def __init__(self, broker: MemoryBroker, handle: Handle | None = None, **settings: Any) -> None:
        self.broker = broker
        self.app = memory_app(broker, **settings)
        self.batches: list[BatchMessage] = []
        self.handle = handle or self.complete
        self.app.agent(
            self.app.topic(TOPIC, schema=BatchSchema(), key_type=bytes, value_type=bytes)
        )(self._agent)

    async def _agent(self, stream: Any) -> None:
        async for event in cast(faust.Stream[Any], stream).noack().events():
            batch = cast(BatchMessage, event.message)
            self.batches.append(batch)
            await self.handle(batch)

    @property
    def consumer(self) -> MemoryConsumer:
        return cast(MemoryConsumer, self.app.consumer)

    async def complete(self, batch: BatchMessage) -> None:
        self.consumer.complete(batch)

    async def hold(self, batch: BatchMessage) -> None:
        pass

    def offsets(self, tp: TP) -> list[int]:
        return [r.offset for batch in self.batches if batch.tp == tp for r in batch.records]


@asynccontextmanager
async def running(harness: Harness) -> AsyncIterator[Harness]:
    async with faust_app_running(harness.app, stop_timeout=20):
        yield harness


def broker_with(records: dict[TP, int]) -> MemoryBroker:
    broker = MemoryBroker()
    broker.offered = {P0, P1}
    for tp, count in records.items():
        for number in range(count):
            broker.append(tp, b"key", b"%d" % number)
    return broker


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(cast(Any, test()))


def test_every_record_is_delivered_once_in_order_and_committed() -> None:
    async def test() -> None:
        broker = broker_with({P0: 1000, P1: 750})
        async with running(Harness(broker)) as harness:
            await until(lambda: broker.committed == {P0: 1000, P1: 750})
            assert harness.offsets(P0) == list(range(1000))
            assert harness.offsets(P1) == list(range(750))

    run(test)


def test_a_batch_holds_one_partition_and_is_never_empty() -> None:
    async def test() -> None:
        broker = broker_with({P0: 250})
        async with running(Harness(broker)) as harness:
            await until(lambda: broker.committed.get(P0) == 250)
            assert [len(batch.records) for batch in harness.batches] == [100, 100, 50]
            assert {r.partition for batch in harness.batches for r in batch.records} == {0}

    run(test)


def test_a_batch_that_is_not_complete_holds_its_partition_back_and_no_other() -> None:
    async def test() -> None:
        broker = broker_with({P0: 300, P1: 300})

        async def handle(batch: BatchMessage) -> None:
            if not (batch.tp == P0 and batch.records[0].offset == 100):
                harness.consumer.complete(batch)

        harness = Harness(broker, handle, stream_wait_empty=False)
        async with running(harness):
            await until(lambda: broker.committed.get(P1) == 300 and len(harness.batches) == 6)
            await harness.consumer.commit()
            assert broker.committed[P0] == 100

    run(test)


def test_batches_completed_out_of_order_commit_only_their_longest_prefix() -> None:
    async def test() -> None:
        broker = broker_with({P0: 300})
        harness = Harness(broker)
        harness.handle = harness.hold
        async with running(harness):
            await until(lambda: len(harness.batches) == 3)
            first, second, third = harness.batches
            for batch, committed in ((third, None), (first, 100), (second, 300)):
                harness.consumer.complete(batch)
                await harness.consumer.commit()
                assert broker.committed.get(P0) == committed

    run(test)


def test_holes_in_the_offsets_do_not_hold_the_commit_back() -> None:
    async def test() -> None:
        broker = broker_with({P0: 300})
        broker.holes = {(P0, offset) for offset in range(300) if offset % 3 == 1}
        async with running(Harness(broker)) as harness:
            await until(lambda: broker.committed.get(P0) == 300)
            assert len(harness.offsets(P0)) == 200

    run(test)


def test_an_exception_in_the_agent_commits_nothing_of_its_batch() -> None:
    async def test() -> None:
        broker = broker_with({P0: 300})

        async def handle(batch: BatchMessage) -> None:
            if batch.records[0].offset == 200:
                raise ValueError("the agent fails")
            harness.consumer.complete(batch)

        harness = Harness(broker, handle)
        async with running(harness):
            await until(lambda: harness.app.crashed)
        assert isinstance(harness.app.crash_reason, ValueError)
        assert broker.committed.get(P0, 0) <= 200

    run(test)


def test_what_was_not_completed_before_a_rebalance_comes_again() -> None:
    async def test() -> None:
        broker = broker_with({P0: 300})
        harness = Harness(broker, stream_wait_empty=False)
        harness.handle = harness.hold
        async with running(harness):
            await until(lambda: len(harness.batches) == 3)
            held = list(harness.batches)
            harness.consumer.complete(held[0])
            await harness.consumer.commit()
            harness.batches.clear()
            harness.handle = harness.complete
            await harness.consumer.rebalance({P0})
            await until(lambda: broker.committed.get(P0) == 300)
            assert harness.offsets(P0) == list(range(100, 300))

    run(test)


def test_completing_a_batch_of_a_past_generation_moves_nothing() -> None:
    async def test() -> None:
        broker = broker_with({P0: 300})
        harness = Harness(broker, stream_wait_empty=False)
        harness.handle = harness.hold
        async with running(harness):
            await until(lambda: len(harness.batches) == 3)
            old = list(harness.batches)
            harness.batches.clear()
            await harness.consumer.rebalance({P0})
            await until(lambda: len(harness.batches) == 3)
            for batch in old:
                harness.consumer.complete(batch)
            await harness.consumer.commit()
            assert broker.committed.get(P0, 0) == 0

    run(test)


def test_an_ack_by_faust_of_a_batch_that_it_skipped_moves_nothing() -> None:
    async def test() -> None:
        broker = broker_with({P0: 100})
        harness = Harness(broker)
        harness.handle = harness.hold
        async with running(harness):
            await until(lambda: len(harness.batches) == 1)
            harness.consumer.ack(harness.batches[0])
            await harness.consumer.commit()
            assert broker.committed.get(P0, 0) == 0

    run(test)


def test_a_seek_forgets_what_was_delivered_before_it() -> None:
    async def test() -> None:
        broker = broker_with({P0: 100})
        harness = Harness(broker, stream_wait_empty=False)
        harness.handle = harness.hold
        async with running(harness):
            await until(lambda: len(harness.batches) == 1)
            await harness.consumer.perform_seek()
            harness.consumer.complete(harness.batches[0])
            await harness.consumer.commit()
            assert broker.committed.get(P0, 0) == 0
            await until(lambda: len(harness.batches) == 2)
            harness.consumer.complete(harness.batches[1])
            await until(lambda: broker.committed.get(P0) == 100)

    run(test)


def test_a_revocation_commits_what_is_complete() -> None:
    async def test() -> None:
        broker = broker_with({P0: 300, P1: 10})
        harness = Harness(broker, broker_commit_interval=3600.0)
        async with running(harness):
            await until(lambda: sum(len(b.records) for b in harness.batches) == 310)
            await harness.consumer.rebalance({P1})
            assert broker.committed == {P0: 300, P1: 10}

    run(test)


def test_batches_that_are_held_back_are_settled_before_a_rebalance() -> None:
    async def test() -> None:
        broker = broker_with({P0: 300})
        harness = Harness(broker)
        harness.handle = harness.hold

        async def settle() -> None:
            for batch in harness.batches:
                harness.consumer.complete(batch)

        async with running(harness):
            await until(lambda: len(harness.batches) == 3)
            harness.consumer.settle = settle
            async with asyncio.timeout(5):
                await harness.consumer.rebalance({P0})
            assert broker.committed[P0] == 300

    run(test)


def test_an_idle_partition_that_wakes_up_is_read() -> None:
    async def test() -> None:
        broker = broker_with({P0: 10})
        async with running(Harness(broker)) as harness:
            await until(lambda: broker.committed.get(P0) == 10)
            broker.append(P1, b"key", b"late")
            await until(lambda: broker.committed.get(P1) == 1)
            assert harness.offsets(P1) == [0]

    run(test)


def test_many_rebalances_in_the_middle_of_the_flow_lose_and_skip_nothing() -> None:
    async def test() -> None:
        broker = broker_with({P0: 5000, P1: 5000})
        async with running(Harness(broker)) as harness:
            assignments = [{P0}, {P0, P1}, {P1}, {P0, P1}, set(), {P0, P1}] * 3
            for number, assignment in enumerate(assignments):
                target = 500 * (number + 1)
                await until(
                    lambda target=target: (
                        len(harness.batches) * 100 >= target  # type: ignore[misc]
                        or not broker.assignment
                        or all(broker.committed.get(tp) == 5000 for tp in broker.assignment)
                    )
                )
                await harness.consumer.rebalance(assignment)
            await until(lambda: broker.committed == {P0: 5000, P1: 5000})
            for tp in (P0, P1):
                seen = harness.offsets(tp)
                assert sorted(set(seen)) == list(range(5000))
                firsts = list(dict.fromkeys(seen))
                assert firsts == sorted(firsts), "a later record was seen before an earlier one"

    run(test)
