"""The database is what the code declares, and says so when it is not."""

import pytest

from sinks.clickhouse import schema
from sinks.clickhouse.tables import TABLES, Table
from sinks.clickhouse.views import VIEWS, View
from tests.integration.sinks.flow import Flow
from tests.support import ClickHouse

pytestmark = pytest.mark.stack


@pytest.fixture
def database(clickhouse: ClickHouse) -> Flow:
    """A database that does not exist yet."""
    return Flow("", clickhouse)


def test_what_is_applied_does_not_differ(database: Flow) -> None:
    assert schema.diff(database.settings) == [f"database {database.name} is missing"]
    assert schema.apply(database.settings)
    assert schema.diff(database.settings) == []


def test_applying_again_does_nothing(database: Flow) -> None:
    schema.apply(database.settings)
    assert schema.apply(database.settings) == []


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("DROP TABLE outcomes", "table outcomes is missing"),
        ("DROP VIEW current_events", "view current_events is missing"),
        ("ALTER TABLE events DROP COLUMN mode", "events.mode is missing"),
        ("ALTER TABLE events ADD COLUMN tone Int8", "events.tone is not declared"),
        (
            "ALTER TABLE events MODIFY COLUMN latitude Nullable(Float32)",
            "events.latitude is Nullable(Float32), not Nullable(Float64)",
        ),
        ("ALTER TABLE events DROP INDEX run_id", "events has no index run_id"),
        (
            "ALTER TABLE events MODIFY SETTING non_replicated_deduplication_window = 5",
            "events has no non_replicated_deduplication_window = 10000",
        ),
        ("CREATE OR REPLACE VIEW current_events AS SELECT 1", "view current_events differs"),
        (
            "DELETE FROM schema_migrations WHERE number = 1",
            "migration 1 (create tables) is not applied",
        ),
    ],
)
def test_a_change_by_hand_is_told(database: Flow, statement: str, difference: str) -> None:
    schema.apply(database.settings)
    database.query(statement)
    assert schema.diff(database.settings) == [difference]


def test_an_older_database_is_brought_to_the_declaration(database: Flow) -> None:
    schema.apply(database.settings)
    for table, column in (
        ("estimates", "late"),
        ("estimates", "from_node"),
        ("estimates", "to_node"),
        ("estimates", "service_id"),
        ("estimates", "carrier_id"),
        ("estimates", "actual_departure"),
        ("estimates", "missed_probability"),
        ("estimates", "connection_slack_seconds"),
        ("estimates", "stalled_since"),
        ("outcomes", "late"),
        ("dead_letters", "origin_format"),
        ("dead_letters", "origin_channel"),
        ("dead_letters", "status"),
    ):
        database.query(f"ALTER TABLE {table} DROP COLUMN {column}")
    for table in ("incidents", "deliveries"):
        database.query(f"DROP TABLE {table}")
    database.query("DELETE FROM schema_migrations WHERE number > 1")
    schema.apply(database.settings)
    assert schema.diff(database.settings) == []


def test_a_view_that_was_changed_by_hand_is_brought_back(database: Flow) -> None:
    schema.apply(database.settings)
    database.query("CREATE OR REPLACE VIEW current_events AS SELECT 1")
    assert schema.apply(database.settings) == ["view current_events"]
    assert schema.diff(database.settings) == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_room_for_the_last_inserts(database: Flow, table: Table) -> None:
    schema.apply(database.settings)
    [(engine,)] = database.query(
        f"SELECT engine_full FROM system.tables WHERE database = '{database.name}' "
        f"AND name = '{table.name}'"
    )
    assert "non_replicated_deduplication_window = 10000" in engine


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_of_nothing_is_empty(database: Flow, view: View) -> None:
    schema.apply(database.settings)
    assert database.query(f"SELECT * FROM {view.name}") == []
