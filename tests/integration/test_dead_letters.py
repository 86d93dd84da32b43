"""The quarantine from end to end: rejected, listed, mended, replayed, settled."""

from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Thread

import pytest
from kafka import KafkaConsumer
from typer.testing import CliRunner

from commands import topic_admin
from commands.dead_letters import app
from corridor import topics
from corridor.codes import Reject
from corridor.decoding import Rejected
from corridor.models import TrackingEvent
from corridor.settings import Settings
from producers.adapter import Format, Item, event
from producers.formats import BY_NAME
from producers.intake import Intake
from producers.publisher import Publisher
from sinks.clickhouse import schema
from sinks.clickhouse.consumer import Sink
from sinks.clickhouse.tables import DEAD_LETTERS
from tests.integration.sinks.flow import Flow
from tests.support import ClickHouse, unique_name, wait_until

pytestmark = pytest.mark.stack

PARTY = unique_name("party")
GOOD, BAD = b"U1 U2", b"U3 ! U4"


class Decoder:
    """Reads a unit a word; until it is mended, `!` is a fault."""

    mended = False

    def __call__(self, message: bytes, sender: str) -> list[Item]:
        words = message.decode().split()
        if "!" in words and not self.mended:
            return [Rejected(Reject.UNKNOWN_CODE, "word[1]", "no such word: !")]
        return [departure(f"{sender}-{word}", sender) for word in words if word != "!"]


def departure(unit: str, source: str) -> TrackingEvent:
    return event(
        event_id=unit,
        source=source,
        event_type="TRANSPORT",
        code="DEPARTED",
        event_time=datetime(2026, 1, 1, tzinfo=UTC),
        unit_id=unit,
    )


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    decoder = Decoder()
    words = Format(
        "words", "Words", decoder, topics.CARRIER.name, "text/plain", recognises=lambda _: False
    )
    monkeypatch.setitem(BY_NAME, "words", words)
    return decoder


@pytest.fixture
def known(
    kafka: str, clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings, also for commands, of a sink at work that writes dead letters."""
    settings = Flow(kafka, clickhouse).settings
    for name in ("kafka", "clickhouse_port", "clickhouse_http_port", "clickhouse_database"):
        monkeypatch.setenv(f"CORRIDOR_{name.upper()}", str(getattr(settings, name)))
    topic_admin.apply(settings)
    schema.apply(settings)
    sink = Sink(settings, tables={topics.DEAD_LETTERS.name: DEAD_LETTERS})
    thread = Thread(target=sink.run, daemon=True)
    thread.start()
    yield settings
    sink.stop()
    thread.join(30)


def letters(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def units_on_kafka(known: Settings) -> list[str]:
    """Units of our party's events, in whatever order."""
    consumer = KafkaConsumer(
        topics.CARRIER.name,
        bootstrap_servers=known.kafka,
        auto_offset_reset="earliest",
        consumer_timeout_ms=2000,
    )
    mine = f"{PARTY}-".encode()
    return sorted(m.key[len(mine) :].decode() for m in consumer if m.key.startswith(mine))


def test_what_is_replayed_after_a_fix_is_what_a_clean_message_would_have_given(
    known: Settings, decoder: Decoder
) -> None:
    words = BY_NAME["words"]
    with Publisher(known) as publisher:
        intake = Intake(publisher)
        intake.take(words, GOOD, sender=PARTY)
        intake.take(words, BAD, sender=PARTY)
        intake.take(words, BAD, sender=PARTY)  # sent again: the same letter

    wait_until(lambda: "UNKNOWN_CODE" in letters("list", "--source", PARTY), what="a letter")
    listed = letters("list", "--source", PARTY, "--json").splitlines()
    assert len(listed) == 1
    still = letters("replay", "--source", PARTY)
    assert "0 of 1 letters" in still
    assert "no such word" in still

    decoder.mended = True
    assert "1 of 1 letters became 2 messages" in letters("replay", "--source", PARTY)
    assert units_on_kafka(known) == ["U1", "U2", "U3", "U4"]
    wait_until(lambda: "No letter" in letters("list", "--source", PARTY), what="it is settled")
    assert "REPLAYED" in letters("list", "--source", PARTY, "--settled")


def test_what_is_dropped_is_marked_and_not_replayed(known: Settings, decoder: Decoder) -> None:
    other = unique_name("party")
    with Publisher(known) as publisher:
        Intake(publisher).take(BY_NAME["words"], BAD, sender=other)
    wait_until(lambda: "UNKNOWN_CODE" in letters("list", "--source", other), what="a letter")
    assert "1 letters dropped" in letters("drop", "--source", other, "--yes")
    wait_until(lambda: "No letter" in letters("list", "--source", other), what="it is settled")
    assert "0 of 0" in letters("replay", "--source", other)


def test_nothing_is_replayed_or_dropped_without_a_choice(known: Settings) -> None:
    for command in ("replay", "drop"):
        result = CliRunner().invoke(app, [command])
        assert result.exit_code == 1
        assert "which letters?" in result.output


def test_the_raw_message_comes_out_as_it_came_in(known: Settings, decoder: Decoder) -> None:
    other = unique_name("party")
    with Publisher(known) as publisher:
        Intake(publisher).take(BY_NAME["words"], BAD, sender=other)
    wait_until(lambda: "UNKNOWN_CODE" in letters("list", "--source", other), what="a letter")
    [line] = letters("list", "--source", other, "--json").splitlines()
    id = line.split('"dead_letter_id":"')[1][:32]
    assert "U3 ! U4" in letters("show", id[:12])
    assert CliRunner().invoke(app, ["show", id, "--raw"]).stdout_bytes == BAD
