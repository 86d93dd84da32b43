"""What clickhouse-driver finds on the native port."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from clickhouse_driver import Client, errors
from clickhouse_driver.block import ColumnOrientedBlock

from tests.integration.clickhouse.conftest import ServerProcess, wait_for

pytestmark = pytest.mark.stack


def code_of(client: Client, query: str, *arguments: Any, **options: Any) -> int:
    with pytest.raises(errors.ServerException) as caught:
        client.execute(query, *arguments, **options)
    return int(caught.value.code)


def sleepy(marker: str) -> str:
    return f"{SLEEPY} -- {marker}"


SLEEPY = "SELECT sleepEachRow(0.1) FROM numbers(600) SETTINGS max_block_size = 1"


def test_the_engine_tells_its_version(client: Client) -> None:
    (row,) = client.execute("SELECT version()")
    info = client.connection.server_info
    assert row[0].startswith(f"{info.version_major}.{info.version_minor}.{info.version_patch}")


def test_revision_54429_is_announced(client: Client) -> None:
    client.execute("SELECT 1")
    assert client.connection.server_info.revision == 54429


def test_a_syntax_error_is_62(client: Client) -> None:
    assert code_of(client, "SELEC 1") == 62


def test_an_unknown_table_is_60(client: Client) -> None:
    assert code_of(client, "SELECT * FROM nowhere") == 60


def test_an_insert_into_an_unknown_table_is_60(client: Client) -> None:
    assert code_of(client, "INSERT INTO nowhere VALUES", [(1,)]) == 60


def test_text_that_is_no_number_is_6(client: Client) -> None:
    assert code_of(client, "SELECT toUInt8('x')") == 6


def test_several_statements_at_once_are_62(client: Client) -> None:
    assert code_of(client, "SELECT 1; SELECT 2") == 62


def test_a_trailing_semicolon_is_allowed(client: Client) -> None:
    assert client.execute("SELECT 1; -- that is all") == [(1,)]


def test_an_error_text_names_its_error(client: Client) -> None:
    with pytest.raises(errors.ServerException, match="UNKNOWN_TABLE"):
        client.execute("SELECT * FROM nowhere")


def test_an_unknown_setting_is_115(client: Client) -> None:
    assert code_of(client, "SELECT 1", settings={"no_such_setting": 1}) == 115


def test_a_setting_is_known_to_its_query(client: Client) -> None:
    found = client.execute("SELECT getSetting('max_threads')", settings={"max_threads": 3})
    assert found == [(3,)]


def test_a_setting_ends_with_its_query(client: Client) -> None:
    before = client.execute("SELECT getSetting('max_block_size')")
    client.execute("SELECT 1", settings={"max_block_size": 77})
    assert client.execute("SELECT getSetting('max_block_size')") == before


def test_a_setting_ends_with_a_query_that_failed(client: Client) -> None:
    before = client.execute("SELECT getSetting('max_block_size')")
    code_of(client, "SELECT * FROM nowhere", settings={"max_block_size": 77})
    assert client.execute("SELECT getSetting('max_block_size')") == before


def test_set_lasts_for_its_connection(client: Client) -> None:
    client.execute("SET max_block_size = 55")
    client.execute("SELECT 1", settings={"max_block_size": 66})
    assert client.execute("SELECT getSetting('max_block_size')") == [(55,)]


def test_set_does_not_reach_other_connections(server: ServerProcess, client: Client) -> None:
    client.execute("SET max_block_size = 55")
    other = server.client()
    assert other.execute("SELECT getSetting('max_block_size')") != [(55,)]
    other.disconnect()


def test_readonly_as_a_setting_refuses_writes_with_164(client: Client) -> None:
    query = "CREATE TABLE t (a Int8) ENGINE = Memory"
    assert code_of(client, query, settings={"readonly": 1}) == 164


def test_readonly_as_a_setting_ends_with_its_query(client: Client) -> None:
    client.execute("SELECT 1", settings={"readonly": 1})
    client.execute("CREATE TABLE t (a Int8) ENGINE = Memory")
    assert client.execute("SHOW TABLES") == [("t",)]


def test_use_changes_the_database_of_its_connection(client: Client, database: str) -> None:
    client.execute("USE system")
    assert client.execute("SELECT currentDatabase()") == [("system",)]


def test_hello_chooses_the_database(client: Client, database: str) -> None:
    assert client.execute("SELECT currentDatabase()") == [(database,)]


def test_hello_with_an_unknown_database_is_81(server: ServerProcess) -> None:
    client = server.client(database="no_such_database")
    assert code_of(client, "SELECT 1") == 81


def test_an_empty_result_has_columns(client: Client) -> None:
    _, columns = client.execute("SELECT 1 AS a, 'x' AS b WHERE 0", with_column_types=True)
    assert columns == [("a", "UInt8"), ("b", "String")]


def test_an_empty_show_has_columns(client: Client) -> None:
    _, columns = client.execute("SHOW TABLES", with_column_types=True)
    assert columns == [("name", "String")]


def test_show_tells_its_columns(client: Client) -> None:
    client.execute("CREATE TABLE t (a Int8) ENGINE = Memory")
    assert client.execute("SHOW TABLES", with_column_types=True) == (
        [("t",)],
        [("name", "String")],
    )


def test_explain_answers(client: Client) -> None:
    assert client.execute("EXPLAIN SYNTAX SELECT 1")


def test_a_format_clause_is_the_clients(client: Client) -> None:
    assert client.execute("SELECT 1 AS a FORMAT JSON") == [(1,)]


def test_into_outfile_is_refused(client: Client) -> None:
    assert code_of(client, "SELECT 1 INTO OUTFILE 'x.tsv'") == 358


def test_insert_offers_all_but_computed_columns(client: Client) -> None:
    client.execute(
        "CREATE TABLE t (a Int8, m Int8 MATERIALIZED a, l Int8 ALIAS a, d Int8 DEFAULT 7) "
        "ENGINE = Memory"
    )
    client.execute("INSERT INTO t VALUES", [(1, 2)])
    assert client.execute("SELECT a, m, l, d FROM t") == [(1, 1, 1, 2)]


def test_insert_takes_columns_in_the_order_that_it_names(client: Client) -> None:
    client.execute("CREATE TABLE t (a Int8, b String, c Int8 DEFAULT 9) ENGINE = Memory")
    client.execute("INSERT INTO t (b, `a`) VALUES", [("x", 1)])
    assert client.execute("SELECT * FROM t") == [(1, "x", 9)]


def test_insert_takes_columns_but_some(client: Client) -> None:
    client.execute("CREATE TABLE t (a Int8, b String, c Int8 DEFAULT 9) ENGINE = Memory")
    client.execute("INSERT INTO t (* EXCEPT(c)) VALUES", [(1, "x")])
    assert client.execute("SELECT * FROM t") == [(1, "x", 9)]


def test_an_unknown_column_of_an_insert_is_16(client: Client) -> None:
    client.execute("CREATE TABLE t (a Int8) ENGINE = Memory")
    assert code_of(client, "INSERT INTO t (b) VALUES", [(1,)]) == 16


def test_insert_with_values_in_the_text(client: Client) -> None:
    client.execute("CREATE TABLE t (a Int8, b String) ENGINE = Memory")
    client.execute("INSERT INTO t (a, b) VALUES (1, 'x;'), (1 + 1, 'y')")
    assert client.execute("SELECT * FROM t ORDER BY a") == [(1, "x;"), (2, "y")]


def test_a_second_statement_behind_values_is_62(client: Client) -> None:
    client.execute("CREATE TABLE t (a Int8) ENGINE = Memory")
    assert code_of(client, "INSERT INTO t VALUES (1); DROP TABLE t") == 62


def test_insert_select(client: Client) -> None:
    client.execute("CREATE TABLE t (a UInt64) ENGINE = Memory")
    client.execute("INSERT INTO t SELECT number FROM numbers(10)")
    assert client.execute("SELECT count() FROM t") == [(10,)]


def test_insert_with_its_own_settings_clause(client: Client) -> None:
    client.execute("CREATE TABLE t (a UInt64) ENGINE = Memory")
    client.execute("INSERT INTO t (a) SETTINGS max_insert_threads = 1 VALUES", [(1,)])
    assert client.execute("SELECT count() FROM t") == [(1,)]


DEDUPLICATED = (
    "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a "
    "SETTINGS non_replicated_deduplication_window = 100"
)


@pytest.mark.parametrize("async_insert", [0, 1])
def test_a_token_inserts_its_rows_once(client: Client, async_insert: int) -> None:
    client.execute(DEDUPLICATED)
    for _ in range(2):
        client.execute(
            "INSERT INTO t VALUES",
            [[1, 2, 3]],
            columnar=True,
            settings={
                "insert_deduplication_token": "topic:0:0:3",
                "insert_deduplicate": 1,
                "async_insert": async_insert,
            },
        )
    assert client.execute("SELECT count() FROM t") == [(3,)]


def test_another_token_inserts_the_same_rows_again(client: Client) -> None:
    client.execute(DEDUPLICATED)
    for token in ("a", "b"):
        client.execute(
            "INSERT INTO t VALUES", [(1,)], settings={"insert_deduplication_token": token}
        )
    assert client.execute("SELECT count() FROM t") == [(2,)]


def test_one_block_becomes_one_part(client: Client) -> None:
    client.execute("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    client.execute("SYSTEM STOP MERGES t")
    client.execute("INSERT INTO t VALUES", [list(range(300_000))], columnar=True)
    parts = client.execute("SELECT rows FROM system.parts WHERE database = currentDatabase()")
    assert parts == [(300_000,)]


def test_many_blocks_of_one_insert_are_all_there(client: Client) -> None:
    client.execute("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    client.execute(
        "INSERT INTO t VALUES", [(i,) for i in range(50_000)], settings={"insert_block_size": 5_000}
    )
    assert client.execute("SELECT count(), sum(a) FROM t") == [(50_000, sum(range(50_000)))]


def test_an_error_in_the_second_block_leaves_nothing(client: Client) -> None:
    client.execute("CREATE TABLE t (a UInt64, CONSTRAINT c CHECK a < 6000) ENGINE = Memory")
    assert (
        code_of(
            client,
            "INSERT INTO t VALUES",
            [(i,) for i in range(10_000)],
            settings={"insert_block_size": 5_000},
        )
        == 469  # VIOLATED_CONSTRAINT
    )
    assert client.execute("SELECT count() FROM t") == [(0,)]


def test_a_view_that_throws_fails_the_insert(client: Client) -> None:
    client.execute("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    client.execute("CREATE TABLE seen (a UInt8) ENGINE = Memory")
    client.execute("CREATE MATERIALIZED VIEW v TO seen AS SELECT throwIf(a = 3) AS a FROM t")
    assert code_of(client, "INSERT INTO t VALUES", [(1,), (3,)]) == 395


def test_external_tables_join_a_query(client: Client) -> None:
    tables = [
        {
            "name": "ext",
            "structure": [("x", "Int32"), ("s", "String")],
            "data": [(1, "a"), (2, "b")],
        }
    ]
    found = client.execute("SELECT s FROM ext ORDER BY x", external_tables=tables)
    assert found == [("a",), ("b",)]


def test_an_external_table_ends_with_its_query(client: Client) -> None:
    tables = [{"name": "ext", "structure": [("x", "Int32")], "data": [(1,)]}]
    client.execute("SELECT * FROM ext", external_tables=tables)
    assert code_of(client, "SELECT * FROM ext") == 60


def test_a_temporary_table_lasts_for_its_connection(client: Client) -> None:
    client.execute("CREATE TEMPORARY TABLE temporary (a Int8)")
    client.execute("INSERT INTO temporary VALUES", [(1,)])
    assert client.execute("SELECT * FROM temporary") == [(1,)]


def test_progress_reaches_the_client(client: Client) -> None:
    progress = client.execute_with_progress("SELECT sum(number) FROM numbers(1000000)")
    progress.get_result()
    assert client.last_query.progress.rows == 1_000_000


def test_results_can_be_iterated(client: Client) -> None:
    rows = client.execute_iter("SELECT number FROM numbers(200000)", chunk_size=1000)
    assert sum(len(chunk) for chunk in rows) == 200_000


def test_ping_is_answered(client: Client) -> None:
    client.execute("SELECT 1")
    assert client.connection.ping()


def test_max_execution_time_ends_a_query_with_159(client: Client) -> None:
    started = time.monotonic()
    assert code_of(client, SLEEPY, settings={"max_execution_time": 1}) == 159
    assert time.monotonic() - started < 20


def test_cancel_ends_the_engines_query(server: ServerProcess, client: Client) -> None:
    progress = client.execute_with_progress(sleepy("cancel_me"))
    assert progress is not None
    wait_for(lambda: server.running("cancel_me") == 1, "the query to run")
    client.cancel()
    wait_for(lambda: server.running("cancel_me") == 0, "the query to end")


def test_a_client_that_leaves_takes_its_query_along(server: ServerProcess, database: str) -> None:
    client = server.client(database=database)
    client.execute_with_progress(sleepy("leave_me"))
    wait_for(lambda: server.running("leave_me") == 1, "the query to run")
    client.disconnect()
    wait_for(lambda: server.running("leave_me") == 0, "the query to end")


def test_a_disconnect_in_the_middle_of_an_insert_leaves_nothing(
    server: ServerProcess, client: Client, database: str
) -> None:
    client.execute("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    leaving = server.client(database=database)
    leaving.execute("SELECT 1")
    connection = leaving.connection
    connection.send_query("INSERT INTO t VALUES -- half_insert")
    connection.send_external_tables(None)
    leaving.receive_sample_block()
    whole = ColumnOrientedBlock([("a", "UInt64")], [list(range(100_000))])
    connection.send_data(whole)  # a whole block, but the insert is not ended
    connection.socket.sendall(b"\x02\x00\x01\x00\x02\xff\xff\xff\xff\x00\x01\xa0\x8d\x06\x01a")
    connection.disconnect()
    wait_for(lambda: server.running("half_insert") == 0, "the insert to end")
    assert client.execute("SELECT count() FROM t") == [(0,)]


def test_a_query_with_a_comment_of_its_own_can_be_cancelled(
    server: ServerProcess, client: Client
) -> None:
    client.execute_with_progress(sleepy("commented"), settings={"log_comment": "mine"})
    wait_for(lambda: server.running("commented") == 1, "the query to run")
    client.cancel()
    wait_for(lambda: server.running("commented") == 0, "the query to end")


def test_many_clients_are_served_at_once(server: ServerProcess, database: str) -> None:
    setup = server.client(database=database)
    setup.execute("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        one = server.client(database=database)
        try:
            for step in range(5):
                one.execute("INSERT INTO t VALUES", [(number * 100 + step,)])
                assert one.execute("SELECT number FROM numbers(3)") == [(0,), (1,), (2,)]
        except BaseException as error:
            failures.append(error)
        finally:
            one.disconnect()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert setup.execute("SELECT uniqExact(a) FROM t") == [(80,)]
    setup.disconnect()


def test_sleeping_queries_do_not_hold_up_a_short_one(server: ServerProcess, client: Client) -> None:
    sleepers = [server.client() for _ in range(3)]
    for sleeper in sleepers:
        sleeper.execute_with_progress(sleepy("sleeper"))
    wait_for(lambda: server.running("sleeper") == 3, "the queries to run")
    started = time.monotonic()
    client.execute("SELECT 1")
    taken = time.monotonic() - started
    for sleeper in sleepers:
        sleeper.disconnect()
    wait_for(lambda: server.running("sleeper") == 0, "the queries to end")
    assert taken < 5


def test_a_client_that_does_not_read_holds_nobody_up(server: ServerProcess, client: Client) -> None:
    lazy = [server.client() for _ in range(12)]
    for one in lazy:
        one.execute_with_progress("SELECT number, toString(number) FROM numbers(50000000)")
    assert client.execute("SELECT 1") == [(1,)]
    for one in lazy:
        one.disconnect()
