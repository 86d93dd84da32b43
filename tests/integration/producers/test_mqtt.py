"""The MQTT gateway between a real broker and a real Kafka."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import orjson
import pytest
from kafka import KafkaConsumer, TopicPartition

from commands import topic_admin
from corridor import topics
from corridor.models import DeadLetter, TrackingEvent
from corridor.settings import Settings
from producers.iot import LOCK
from producers.iot import mqtt as mqtt_gateway
from producers.publisher import Publisher, PublishError
from tests.mqtt import Broker, Locks, broker, lock_message
from tests.support import ROOT, free_port, running, unique_name, wait_until

pytestmark = pytest.mark.stack

MESSAGES = 6_000
KILLS = 3
SEED = 1883


@pytest.fixture
def settings(kafka: str) -> Settings:
    settings = Settings(kafka=kafka)
    topic_admin.apply(settings)
    return settings


@pytest.fixture(scope="module")
def mqtt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("mqtt")) as found:
        yield found


class Gateway:
    """`corridor gateway mqtt`, which can be killed and started again."""

    def __init__(self, kafka: str, mqtt: Broker, directory: Path, party: str) -> None:
        self.log = directory / "gateway.log"
        self.port = free_port()
        self.command = [
            *(sys.executable, "-m", "commands.main", "gateway", "mqtt"),
            *("--client-id", party, "--metrics-port", str(self.port)),
        ]
        self.environment = {
            "CORRIDOR_KAFKA": kafka,
            "CORRIDOR_MQTT": mqtt.address,
            "CORRIDOR_MQTT_VERSION": mqtt.version,
            "CORRIDOR_MQTT_GROUP": mqtt.group and party,
            "CORRIDOR_MQTT_TOPIC": f"corridor/{party}/+/+",
            "CORRIDOR_DATA": str(directory),
        }

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def running(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        ready = f"http://127.0.0.1:{self.port}/readyz"
        return running(self.command, self.log, ready=ready, env=self.environment)


class Reader:
    """What comes to a topic of one party's."""

    def __init__(self, settings: Settings, topic: str, party: str) -> None:
        self._mark = f'"source":"{party}"'.encode()
        self._values: list[bytes] = []
        self._consumer = KafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
        numbers = sorted(self._consumer.partitions_for_topic(topic) or ())
        self._consumer.assign([TopicPartition(topic, number) for number in numbers])
        self._consumer.seek_to_end()
        for number in numbers:  # now, not when it is polled
            self._consumer.position(TopicPartition(topic, number))

    def values(self) -> list[bytes]:
        """Everything until now."""
        while found := self._consumer.poll(200):
            records = [record for some in found.values() for record in some]
            self._values += [record.value for record in records if self._mark in record.value]
        return self._values

    def events(self) -> list[TrackingEvent]:
        return list(map(TrackingEvent.model_validate_json, self.values()))

    def ids(self) -> set[str]:
        return {orjson.loads(value)["event_id"] for value in self.values()}


@pytest.fixture
def party() -> str:
    return unique_name("locks")


@pytest.fixture
def told(settings: Settings, party: str) -> Reader:
    return Reader(settings, topics.IOT.name, party)


def expected(message: bytes, party: str) -> set[str]:
    return {
        item.event_id for item in LOCK.decode(message, party) if isinstance(item, TrackingEvent)
    }


def test_what_the_broker_acknowledged_is_on_kafka_though_the_gateway_is_killed_three_times(
    settings: Settings, mqtt: Broker, tmp_path: Path, party: str, told: Reader
) -> None:
    gateway = Gateway(settings.kafka, mqtt, tmp_path, party)
    dice = random.Random(SEED)
    with gateway.running():
        pass  # makes the session, so that nothing is published to nobody
    messages = [lock_message(number) for number in range(MESSAGES)]
    sent = {id for _, message in messages for id in expected(message, party)}
    locks = Locks(mqtt.address, party)
    publisher = threading.Thread(
        target=lambda: [locks.publish(message, device) for device, message in messages]
    )
    process = gateway.start()
    publisher.start()
    try:
        for share in sorted(dice.uniform(0.05, 0.9) for _ in range(KILLS)):
            due = int(share * MESSAGES)
            wait_until(lambda due=due: len(told.ids()) >= due, what=f"{due} events")  # type: ignore[misc]
            process.kill()
            process.wait()
            process = gateway.start()
        publisher.join(60)
        wait_until(lambda: locks.acknowledged == MESSAGES, what="acknowledgements")
        wait_until(lambda: told.ids() >= sent, what="all events on Kafka")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        locks.close()
    assert told.ids() == sent
    assert len(sent) == MESSAGES


def test_a_message_of_no_format_is_kept_whole(
    settings: Settings, mqtt: Broker, tmp_path: Path, party: str
) -> None:
    letters = Reader(settings, topics.DEAD_LETTERS.name, party)
    with Gateway(settings.kafka, mqtt, tmp_path, party).running():
        locks = Locks(mqtt.address, party)
        locks.publish(b"\x00\xff any bytes", "L1", format="nobody-has-this")
        (value,) = wait_until(letters.values, what="a dead letter")
        locks.close()
    letter = DeadLetter.model_validate_json(value)
    assert (letter.reason, letter.origin.format, letter.origin.channel, letter.payload) == (
        "UNSUPPORTED",
        "nobody-has-this",
        f"corridor/{party}/nobody-has-this/L1",
        "AP8gYW55IGJ5dGVz",
    )


def test_a_stopped_gateway_has_acknowledged_what_is_on_kafka(
    settings: Settings, mqtt: Broker, tmp_path: Path, party: str, told: Reader
) -> None:
    gateway = Gateway(settings.kafka, mqtt, tmp_path, party)
    locks = Locks(mqtt.address, party)
    with gateway.running() as process:
        for device, message in map(lock_message, range(50)):
            locks.publish(message, device)
        wait_until(lambda: len(told.values()) == 50, what="events")
        process.terminate()
        assert process.wait(20) == 0
    with gateway.running():
        device, message = lock_message(999_999)
        locks.publish(message, device)
        wait_until(lambda: expected(message, party) <= told.ids(), what="a later event")
        locks.close()
    assert len(told.values()) == 51


def test_a_last_will_is_told_with_the_time_of_its_receipt(
    settings: Settings, mqtt: Broker, tmp_path: Path, party: str, told: Reader
) -> None:
    before = time.time()
    with Gateway(settings.kafka, mqtt, tmp_path, party).running():
        locks = Locks(mqtt.address, party)
        locks.publish(b'{"device":"L1","event":"offline","connected":1790000000}', "L1")
        (event,) = wait_until(told.events, what="an event")
        locks.close()
    assert event.code == "SIGNAL_LOST"
    assert before - 1 < event.event_time.timestamp() < time.time() + 1


class Kafka:
    """A publisher that takes everything, and confirms it or not."""

    def __init__(self, *, confirms: bool) -> None:
        self.taken: list[bytes] = []
        self._confirms = confirms

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        self.taken.append(value)

    def flush(self) -> None:
        if self.taken and not self._confirms:
            raise PublishError("Kafka does not confirm")


def in_process(mqtt: Broker, party: str, directory: Path, kafka: Kafka) -> mqtt_gateway.Gateway:
    settings = Settings(
        mqtt=mqtt.address,
        mqtt_version="5" if mqtt.version == "5" else "3.1.1",
        mqtt_topic=f"corridor/{party}/+/+",
        mqtt_group=party,
        data=directory,
    )
    return mqtt_gateway.Gateway(settings, cast(Publisher, kafka), client_id=party)


def test_what_kafka_did_not_confirm_is_delivered_again(
    mqtt: Broker, tmp_path: Path, party: str
) -> None:
    failing, working = Kafka(confirms=False), Kafka(confirms=True)
    first = in_process(mqtt, party, tmp_path, failing)
    ended: list[BaseException] = []

    def run() -> None:
        try:
            first.run()
        except PublishError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: first.trouble is None, what="connected")
    locks = Locks(mqtt.address, party)
    device, message = lock_message(1)
    locks.publish(message, device)
    thread.join(20)
    assert len(ended) == 1
    second = in_process(mqtt, party, tmp_path, working)
    thread = threading.Thread(target=second.run)
    thread.start()
    try:
        wait_until(lambda: working.taken, what="the message again")
    finally:
        second.stop()
        thread.join(20)
        locks.close()
    assert working.taken == failing.taken
