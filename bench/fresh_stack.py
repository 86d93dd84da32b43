"""A whole stack of its own: a fresh data directory, free ports, and the `corridor` command."""

import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kafka.errors
import psutil
from clickhouse_driver import Client
from clickhouse_driver.errors import Error as ClickHouseError

from commands import lag
from commands.lag import TopicLag
from corridor.settings import Settings
from deploy.local import ownership, state
from deploy.local.parts import log_path
from deploy.local.state import Status
from sinks.clickhouse.tables import TABLES

QUIET_SECONDS = 8.0
"""Event time ripens within 5 s, the worker looks every second, the sink writes every second."""

_ROOT = Path(__file__).parents[1]
_LOOK_SECONDS = 0.2
_LOG_LINES = 8


class NotQuiet(Exception):
    """A stack has not come to rest in time; the text tells how it stands."""


class FreshStack:
    """A stack that nobody else knows; everything is done as a person would do it."""

    def __init__(self, directory: Path, *, learner: bool) -> None:
        """Chooses ports; nothing is started yet.

        Args:
            directory: For all that it stores.
            learner: Whether it has one. Without, each estimate is a function of what was
                published; with one, also of when the models come.
        """
        # held together while they are chosen, so that no two are the same
        servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(8)]
        ports = [int(server.getsockname()[1]) for server in servers]
        for server in servers:
            server.close()
        self.data = directory / "data"
        self.env = {
            "CORRIDOR_DATA": str(self.data),
            "CORRIDOR_KAFKA": f"127.0.0.1:{ports[0]}",
            "CORRIDOR_CLICKHOUSE_PORT": str(ports[1]),
            "CORRIDOR_CLICKHOUSE_HTTP_PORT": str(ports[2]),
            "CORRIDOR_WORKER_METRICS_PORT": str(ports[3]),
            "CORRIDOR_SINK_METRICS_PORT": str(ports[4]),
            "CORRIDOR_LEARNER_METRICS_PORT": str(ports[5]),
            "CORRIDOR_SUBSCRIBERS_PORT": str(ports[6]),
            "CORRIDOR_SUBSCRIBERS_METRICS_PORT": str(ports[7]),
        }
        self.settings = Settings(
            data=self.data,
            kafka=f"127.0.0.1:{ports[0]}",
            clickhouse_port=ports[1],
            clickhouse_http_port=ports[2],
            worker_metrics_port=ports[3],
            sink_metrics_port=ports[4],
            learner_metrics_port=ports[5],
            subscribers_port=ports[6],
            subscribers_metrics_port=ports[7],
        )
        self.learner = learner
        ours = ("worker", *(["learner"] * learner), "sink", "subscribers")
        self.processes = ("kafka", "clickhouse", *ours)

    # commands ------------------------------------------------------------------------------------

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts `corridor` with arguments; its output is one text."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "commands.main", *arguments],
            cwd=_ROOT,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Runs `corridor` with arguments; returns what it printed.

        Raises:
            RuntimeError: it failed; says with which words.
        """
        process = self.start(*arguments)
        try:
            printed, _ = process.communicate(timeout=300)
        except BaseException:
            process.kill()
            raise
        if process.returncode:
            raise RuntimeError(f"corridor {' '.join(arguments)} failed:\n{printed}")
        return printed

    def up(self) -> None:
        """`corridor up --detach`."""
        self.run("up", "--detach", "--learner" if self.learner else "--no-learner")

    def down(self) -> None:
        """`corridor down`."""
        self.run("down")

    def remove(self) -> None:
        """Stops what runs and removes what it has stored, but for its logs."""
        try:
            self.down()
        finally:
            ownership.end(ownership.leftovers(self.data), grace_seconds=5)
            for name in ("kafka", "clickhouse"):
                shutil.rmtree(self.data / name, ignore_errors=True)

    # how it stands -------------------------------------------------------------------------------

    def process(self, name: str) -> psutil.Process | None:
        """A process that is ready, or None while it is not."""
        known = state.read(self.data)
        for part in known.parts if known else ():
            if part.name == name and part.status is Status.READY and part.process is not None:
                return part.process.find()
        return None

    def restarts(self) -> dict[str, int]:
        """How often the supervisor has started each process again."""
        known = state.read(self.data)
        return (
            {p.name: p.restarts for p in known.parts if p.name in self.processes} if known else {}
        )

    def lag(self) -> int | None:
        """Records that workers or sink have still to do; None while Kafka does not answer."""
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
        try:
            return sum(row.lag for row in self._lags())
        except (kafka.errors.KafkaError, OSError):
            return None

    def _lags(self) -> list[TopicLag]:
        return lag.measure(self.settings, learner=self.learner)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement that names tables without their database."""
        known = self.settings
        with Client(
            known.clickhouse_host,
            known.clickhouse_port,
            database=known.clickhouse_database,
            user=known.clickhouse_user,
            password=known.clickhouse_password.get_secret_value(),
            send_receive_timeout=120,
        ) as client:
            rows: list[tuple[Any, ...]] = client.execute(sql)
            return rows

    def rows(self) -> dict[str, int] | None:
        """Rows of each table, replaced ones included; None while ClickHouse does not answer."""
        counts = " UNION ALL ".join(f"SELECT '{t.name}', count() FROM {t.name}" for t in TABLES)
        try:
            return dict(self.query(counts))
        except (ClickHouseError, OSError, EOFError):
            return None

    def unique_rows(self) -> dict[str, int]:
        """Rows of each table, by identity."""
        counts = (f"SELECT '{t.name}', count() FROM {t.name} FINAL" for t in TABLES)
        return dict(self.query(" UNION ALL ".join(counts)))

    def wait_until_quiet(self, seconds: float) -> None:
        """Waits until every process is ready, nothing is left to do and no row comes any more.

        Args:
            seconds: How long that may take.

        Raises:
            NotQuiet: it takes longer.
        """
        deadline = time.monotonic() + seconds
        since, before = time.monotonic(), None
        while True:
            now = (
                self.rows() if all(map(self.process, self.processes)) and self.lag() == 0 else None
            )
            if now is None or now != before:
                since, before = time.monotonic(), now
            elif time.monotonic() - since > QUIET_SECONDS:
                return
            if time.monotonic() > deadline:
                raise NotQuiet(f"not at rest within {seconds:.0f} s\n{self.describe()}")
            time.sleep(_LOOK_SECONDS)

    def describe(self) -> str:
        """How everything stands, and the last words of each process."""
        lines = [f"rows: {self.rows()}", f"restarts: {self.restarts()}"]
        try:
            lines += [f"lag: {row.model_dump()}" for row in self._lags() if row.lag]
        except (kafka.errors.KafkaError, OSError) as error:
            lines.append(f"lag: {error}")
        for name in ("supervisor", *self.processes):
            path = log_path(self.data, name)
            last = path.read_text(errors="replace").splitlines() if path.exists() else []
            lines += [f"--- {path}", *(line[:400] for line in last[-_LOG_LINES:])]
        return "\n".join(lines)


@contextmanager
def fresh_stacks(*directories: Path, learner: bool = False) -> Iterator[list[FreshStack]]:
    """Stacks that are up; at the end, however that comes, nothing of them runs or is stored."""
    stacks = [FreshStack(directory, learner=learner) for directory in directories]
    with ThreadPoolExecutor(len(stacks)) as pool:
        try:
            list(pool.map(FreshStack.up, stacks))
            yield stacks
        finally:
            list(pool.map(FreshStack.remove, stacks))
