"""Every record that can be a row is one, whatever happens on the way."""

import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient

from corridor.models import Origin
from sinks.clickhouse import client
from sinks.clickhouse.batches import Block
from sinks.clickhouse.client import Writer
from sinks.clickhouse.intents import Intent
from tests.integration.sinks.flow import PARTITIONS, Flow, estimate, events, outcome
from tests.support import ClickHouse, clickhouse_command, free_port, running, wait_until

pytestmark = pytest.mark.stack

NUMBERS = "SELECT toUInt32(substring(event_id, 2)) AS n FROM events FINAL ORDER BY n"


def numbers(flow: Flow) -> list[int]:
    return [number for (number,) in flow.query(NUMBERS)]


def fingerprint(flow: Flow, table: str) -> list[tuple[Any, ...]]:
    """Everything that a table says, coordinates included."""
    [(columns,)] = flow.query(
        "SELECT arrayStringConcat(groupArray('`' || name || '`'), ', ') FROM system.columns "
        f"WHERE database = '{flow.name}' AND table = '{table}'"
    )
    return flow.query(f"SELECT {columns} FROM {table} FINAL ORDER BY ALL")


def test_rows_equal_messages(flow: Flow) -> None:
    sent = events(2500)
    flow.publish("events", sent)
    with flow.sinking():
        flow.wait_for("events", 2500)
    assert numbers(flow) == list(range(2500))
    [row] = flow.query(
        "SELECT unit_id, code, toString(event_time), JSONExtractInt(attributes, 'number'), "
        "latitude, retracted, run_id, _topic FROM events FINAL WHERE event_id = 'e100'"
    )
    assert row == (
        "unit3 重庆",
        "BREADCRUMB",
        "2026-01-01 01:40:00.000000",
        100,
        None,
        False,
        "",
        flow.topic("events"),
    )


def test_every_record_is_found_by_its_coordinates(flow: Flow) -> None:
    flow.publish("events", events(300))
    with flow.sinking():
        flow.wait_for("events", 300)
    coordinates = flow.query(
        "SELECT _partition, min(_offset), max(_offset), uniqExact(_offset) "
        "FROM events GROUP BY _partition ORDER BY _partition"
    )
    assert coordinates == [(partition, 0, 99, 100) for partition in range(PARTITIONS)]


def test_all_tables_and_views_are_filled(flow: Flow) -> None:
    flow.publish("estimates", [estimate(n).model_dump_json().encode() for n in (1, 3, 2)], 0)
    flow.publish("outcomes", [outcome(n).model_dump_json().encode() for n in range(4)])
    with flow.sinking():
        flow.wait_for("estimates", 3)
        flow.wait_for("outcomes", 4)
    assert flow.query("SELECT estimate_id, eta_p05 FROM current_estimates") == [("estimate3", None)]
    assert (
        flow.query(
            "SELECT eta_error_seconds, timetable_error_seconds, evidence FROM departure_errors"
        )
        == [(3600.0, 7200.0, "TIMETABLE")] * 4
    )


def test_a_newer_version_of_an_event_replaces_it_in_whatever_order_they_come(flow: Flow) -> None:
    newer = events(5, hours=2, code="TAMPER")
    flow.publish("events", [*newer, *events(10)], 0)
    flow.publish("events", events(2, hours=3, retracted=True), 1)
    with flow.sinking():
        flow.wait_until_committed()
    counted = dict(flow.query("SELECT code, count() FROM current_events GROUP BY code"))
    assert counted == {"TAMPER": 3, "BREADCRUMB": 5}
    assert flow.count("events") == 10


def test_a_few_rows_do_not_wait_for_more(flow: Flow) -> None:
    flow.batch_seconds = 0.5
    with flow.sinking() as sink:
        wait_until(lambda: sink.ready() is None, what="partitions are assigned")
        flow.publish("events", events(1))
        published = time.monotonic()
        flow.wait_for("events", 1)
        assert time.monotonic() - published < 0.5 + 2
        flow.wait_until_committed()


def test_a_replay_from_the_first_offset_changes_nothing(flow: Flow) -> None:
    flow.publish("events", [*events(500), *events(100, hours=1)])
    flow.publish("estimates", [estimate(n).model_dump_json().encode() for n in range(50)])
    flow.publish("outcomes", [outcome(n).model_dump_json().encode() for n in range(50)])
    with flow.sinking():
        flow.wait_until_committed()
    tables = ("events", "estimates", "outcomes")
    before = [fingerprint(flow, table) for table in tables]
    again = Flow(flow.kafka, flow.clickhouse, flow.name, batch_rows=77)
    replayed: list[int] = []

    def insert(connection: Any, database: str, block: Block) -> None:
        replayed.append(block.rows)
        client.insert(connection, database, block)

    rewind(flow)
    with again.sinking(Writer(again.settings, insert=insert)):
        again.wait_until_committed()
    assert sum(replayed) == 700
    assert [fingerprint(flow, table) for table in tables] == before


def rewind(flow: Flow) -> None:
    """Sets the group back to the first offsets, as an operator would."""
    with KafkaAdminClient(bootstrap_servers=flow.kafka) as admin:
        wait_until(
            lambda: _deleted(admin, f"{flow.name}-clickhouse"), what="the group can be deleted"
        )


def _deleted(admin: Any, group: str) -> bool:
    try:
        admin.delete_groups([group])
    except Exception:
        return False
    return True


def test_a_sink_outlives_a_clickhouse_that_is_away(kafka: str, tmp_path: Path) -> None:
    server = ClickHouse("127.0.0.1", free_port(), free_port())
    command = clickhouse_command(tmp_path / "data", server.port, server.http_port)
    ready = f"http://{server.host}:{server.http_port}/readyz"
    flow = Flow(kafka, server, batch_rows=100)
    log = tmp_path / "log"
    with running(command, log, ready=ready):
        flow.prepare()
    with flow.sinking() as sink:
        flow.publish("events", events(2000))
        wait_until(lambda: "ClickHouse" in (sink.ready() or ""), what="the trouble is told")
        assert sink.healthy() is None
        with running(command, log, ready=ready):
            flow.wait_for("events", 2000)
            wait_until(lambda: sink.ready() is None, what="it is ready again")
        flow.publish("events", events(2000, first=2000))
        wait_until(lambda: "ClickHouse" in (sink.ready() or ""), what="the trouble is told")
        with running(command, log, ready=ready):
            flow.wait_until_committed()
            assert numbers(flow) == list(range(4000))


def test_poison_goes_to_the_quarantine_and_what_is_around_it_goes_on(flow: Flow) -> None:
    flow.publish("events", [*events(10), b"\xff junk", b"{}", *events(10, first=10)], 0)
    flow.publish("events", [b'{"schema_version": 2}'], 1)
    with flow.sinking():
        flow.wait_for("events", 20)
        flow.wait_for("dead_letters", 3)
        flow.wait_until_committed()
    letters = {
        (letter.origin.partition, letter.origin.offset): letter for letter in flow.dead_letters()
    }
    assert {place: str(letter.reason) for place, letter in letters.items()} == {
        (0, 10): "MALFORMED",
        (0, 11): "MALFORMED",
        (1, 0): "UNKNOWN_VERSION",
    }
    assert b64decode(letters[0, 10].payload) == b"\xff junk"
    assert letters[0, 10].origin == Origin(topic=flow.topic("events"), partition=0, offset=10)
    assert flow.query(
        "SELECT base64Decode(payload), origin_offset FROM dead_letters FINAL "
        "WHERE reason = 'MALFORMED' ORDER BY origin_offset DESC LIMIT 1"
    ) == [("{}", 11)]


def test_an_unreadable_dead_letter_is_kept_and_goes_round_no_loop(flow: Flow) -> None:
    flow.publish("dead_letters", [b"junk"], 2)
    with flow.sinking():
        flow.wait_for("dead_letters", 1)
        flow.wait_until_committed()
    assert flow.query(
        "SELECT reason, base64Decode(payload), origin_partition, origin_offset FROM dead_letters"
    ) == [("MALFORMED", "junk", 2, 0)]


def test_a_stopped_sink_has_written_and_committed_what_it_read(flow: Flow) -> None:
    flow.batch_seconds = 3600
    flow.batch_rows = 100_000
    flow.publish("events", events(100))
    with flow.sinking() as sink:
        wait_until(
            lambda: sum(lane.batch.rows for lane in sink._lanes.values()) == 100,
            what="all is collected",
        )
        assert flow.count("events") == 0
    assert flow.count("events") == 100
    assert flow.lag() == 0


def test_what_a_transaction_took_back_never_becomes_a_row(flow: Flow) -> None:
    producer = KafkaProducer(bootstrap_servers=flow.kafka, transactional_id=flow.name)
    producer.init_transactions()
    for first, keep in ((0, True), (10, False), (20, True)):
        producer.begin_transaction()
        for value in events(10, first=first):
            producer.send(flow.topic("events"), value, partition=0)
        if keep:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    producer.close()
    flow.publish("events", events(10, first=30), 0)
    with flow.sinking():
        flow.wait_for("events", 30)
    assert numbers(flow) == [*range(10), *range(20, 40)]


def test_a_topic_that_is_deleted_and_made_again_is_read_from_its_start(flow: Flow) -> None:
    flow.publish("events", events(30))
    with flow.sinking():
        flow.wait_until_committed()
    topic = flow.topic("events")
    rewind(flow)
    with KafkaAdminClient(bootstrap_servers=flow.kafka) as admin:
        admin.delete_topics([topic])
        wait_until(lambda: topic not in admin.list_topics(), what="the topic is gone")
        admin.create_topics({topic: {"num_partitions": PARTITIONS}}, wait_for_metadata=True)
    flow.publish("events", events(30, first=30))
    with flow.sinking():
        flow.wait_for("events", 60)
    assert numbers(flow) == list(range(60))


def test_what_retention_has_deleted_is_told_in_the_quarantine_and_never_skipped(
    flow: Flow,
) -> None:
    flow.publish("events", events(20), 0)
    with flow.sinking():
        flow.wait_until_committed()
    flow.publish("events", events(20, first=20), 0)
    partition = TopicPartition(flow.topic("events"), 0)
    with KafkaAdminClient(bootstrap_servers=flow.kafka) as admin:
        admin.delete_records({partition: 30})
    with flow.sinking():
        flow.wait_for("dead_letters", 1)
        flow.wait_until_committed()
    assert numbers(flow) == [*range(20), *range(30, 40)]
    [letter] = flow.dead_letters()
    assert (letter.reason, letter.origin.offset) == ("EXPIRED", 20)
    assert "offsets 20 to 29" in letter.detail


def test_what_was_declared_is_sent_again_with_the_same_token_and_in_the_same_bounds(
    flow: Flow,
) -> None:
    flow.publish("events", events(60), 0)
    topic_id = declare(flow, first=10, end=33)
    sent: list[tuple[str, int]] = []

    def insert(connection: Any, database: str, block: Block) -> None:
        sent.append((block.token, block.rows))
        client.insert(connection, database, block)

    with flow.sinking(Writer(flow.settings, insert=insert)):
        flow.wait_until_committed()
    assert sent == [(f"{topic_id}:0:10:33:events", 23), (f"{topic_id}:0:33:60:events", 27)]


def test_a_declared_range_that_has_become_empty_is_confirmed(flow: Flow) -> None:
    flow.publish("events", events(60), 0)
    declare(flow, first=10, end=33)
    partition = TopicPartition(flow.topic("events"), 0)
    with KafkaAdminClient(bootstrap_servers=flow.kafka) as admin:
        admin.delete_records({partition: 40})
    with flow.sinking():
        flow.wait_until_committed()
    assert numbers(flow) == list(range(40, 60))
    assert [letter.origin.offset for letter in flow.dead_letters()] == [10]


def test_a_plain_offset_of_another_release_is_gone_on_from(flow: Flow) -> None:
    flow.publish("events", events(60), 0)
    partition = TopicPartition(flow.topic("events"), 0)
    commit(flow, {partition: OffsetAndMetadata(25, "", -1)})
    with flow.sinking():
        flow.wait_until_committed()
    assert numbers(flow) == list(range(25, 60))


def declare(flow: Flow, *, first: int, end: int) -> str:
    """Leaves what a sink leaves that died while it wrote; returns the topic's id."""
    topic = flow.topic("events")
    with KafkaAdminClient(bootstrap_servers=flow.kafka) as admin:
        [found] = admin.describe_topics([topic])
    topic_id = str(found["topic_id"])
    intent = Intent(topic_id, "events", first, end)
    commit(flow, {TopicPartition(topic, 0): intent.commit()})
    return topic_id


def commit(flow: Flow, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
    consumer = KafkaConsumer(
        bootstrap_servers=flow.kafka,
        group_id=f"{flow.name}-clickhouse",
        enable_auto_commit=False,
    )
    consumer.assign(list(offsets))
    consumer.commit(offsets)
    consumer.close()
