"""Workers on a Kafka of their own, and the oracle that says what they must say."""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from aiokafka.structs import ConsumerRecord
from kafka import KafkaConsumer, TopicPartition

from commands import topic_admin
from corridor import topics
from corridor.eta import lessons
from corridor.eta.lessons import What
from corridor.settings import Settings
from producers import nycflights13
from producers.publisher import Publisher
from producers.replay.run import KafkaTarget, Progress, Stop, play
from streams.emitter import Emitter, Record
from streams.state import PartitionState
from streams.tracker import Tracker
from tests.support import free_port, kafka_command, running, wait_until

PARTITIONS = 4
IDENTITIES = ((topics.ESTIMATES, "estimate_id"), (topics.OUTCOMES, "outcome_id"))

Fact = tuple[What, str, float | None]
"""What a lesson says, of which run, and when that was."""


@dataclass
class Cluster:
    """One Kafka, and any number of workers."""

    directory: Path
    port: int = field(default_factory=free_port)
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    stacks: dict[str, ExitStack] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return Settings(kafka=f"127.0.0.1:{self.port}", group="proof", partitions=PARTITIONS)

    def start(self, name: str) -> None:
        """Starts `kafka`, a `learner`, or a worker of that name; waits until it is ready."""
        log = self.directory / f"{name}.log"
        if name == "kafka":
            command = kafka_command(self.directory / "data", self.port)
            ready: str | None = f"kafka://127.0.0.1:{self.port}"
        else:
            metrics = free_port()
            module = "streams.learner" if name == "learner" else "streams"
            command = [sys.executable, "-m", module, "--metrics-port", str(metrics)]
            ready = f"http://127.0.0.1:{metrics}/healthz"
        env = {
            "CORRIDOR_KAFKA": f"127.0.0.1:{self.port}",
            "CORRIDOR_GROUP": "proof",
            "CORRIDOR_PARTITIONS": str(PARTITIONS),
        }
        stack = ExitStack()
        self.workers[name] = stack.enter_context(
            running(command, log, ready=ready, env=env, deadline=120)
        )
        self.stacks[name] = stack

    def kill(self, name: str) -> None:
        """kill -9."""
        self.workers[name].kill()
        self.workers[name].wait()
        self.stop(name)

    def stop(self, name: str) -> None:
        """SIGTERM, and wait."""
        self.stacks.pop(name).close()

    def publish(self, count: int) -> None:
        """The first flights' messages."""
        with Publisher(self.settings) as publisher:
            records = islice(nycflights13.records(), count)
            play(records, KafkaTarget(publisher), Progress(), stop=Stop())

    def read(self, names: Iterable[str]) -> dict[TopicPartition, list[ConsumerRecord]]:
        """All records of some topics."""
        consumer = KafkaConsumer(
            **self.settings.kafka_client(), group_id=None, enable_auto_commit=False
        )
        counts = {topic.name: topic.partitions or PARTITIONS for topic in topics.registry("proof")}
        partitions = [TopicPartition(name, p) for name in names for p in range(counts[name])]
        records: dict[TopicPartition, list[ConsumerRecord]] = defaultdict(list)
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(tp) < end for tp, end in ends.items()):
            for tp, batch in consumer.poll(timeout_ms=500).items():
                records[tp].extend(batch)
        consumer.close()
        return records

    def lag(self) -> int:
        """Records of the unit topics that the workers have not committed."""
        consumer = KafkaConsumer(
            **self.settings.kafka_client(), group_id="proof-workers", enable_auto_commit=False
        )
        try:
            names = [topic.name for topic in topics.WORKER_TOPICS]
            partitions = [TopicPartition(name, p) for name in names for p in range(PARTITIONS)]
            ends = consumer.end_offsets(partitions)
            return sum(end - (consumer.committed(tp) or 0) for tp, end in ends.items())
        finally:
            consumer.close()

    def said(self) -> dict[str, bytes]:
        """What the workers said: id to value; the same id must always have the same value."""
        return said((topic, r.value) for topic, r in self._outputs())

    def differences(self) -> list[str]:
        """Where what the workers said differs from the oracle, the first few, readable."""
        actual, expected = self.said(), self.expected()
        found = [f"missing: {expected[i]!r}" for i in expected.keys() - actual.keys()]
        found += [f"not expected: {actual[i]!r}" for i in actual.keys() - expected.keys()]
        for identity in actual.keys() & expected.keys():
            ours, theirs = json.loads(actual[identity]), json.loads(expected[identity])
            if ours != theirs:
                fields = [k for k in ours | theirs if ours.get(k) != theirs.get(k)]
                found += [f"{identity} {k}: {ours.get(k)} not {theirs.get(k)}" for k in fields]
        return [f"{len(actual)} said, {len(expected)} expected", *found[:20]] if found else []

    def repeated(self) -> int:
        """How many records say again what was said already."""
        return sum(1 for _ in self._outputs()) - len(self.said())

    def _outputs(self) -> Iterator[tuple[str, ConsumerRecord]]:
        for tp, records in self.read(topic.name for topic, _ in IDENTITIES).items():
            for record in records:
                yield tp.topic, record

    def expected(self) -> dict[str, bytes]:
        """The oracle: what one tracker says over everything that is on the input topics."""
        return said(self._oracle())

    def taught(self) -> set[Fact]:
        """The departures and arrivals that the learner was told."""
        return facts(r.value for found in self.read([topics.LESSONS.name]).values() for r in found)

    def to_teach(self) -> set[Fact]:
        """The same, by the oracle."""
        return facts(value for topic, value in self._oracle() if topic == topics.LESSONS.name)

    def _oracle(self) -> Iterator[tuple[str, bytes]]:
        emitter = Collector()
        tracker = Tracker(emitter, PARTITIONS)
        tracker.partitions = {p: PartitionState() for p in range(PARTITIONS)}
        inputs = self.read([topics.ITINERARIES.name, topics.CARRIER.name])
        for tp in sorted(inputs, key=lambda tp: tp.topic != topics.ITINERARIES.name):
            tracker.apply(tp.topic, tp.partition, inputs[tp], 0)
        for partition in range(PARTITIONS):
            tracker.ripen(partition, 2**62, 2**62, ())
        return emitter.values()

    def wait_until_done(self, seconds: float = 120) -> None:
        """Waits until everything is committed."""
        wait_until(lambda: self.lag() == 0, seconds, interval=0.3, what="lag is 0")

    def wait_until_right(self, seconds: float = 120) -> None:
        """Waits until everything is committed, and time has passed, and what was said is right."""
        self.wait_until_done(seconds)
        deadline = time.monotonic() + 20
        while (found := self.differences()) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert found == []


class Collector(Emitter):
    """Keeps what is emitted."""

    async def start_once(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def _send(self, topic: str, partition: int, records: list[Record]) -> None:
        pass

    def values(self) -> Iterator[tuple[str, bytes]]:
        for (topic, _), records in self._records.items():
            for _, value in records:
                yield topic, value


def facts(values: Iterable[bytes | None]) -> set[Fact]:
    told = (lessons.decode(value) for value in values if value is not None)
    done = (What.DEPARTED, What.ARRIVED)
    return {(lesson.what, lesson.run, lesson.time) for lesson in told if lesson.what in done}


def said(values: Iterable[tuple[str, bytes | None]]) -> dict[str, bytes]:
    names = {topic.name: name for topic, name in IDENTITIES}
    seen: dict[str, bytes] = {}
    for topic, value in values:
        if topic not in names:
            continue
        assert value is not None
        known = seen.setdefault(json.loads(value)[names[topic]], value)
        assert json.loads(known) == json.loads(value), "one id, two values"
    return seen


@contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """A cluster with its topics; everything is stopped at the end."""
    made = Cluster(directory)
    try:
        made.start("kafka")
        topic_admin.apply(made.settings)
        yield made
    finally:
        for name in [n for n in made.stacks if n != "kafka"] + ["kafka"]:
            if name in made.stacks:
                made.stop(name)
