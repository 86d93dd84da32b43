"""Every record that can be a row is one, whatever happens on the way."""

import random
import sys
import threading
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from corridor.models import Origin
from sinks.clickhouse import client
from sinks.clickhouse.batches import Block
from sinks.clickhouse.client import Writer
from tests.integration.sinks.flow import PARTITIONS, Flow, estimate, events, outcome
from tests.integration.sinks.process import POINTS
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


@pytest.mark.parametrize("seed", range(len(POINTS)))
def test_a_sink_killed_at_any_point_loses_nothing(flow: Flow, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    flow.batch_rows = 200
    flow.publish("events", events(3000))
    flow.publish("dead_letters", [b"junk"])
    environment = {
        "CORRIDOR_KAFKA": flow.kafka,
        "CORRIDOR_CLICKHOUSE_PORT": str(flow.clickhouse.port),
        "CORRIDOR_CLICKHOUSE_DATABASE": flow.name,
        "CORRIDOR_GROUP": flow.name,
        "CORRIDOR_BATCH_ROWS": "200",
        "CORRIDOR_BATCH_SECONDS": "0.05",
    }
    module = [sys.executable, "-m", "tests.integration.sinks.process", flow.name]
    point = POINTS[seed]
    log = tmp_path / "log"
    nth = str(chance.randint(1, 3))
    with running([*module, point, nth], log, env=environment) as process:
        wait_until(lambda: process.poll() is not None, what=f"death {point}")
    flow.publish("events", events(500, first=3000))
    with running([*module, "never", "0"], log, env=environment):
        flow.wait_until_committed(120)
    assert numbers(flow) == list(range(3500))
    assert flow.count("dead_letters") == 1


def test_a_lost_reply_repeats_the_insert_and_not_the_rows(flow: Flow) -> None:
    lost = threading.Event()

    def insert(connection: Any, database: str, block: Block) -> None:
        client.insert(connection, database, block)
        if not lost.is_set():
            lost.set()
            raise ConnectionResetError("the reply is lost")

    flow.publish("events", events(1000))
    with flow.sinking(Writer(flow.settings, insert=insert)):
        flow.wait_until_committed()
    assert lost.is_set()
    assert numbers(flow) == list(range(1000))


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


def test_sinks_that_join_and_leave_share_the_work_and_lose_nothing(flow: Flow) -> None:
    flow.batch_rows = 100
    flow.publish("events", events(1000))
    with flow.sinking() as first:
        wait_until(lambda: first.ready() is None, what="the first has partitions")
        with flow.sinking() as second:
            flow.publish("events", events(1000, first=1000))
            wait_until(lambda: second.ready() is None, what="the second has partitions")
            flow.publish("events", events(1000, first=2000))
        flow.publish("events", events(1000, first=3000))
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
            lambda: sum(lane.batch.rows for lane in sink._lanes.values()) == 100, what="all is collected"
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
