"""`corridor up`, `down`, `status`, `query`: the whole embedded stack, as a person runs it."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer

from corridor.topics import INCIDENTS, IOT, LESSONS
from tests.integration.stack.running_stack import Stack, stack_in
from tests.integration.stack.test_kafka import read
from tests.support import wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that is up, shared by the tests that leave it so."""
    for stack in stack_in(tmp_path_factory.mktemp("stack")):
        stack.up()
        yield stack


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


def test_without_a_stack_down_and_status_say_so(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {"CORRIDOR_DATA": str(tmp_path)})
    down, status = stack.run("down"), stack.run("status")
    assert (down.returncode, down.stdout) == (0, f"Nothing runs with its data in {tmp_path}.\n")
    assert status.returncode == 1
    assert status.stderr.startswith(f"Nothing runs with its data in {tmp_path}")
    empty = stack.run("status", "--json")
    assert json.loads(empty.stdout)["running"] is False


def test_an_unusable_setting_is_named(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {"CORRIDOR_CLICKHOUSE_PORT": "high"})
    result = stack.run("up")
    assert result.returncode == 1
    assert result.stderr.startswith("CORRIDOR_CLICKHOUSE_PORT: ")
    assert "Traceback" not in result.stderr
