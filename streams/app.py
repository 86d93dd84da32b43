"""The Faust app of a stream worker: one agent, thin, over the tracker."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import faust
import structlog
from faust.transport.base import Transport
from faust.types import TP, ChannelT, StreamT
from mode import CrashingSupervisor
from yarl import URL

from corridor import topics
from corridor.alerting import rules
from corridor.eta.estimator import Estimator
from corridor.eta.model import Model
from corridor.metrics import (
    BATCH_RECORDS,
    CHECKPOINT_BUCKETS,
    CHECKPOINT_SECONDS,
    CLOCK,
    LAG,
    REBALANCES,
    UNITS,
    WAITING,
)
from corridor.settings import Settings
from corridor.tracking.unit import BEGINNING
from streams.connection import faust_credentials
from streams.emitter import Emitter, KafkaEmitter
from streams.feed import ModelFeed
from streams.restore import restore as restore_from_kafka
from streams.state import PartitionState
from streams.tracker import Tracker
from streams.transport import BatchDelivery, BatchMessage, BatchSchema, BatchTransport

log = structlog.get_logger(__name__)

CHECKPOINT_RECORDS = 20_000
"""A checkpoint is made when nothing waits to be read, or after this many records,"""

CHECKPOINT_AGE = 1.0
"""or when the first batch since the last one is this many seconds old."""

LINGER_SECONDS = 0.004
"""Nothing waits when nothing has come for so long: what is published together comes in several
fetches, and one checkpoint for all is several times as cheap."""

SESSION_SECONDS = 10.0
"""A worker that is silent for so long loses its partitions to the others."""


class StaleWorker(Exception):
    """This worker was stopped for so long that another may have its partitions."""


Restore = Callable[[Iterable[int]], Awaitable[dict[int, PartitionState]]]
"""Reads the states of some partitions back."""


class Feed(Protocol):
    """Keeps the model up to date."""

    async def start_once(self) -> None:
        """Returns when the model is the newest one, or cannot be had now."""

    async def stop(self) -> None:
        """Changes it no more."""


class Worker:
    """What one worker process owns: the app, the states, and the way out."""

    def __init__(
        self,
        settings: Settings,
        *,
        transport: type[Transport] = BatchTransport,
        emitter: Emitter | None = None,
        restore: Restore | None = None,
        feed: Feed | None = None,
    ) -> None:
        """Wires everything; tests put memory in the place of Kafka."""
        self.app = create_app(settings, transport)
        self.emitter = emitter or KafkaEmitter(settings)
        self.tracker = Tracker(self.emitter, settings.partitions)
        self.model = Model()
        self.tracker.estimator = Estimator(self.model, rules.read(settings.alert_rules))
        self._feed = feed or ModelFeed(settings, self.model)
        self.progress = self._alive = time.monotonic()
        self._restore = restore or partial(restore_from_kafka, settings)
        self._changelog = topics.changelog(settings.group).name
        self._checkpointing = asyncio.Lock()
        self._completed = asyncio.Event()
        self._pending: list[BatchMessage] = []
        self._records = 0
        self._since = 0.0
        self._next: dict[TP, int] = {}
        names = [topic.name for topic in topics.WORKER_TOPICS]
        self.app.agent(
            self.app.topic(*names, schema=BatchSchema(), key_type=bytes, value_type=bytes),
            name="track",
            concurrency=1,
        )(self._track)
        self.app.timer(1.0)(self._pulse)
        self.app.task(self._commit)
        self.app.on_rebalance_complete.connect(self._take_over)
        self.app.on_partitions_revoked.connect(self._give_up)
        self.app.on_before_shutdown.connect(self._stop)

    @property
    def consumer(self) -> BatchDelivery:
        """The consumer, once the app runs."""
        return cast(BatchDelivery, self.app.consumer)

    @property
    def ready(self) -> bool:
        """Whether the worker has its partitions' state and reads."""
        return self.app.consumer_generation_id > 0 and not self.app.rebalancing

    @property
    def stuck_seconds(self) -> float:
        """For how long there has been work without progress, or no life at all."""
        return time.monotonic() - min(self.progress, self._alive)

    @property
    def busy(self) -> bool:
        """Whether batches have been applied that no checkpoint has made durable yet."""
        return bool(self._pending) or self._checkpointing.locked()

    # ownership -----------------------------------------------------------------------------------

    async def _take_over(self, *args: object, **kwargs: object) -> None:
        """Restores what was assigned; Faust resumes reading when this returns."""
        await self.emitter.start_once()
        await self._feed.start_once()
        self.consumer.settle = self._settle
        self.consumer.sought = self._sought
        started = time.monotonic()
        assigned = sorted({tp.partition for tp in self.consumer.assignment()})
        self.tracker.partitions = await self._restore(assigned)
        self.progress = self._alive = time.monotonic()
        REBALANCES.inc()
        log.info(
            "partitions taken over",
            partitions=assigned,
            units=sum(len(state.units) for state in self.tracker.partitions.values()),
            seconds=round(time.monotonic() - started, 3),
        )

    async def _give_up(self, *args: object, **kwargs: object) -> None:
        """Forgets all state: it lives from assignment to revocation, and in the changelog."""
        self.tracker.partitions = {}
        self.emitter.forget()
        self._pending.clear()
        self._records = 0
        self._next = {}
        LAG.clear()
        CLOCK.clear()

    def _sought(self, offsets: Mapping[TP, int]) -> None:
        self._next = dict(offsets)

    def _ripen(self, partition: int) -> None:
        """Lets event time pass, as far as the sources are known to have been read."""
        now_ms = known_ms = _now_ms()
        behind = []
        for topic in topics.UNIT_TOPICS:
            tp = TP(topic.name, partition)
            end, asked_ms = self.consumer.highwater(tp), self.consumer.asked_ms(tp)
            if end is None or asked_ms is None or end > self._next.get(tp, 0):
                behind.append(tp.topic)
            else:  # nothing to read, as of then
                known_ms = min(known_ms, asked_ms)
        self.tracker.ripen(partition, now_ms, known_ms, behind)

    async def _pulse(self) -> None:
        """Every second: lets time pass while nothing is read, and shows how things stand."""
        self._alive = time.monotonic()
        if self.app.rebalancing:
            return
        lag = {
            tp: max(0, (self.consumer.highwater(tp) or 0) - offset)
            for tp, offset in self._next.items()
        }
        if not self.busy:
            if not any(lag.values()):
                self.progress = self._alive
            for partition in list(self.tracker.partitions):
                self._ripen(partition)
            if any(state.unsaved for state in self.tracker.partitions.values()):
                await self._checkpoint()
        for tp, records in lag.items():
            LAG.labels(tp.topic, tp.partition).set(records)
        states = self.tracker.partitions.values()
        UNITS.set(sum(len(state.units) for state in states))
        WAITING.set(sum(sum(state.waiting.values()) for state in states))
        for partition, state in self.tracker.partitions.items():
            if state.clock > BEGINNING:
                CLOCK.labels(partition).set(state.clock.timestamp())

    async def _settle(self) -> None:
        if self.busy:  # also a checkpoint that is under way must end before another owner begins
            await self._checkpoint()

    async def _stop(self, *args: object, **kwargs: object) -> None:
        await self._feed.stop()
        await self.emitter.stop()

    # work ----------------------------------------------------------------------------------------

    async def _track(self, stream: StreamT[Any]) -> None:
        """The agent: apply each batch, and make a checkpoint when there is time or need."""
        batches = cast(faust.Stream[Any], stream).noack()
        waiting = cast(ChannelT[Any], batches.channel).queue
        async for event in batches.events():
            batch = cast(BatchMessage, event.message)
            if not self._pending:
                self._since = time.monotonic()
            self._pending.append(batch)
            self._records += len(batch.records)
            BATCH_RECORDS.observe(len(batch.records))
            self.tracker.apply(batch.topic, batch.partition, batch.records, _now_ms())
            self._next[batch.tp] = batch.next_offset
            self._ripen(batch.partition)
            if waiting.empty():
                await asyncio.sleep(LINGER_SECONDS)
            if (
                waiting.empty()
                or self._records >= CHECKPOINT_RECORDS
                or time.monotonic() - self._since > CHECKPOINT_AGE
            ):
                await self._checkpoint()
                if waiting.empty():
                    self._completed.set()

    async def _commit(self) -> None:
        """Commits at once when there is nothing else to do: others wait for our offsets.

        While there is, Faust's timer commits.
        """
        while True:
            await self._completed.wait()
            self._completed.clear()
            if not self.app.rebalancing:
                await self.consumer.commit()

    async def _checkpoint(self) -> None:
        """Makes everything durable that was done since the last one, in this order.

        1. What is said goes to its topics: if we die now, it is said again, with the same ids.
        2. The states go to the changelog, with the offsets that each bucket has counted: if we
           die now, those records are read again, and skipped bucket by bucket.
        3. The batches are complete, and Faust commits their offsets.
        """
        async with self._checkpointing:
            started = time.monotonic()
            if self._pending and started - self._since > SESSION_SECONDS * 0.8:
                raise StaleWorker("this worker was stopped for too long; it starts anew")
            batches, self._pending, self._records = self._pending, [], 0
            # what is applied while we wait below belongs to the next checkpoint
            changed = {p: state.drain() for p, state in self.tracker.partitions.items()}
            await self.emitter.flush()
            for partition, records in changed.items():
                self.emitter.extend(self._changelog, partition, records)
            await self.emitter.flush()
            for batch in batches:
                self.consumer.complete(batch)
            self.progress = time.monotonic()
        CHECKPOINT_SECONDS.observe(self.progress - started)
        CHECKPOINT_BUCKETS.observe(sum(map(len, changed.values())))


def _now_ms() -> int:
    return int(time.time() * 1000)


def create_app(settings: Settings, transport: type[Transport]) -> faust.App:
    """A Faust app whose every setting that can lose or double data is explicit."""
    brokers = [URL(f"kafka://{server}") for server in settings.kafka.split(",")]
    app = faust.App(
        f"{settings.group}-workers",
        broker=brokers,
        broker_credentials=faust_credentials(settings),
        store="memory://",
        datadir=Path(tempfile.gettempdir(), f"{settings.group}-workers"),  # made, and left empty
        autodiscover=False,
        # Faust's own assignor keeps the partitions of co-partitioned topics together; Faust uses
        # it only for apps with tables or standbys, and we have neither.
        table_standby_replicas=1,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=settings.partitions,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=2 * 1024 * 1024,
        broker_max_poll_records=4_000,
        broker_commit_interval=0.5,
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=3.0,
        broker_request_timeout=60.0,
        broker_rebalance_timeout=60.0,
        broker_max_poll_interval=300.0,
        stream_buffer_maxsize=8,  # batches
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        agent_supervisor=CrashingSupervisor,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.transport = transport(brokers, app)
    return app
