"""What the self-test says of a real ClickHouse, and of one that is too old to be run here."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from sinks.clickhouse import selftest
from sinks.clickhouse.client import connect
from sinks.clickhouse.selftest import Unfit, reasons
from sinks.clickhouse.tables import EVENTS, TABLES
from tests.integration.sinks.flow import Flow
from tests.support import running, wait_until

pytestmark = pytest.mark.stack


def told(flow: Flow) -> list[str]:
    with connect(flow.settings) as client:
        return reasons(client, flow.name, TABLES)


def test_the_tables_as_they_are_declared_are_fit(flow: Flow) -> None:
    assert told(flow) == []
    assert flow.query(f"SHOW TABLES FROM {flow.name} LIKE 'selftest%'") == []


def test_a_table_without_a_window_is_told_with_what_mends_it(flow: Flow) -> None:
    flow.query("ALTER TABLE events MODIFY SETTING non_replicated_deduplication_window = 0")
    [reason] = told(flow)
    assert reason.startswith(f"{flow.name}.events remembers 0 blocks")
    flow.query(reason.partition(": ")[2])
    assert told(flow) == []


@pytest.mark.parametrize("to", [True, False], ids=["TO a table", "inner table"])
def test_what_is_behind_a_view_needs_a_window_too(flow: Flow, to: bool) -> None:
    engine = "ENGINE = SummingMergeTree ORDER BY code"
    select = "SELECT code, count() AS n FROM events GROUP BY code"
    if to:
        flow.query(f"CREATE TABLE sums (code String, n UInt64) {engine}")
        flow.query(f"CREATE MATERIALIZED VIEW sums_view TO sums AS {select}")
    else:
        flow.query(f"CREATE MATERIALIZED VIEW sums_view {engine} AS {select}")
    [reason] = told(flow)
    assert re.match(rf"{flow.name}\.(sums|\.inner\S*) remembers 0 blocks", reason)


def test_a_missing_table_and_a_missing_column_are_told(flow: Flow) -> None:
    flow.query("DROP TABLE outcomes SYNC")
    flow.query("ALTER TABLE events DROP COLUMN mode")
    [column, table, window] = sorted(told(flow))
    assert "events cannot be written to" in column
    assert "mode" in column
    assert "outcomes cannot be written to" in table
    assert window == f"{flow.name}.outcomes is missing"


def test_an_engine_that_remembers_nothing_is_told(flow: Flow) -> None:
    flow.query("CREATE TABLE copy AS events ENGINE = Memory")
    flow.query("DROP TABLE events SYNC")
    flow.query("RENAME TABLE copy TO events")
    [reason] = told(flow)
    assert "events is a Memory" in reason


class OldServer:
    """Answers as a ClickHouse of before tokens does: settings that it does not know are nothing."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def execute(self, query: str, *arguments: Any, settings: Any = None) -> Any:
        return self._client.execute(query, *arguments)


def test_a_server_that_ignores_tokens_is_told(flow: Flow) -> None:
    with connect(flow.settings) as client:
        [reason] = reasons(OldServer(client), flow.name, [EVENTS])
    assert "does not heed insert_deduplication_token" in reason


def test_in_the_weaker_mode_it_is_a_warning(flow: Flow) -> None:
    flow.query("ALTER TABLE events MODIFY SETTING non_replicated_deduplication_window = 0")
    with pytest.raises(Unfit, match="remembers 0 blocks"):
        selftest.run(flow.settings, TABLES)
    selftest.run(flow.settings.model_copy(update={"delivery": "at-least-once"}), TABLES)


def test_the_process_refuses_with_one_line_and_an_exit_code(flow: Flow, tmp_path: Path) -> None:
    flow.query("ALTER TABLE events MODIFY SETTING non_replicated_deduplication_window = 0")
    environment = {
        "CORRIDOR_KAFKA": flow.kafka,
        "CORRIDOR_CLICKHOUSE_PORT": str(flow.clickhouse.port),
        "CORRIDOR_CLICKHOUSE_DATABASE": flow.name,
        "CORRIDOR_GROUP": flow.name,
    }
    command = [sys.executable, "-m", "sinks.clickhouse", "--metrics-port", "0"]
    log = tmp_path / "log"
    with running(command, log, env=environment) as process:
        wait_until(lambda: process.poll() is not None, what="it has ended")
        assert process.returncode == 1
    refusal = "Not fit for exactly once (CORRIDOR_DELIVERY=at-least-once goes on): "
    [last] = [line for line in log.read_text().splitlines() if line.startswith(refusal)]
    assert "events remembers 0 blocks" in last
