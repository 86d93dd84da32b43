"""The AIS gateway as people run it: a file, a server, datagrams."""

import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyais.encode import encode_dict

from commands import topic_admin
from corridor import topics
from corridor.settings import Settings
from producers.ais.sentences import stamped
from tests.integration.producers.test_mqtt import Reader
from tests.support import ROOT, free_port, running, unique_name, wait_until

pytestmark = pytest.mark.stack

RECEIVED = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture
def settings(kafka: str) -> Settings:
    settings = Settings(kafka=kafka)
    topic_admin.apply(settings)
    return settings


@pytest.fixture
def party() -> str:
    return unique_name("coast")


@pytest.fixture
def told(settings: Settings, party: str) -> Reader:
    return Reader(settings, topics.IOT.name, party)


def line(ship: int, second: int = 60) -> bytes:
    fields: dict[str, Any] = {
        "msg_type": 1,
        "mmsi": 413000000 + ship,
        "lat": 21.5,
        "lon": 108.5,
        "second": second,
    }
    return encode_dict(fields, sentence_type="VDM")[0].encode()


def command(party: str, *arguments: object) -> list[str]:
    start = [sys.executable, "-m", "commands.main", "gateway", "ais", "--party", party]
    return [*start, *map(str, arguments)]


def test_a_file_is_read_once_and_gives_the_same_events_again(
    settings: Settings, tmp_path: Path, party: str, told: Reader
) -> None:
    path = tmp_path / "day.nmea"
    path.write_bytes(b"\n".join(stamped(line(ship), RECEIVED) for ship in range(5)))
    for _ in range(2):
        done = subprocess.run(
            command(party, path),
            cwd=ROOT,
            env={**os.environ, "CORRIDOR_KAFKA": settings.kafka},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout.split()) == (0, ["5", "BREADCRUMB"]), done.stderr
    assert len(told.values()) == 10
    assert len(told.ids()) == 5


def test_a_server_s_lines_are_stamped_and_it_is_connected_to_again(
    settings: Settings, tmp_path: Path, party: str, told: Reader
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            for ship in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(line(ship) + b"\r\n")

        threading.Thread(target=serve, daemon=True).start()
        metrics = ("--metrics-port", free_port())
        with running(
            command(party, "--tcp", f"127.0.0.1:{port}", *metrics),
            tmp_path / "log",
            env={"CORRIDOR_KAFKA": settings.kafka},
        ) as process:
            wait_until(lambda: len(told.ids()) == 2, what="both ships")
            process.terminate()
            assert process.wait(20) == 0
    assert all(abs((e.event_time - datetime.now(UTC)).total_seconds()) < 60 for e in told.events())


def test_datagrams_are_taken(settings: Settings, tmp_path: Path, party: str, told: Reader) -> None:
    port = free_port()
    metrics = ("--metrics-port", free_port())
    with (
        running(
            command(party, "--udp", port, *metrics),
            tmp_path / "log",
            env={"CORRIDOR_KAFKA": settings.kafka},
        ),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):

        def arrived() -> bool:
            sender.sendto(line(7) + b"\r\n", ("127.0.0.1", port))
            return bool(told.values())

        wait_until(arrived, interval=0.3, what="the ship")
