"""What tests of several folders need, beside the fixtures of `conftest.py`."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from deploy.local import child, readiness

ROOT = Path(__file__).parents[1]

T = TypeVar("T")


class ClickHouse(NamedTuple):
    """Where the embedded ClickHouse of this test session listens."""

    host: str
    port: int
    """Native protocol."""
    http_port: int


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def unique_name(prefix: str = "test") -> str:
    """A name that no other test uses; fit for a topic, a group and a database."""
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


def wait_until(
    condition: Callable[[], T], deadline: float = 30.0, *, interval: float = 0.05, what: str = ""
) -> T:
    """Waits until `condition` returns something true, and returns that.

    Args:
        condition: Is asked again and again.
        deadline: Seconds until the wait fails.
        interval: Seconds between two questions.
        what: What is waited for, in the words of the failure.

    Raises:
        AssertionError: the deadline has passed; says what `condition` returned last.
    """
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(
                f"{what or getattr(condition, '__name__', 'condition')}: "
                f"not within {deadline} s; last: {result!r}"
            )
        time.sleep(interval)


@contextmanager
def broker(directory: Path) -> Iterator[str]:
    """A real Kafka for the length of a `with` block: its bootstrap servers."""
    address = f"127.0.0.1:{(port := free_port())}"
    command = kafka_command(directory / "data", port)
    # the first run on a machine downloads the jars
    with running(command, directory / "log", ready=f"kafka://{address}", deadline=180):
        yield address


@contextmanager
def running(
    command: list[str],
    log: Path,
    *,
    ready: str | None = None,
    deadline: float = 60.0,
    env: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of a `with` block; ends with it, or with the test run.

    Args:
        command: Arguments, the program first.
        log: File that gets its output, of which a failure shows the end.
        ready: Is asked until it is well (see `deploy.local.readiness`).
        deadline: Seconds that it may take to be ready, and to stop.
        env: Variables to add to the environment.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            child.wrapped(command),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        end = time.monotonic() + deadline
        while ready and (trouble := readiness.trouble(ready)):
            if process.poll() is not None or time.monotonic() > end:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                state = f"exit code {process.returncode}" if process.poll() is not None else trouble
                raise AssertionError(f"{' '.join(command[:4])} is not ready: {state}\n{tail}")
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(deadline)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def kafka_command(data: Path, port: int) -> list[str]:
    """Command line of an embedded Kafka."""
    return [
        *(sys.executable, "-m", "deploy.local.kafka"),
        *("--data", str(data), "--port", str(port)),
    ]


def clickhouse_command(data: Path, port: int, http_port: int) -> list[str]:
    """Command line of an embedded ClickHouse."""
    return [
        *(sys.executable, "-m", "deploy.local.clickhouse"),
        *("--data", str(data), "--host", "127.0.0.1"),
        *("--native-port", str(port), "--http-port", str(http_port)),
    ]
