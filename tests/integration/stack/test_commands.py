"""`corridor up`, `down`, `status`, `query`: the whole embedded stack, as a person runs it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from kafka import KafkaProducer

from corridor.topics import INCIDENTS, IOT, LESSONS
from deploy.local import ownership
from tests.integration.stack.test_kafka import read
from tests.support import free_port, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@dataclass
class Stack:
    """A data directory, and settings that no other stack uses."""

    data: Path
    env: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `corridor` with arguments."""
        return subprocess.run(
            [sys.executable, "-m", "commands.main", *arguments],
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def up(self) -> None:
        """Starts the stack."""
        result = self.run("up", "--detach")
        assert result.returncode == 0, result.stdout + result.stderr

    def status(self) -> dict[str, Any]:
        """`corridor status --json`."""
        result: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return result

    def process(self, name: str) -> dict[str, Any]:
        """One process of `status`."""
        found: dict[str, Any] = next(p for p in self.status()["processes"] if p["name"] == name)
        return found

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return self.env["CORRIDOR_KAFKA"]


def stack_in(data: Path) -> Iterator[Stack]:
    stack = Stack(
        data,
        {
            "CORRIDOR_DATA": str(data),
            "CORRIDOR_KAFKA": f"127.0.0.1:{free_port()}",
            "CORRIDOR_CLICKHOUSE_PORT": str(free_port()),
            "CORRIDOR_CLICKHOUSE_HTTP_PORT": str(free_port()),
            "CORRIDOR_WORKER_METRICS_PORT": str(free_port()),
            "CORRIDOR_SINK_METRICS_PORT": str(free_port()),
            "CORRIDOR_LEARNER_METRICS_PORT": str(free_port()),
            "CORRIDOR_SUBSCRIBERS_PORT": str(free_port()),
            "CORRIDOR_SUBSCRIBERS_METRICS_PORT": str(free_port()),
            "CORRIDOR_PARTITIONS": "2",
        },
    )
    yield stack
    stack.run("down")
    assert ownership.leftovers(data) == []


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that is up, shared by the tests that leave it so."""
    for stack in stack_in(tmp_path_factory.mktemp("stack")):
        stack.up()
        yield stack


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of one test; not up yet."""
    yield from stack_in(tmp_path)


def test_status_tells_of_each_process(stack: Stack) -> None:
    status = stack.status()
    assert status["running"]
    assert status["healthy"]
    names = [p["name"] for p in status["processes"]]
    assert names == ["kafka", "clickhouse", "worker", "learner", "sink", "subscribers"]
    for process in status["processes"]:
        assert process["state"] == "ready"
        assert process["health"] == "ok"
        assert process["rss_bytes"] > 1_000_000
        assert process["uptime_seconds"] > 0
        assert psutil.pid_exists(process["pid"])


def test_status_tells_how_far_each_consumer_group_is_behind(stack: Stack) -> None:
    rows = {(row["group"], row["topic"]): row for row in stack.status()["lag"]}
    assert rows["corridor-workers", IOT.name]["partitions"] == 2
    assert rows["corridor-learner", LESSONS.name]["partitions"] == 1
    assert rows["corridor-clickhouse", IOT.name]["lag"] >= 0
    assert rows["corridor-subscribers", INCIDENTS.name]["partitions"] == 2


def test_status_for_a_person_is_a_table(stack: Stack) -> None:
    result = stack.run("status")
    assert result.returncode == 0
    for word in (
        "process",
        "kafka",
        "clickhouse",
        "worker",
        "learner",
        "sink",
        "subscribers",
        "MiB",
        "corridor-workers",
    ):
        assert word in result.stdout


def test_a_second_up_is_refused_in_one_sentence(stack: Stack) -> None:
    for arguments in (["up"], ["up", "--detach"]):
        result = stack.run(*arguments)
        assert result.returncode == 1
        assert "is running already" in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_stack_elsewhere_is_told_which_port_is_in_use(stack: Stack, tmp_path: Path) -> None:
    result = stack.run("up", "--detach", "--data", str(tmp_path))
    assert result.returncode == 1
    assert f"Port {stack.kafka.split(':')[1]}, which kafka needs, is in use by java" in (
        result.stderr
    )
    assert "Traceback" not in result.stderr


def test_up_brings_topics_and_schema_to_what_is_declared(stack: Stack) -> None:
    assert stack.run("topics", "diff").stdout == "no difference\n"
    assert stack.run("schema", "diff").stdout == "no difference\n"


def test_query_shows_a_table(stack: Stack) -> None:
    result = stack.run("query", "SELECT 1 AS one, NULL AS nothing, '[red]' AS text")
    assert result.returncode == 0
    words = [line.split() for line in result.stdout.splitlines()]
    assert ["one", "nothing", "text"] in words
    assert ["1", "NULL", "[red]"] in words
    assert "1 row in" in result.stderr


def test_query_writes_any_format(stack: Stack) -> None:
    result = stack.run("query", "SELECT number AS n FROM numbers(2)", "--format", "CSVWithNames")
    assert result.stdout == '"n"\n0\n1\n'
    assert result.stderr == ""


def test_a_wrong_query_is_answered_with_clickhouse_s_reason_on_one_line(stack: Stack) -> None:
    result = stack.run("query", "SELECT nope")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "UNKNOWN_IDENTIFIER" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_killed_kafka_comes_back_with_its_records(stack: Stack) -> None:
    producer = KafkaProducer(bootstrap_servers=stack.kafka)
    producer.send(IOT.name, b"{}", key=b"kept", partition=0).get(30)
    producer.close()
    pid = stack.process("kafka")["pid"]

    os.kill(pid, signal.SIGKILL)

    back = wait_until(
        lambda: (now := stack.process("kafka"))["state"] == "ready" and now["pid"] != pid and now,
        60,
    )
    assert back["restarts"] == 1
    assert b"{}" in read(stack.kafka, IOT.name)
    wait_until(lambda: stack.status()["healthy"], 60)


@pytest.mark.parametrize("end", [pytest.param("down", marks=pytest.mark.slow), "kill"])
def test_data_survives(own_stack: Stack, end: str) -> None:
    own_stack.up()
    producer = KafkaProducer(bootstrap_servers=own_stack.kafka)
    producer.send(IOT.name, b"{}", key=b"kept", partition=0).get(30)
    producer.close()
    for statement in (
        "CREATE TABLE kept (x Int32) ENGINE = MergeTree ORDER BY x",
        "INSERT INTO kept VALUES (42)",
    ):
        assert own_stack.run("query", statement).returncode == 0

    if end == "down":
        assert own_stack.run("down").returncode == 0
        assert own_stack.run("status").returncode == 1
    else:
        os.kill(own_stack.status()["supervisor_pid"], signal.SIGKILL)
    own_stack.up()

    assert read(own_stack.kafka, IOT.name) == [b"{}"]
    kept = own_stack.run("query", "SELECT x FROM kept", "--format", "TSV")
    assert kept.stdout == "42\n"


def test_down_ends_what_a_killed_supervisor_has_left(own_stack: Stack) -> None:
    own_stack.up()
    status = own_stack.status()
    os.kill(status["supervisor_pid"], signal.SIGKILL)
    assert own_stack.run("down").returncode == 0
    pids = [process["pid"] for process in status["processes"]]
    # whoever inherits a process may take a moment to bury it
    wait_until(lambda: not any(map(psutil.pid_exists, pids)), 10, what="all of them are gone")


def test_without_a_stack_down_and_status_say_so(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {"CORRIDOR_DATA": str(tmp_path)})
    down, status = stack.run("down"), stack.run("status")
    assert (down.returncode, down.stdout) == (0, f"Nothing runs with its data in {tmp_path}.\n")
    assert status.returncode == 1
    assert status.stderr.startswith(f"Nothing runs with its data in {tmp_path}")
    empty = stack.run("status", "--json")
    assert json.loads(empty.stdout)["running"] is False


@pytest.mark.slow
def test_more_partitions_than_a_topic_has_are_refused_at_the_start(own_stack: Stack) -> None:
    own_stack.up()
    own_stack.run("down")
    own_stack.env["CORRIDOR_PARTITIONS"] = "4"
    result = own_stack.run("up", "--detach")
    assert result.returncode == 1
    assert "has 2 partitions, declared 4" in result.stderr
    assert "CORRIDOR_PARTITIONS" in result.stderr


def test_an_unusable_setting_is_named(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {"CORRIDOR_CLICKHOUSE_PORT": "high"})
    result = stack.run("up")
    assert result.returncode == 1
    assert result.stderr.startswith("CORRIDOR_CLICKHOUSE_PORT: ")
    assert "Traceback" not in result.stderr
