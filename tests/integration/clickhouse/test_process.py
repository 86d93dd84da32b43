"""The process: its data, its end, its memory, its door."""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from clickhouse_driver import errors

from tests.integration.clickhouse.conftest import (
    DEADLINE,
    ROOT,
    ServerProcess,
    StartServer,
    wait_for,
)

pytestmark = pytest.mark.stack

MERGE_TREE = "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.local.clickhouse", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_rows_survive_a_stop(start_server: StartServer) -> None:
    first = start_server()
    first.client().execute(MERGE_TREE)
    first.client().execute("INSERT INTO t VALUES", [(1,), (2,)])
    first.stop()
    assert start_server().client().execute("SELECT a FROM t ORDER BY a") == [(1,), (2,)]


def test_acknowledged_rows_survive_kill_9(start_server: StartServer) -> None:
    first = start_server()
    client = first.client()
    client.execute(MERGE_TREE)
    for step in range(10):
        client.execute("INSERT INTO t VALUES", [(step,)])
    first.kill()
    assert start_server().client().execute("SELECT count() FROM t") == [(10,)]


def test_a_token_is_remembered_over_kill_9(start_server: StartServer) -> None:
    settings = {"insert_deduplication_token": "topic:0:0:1"}
    first = start_server()
    first.client().execute(f"{MERGE_TREE} SETTINGS non_replicated_deduplication_window = 10")
    first.client().execute("INSERT INTO t VALUES", [(1,)], settings=settings)
    first.kill()
    client = start_server().client()
    client.execute("INSERT INTO t VALUES", [(1,)], settings=settings)
    assert client.execute("SELECT count() FROM t") == [(1,)]


def test_kill_9_during_inserts_leaves_whole_blocks_only(start_server: StartServer) -> None:
    first = start_server()
    client = first.client()
    client.execute(MERGE_TREE)
    acknowledged = 0

    def insert() -> None:
        nonlocal acknowledged
        try:
            while True:
                client.execute("INSERT INTO t VALUES", [list(range(1000))], columnar=True)
                acknowledged += 1
        except (errors.Error, OSError, EOFError):
            return

    thread = threading.Thread(target=insert)
    thread.start()
    wait_for(lambda: acknowledged >= 3, "some inserts")
    first.kill()
    thread.join(DEADLINE)
    ((rows,),) = start_server().client().execute("SELECT count() FROM t")
    assert rows in (acknowledged * 1000, acknowledged * 1000 + 1000)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean_while_a_query_runs(
    start_server: StartServer, number: signal.Signals
) -> None:
    server = start_server()
    query = "SELECT 'stop_me', sleepEachRow(0.1) FROM numbers(600) SETTINGS max_block_size = 1"
    server.client().execute_with_progress(query)
    wait_for(lambda: server.running("stop_me") == 1, "the query to run")
    started = time.monotonic()
    server.process.send_signal(number)
    assert server.process.wait(DEADLINE) == 0
    assert time.monotonic() - started < 30


def test_a_second_process_on_the_same_data_says_so(server: ServerProcess) -> None:
    second = run("--data", str(server.data), "--native-port", "0", "--http-port", "0")
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "is in use by another ClickHouse" in second.stderr


@pytest.mark.parametrize("option", ["--native-port", "--http-port"])
def test_a_port_in_use_says_so(server: ServerProcess, tmp_path: Path, option: str) -> None:
    taken = server.native_port
    ports = {"--native-port": "0", "--http-port": "0", option: str(taken)}
    arguments = [part for pair in ports.items() for part in pair]
    second = run("--data", str(tmp_path / "other"), *arguments)
    assert second.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{taken}" in second.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a user and a password, given by the environment."""
    server = ServerProcess(
        tmp_path_factory.mktemp("guarded"),
        *("--user", "analyst"),
        CORRIDOR_CLICKHOUSE_PASSWORD="open sesame",
    )
    yield server.wait_until_ready()
    server.stop()


def test_the_right_password_opens(guarded: ServerProcess) -> None:
    client = guarded.client(user="analyst", password="open sesame")
    assert client.execute("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    ("user", "password"),
    [("analyst", "wrong"), ("analyst", ""), ("default", "open sesame"), ("nobody", "")],
)
def test_a_wrong_password_is_516(guarded: ServerProcess, user: str, password: str) -> None:
    with pytest.raises(errors.ServerException) as caught:
        guarded.client(user=user, password=password).execute("SELECT 1")
    assert caught.value.code == 516


def test_http_without_a_password_is_403_and_516(guarded: ServerProcess) -> None:
    answer = guarded.get("SELECT 1")
    assert (answer.status, answer.code) == (403, 516)


def test_http_takes_the_password_from_the_url(guarded: ServerProcess) -> None:
    assert guarded.get("SELECT 1", user="analyst", password="open sesame").body == b"1\n"


def test_http_takes_the_password_from_its_headers(guarded: ServerProcess) -> None:
    headers = {"X-ClickHouse-User": "analyst", "X-ClickHouse-Key": "open sesame"}
    assert guarded.post("SELECT 1", headers).body == b"1\n"


def test_http_takes_the_password_by_basic_authentication(guarded: ServerProcess) -> None:
    pair = base64.b64encode(b"analyst:open sesame").decode()
    assert guarded.post("SELECT 1", {"Authorization": f"Basic {pair}"}).body == b"1\n"


def test_only_loopback_is_listened_on(server: ServerProcess) -> None:
    listening = [
        one.laddr.ip
        for one in psutil.Process(server.process.pid).net_connections()
        if one.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


def test_a_result_of_five_million_rows_is_not_held_in_memory(start_server: StartServer) -> None:
    server = start_server()
    client = server.client()
    client.execute("SELECT 1")
    before = server.memory()
    query = "SELECT number, concat('container-', toString(number)) FROM numbers(5000000)"
    peak, rows = before, 0
    for block in client.execute_iter(query, chunk_size=200_000, settings={"max_threads": 2}):
        rows += len(block)
        peak = max(peak, server.memory())
    assert rows == 5_000_000
    assert peak - before < 200 << 20


def test_a_document_of_five_million_rows_is_not_held_in_memory(start_server: StartServer) -> None:
    server = start_server()
    server.get("SELECT 1")
    before = server.memory()
    query = "SELECT number, 'container' AS c FROM numbers(5000000) FORMAT JSONCompact"
    peak, size = before, 0
    with urllib.request.urlopen(server.url(query=query), timeout=DEADLINE) as answer:
        while data := answer.read(8 << 20):
            size += len(data)
            peak = max(peak, server.memory())
    assert size > 100_000_000
    assert peak - before < 200 << 20


def test_merges_run_in_the_background(start_server: StartServer) -> None:
    client = start_server().client()
    client.execute(MERGE_TREE)
    for step in range(12):
        client.execute("INSERT INTO t VALUES", [(step,)])
    query = "SELECT count() FROM system.parts WHERE table = 't' AND active"
    wait_for(lambda: client.execute(query)[0][0] < 12, "a merge")
    assert client.execute("SELECT count() FROM t") == [(12,)]


def test_rows_past_their_time_to_live_go_by_themselves(start_server: StartServer) -> None:
    client = start_server().client()
    client.execute(
        "CREATE TABLE t (a UInt64, d DateTime) ENGINE = MergeTree ORDER BY a "
        "TTL d + INTERVAL 1 DAY SETTINGS merge_with_ttl_timeout = 0"
    )
    client.execute("INSERT INTO t VALUES (1, now() - INTERVAL 2 DAY), (2, now())")
    wait_for(lambda: client.execute("SELECT a FROM t") == [(2,)], "the old row to go")
