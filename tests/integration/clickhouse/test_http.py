"""What curl, Grafana and clickhouse-connect find on the HTTP port."""

from __future__ import annotations

import datetime as dt
import gzip
import http.client
import json
import socket
import urllib.request
import uuid
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import clickhouse_connect
import lz4.frame
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_driver import Client

from deploy.local.clickhouse import compression, wire
from deploy.local.clickhouse.encodings import Encoder, encoder
from tests.integration.clickhouse.conftest import Answer, ServerProcess, wait_for

pytestmark = pytest.mark.stack

ROWS = 100_000


def zstd(data: bytes) -> bytes:
    one: Encoder = encoder("zstd", True, False)
    return one.feed(data) + one.flush()


@pytest.fixture
def table(client: Client, database: str) -> str:
    client.execute(
        "CREATE TABLE t (a UInt32, s String DEFAULT 'none') ENGINE = MergeTree ORDER BY a"
    )
    return f"{database}.t"


@pytest.fixture
def connect(
    server: ServerProcess, database: str
) -> Iterator[Callable[..., clickhouse_connect.driver.client.Client]]:
    opened = []

    def make(**options: Any) -> clickhouse_connect.driver.client.Client:
        one = clickhouse_connect.get_client(
            host="127.0.0.1", port=server.http_port, database=database, **options
        )
        opened.append(one)
        return one

    yield make
    for one in opened:
        one.close()


def test_ping_says_ok(server: ServerProcess) -> None:
    with urllib.request.urlopen(server.url("ping")) as answer:
        assert answer.read() == b"Ok.\n"


@pytest.mark.parametrize("path", ["replicas_status", "healthz", "readyz", "metrics"])
def test_a_path_of_operations_answers(server: ServerProcess, path: str) -> None:
    with urllib.request.urlopen(server.url(path)) as answer:
        assert answer.status == 200


def test_metrics_count_queries(server: ServerProcess) -> None:
    server.get("SELECT 1")
    with urllib.request.urlopen(server.url("metrics")) as answer:
        text = answer.read().decode()
    assert 'corridor_clickhouse_queries_total{interface="http",kind="SELECT",outcome="ok"}' in text


def test_a_request_without_a_query_says_ok(server: ServerProcess) -> None:
    assert server.send("GET", None, {}).body == b"Ok.\n"


def test_get_answers_in_tabs(server: ServerProcess) -> None:
    assert server.get("SELECT 1, 'x'").body == b"1\tx\n"


def test_post_answers_the_query_in_its_body(server: ServerProcess) -> None:
    assert server.post("SELECT 1").body == b"1\n"


def test_a_query_may_hold_bytes_that_are_no_text(server: ServerProcess) -> None:
    assert server.post(b"SELECT hex('\xff\xfe')").body == b"FFFE\n"


def test_a_body_continues_the_query_of_the_url(server: ServerProcess) -> None:
    assert server.post("+ 1", query="SELECT 1").body == b"2\n"


def test_format_chooses_the_format(server: ServerProcess) -> None:
    answer = server.get("SELECT number FROM numbers(3) FORMAT JSON")
    assert [row["number"] for row in json.loads(answer.body)["data"]] in (
        [0, 1, 2],
        ["0", "1", "2"],
    )


def test_default_format_is_used_when_the_query_names_none(server: ServerProcess) -> None:
    assert server.get("SELECT 1 AS a", default_format="JSONEachRow").body == b'{"a":1}\n'


def test_a_large_document_is_one_document(server: ServerProcess) -> None:
    answer = server.get("SELECT number FROM numbers(200000) FORMAT JSONCompact")
    assert len(json.loads(answer.body)["data"]) == 200_000


def test_an_empty_result_still_has_its_head(server: ServerProcess) -> None:
    assert server.get("SELECT 1 AS a WHERE 0 FORMAT CSVWithNames").body == b'"a"\n'


@pytest.mark.parametrize(
    "header", ["Query-Id", "Format", "Summary", "Timezone", "Server-Display-Name"]
)
def test_an_answer_has_the_header(server: ServerProcess, header: str) -> None:
    assert server.get("SELECT 1").headers[f"X-ClickHouse-{header}"]


def test_the_query_id_is_the_clients(server: ServerProcess) -> None:
    assert server.get("SELECT 1", query_id="mine").headers["X-ClickHouse-Query-Id"] == "mine"


def test_the_summary_counts_rows_written(server: ServerProcess, table: str) -> None:
    answer = server.post(f"INSERT INTO {table} (a) VALUES (1), (2)")
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "2"


def outcome(answer: Answer) -> tuple[int, int]:
    return answer.status, answer.code


def test_a_syntax_error_is_400_and_62(server: ServerProcess) -> None:
    assert outcome(server.get("SELEC 1")) == (400, 62)


def test_an_unknown_table_is_404_and_60(server: ServerProcess) -> None:
    assert outcome(server.get("SELECT * FROM nowhere")) == (404, 60)


def test_text_that_is_no_number_is_400_and_6(server: ServerProcess) -> None:
    assert outcome(server.get("SELECT toUInt8('x')")) == (400, 6)


def test_an_unknown_setting_is_404_and_115(server: ServerProcess) -> None:
    assert outcome(server.get("SELECT 1", no_such_setting="1")) == (404, 115)


def test_an_unknown_database_is_404_and_81(server: ServerProcess) -> None:
    assert outcome(server.get("SELECT 1", database="no_such_database")) == (404, 81)


def test_several_statements_are_400_and_62(server: ServerProcess) -> None:
    assert outcome(server.post("SELECT 1; SELECT 2")) == (400, 62)


def test_an_error_text_names_its_error(server: ServerProcess) -> None:
    text = server.get("SELECT * FROM nowhere").text
    assert text.startswith("Code: 60. DB::Exception: ")
    assert "(UNKNOWN_TABLE)" in text


def test_max_execution_time_is_408_and_159(server: ServerProcess) -> None:
    query = "SELECT sleepEachRow(0.1) FROM numbers(600) SETTINGS max_block_size = 1"
    assert outcome(server.get(query, max_execution_time="1")) == (408, 159)


def test_an_error_behind_the_first_bytes_cuts_the_answer_off(server: ServerProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
    query = "SELECT%20throwIf(number=3000000)%20FROM%20numbers(10000000)"
    connection.request("GET", f"/?query={query}")
    answer = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    connection.close()
    assert b"Code: 395" in caught.value.partial[-1000:]


def test_wait_end_of_query_turns_a_late_error_into_a_status(server: ServerProcess) -> None:
    query = "SELECT throwIf(number = 3000000) FROM numbers(10000000)"
    assert outcome(server.get(query, wait_end_of_query="1")) == (500, 395)


def test_a_setting_in_the_url_reaches_the_query(server: ServerProcess) -> None:
    assert server.get("SELECT getSetting('max_threads')", max_threads="3").body == b"3\n"


def test_database_chooses_the_database(server: ServerProcess, database: str) -> None:
    assert server.get("SELECT currentDatabase()", database=database).text == f"{database}\n"


def test_get_may_not_write(server: ServerProcess, table: str) -> None:
    assert server.get(f"INSERT INTO {table} (a) SELECT 1").code == 164


def test_get_may_not_insert_values(server: ServerProcess, table: str) -> None:
    assert server.get(f"INSERT INTO {table} (a) VALUES (1)").code == 164


def test_typed_parameters_are_bound(server: ServerProcess) -> None:
    answer = server.get(
        "SELECT {a:UInt8} + 1, {s:String}, {l:Array(UInt8)}",
        param_a="3",
        param_s="x'y",
        param_l="[1,2]",
    )
    assert answer.text == "4\tx\\'y\t[1,2]\n"


def test_a_parameter_may_name_the_table_of_an_insert(
    server: ServerProcess, table: str, database: str
) -> None:
    query = "INSERT INTO {t:Identifier} (a) FORMAT TSV"
    server.post("1\n2\n", query=query, param_t="t", database=database)
    assert server.get(f"SELECT count() FROM {table}").body == b"2\n"


def test_a_missing_parameter_is_400_and_456(server: ServerProcess) -> None:
    assert outcome(server.get("SELECT {a:UInt8}")) == (400, 456)


def test_insert_takes_its_rows_from_the_body(server: ServerProcess, table: str) -> None:
    server.post('{"a":1,"s":"x"}\n{"a":2}\n', query=f"INSERT INTO {table} FORMAT JSONEachRow")
    assert server.get(f"SELECT * FROM {table} ORDER BY a").body == b"1\tx\n2\tnone\n"


def test_query_and_rows_may_share_the_body(server: ServerProcess, table: str) -> None:
    server.post(f"INSERT INTO {table} FORMAT CSV\n1,x\n2,y\n")
    assert server.get(f"SELECT * FROM {table} ORDER BY a").body == b"1\tx\n2\ty\n"


def test_rows_that_do_not_parse_insert_nothing(server: ServerProcess, table: str) -> None:
    answer = server.post("1,x\nnot a number,y\n", query=f"INSERT INTO {table} FORMAT CSV")
    count = server.get(f"SELECT count() FROM {table}").body
    assert (answer.code, count) == (27, b"0\n")


def test_an_insert_over_http_is_deduplicated_by_its_token(
    server: ServerProcess, client: Client, database: str
) -> None:
    client.execute(
        "CREATE TABLE d (a UInt32) ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 10"
    )
    for _ in range(2):
        server.post(
            "1\n2\n", query=f"INSERT INTO {database}.d FORMAT TSV", insert_deduplication_token="x"
        )
    assert client.execute("SELECT count() FROM d") == [(2,)]


CSV = b"".join(b"%d,unit-%d\n" % (i, i) for i in range(ROWS))


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("lz4", lz4.frame.compress),
        ("zstd", zstd),
    ],
)
def test_an_encoded_body_is_decoded(
    server: ServerProcess, table: str, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    server.post(
        encode(CSV), {"Content-Encoding": encoding}, query=f"INSERT INTO {table} FORMAT CSV"
    )
    assert server.get(f"SELECT count(), uniqExact(s) FROM {table}").body == b"100000\t100000\n"


def test_decompress_takes_clickhouse_frames(server: ServerProcess, table: str) -> None:
    server.post(compression.compress(CSV), query=f"INSERT INTO {table} FORMAT CSV", decompress="1")
    assert server.get(f"SELECT count() FROM {table}").body == b"100000\n"


def test_a_damaged_frame_is_error_40(server: ServerProcess, table: str) -> None:
    body = bytearray(compression.compress(CSV))
    body[40] ^= 1
    answer = server.post(bytes(body), query=f"INSERT INTO {table} FORMAT CSV", decompress="1")
    assert answer.code == 40


def test_an_encoded_body_that_ends_early_inserts_nothing(server: ServerProcess, table: str) -> None:
    answer = server.post(
        gzip.compress(CSV)[:-20],
        {"Content-Encoding": "gzip"},
        query=f"INSERT INTO {table} FORMAT CSV",
    )
    count = server.get(f"SELECT count() FROM {table}").body
    assert (answer.code, count) == (271, b"0\n")


def test_compress_sends_clickhouse_frames(server: ServerProcess) -> None:
    assert compression.open_frame(server.get("SELECT 1", compress="1").body) == b"1\n"


@pytest.mark.parametrize(
    ("encoding", "decode"), [("gzip", gzip.decompress), ("lz4", lz4.frame.decompress)]
)
def test_a_result_is_encoded_as_the_client_accepts(
    server: ServerProcess, encoding: str, decode: Callable[[bytes], bytes]
) -> None:
    answer = server.send(
        "GET",
        None,
        {"Accept-Encoding": encoding},
        query="SELECT number FROM numbers(300000)",
        enable_http_compression="1",
    )
    assert decode(answer.body) == b"".join(b"%d\n" % i for i in range(300_000))


def test_a_result_is_plain_unless_compression_is_enabled(server: ServerProcess) -> None:
    answer = server.send("GET", None, {"Accept-Encoding": "gzip"}, query="SELECT 1")
    assert answer.body == b"1\n"


def test_a_session_keeps_its_settings(server: ServerProcess) -> None:
    name = uuid.uuid4().hex
    server.post("SET max_threads = 7", session_id=name)
    assert server.post("SELECT getSetting('max_threads')", session_id=name).body == b"7\n"


def test_a_session_keeps_its_temporary_tables(server: ServerProcess) -> None:
    name = uuid.uuid4().hex
    server.post("CREATE TEMPORARY TABLE mine (a UInt8)", session_id=name)
    server.post("INSERT INTO mine VALUES (5)", session_id=name)
    assert server.post("SELECT * FROM mine", session_id=name).body == b"5\n"


def test_temporary_tables_survive_an_unknown_setting(server: ServerProcess) -> None:
    name = uuid.uuid4().hex
    server.post("CREATE TEMPORARY TABLE mine (a UInt8)", session_id=name)
    server.post("SELECT 1", session_id=name, max_threads="1", no_such_setting="1")
    assert server.post("SELECT count() FROM mine", session_id=name).body == b"0\n"


def test_without_a_session_settings_end_with_the_request(server: ServerProcess) -> None:
    server.post("SET max_threads = 7")
    assert server.post("SELECT getSetting('max_threads')").body != b"7\n"


def test_session_check_of_an_unknown_session_is_372(server: ServerProcess) -> None:
    assert server.post("SELECT 1", session_id=uuid.uuid4().hex, session_check="1").code == 372


def test_external_data_comes_as_a_form(server: ServerProcess) -> None:
    boundary = "frontier"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="ext"; filename="ext"\r\n\r\n'
        f"1\ta\n2\tb\n\r\n--{boundary}--\r\n"
    )
    answer = server.post(
        body,
        {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        query="SELECT s FROM ext ORDER BY n DESC",
        ext_structure="n UInt8, s String",
    )
    assert answer.body == b"b\na\n"


def test_a_client_that_leaves_takes_its_query_along(server: ServerProcess) -> None:
    def running() -> bool:
        return server.running("http_leaver") > 0

    leaving = socket.create_connection(("127.0.0.1", server.http_port))
    query = "SELECT sleepEachRow(0.1), 'http_leaver' FROM numbers(600) SETTINGS max_block_size = 1"
    leaving.sendall(
        f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(query)}\r\n\r\n{query}".encode()
    )
    wait_for(running, "the query to run")
    leaving.close()
    wait_for(lambda: not running(), "the query to end")


def test_a_disconnect_in_the_middle_of_a_body_inserts_nothing(
    server: ServerProcess, table: str
) -> None:
    leaving = socket.create_connection(("127.0.0.1", server.http_port))
    leaving.sendall(
        f"POST /?query=INSERT+INTO+{table}+FORMAT+CSV HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: 10000000\r\n\r\n".encode()
        + CSV[:1_500_000]
    )
    spool = server.data / "spool"
    wait_for(lambda: any(spool.iterdir()), "the body to come")
    leaving.close()
    wait_for(lambda: not any(spool.iterdir()), "the body to be dropped")
    assert server.get(f"SELECT count() FROM {table}").body == b"0\n"


# clickhouse-connect

COLUMNS = {
    "i": "Int64",
    "f": "Float64",
    "s": "String",
    "n": "Nullable(String)",
    "l": "LowCardinality(String)",
    "d": "Date",
    "t": "DateTime64(3, 'UTC')",
    "a": "Array(UInt32)",
    "b": "Bool",
    "u": "UUID",
    "m": "Map(String, UInt32)",
    "j": "Tuple(UInt8, String)",
}


def row(i: int) -> tuple[Any, ...]:
    return (
        i,
        i / 7,
        f"unit-{i}",
        f"s{i}" if i % 3 else None,
        f"code-{i % 300}",
        dt.date(2024, 1, 1) + dt.timedelta(days=i % 300),
        dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=i),
        [i] * (i % 3),
        i % 2 == 0,
        uuid.UUID(int=i),
        {"k": i},
        (i % 256, "t"),
    )


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_clickhouse_connect_gets_back_what_it_inserts(
    connect: Callable[..., Any], compress: str | bool
) -> None:
    one = connect(compress=compress, tz_mode="aware")
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    one.command(f"CREATE TABLE c ({columns}) ENGINE = MergeTree ORDER BY i")
    rows = [row(i) for i in range(ROWS if compress == "lz4" else 5_000)]
    one.insert("c", rows, column_names=list(COLUMNS))
    assert one.query("SELECT * FROM c ORDER BY i").result_rows == rows


@pytest.mark.parametrize(
    ("revision", "block"),
    [
        ("0", b"\x01\x01\x01a\x05UInt8\x07"),
        ("54405", wire.BLOCK_INFO + b"\x01\x01\x01a\x05UInt8\x07"),
        ("54460", wire.BLOCK_INFO + b"\x01\x01\x01a\x05UInt8\x00\x07"),
    ],
)
def test_native_blocks_suit_the_clients_revision(
    server: ServerProcess, revision: str, block: bytes
) -> None:
    query = "SELECT toUInt8(7) AS a FORMAT Native"
    assert server.get(query, client_protocol_version=revision).body == block


def test_clickhouse_connect_streams_blocks(connect: Callable[..., Any]) -> None:
    with connect().query_row_block_stream("SELECT number FROM numbers(500000)") as stream:
        assert sum(len(block) for block in stream) == 500_000


def test_clickhouse_connect_binds_parameters(connect: Callable[..., Any]) -> None:
    found = connect().query("SELECT {a:UInt8} + {b:UInt8}", parameters={"a": 1, "b": 2})
    assert found.result_rows == [(3,)]


def test_clickhouse_connect_sees_the_error_code(connect: Callable[..., Any]) -> None:
    with pytest.raises(DatabaseError) as caught:
        connect().query("SELECT * FROM nowhere")
    assert "60" in str(caught.value)


def test_clickhouse_connect_gets_data_frames(connect: Callable[..., Any]) -> None:
    frame = connect().query_df("SELECT number AS n, toString(number) AS s FROM numbers(10)")
    assert list(frame.n) == list(range(10))
