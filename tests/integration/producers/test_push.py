"""The push gateway as a process, against a real Kafka."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaConsumer, TopicPartition

from commands import topic_admin
from corridor import parties, topics
from corridor.settings import Settings
from tests.support import free_port, kafka_command, running, unique_name, wait_until
from tests.unit.samples import EVENT

pytestmark = pytest.mark.stack

CORRIDOR = [sys.executable, "-m", "commands.main"]


class Gateway:
    """A gateway process, and what a party does with it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, token: str, log: Path) -> None:
        self.process = process
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        self.log = log

    def push(self, id: str, **changes: Any) -> httpx.Response:
        event = EVENT | {"source": "acme", "event_id": id} | changes
        return self.client.post("/events", json=event)


@contextmanager
def gateway(directory: Path, kafka: str, *, ready: bool = True) -> Iterator[Gateway]:
    file = directory / "parties.json"
    token = parties.add(file, "acme", datetime.now(UTC))
    port = free_port()
    env = {
        "CORRIDOR_KAFKA": kafka,
        "CORRIDOR_DATA": str(directory),
        "CORRIDOR_PUSH_PORT": str(port),
        "CORRIDOR_GATEWAY_METRICS_PORT": str(free_port()),
    }
    url = f"http://127.0.0.1:{port}"
    log = directory / "log"
    with running(
        [*CORRIDOR, "gateway", "http"], log, ready=f"{url}/health" if ready else None, env=env
    ) as process:
        yield Gateway(process, url, token, log)


@pytest.fixture(scope="module")
def applied(kafka: str) -> str:
    topic_admin.apply(Settings(kafka=kafka, partitions=2))
    return kafka


def values(kafka: str, topic: str) -> list[bytes]:
    """All there is on a topic, fetched as the sink does: with the defaults."""
    consumer = KafkaConsumer(bootstrap_servers=kafka)
    try:
        numbers = consumer.partitions_for_topic(topic) or set()
        partitions = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[bytes] = []
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                found += [record.value for record in records]
        return found
    finally:
        consumer.close()


def ids(kafka: str) -> set[str]:
    return {json.loads(value)["event_id"] for value in values(kafka, topics.IOT.name)}


def test_what_is_answered_with_202_is_on_kafka(applied: str, tmp_path: Path) -> None:
    id = unique_name()
    with gateway(tmp_path, applied) as running_gateway:
        assert running_gateway.push(id).status_code == 202
        assert id in ids(applied)


def test_a_message_of_4_mb_is_kept_whole(applied: str, tmp_path: Path) -> None:
    message = os.urandom(4_000_000)
    with gateway(tmp_path, applied) as running_gateway:
        answer = running_gateway.client.post("/events", content=message)
    assert answer.status_code == 400
    letters = [json.loads(value) for value in values(applied, topics.DEAD_LETTERS.name)]
    assert message in [base64.b64decode(letter["payload"]) for letter in letters]


def test_a_stop_finishes_what_was_begun(applied: str, tmp_path: Path) -> None:
    id = unique_name()
    body = json.dumps(EVENT | {"source": "acme", "event_id": id}).encode()

    with gateway(tmp_path, applied) as running_gateway:

        def slowly() -> Iterator[bytes]:
            yield body[:10]
            running_gateway.process.send_signal(signal.SIGTERM)
            wait_until(lambda: refuses(running_gateway), what="no new connections")
            yield body[10:]

        assert running_gateway.client.post("/events", content=slowly()).status_code == 202
        assert running_gateway.process.wait(20) == 0
    assert id in ids(applied)


def refuses(running_gateway: Gateway) -> bool:
    try:
        httpx.get(running_gateway.client.base_url.join("/health"), timeout=5)
    except httpx.TransportError:
        return True
    return False


def test_without_kafka_nothing_is_promised_and_with_it_the_gateway_goes_on(tmp_path: Path) -> None:
    port, id = free_port(), unique_name()
    address = f"127.0.0.1:{port}"
    with gateway(tmp_path, address, ready=False) as running_gateway:
        wait_until(lambda: not refuses(running_gateway))
        answer = running_gateway.push(id)
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        command = kafka_command(tmp_path / "kafka", port)
        with running(command, tmp_path / "kafka.log", ready=f"kafka://{address}", deadline=180):
            topic_admin.apply(Settings(kafka=address, partitions=2))
            wait_until(lambda: running_gateway.push(id).status_code == 202, 60)
            assert ids(address) == {id}


def test_a_broker_that_dies_costs_no_promise(tmp_path: Path) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    command = kafka_command(tmp_path / "kafka", port)
    ready = f"kafka://{address}"
    with running(command, tmp_path / "kafka.log", ready=ready, deadline=180) as broker:
        topic_admin.apply(Settings(kafka=address, partitions=2))
        with gateway(tmp_path, address) as running_gateway:
            before = {f"before-{n}" for n in range(20)}
            assert {running_gateway.push(id).status_code for id in before} == {202}
            os.killpg(broker.pid, signal.SIGKILL)
            broker.wait()
            assert running_gateway.push("lost").status_code == 503
            with running(command, tmp_path / "kafka.log", ready=ready, deadline=180):
                wait_until(lambda: running_gateway.push("after").status_code == 202, 90)
                assert before | {"after"} <= ids(address)


def test_the_log_names_requests_but_neither_tokens_nor_payloads(
    applied: str, tmp_path: Path
) -> None:
    with gateway(tmp_path, applied) as running_gateway:
        running_gateway.push("1", attributes={"secret": "hush"})
        # the line is written when the answer has been sent
        wait_until(lambda: "endpoint=/events" in running_gateway.log.read_text())
        log = running_gateway.log.read_text()
        token = running_gateway.client.headers["Authorization"].partition(" ")[2]
    assert "party=acme" in log
    assert "hush" not in log
    assert token not in log
