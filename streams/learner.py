"""The learner: `python -m streams.learner`. Learns from what the workers say, and publishes it.

All lessons are in one partition, which has one reader. Its state is a function of how many of them
it has heard; so it goes on from the last whole model that it has published, hears again what came
after it, and comes to the same. The offsets that it commits tell others how far it is.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError
from aiokafka.structs import ConsumerRecord

from corridor import settings as environment
from corridor import topics
from corridor.eta import lessons
from corridor.metrics import (
    LAG,
    LEARN_SECONDS,
    LEARNED_UNTIL,
    LESSON_POSITION,
    LESSONS,
    REBALANCES,
)
from corridor.observability import ObservabilityServer, configure_logging
from corridor.settings import Settings
from streams.emitter import Emitter, KafkaEmitter
from streams.feed import model_consumer, read_to_end
from streams.models import Full, ModelLog, ModelWriter, Stand, decompress
from streams.publication import Learning, Policy, Publication

log = structlog.get_logger(__name__)

PARTITION = TopicPartition(topics.LESSONS.name, 0)

LESSONS_AT_ONCE = 500
IDLE_MS = 500
SESSION_MS = 10_000
STUCK_SECONDS = 90.0
WATCH_SECONDS = 5.0


@dataclass
class Life:
    """A learner from its assignment on."""

    learner: Learning
    publication: Publication


class LearnerProcess:
    """One reader of the lessons; the only one, or one that waits for its turn."""

    def __init__(
        self, settings: Settings, make: Callable[[], Learning], policy: Policy | None = None
    ) -> None:
        """Connects to nothing yet.

        Args:
            settings: Where Kafka is.
            make: A learner that knows nothing.
            policy: When to publish.
        """
        self._settings, self._make, self._policy = settings, make, policy or Policy()
        self._emitter: Emitter = KafkaEmitter(settings)
        self._assigned = asyncio.Event()
        self._turn = 0
        """Counts assignments: what was begun in an earlier one is over."""
        self._stop = asyncio.Event()
        self._alive = time.monotonic()
        self.ready = False
        """Whether it has its lessons and what was learned before."""

    @property
    def stuck_seconds(self) -> float:
        """How long ago it was last seen alive."""
        return time.monotonic() - self._alive

    def stop(self) -> None:
        """Asks for an end, after all that was learned is published."""
        self._stop.set()

    async def run(self) -> None:
        """Runs until `stop`; whatever fails is raised, and the next one goes on."""
        consumer = AIOKafkaConsumer(
            **self._settings.aiokafka_client(),
            group_id=self._settings.learner_group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 4,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        consumer.subscribe([PARTITION.topic], listener=_Turns(self._take_turn, self._give_up))
        await self._emitter.start_once()
        await consumer.start()
        try:
            while not self._stop.is_set():
                self._alive = time.monotonic()
                if not self._assigned.is_set():
                    await _either(self._assigned, self._stop, IDLE_MS / 1000)
                    continue
                turn = self._turn
                life = await self._begin(consumer)
                self.ready = True
                await self._live(life, consumer, turn)
        finally:
            self.ready = False
            await consumer.stop()
            await self._emitter.stop()

    def _take_turn(self) -> None:
        self._turn += 1
        REBALANCES.inc()
        self._assigned.set()

    def _give_up(self) -> None:
        self._turn += 1
        self._assigned.clear()
        self.ready = False
        LAG.clear()

    async def _begin(self, consumer: AIOKafkaConsumer) -> Life:
        """Goes on from the last whole model."""
        began = time.monotonic()
        models = ModelLog(with_learner=True)
        reader = model_consumer(self._settings)
        await reader.start()
        try:
            await read_to_end(reader, models)
        finally:
            await reader.stop()
        first = (await consumer.beginning_offsets([PARTITION]))[PARTITION]
        end = (await consumer.end_offsets([PARTITION]))[PARTITION]
        full = next((step for step in models.steps() if isinstance(step, Full)), None)
        learner, stand = await self._loaded(full)
        position = first if stand is None else stand.position
        if position > end:
            log.warning("the lessons were begun anew", heard=position, end=end)
            stand, position = None, first
        elif position < first:
            log.error("lessons are lost: they were kept for less long", lost=first - position)
            stand, position = None, first
        consumer.seek(PARTITION, position)
        log.info(
            "begins to learn",
            lessons=position,
            behind=end - position,
            version=learner.model.version,
            seconds=round(time.monotonic() - began, 3),
        )
        writer = ModelWriter(models, stand)
        publication = Publication(learner, writer, self._emitter, position, self._policy)
        return Life(learner, publication)

    async def _loaded(self, full: Full | None) -> tuple[Learning, Stand | None]:
        learner = self._make()
        if full is None:
            return learner, None
        model, own = await asyncio.to_thread(
            lambda: (decompress(full.model), decompress(full.learner))
        )
        try:
            learner.model.load(model)
            learner.load(own)
        except (msgspec.MsgspecError, ValueError) as error:  # of another version of the code
            log.error("what was learned cannot be read; learns anew", error=repr(error))
            return self._make(), None
        return learner, full.stand

    async def _live(self, life: Life, consumer: AIOKafkaConsumer, turn: int) -> None:
        """Learns until it is to stop, or its turn is over."""
        publication = life.publication
        while turn == self._turn and not self._stop.is_set():
            self._alive = time.monotonic()
            timeout = 0 if publication.unsaid else IDLE_MS
            fetched = await consumer.getmany(timeout_ms=timeout, max_records=LESSONS_AT_ONCE)
            if turn != self._turn:
                break
            records = fetched.get(PARTITION, ())
            if records:
                began = time.monotonic()
                for record in records:
                    _hear(life.learner, record)
                seconds = time.monotonic() - began
                LEARN_SECONDS.inc(seconds)
                publication.learned(records[-1].offset + 1, len(records), seconds)
            if publication.due(waiting=bool(records)):
                await publication.publish()
                await self._commit(consumer, publication.position)
            self._show(consumer, life)
        if turn != self._turn:
            await publication.abandon()
            return
        await publication.close()
        await self._commit(consumer, publication.position)

    async def _commit(self, consumer: AIOKafkaConsumer, position: int) -> None:
        try:
            await consumer.commit({PARTITION: position})
        except CommitFailedError:
            log.warning("another one has the lessons now")

    def _show(self, consumer: AIOKafkaConsumer, life: Life) -> None:
        position, until = life.publication.position, life.learner.model.learned_until
        LESSON_POSITION.set(position)
        end = consumer.highwater(PARTITION)
        LAG.labels(*PARTITION).set(max(0, (end or 0) - position))
        if until is not None:
            LEARNED_UNTIL.set(until.timestamp())


def _hear(learner: Learning, record: ConsumerRecord) -> None:
    try:
        lesson = lessons.decode(record.value)
    except msgspec.MsgspecError as error:
        LESSONS.labels("UNREADABLE").inc()
        log.error("a lesson cannot be read", offset=record.offset, error=str(error))
        return
    LESSONS.labels(lesson.what).inc()
    learner.hear(lesson)


class _Turns(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, take: Callable[[], None], give_up: Callable[[], None]) -> None:
        self._take, self._give_up = take, give_up

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._give_up()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        if assigned:
            self._take()


async def _either(one: asyncio.Event, other: asyncio.Event, seconds: float) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (one, other)]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


def run(
    settings: Settings,
    metrics_port: int,
    make: Callable[[], Learning],
    policy: Policy | None = None,
) -> None:
    """Runs one learner in this process, until SIGTERM or a crash."""
    gc.set_threshold(50_000, 50, 100)  # as in the workers

    async def serve() -> None:
        process = LearnerProcess(settings, make, policy)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, process.stop)

        def healthy() -> str | None:
            stuck = process.stuck_seconds
            return f"no sign of life for {stuck:.0f} s" if stuck > STUCK_SECONDS else None

        def ready() -> str | None:
            return None if process.ready else "waits for its lessons"

        def watch() -> None:
            while True:
                time.sleep(WATCH_SECONDS)
                if trouble := healthy():
                    log.error("gives up, to start anew from what is durable", reason=trouble)
                    os._exit(os.EX_SOFTWARE)

        try:
            server = ObservabilityServer(settings.host, metrics_port, healthy=healthy, ready=ready)
        except OSError as error:
            sys.exit(f"cannot serve metrics on {settings.host}:{metrics_port}: {error.strerror}")
        threading.Thread(target=watch, name="watchdog", daemon=True).start()
        with server:
            await process.run()

    uvloop.run(serve())


def main() -> None:
    """Runs until SIGTERM or a crash; a crash exits with a status other than 0."""
    from corridor.eta.learner import Learner
    from corridor.eta.model import Model

    settings = environment.load()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--metrics-port", type=int, default=settings.learner_metrics_port)
    arguments = parser.parse_args()
    configure_logging(settings.log_level)
    run(settings, arguments.metrics_port, lambda: Learner(Model()))


if __name__ == "__main__":
    main()
