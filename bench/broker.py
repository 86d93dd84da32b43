"""A Kafka for one benchmark run, started and ended by it."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from corridor.settings import Settings
from deploy.local import child, readiness


@contextmanager
def kafka() -> Iterator[Settings]:
    """Settings of a fresh embedded Kafka, which ends with the `with` block."""
    with tempfile.TemporaryDirectory(prefix="corridor-bench-") as directory:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = int(server.getsockname()[1])
        log = Path(directory, "kafka.log")
        command = [sys.executable, "-m", "deploy.local.kafka", "--port", str(port)]
        command += ["--data", str(Path(directory, "data"))]
        with log.open("wb") as output:
            process = subprocess.Popen(child.wrapped(command), stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 120
            while readiness.trouble(f"kafka://127.0.0.1:{port}"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"Kafka did not start:\n{log.read_text()}")
                time.sleep(0.1)
            yield Settings(kafka=f"127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(30)
