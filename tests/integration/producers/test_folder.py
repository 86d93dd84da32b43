"""The drop folder as a process that is killed, against a real Kafka."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from commands import topic_admin
from corridor import topics
from corridor.settings import Settings
from tests.integration.producers.test_push import values
from tests.support import running, unique_name, wait_until
from tests.unit.samples import EVENT

pytestmark = pytest.mark.stack

FILES = 120
EVENTS = 5
CORRIDOR = [sys.executable, "-m", "commands.main", "gateway", "files"]


def taken(inbox: Path) -> int:
    return sum(1 for _ in inbox.glob("acme/done/event/*")) + sum(
        1 for _ in inbox.glob("acme/rejected/event/*.json")
    )


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_loses_no_event_and_no_file(
    kafka: str, tmp_path: Path, seed: int
) -> None:
    topic_admin.apply(Settings(kafka=kafka, partitions=2))
    inbox, run, chosen = tmp_path / "inbox", unique_name(), random.Random(seed)
    folder = inbox / "acme/event"
    folder.mkdir(parents=True)
    expected = set()
    for number in range(FILES):
        ids = [f"{run}-{number}-{n}" for n in range(EVENTS)]
        expected |= set(ids)
        lines = [json.dumps(EVENT | {"source": "acme", "event_id": id}) for id in ids]
        if number % 10 == 0:
            lines.append("{")
        (folder / f"{number}.json").write_text("\n".join(lines))
    env = {"CORRIDOR_KAFKA": kafka, "CORRIDOR_DATA": str(tmp_path)}
    command = [*CORRIDOR, str(inbox), "--metrics-port", "0"]
    for kill_at in sorted(chosen.sample(range(1, FILES), 3)):
        with running(command, tmp_path / "log", env=env) as process:
            wait_until(lambda at=kill_at: taken(inbox) >= at, 60, interval=0.002)  # type: ignore[misc]
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    # what is left is taken at one go, as cron would have it
    done = subprocess.run(
        [*CORRIDOR, str(inbox), "--once"], env=os.environ | env, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    assert not list(folder.iterdir())
    assert taken(inbox) == FILES
    found = [json.loads(value)["event_id"] for value in values(kafka, topics.IOT.name)]
    assert {id for id in found if id.startswith(run)} == expected
    for rejected in inbox.glob("acme/rejected/event/*.json"):
        assert "MALFORMED" in rejected.with_name(rejected.name + ".reason.txt").read_text()


def test_a_stop_is_clean(kafka: str, tmp_path: Path) -> None:
    topic_admin.apply(Settings(kafka=kafka, partitions=2))
    env = {"CORRIDOR_KAFKA": kafka, "CORRIDOR_DATA": str(tmp_path)}
    log = tmp_path / "log"
    with running([*CORRIDOR, "--metrics-port", "0"], log, env=env) as process:
        wait_until(lambda: "watching" in log.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert (tmp_path / "inbox").is_dir()
