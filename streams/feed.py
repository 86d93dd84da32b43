"""A worker's way to the models: read to the end before the first estimate, then followed."""

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from corridor import topics
from corridor.metrics import LEARNED_UNTIL, LESSON_POSITION, MODEL_FAILURES
from corridor.settings import Settings
from streams.models import Full, ModelLog, decompress
from streams.publication import Readable

log = structlog.get_logger(__name__)

PARTITION = TopicPartition(topics.MODELS.name, 0)

WAIT_SECONDS = 30.0
"""So long a worker waits for models before it goes without."""

_POLL_MS = 1_000


def model_consumer(settings: Settings) -> AIOKafkaConsumer:
    """A consumer of the log of models; it belongs to no group."""
    return AIOKafkaConsumer(
        **settings.aiokafka_client(),
        group_id=None,
        enable_auto_commit=False,
        fetch_max_bytes=64 * 1024 * 1024,
        max_partition_fetch_bytes=16 * 1024 * 1024,
    )


async def read_to_end(consumer: AIOKafkaConsumer, models: ModelLog) -> None:
    """Reads all that there is; the consumer goes on after it.

    Raises:
        KafkaError: the broker does not answer.
    """
    consumer.assign([PARTITION])
    await consumer.seek_to_beginning(PARTITION)
    end = -1
    while True:
        before, end = end, (await consumer.end_offsets([PARTITION]))[PARTITION]
        # the position, not the last record: compaction may have left a hole at the end
        while await consumer.position(PARTITION) < end:
            await read_more(consumer, models)
        if not models.torn or end == before:
            return


async def read_more(consumer: AIOKafkaConsumer, models: ModelLog) -> None:
    """Takes what comes next, as soon as there is something."""
    for record in (await consumer.getmany(timeout_ms=_POLL_MS)).get(PARTITION, ()):
        models.take(record.key, record.value)


class ModelFeed:
    """Keeps the model of a worker up to date.

    What it applies it applies at once, in one piece: a worker that applies a batch without
    waiting never sees a model change in the middle of it.
    """

    def __init__(
        self,
        settings: Settings,
        model: Readable,
        *,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """Reads nothing yet.

        Args:
            settings: Where Kafka is.
            model: What to keep up to date.
            wait_seconds: How long `start_once` may wait.
        """
        self.model = model
        self._settings, self._wait_seconds = settings, wait_seconds
        self._read = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    async def start_once(self) -> None:
        """Returns when the model is the newest one; or, after a while, without it."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow_always())
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._read.wait()
        except TimeoutError:
            log.warning("goes on without models", waited_seconds=self._wait_seconds)

    async def stop(self) -> None:
        """Reads no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow_always(self) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Exception),
            wait=wait_exponential(multiplier=0.5, max=30),
            before_sleep=_tell,
        ):
            with attempt:
                await self._follow()

    async def _follow(self) -> None:
        consumer = model_consumer(self._settings)
        await consumer.start()
        try:
            models = ModelLog()
            await read_to_end(consumer, models)
            await self._apply(models)
            log.info("models are read", stand=models.stand)
            self._read.set()
            while True:
                await read_more(consumer, models)
                await self._apply(models)
        finally:
            await consumer.stop()

    async def _apply(self, models: ModelLog) -> None:
        for step in models.steps():
            if isinstance(step, Full):
                self.model.load(await asyncio.to_thread(decompress, step.model))
            elif change := decompress(step.change):
                self.model.apply(change)
            LESSON_POSITION.set(step.stand.position)
            if step.stand.learned_until is not None:
                LEARNED_UNTIL.set(step.stand.learned_until.timestamp())
            await asyncio.sleep(0)  # the worker's turn


def _tell(state: RetryCallState) -> None:
    MODEL_FAILURES.inc()
    error = state.outcome.exception() if state.outcome else None
    log.warning("models cannot be read; tries again", error=repr(error))
