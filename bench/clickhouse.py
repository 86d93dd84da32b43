"""A ClickHouse for one benchmark run, which can be killed and started again."""

import socket
import subprocess
import sys
import time
from pathlib import Path

from deploy.local import child, readiness


class ClickHouse:
    """An embedded ClickHouse on free ports; it is not running before `start`."""

    def __init__(self, directory: Path) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as one,
            socket.create_server(("127.0.0.1", 0)) as other,
        ):
            self.port, self.http_port = (int(s.getsockname()[1]) for s in (one, other))
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers.

        Raises:
            SystemExit: it does not start; says what it printed.
        """
        log = self._directory / "clickhouse.log"
        command = [sys.executable, "-m", "deploy.local.clickhouse", "--host", "127.0.0.1"]
        command += ["--data", str(self._directory / "clickhouse")]
        command += ["--native-port", str(self.port), "--http-port", str(self.http_port)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(child.wrapped(command), stdout=output, stderr=output)
        deadline = time.monotonic() + 120
        while readiness.trouble(f"http://127.0.0.1:{self.http_port}/readyz"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"ClickHouse did not start:\n{log.read_text()}")
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def stop(self) -> None:
        """SIGTERM, and the end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)
