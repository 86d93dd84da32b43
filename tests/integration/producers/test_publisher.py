"""The publisher against a real Kafka, which also stops, comes back and refuses."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.partitioner.default import murmur2

from corridor.settings import Settings
from producers import publisher as publishing
from producers.publisher import MissingTopicError, Publisher, PublishError
from tests.support import ROOT, free_port, kafka_command, running, unique_name, wait_until

pytestmark = pytest.mark.stack

PARTITIONS = 4


def create_topic(bootstrap: str, **configs: str) -> str:
    topic = unique_name("published")
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        spec = {"num_partitions": PARTITIONS, "replication_factor": 1, "configs": configs}
        admin.create_topics({topic: spec})
        admin.wait_for_topics([topic])
    finally:
        admin.close()
    return topic


@pytest.fixture
def settings(kafka: str) -> Settings:
    return Settings(kafka=kafka)


@pytest.fixture
def topic(kafka: str) -> str:
    return create_topic(kafka)


def stored(bootstrap: str, topic: str) -> dict[int, list[tuple[bytes, bytes]]]:
    """Keys and values of a topic by partition, to the ends as they are now."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, check_crcs=True)
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: dict[int, list[tuple[bytes, bytes]]] = {number: [] for number in range(PARTITIONS)}
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for partition, records in consumer.poll(timeout_ms=500).items():
                found[partition.partition] += [(record.key, record.value) for record in records]
        return found
    finally:
        consumer.close()


def numbered(count: int, keys: int = 7) -> list[tuple[bytes, bytes]]:
    return [(b"unit%d" % (n % keys), b'{"n":%d}' % n) for n in range(count)]


def expected(messages: list[tuple[bytes, bytes]]) -> dict[int, list[tuple[bytes, bytes]]]:
    """Where messages belong: by Kafka's own hash, in the order they were published."""
    found: dict[int, list[tuple[bytes, bytes]]] = {number: [] for number in range(PARTITIONS)}
    for key, value in messages:
        found[(murmur2(key) & 0x7FFFFFFF) % PARTITIONS].append((key, value))
    return found


def assert_each_arrives(
    kafka: str, settings: Settings, topic: str, messages: list[tuple[bytes, bytes]]
) -> None:
    """Publishes messages, and looks for each once, in order, where it belongs."""
    with Publisher(settings) as publisher:
        for key, value in messages:
            publisher.publish(topic, key, value)
        publisher.flush()
        assert publisher.confirmed == len(messages)
    assert stored(kafka, topic) == expected(messages)


def test_each_message_is_there_once_in_order_and_where_its_key_belongs(
    kafka: str, settings: Settings, topic: str
) -> None:
    messages = numbered(30_000)
    assert_each_arrives(kafka, settings, topic, messages)


def test_leaving_the_block_flushes(kafka: str, settings: Settings, topic: str) -> None:
    with Publisher(settings) as publisher:
        publisher.publish(topic, b"k", b"v")
    assert publisher.confirmed == 1
    assert sum(map(len, stored(kafka, topic).values())) == 1


def test_a_message_is_sent_without_a_flush(settings: Settings, topic: str) -> None:
    with Publisher(settings) as publisher:
        publisher.publish(topic, b"k", b"v")
        wait_until(lambda: publisher.confirmed == 1, what="a lingering message is confirmed")


def test_a_closed_publisher_takes_nothing(settings: Settings, topic: str) -> None:
    with Publisher(settings) as publisher:
        publisher.publish(topic, b"k", b"v")
    with pytest.raises(PublishError, match="the publisher is closed"):
        publisher.publish(topic, b"k", b"v")


def test_an_error_in_the_block_is_not_hidden_by_closing(settings: Settings, topic: str) -> None:
    def fail() -> None:
        with Publisher(settings) as publisher:
            publisher.publish(topic, b"k", b"v")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_headers_travel(kafka: str, settings: Settings, topic: str) -> None:
    with Publisher(settings) as publisher:
        publisher.publish(topic, b"k", b"v", [("available_time", b"now")])
    consumer = KafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    (record,) = wait_until(
        lambda: [r for found in consumer.poll(timeout_ms=500).values() for r in found]
    )
    consumer.close()
    assert record.headers == [("available_time", b"now")]


def test_memory_for_what_is_unconfirmed_is_bounded(
    kafka: str, settings: Settings, topic: str
) -> None:
    bound = 600_000
    messages = [(b"k%d" % n, b"x" * 50_000) for n in range(200)]
    most = 0
    with Publisher(settings, in_flight_bytes=bound) as publisher:
        for key, value in messages:
            publisher.publish(topic, key, value)
            most = max(most, publisher.in_flight_bytes)
    assert 0 < most <= bound
    assert stored(kafka, topic) == expected(messages)


def test_threads_share_a_publisher(kafka: str, settings: Settings, topic: str) -> None:
    def publish(name: int) -> None:
        for n in range(3000):
            publisher.publish(topic, b"thread%d" % name, b"%d" % n)

    with Publisher(settings) as publisher:
        threads = [threading.Thread(target=publish, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    of_key: dict[bytes, list[int]] = {}
    for records in stored(kafka, topic).values():
        for key, value in records:
            of_key.setdefault(key, []).append(int(value))
    assert of_key == {b"thread%d" % name: list(range(3000)) for name in range(4)}


def test_a_missing_topic_is_an_error_that_names_the_remedy(settings: Settings) -> None:
    with Publisher(settings) as publisher:
        with pytest.raises(
            MissingTopicError, match="no topic nowhere: run `corridor topics apply`"
        ):
            publisher.publish("nowhere", b"k", b"v")
        publisher.flush()


def test_no_kafka_is_an_error_that_names_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "BOOTSTRAP_MS", 1000)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(PublishError, match=f"no Kafka at {address}"):
        Publisher(Settings(kafka=address))


def test_a_message_over_the_limit_is_an_error_and_leaves_the_rest(
    kafka: str, settings: Settings, topic: str
) -> None:
    with Publisher(settings) as publisher:
        publisher.publish(topic, b"k", b"before")
        with pytest.raises(PublishError, match="over the limit"):
            publisher.publish(topic, b"big", b"x" * 1_000_001)
        publisher.publish(topic, b"k", b"after")
    assert stored(kafka, topic) == expected([(b"k", b"before"), (b"k", b"after")])


def test_the_largest_message_passes(kafka: str, settings: Settings, topic: str) -> None:
    value = bytes(n % 251 for n in range(999_999))
    with Publisher(settings) as publisher:
        publisher.publish(topic, b"k", value)
    assert stored(kafka, topic) == expected([(b"k", value)])


def test_batches_that_a_topic_finds_too_large_are_split(kafka: str, settings: Settings) -> None:
    topic = create_topic(kafka, **{"max.message.bytes": "3000"})
    # hard to compress, so that batches of some hundred kilobytes meet the limit
    messages = [(key, noise(n)) for n, (key, _) in enumerate(numbered(3000))]
    assert_each_arrives(kafka, settings, topic, messages)


def noise(seed: int) -> bytes:
    return b"".join(murmur2(b"%d/%d" % (seed, n)).to_bytes(4, "big") for n in range(20))


def test_what_kafka_refuses_is_raised_by_flush_and_ever_after(
    kafka: str, settings: Settings
) -> None:
    topic = create_topic(kafka, **{"max.message.bytes": "100"})
    publisher = Publisher(settings)
    publisher.publish(topic, b"k", bytes(n % 251 for n in range(500)))
    for call in (publisher.flush, publisher.flush, lambda: publisher.publish(topic, b"k", b"v")):
        with pytest.raises(PublishError, match=f"did not take 1 messages for {topic}"):
            call()
    assert publisher.confirmed == 0
    assert publisher.in_flight_bytes == 0
    publisher.close()


@pytest.fixture
def address() -> str:
    return f"127.0.0.1:{free_port()}"


class Broker:
    """A broker of the test's own, at an address that stays."""

    def __init__(self, directory: Path, address: str) -> None:
        self._directory = directory
        self._address = address
        self._context: AbstractContextManager[subprocess.Popen[bytes]] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = kafka_command(self._directory / "data", int(self._address.rpartition(":")[2]))
        ready = f"kafka://{self._address}"
        self._context = running(command, self._directory / "log", ready=ready, deadline=120)
        self._process = self._context.__enter__()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._context is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._context.__exit__(None, None, None)
        self._process = self._context = None


@pytest.fixture
def broker(tmp_path: Path, address: str) -> Iterator[Broker]:
    broker = Broker(tmp_path, address)
    broker.start()
    yield broker
    broker.stop()


@pytest.mark.parametrize(
    "how", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_a_broker_that_restarts_loses_nothing_and_doubles_nothing(
    broker: Broker, address: str, how: signal.Signals
) -> None:
    topic = create_topic(address)
    messages = numbered(200_000)
    reached = threading.Event()

    def publish() -> None:
        for key, value in messages:
            publisher.publish(topic, key, value)
            if publisher.confirmed > len(messages) // 4:
                reached.set()

    with Publisher(Settings(kafka=address), in_flight_bytes=4_000_000) as publisher:
        thread = threading.Thread(target=publish)
        thread.start()
        assert reached.wait(60)
        broker.stop(how)
        broker.start()
        thread.join()
        publisher.flush()
        assert publisher.confirmed == len(messages)
    assert stored(address, topic) == expected(messages)


def test_a_broker_that_stays_away_is_a_failure_in_bounded_time(
    broker: Broker, address: str
) -> None:
    topic = create_topic(address)
    publisher = Publisher(Settings(kafka=address), delivery_seconds=3)
    publisher.publish(topic, b"k", b"v")
    publisher.flush()
    broker.stop()
    publisher.publish(topic, b"k", b"lost")
    with pytest.raises(PublishError, match="did not take 1 messages"):
        publisher.flush()
    assert publisher.confirmed == 1
    publisher.close()


PUBLISH_FOREVER = """
import sys
from corridor.settings import Settings
from producers.publisher import Publisher
publisher = Publisher(Settings(kafka=sys.argv[1]))
n = told = 0
while True:
    publisher.publish(sys.argv[2], b"unit%d" % (n % 7), b'{"n":%d}' % n)
    n += 1
    if publisher.confirmed > told:
        told = publisher.confirmed
        print(told, flush=True)
"""


def test_what_was_confirmed_before_a_kill_is_on_kafka_in_order(kafka: str, topic: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PUBLISH_FOREVER, kafka, topic],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        assert process.stdout is not None
        confirmed = 0
        while confirmed < 30_000:
            confirmed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        confirmed = int(rest[-1]) if rest else confirmed
    finally:
        process.kill()
        process.wait()
    found = stored(kafka, topic)
    total = sum(map(len, found.values()))
    assert total >= confirmed
    # each partition holds a prefix of what was published to it: no hole, nothing twice
    published = expected(numbered(7 * total))
    assert all(records == published[n][: len(records)] for n, records in found.items())
