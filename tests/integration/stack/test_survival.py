"""What is left of a stack that ends, and starts again."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer

from corridor.topics import IOT
from tests.integration.stack.running_stack import Stack, stack_in
from tests.integration.stack.test_kafka import read
from tests.support import wait_until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of one test; not up yet."""
    yield from stack_in(tmp_path)


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


@pytest.mark.slow
def test_more_partitions_than_a_topic_has_are_refused_at_the_start(own_stack: Stack) -> None:
    own_stack.up()
    own_stack.run("down")
    own_stack.env["CORRIDOR_PARTITIONS"] = "4"
    result = own_stack.run("up", "--detach")
    assert result.returncode == 1
    assert "has 2 partitions, declared 4" in result.stderr
    assert "CORRIDOR_PARTITIONS" in result.stderr
