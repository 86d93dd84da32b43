"""The learner on a real Kafka: killed, joined, and read by workers that begin and that follow.

It teaches a model that is easy to know (`CountingLearner`), so that what is published can be
compared, bit by bit, with what an undisturbed learner of the same lessons knows.
"""

import asyncio
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import GroupIdNotFoundError

from corridor import topics
from corridor.eta import lessons
from corridor.settings import Settings
from streams.feed import ModelFeed
from streams.models import Full, ModelLog, decompress
from tests.integration.streams.cluster import Cluster, cluster
from tests.support import free_port, running, wait_until
from tests.unit.streams.counting import CountingModel, lesson, taught

pytestmark = pytest.mark.stack

LESSONS = TopicPartition(topics.LESSONS.name, 0)
RUNS = [f"R{number * number % 1009}" for number in range(20_000)]


class Told(ModelLog):
    """And how many lessons the newest whole model has heard."""

    whole = 0


class School:
    """A Kafka with lessons, and learners that come and go."""

    def __init__(self, made: Cluster) -> None:
        self.settings, self._directory = made.settings, made.directory
        self._learners: dict[str, tuple[subprocess.Popen[bytes], ExitStack]] = {}
        self.told = 0
        self._producer = KafkaProducer(bootstrap_servers=self.settings.kafka)

    def tell(self, count: int) -> None:
        """The next lessons."""
        start, self.told = self.told, self.told + count
        for number in range(start, self.told):
            value = lessons.encode(lesson(RUNS[number], number))
            self._producer.send(LESSONS.topic, value, RUNS[number].encode(), partition=0)
        self._producer.flush(30)

    def known(self) -> bytes:
        """What an undisturbed learner of all lessons publishes."""
        return taught(RUNS[: self.told]).model.snapshot()

    def start(self, name: str, *, ready: bool = True) -> None:
        """A learner process."""
        port = free_port()
        command = [
            *(sys.executable, "-m", "tests.integration.streams.counting_process"),
            *("--metrics-port", str(port)),
        ]
        stack = ExitStack()
        env = {"CORRIDOR_KAFKA": self.settings.kafka, "CORRIDOR_GROUP": self.settings.group}
        log = self._directory / f"{name}.log"
        url = f"http://127.0.0.1:{port}/{'readyz' if ready else 'healthz'}"
        process = stack.enter_context(running(command, log, ready=url, env=env))
        self._learners[name] = process, stack

    def kill(self, name: str) -> None:
        """kill -9."""
        self._learners[name][0].kill()
        self.stop(name)

    def stop(self, name: str) -> None:
        """SIGTERM, and wait."""
        self._learners.pop(name)[1].close()

    def close(self) -> None:
        """Stops all learners."""
        for name in list(self._learners):
            self.stop(name)

    def committed(self) -> int:
        """How many lessons the learner says it has learned and published."""
        group = self.settings.learner_group
        with KafkaAdminClient(**self.settings.kafka_client()) as admin:
            try:
                found = admin.list_group_offsets(group)[group].get(LESSONS)
            except GroupIdNotFoundError:
                return 0
        return 0 if found is None else int(found.offset)

    def wait_until_learned(self, lessons: int | None = None) -> None:
        """Waits until so many lessons are learned, or all."""
        wanted = self.told if lessons is None else lessons
        wait_until(lambda: self.committed() >= wanted, 60, what=f"{wanted} lessons are learned")

    def published(self) -> tuple[CountingModel, "Told"]:
        """What a reader that begins now comes to."""
        consumer = KafkaConsumer(**self.settings.kafka_client(), enable_auto_commit=False)
        partition = TopicPartition(topics.MODELS.name, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        log = Told()
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    log.take(record.key, record.value)
        consumer.close()
        model = CountingModel()
        for step in log.steps():
            if isinstance(step, Full):
                log.whole = step.stand.position
                model.load(decompress(step.model))
            elif change := decompress(step.change):
                model.apply(change)
        return model, log


@pytest.fixture(scope="module")
def all_lessons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """One for all tests: each goes on where the one before has ended."""
    with cluster(tmp_path_factory.mktemp("school")) as made:
        yield School(made)


@pytest.fixture
def school(all_lessons: School) -> Iterator[School]:
    try:
        yield all_lessons
    finally:
        all_lessons.close()


def follow(school: School, test: Callable[[ModelFeed, CountingModel], Awaitable[None]]) -> None:
    """Runs a test beside the feed of a worker that begins now."""

    async def run() -> None:
        model = CountingModel()
        feed = ModelFeed(school.settings, model, wait_seconds=30)
        await feed.start_once()
        try:
            await test(feed, model)
        finally:
            await feed.stop()

    asyncio.run(run())


async def until_known(model: CountingModel, lessons: int) -> None:
    async with asyncio.timeout(60):
        while sum(model.counts.values()) < lessons:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_a_learner_killed_again_and_again_publishes_what_an_undisturbed_one_does(
    school: School,
) -> None:
    dice = random.Random(7)
    for life in range(2):
        school.start(f"learner{life}")
        before, more = school.told, dice.randrange(1_000, 3_000)
        school.tell(more)
        school.wait_until_learned(before + dice.randrange(more))
        school.kill(f"learner{life}")
    school.start("last")
    school.wait_until_learned()
    model, log = school.published()
    assert model.snapshot() == school.known()
    assert log.last >= 1


def test_a_worker_that_begins_has_the_model_before_it_goes_on_and_follows_it(
    school: School,
) -> None:
    school.start("learner")
    school.tell(2_000)
    school.wait_until_learned()

    async def test(feed: ModelFeed, model: CountingModel) -> None:
        assert model.snapshot() == school.known()
        await asyncio.to_thread(school.tell, 1_000)
        await until_known(model, school.told)
        assert model.snapshot() == school.known()
        await asyncio.to_thread(school.kill, "learner")
        await asyncio.to_thread(school.tell, 1_000)
        await asyncio.to_thread(school.start, "next")
        await until_known(model, school.told)
        assert model.snapshot() == school.known()

    follow(school, test)


def test_a_second_learner_waits_until_the_first_one_is_gone(school: School) -> None:
    school.start("first")
    school.tell(1_000)
    school.wait_until_learned()
    school.start("second", ready=False)
    school.tell(1_000)
    school.wait_until_learned()
    school.stop("first")
    school.tell(1_000)
    school.wait_until_learned()
    model, _ = school.published()
    assert model.snapshot() == school.known()


def test_a_learner_that_is_asked_to_stop_leaves_a_whole_model_of_all_it_knows(
    school: School,
) -> None:
    school.start("learner")
    school.tell(500)
    school.wait_until_learned()
    school.stop("learner")
    _, log = school.published()
    assert log.whole == school.told


def test_a_worker_goes_without_when_no_models_can_be_had() -> None:
    nowhere = Settings(kafka=f"127.0.0.1:{free_port()}")

    async def test() -> None:
        feed = ModelFeed(nowhere, CountingModel(), wait_seconds=0.5)
        async with asyncio.timeout(20):
            await feed.start_once()
        await feed.stop()

    asyncio.run(test())
