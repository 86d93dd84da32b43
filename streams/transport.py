"""Record-batch delivery: one Faust message per (partition, fetch), carrying its list of records.

Stock Faust spends about 100 µs on each Kafka message, whatever the agent does with it. Here an
agent gets the records of one fetch of one partition as one message, so that this price is paid
per batch. What holds, and `tests/contract/` proves:

1. A batch is the contiguous run of records that one fetch returned of one partition; never empty.
2. The watermark of a partition is the next offset after its longest prefix of completed batches.
   Only watermarks are committed.
3. A batch is completed by `BatchConsumer.complete` alone. Faust acks messages that a stream skips
   while a rebalance is under way; such an ack moves nothing, else their records would be lost.
4. A revocation commits what is completed, then forgets all deliveries of the partition, as every
   seek does; completing a forgotten batch moves nothing.
5. Before it waits for the agents to finish, the consumer calls `settle`, so that an agent may
   hold batches back for a common checkpoint without a rebalance or a stop waiting for ever.

Faust's internals that this rests on are `_wait_next_records`, `_new_offset`, `_add_gap` and
`_filter_tps_with_pending_acks`; hence the exact pin of faust-streaming.
"""

from abc import abstractmethod
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

from aiokafka.structs import ConsumerRecord
from faust import Schema
from faust.transport.consumer import Consumer, RecordMap
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT
from faust.types.transports import TPorTopicSet
from faust.types.tuples import ConsumerMessage, Message
from mode.utils.futures import notify


class BatchMessage(ConsumerMessage):
    """The records of one fetch of one partition, in order.

    `value` is the list of records, `offset` that of the last one.
    """

    __slots__ = ("completed", "next_offset")

    def __init__(self, tp: TP, records: list[ConsumerRecord], generation_id: int) -> None:
        last = records[-1]
        super().__init__(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            None,
            None,
            records,  # type: ignore[arg-type]  # Faust hands values through untouched
            None,
            0,
            0,
            tp,
            generation_id=generation_id,
        )
        self.completed = False
        self.next_offset: int = last.offset + 1

    @property
    def records(self) -> list[ConsumerRecord]:
        """The records, oldest first."""
        return self.value  # type: ignore[return-value]


class BatchSchema(Schema[Any, Any]):
    """Hands keys and record lists to the agent as they came."""

    def loads_key(self, app: AppT, message: Message, **kwargs: Any) -> Any:
        """The key, which a batch does not have."""
        return message.key

    def loads_value(self, app: AppT, message: Message, **kwargs: Any) -> Any:
        """The list of records."""
        return message.value


class BatchDelivery(Consumer):
    """A Faust consumer that delivers and commits every topic in record batches.

    To be mixed in before the consumer that does the fetching.
    """

    _deliveries: dict[TP, deque[BatchMessage]]
    _watermarks: dict[TP, int]

    settle: Callable[[], Awaitable[None]]
    """Completes the batches that are held; set by whoever holds them."""

    sought: Callable[[Mapping[TP, int]], None]
    """Is told after each seek which offset of each partition comes next; for whoever sets it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._deliveries = defaultdict(deque)
        self._watermarks = {}
        self._fetch_generation = 0
        self.settle = _nothing_held
        self.sought = _ignore
        super().__init__(*args, **kwargs)

    # delivery ------------------------------------------------------------------------------------

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109
        """Yields one message per partition that the next fetch has records of."""
        app = self.app
        records_by_tp, active = await self._wait_next_records(timeout)
        if records_by_tp is None or self.should_stop or not self.flow_active:
            return  # a rebalance is under way, and ends with a seek
        generation_id = self._fetch_generation
        if app.consumer_generation_id != generation_id:
            # It has ended during the fetch: whether these records were fetched before its seek
            # or after it cannot be told, and the committed offsets are right in either case.
            if any(records_by_tp.values()):
                await self.perform_seek()
            return
        for tp, records in records_by_tp.items():
            if not self.flow_active or app.consumer_generation_id != generation_id:
                return
            if not records or not (
                active is None or tp in active or tp in self._buffered_partitions
            ):
                continue
            app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            batch = BatchMessage(tp, records, generation_id)
            self._deliveries[tp].append(batch)
            yield tp, batch

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> RecordMap:  # noqa: ASYNC109
        self._fetch_generation = self.app.consumer_generation_id
        return await super()._getmany(active_partitions, timeout)  # type: ignore[safe-super]

    # completion ----------------------------------------------------------------------------------

    def complete(self, batch: BatchMessage) -> None:
        """Says that all effects of a batch are durable, so that its offset may be committed."""
        batch.acked = batch.completed = True
        self._unacked_messages.discard(batch)
        deliveries = self._deliveries.get(batch.tp)
        while deliveries and deliveries[0].completed:
            self._watermarks[batch.tp] = deliveries.popleft().next_offset
        notify(self._waiting_for_ack)

    def ack(self, message: Message) -> bool:
        """Takes Faust's own ack, which it also gives to messages that it skipped (rule 3)."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    async def wait_empty(self) -> None:
        """Lets the agents finish what they hold, and commits it."""
        await self.settle()
        await super().wait_empty()

    # commit --------------------------------------------------------------------------------------

    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Iterator[TP]:
        return (
            tp
            for tp in list(self._watermarks)
            if topics is None or tp in topics or tp.topic in topics
        )

    def _new_offset(self, tp: TP) -> int | None:
        return self._watermarks.get(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Watermarks step over holes (transaction markers, compaction) by themselves."""

    # loss of partitions, and seeks ---------------------------------------------------------------

    def _forget(self, tps: Iterable[TP]) -> None:
        for tp in tps:
            self._deliveries.pop(tp, None)
            self._watermarks.pop(tp, None)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commits what is complete, then forgets the partitions."""
        await super().on_partitions_revoked(revoked)
        self._forget(revoked)

    async def perform_seek(self) -> None:
        """Goes back to the committed offsets; whatever was delivered since comes again."""
        self._forget([*self._deliveries, *self._watermarks])
        await super().perform_seek()
        # aiokafka leaves a partition where it is as long as nothing of it was ever committed
        offsets = {tp: self._committed_offset[tp] or 0 for tp in self.assignment()}
        if fresh := {tp for tp, offset in offsets.items() if not offset}:
            await self._rewind(fresh)
            offsets.update(await self.earliest_offsets(*fresh))
        self.sought(offsets)

    @abstractmethod
    def asked_ms(self, tp: TP) -> int | None:
        """When the broker last said where a partition ends (`highwater`); None: not yet."""

    @abstractmethod
    async def _rewind(self, tps: set[TP]) -> None:
        """Goes back to the beginning of partitions of which nothing is committed yet."""

    def watermarks(self) -> Mapping[TP, int]:
        """Next offset of each partition after all that is complete."""
        return self._watermarks


async def _nothing_held() -> None:
    pass


def _ignore(offsets: Mapping[TP, int]) -> None:
    pass


class BatchConsumer(BatchDelivery, driver.Consumer):
    """aiokafka's consumer with record-batch delivery."""

    def asked_ms(self, tp: TP) -> int | None:
        """When the broker last answered a fetch of the partition, with records or without."""
        asked: int | None = self._thread._ensure_consumer().last_poll_timestamp(tp)
        return asked

    async def _rewind(self, tps: set[TP]) -> None:
        await self._thread.seek_to_beginning(*driver.ensure_aiokafka_TPset(tps))


class BatchTransport(driver.Transport):
    """`app.transport` of the stream workers."""

    Consumer: ClassVar[type] = BatchConsumer
