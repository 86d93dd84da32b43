"""The database is what the code declares, and says so when it is not."""

import pytest
from clickhouse_driver import Client

from corridor.settings import Settings
from sinks.clickhouse import schema
from sinks.clickhouse.feeds import FEEDS
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
        ("DROP TABLE landings", "table landings is missing"),
        ("DROP VIEW landings_from_events", "view landings_from_events is missing"),
        (
            "ALTER TABLE landings_from_events MODIFY COMMENT 'another'",
            "view landings_from_events differs",
        ),
        ("ALTER TABLE landings REMOVE TTL", "landings does not keep rows 120 days"),
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
    for feed in FEEDS:
        for source in feed.sources:
            database.query(f"DROP VIEW {feed.view(source)}")
        database.query(f"DROP TABLE {feed.name}")
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
    database.query(
        "INSERT INTO events (source, event_id, _topic, _partition, _offset) "
        "SELECT 'port', toString(number), 'tracking.port', 0, number FROM numbers(5, 7)"
    )
    schema.apply(database.settings)
    assert schema.diff(database.settings) == []
    assert database.query("SELECT starts, ends, records, rows FROM landings") == [([5], [11], 0, 0)]
    assert database.query("SELECT deliveries FROM source_hours") == [(7,)]


def test_rows_are_kept_as_long_as_the_settings_say(database: Flow) -> None:
    schema.apply(database.settings)
    shorter = database.settings.model_copy(update={"clickhouse_keep_days": {"estimates": 400}})
    assert schema.diff(shorter) == ["estimates does not keep rows 400 days"]
    assert schema.apply(shorter) == ["estimates keeps rows 400 days"]
    assert schema.diff(shorter) == []
    assert schema.apply(database.settings) == ["estimates keeps rows for ever"]
    assert schema.diff(database.settings) == []


def test_a_setting_that_names_no_table_is_refused(database: Flow) -> None:
    wrong = database.settings.model_copy(update={"clickhouse_keep_days": {"tables": 1}})
    with pytest.raises(schema.SchemaError, match="there is no table tables; there are dead_"):
        schema.apply(wrong)


def test_a_feed_is_changed_without_being_dropped(database: Flow) -> None:
    schema.apply(database.settings)
    database.query("ALTER TABLE landings_from_events MODIFY COMMENT 'another'")
    assert schema.apply(database.settings) == ["materialized view landings_from_events"]
    assert schema.diff(database.settings) == []


@pytest.mark.parametrize("cluster", ["", "corridors"])
def test_every_statement_is_one_for_the_engines_parser(
    clickhouse: ClickHouse, cluster: str
) -> None:
    statements = list(schema.sql(Settings(clickhouse_cluster=cluster)))
    with Client(clickhouse.host, clickhouse.port) as client:
        for statement in statements:
            client.execute(f"SELECT formatQuery({schema.quoted(statement)})")


def test_on_a_cluster_every_table_is_replicated_and_distributed() -> None:
    text = "\n".join(schema.sql(Settings(clickhouse_cluster="corridors")))
    for one in (*TABLES, *FEEDS):
        assert f"corridor.{one.name}_local ON CLUSTER `corridors`" in text
        assert f"Distributed('corridors', 'corridor', '{one.name}_local', cityHash64(" in text
    assert text.count("ENGINE = Replicated") == len(TABLES) + len(FEEDS) + 1
    assert text.count("{shard}/{database}/{table}', '{replica}'") == len(TABLES) + len(FEEDS)
    assert all("ON CLUSTER" in s for s in text.split("\n") if s.startswith("CREATE"))
    assert "non_replicated" not in text


def test_the_printed_statements_make_what_apply_makes(database: Flow) -> None:
    with Client(database.clickhouse.host, database.clickhouse.port) as client:
        for statement in schema.sql(database.settings):
            client.execute(statement)
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
    assert database.query(f"SELECT count() FROM {view.name}") == [(0,)]
