"""A subscriber gateway as a process, with a Kafka that may be shared, and its parties."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from corridor import parties, topics
from corridor.models import Incident
from tests.support import free_port, running, unique_name


class Gateway:
    """Starts, kills and asks a gateway; publishes incidents."""

    def __init__(self, directory: Path, kafka: str, *names: str, **env: str) -> None:
        self.kafka = kafka
        self.log = directory / "subscribers.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        file = directory / "parties.json"
        self.tokens = {name: parties.add(file, name, datetime.now(UTC)) for name in names}
        self.file = file
        self.env = {
            "CORRIDOR_KAFKA": kafka,
            "CORRIDOR_DATA": str(directory),
            "CORRIDOR_GROUP": unique_name(),
            "CORRIDOR_SUBSCRIBERS_PORT": str(self.port),
            "CORRIDOR_WEBHOOK_PRIVATE": "true",
            **env,
        }
        self.producer = KafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """A process, from ready to gone."""
        command = [sys.executable, "-m", "sinks.subscribers", "--metrics-port", "0"]
        with running(command, self.log, ready=f"{self.url}/health", env=self.env) as process:
            yield process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9, also of what is between us and it."""
        import psutil

        for child in psutil.Process(process.pid).children(recursive=True):
            child.send_signal(signal.SIGKILL)
        process.kill()
        process.wait()

    def client(self, party: str) -> httpx.Client:
        """A party that asks."""
        headers = {"Authorization": f"Bearer {self.tokens[party]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def say(self, *incidents: Incident) -> None:
        """Puts revisions on Kafka, as the workers do."""
        for one in incidents:
            self.producer.send(
                topics.INCIDENTS.name, key=one.dedup_key.encode(), value=one.to_json()
            )
        self.producer.flush(30)

    def subscribe(self, party: str, url: str, **changes: Any) -> dict[str, Any]:
        """A webhook that hears everything at once."""
        asked: dict[str, Any] = {
            "channel": {"type": "webhook", "url": url},
            "group_seconds": 0,
            "repeat_seconds": 0,
        }
        with self.client(party) as client:
            answer = client.post("/subscriptions", json=asked | changes)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def close(self) -> None:
        """Disconnects."""
        self.producer.close()


def values(kafka: str, topic: str) -> list[bytes]:
    """All there is on a topic."""
    consumer = KafkaConsumer(bootstrap_servers=kafka)
    try:
        partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[bytes] = []
        while any(consumer.position(p) < end for p, end in ends.items()):
            for records in consumer.poll(timeout_ms=500).values():
                found += [record.value for record in records if record.value is not None]
        return found
    finally:
        consumer.close()
