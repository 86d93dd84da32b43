"""A real server process, on free ports and a directory of its own."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_driver
import psutil
import pytest

ROOT = Path(__file__).parents[3]
DEADLINE = 60.0


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, also one that tells of an error."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def code(self) -> int:
        """ClickHouse's error code."""
        return int(self.headers["X-ClickHouse-Exception-Code"])

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class ServerProcess:
    """The server as users start it."""

    def __init__(self, data: Path, *arguments: str, **environment: str) -> None:
        self.data = data
        command = [sys.executable, "-m", "deploy.local.clickhouse", "--data", str(data)]
        self.process = subprocess.Popen(
            [*command, "--native-port", "0", "--http-port", "0", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.native_port = self.http_port = 0

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def wait_until_ready(self) -> ServerProcess:
        """Reads the log up to the line that names the ports."""
        deadline = time.monotonic() + DEADLINE
        while (line := self._lines.get(timeout=max(0.1, deadline - time.monotonic()))) is not None:
            if '"ready"' in line:
                ready = json.loads(line)
                self.native_port, self.http_port = ready["native_port"], ready["http_port"]
                return self
        raise AssertionError(f"the server ended before it was ready: {''.join(self.log)}")

    def client(self, **options: Any) -> clickhouse_driver.Client:
        """A clickhouse-driver client."""
        return clickhouse_driver.Client("127.0.0.1", port=self.native_port, **options)

    def url(self, path: str = "", **arguments: str) -> str:
        """A URL of the HTTP interface."""
        query = f"?{urllib.parse.urlencode(arguments)}" if arguments else ""
        return f"http://127.0.0.1:{self.http_port}/{path}{query}"

    def get(self, query: str, **arguments: str) -> Answer:
        """A query by GET."""
        return self.send("GET", None, {}, query=query, **arguments)

    def post(
        self, body: bytes | str, headers: Mapping[str, str] | None = None, **arguments: str
    ) -> Answer:
        """A query by POST."""
        return self.send(
            "POST", body.encode() if isinstance(body, str) else body, headers or {}, **arguments
        )

    def send(
        self, method: str, body: bytes | None, headers: Mapping[str, str], **arguments: str
    ) -> Answer:
        """Any request to `/`."""
        request = urllib.request.Request(self.url(**arguments), body, dict(headers), method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                return Answer(answer.status, answer.read(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), dict(error.headers))

    def running(self, marker: str) -> int:
        """How many queries with this text the engine runs now."""
        query = (
            f"SELECT count() FROM system.processes WHERE query LIKE '%{marker}%' "
            "AND query NOT LIKE '%system.processes%'"
        )
        return int(self.get(query).body)

    def memory(self) -> int:
        """Resident bytes now."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(DEADLINE)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


StartServer = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server that all tests share; each has its own database in it."""
    started = ServerProcess(tmp_path_factory.mktemp("clickhouse")).wait_until_ready()
    yield started
    started.stop()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers of a test's own, and ends them."""
    started: list[ServerProcess] = []

    def start(*arguments: str, data: Path | None = None, **environment: str) -> ServerProcess:
        one = ServerProcess(data or tmp_path / "data", *arguments, **environment)
        started.append(one)
        return one.wait_until_ready()

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def database(server: ServerProcess) -> Iterator[str]:
    """A database of the test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    client = server.client()
    client.execute(f"CREATE DATABASE {name}")
    yield name
    client.execute(f"DROP DATABASE {name} SYNC")
    client.disconnect()


@pytest.fixture
def client(server: ServerProcess, database: str) -> Iterator[clickhouse_driver.Client]:
    """A client whose current database is the test's own."""
    one = server.client(database=database)
    yield one
    one.disconnect()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Polls until the condition holds; fails when it never does."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        threading.Event().wait(0.02)
