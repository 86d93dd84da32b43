"""A stack of a test's own, as a person runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local import ownership
from tests.support import free_port


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
