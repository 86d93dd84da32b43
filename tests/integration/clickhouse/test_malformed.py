"""Whatever a client sends, only its own connection ends."""

from __future__ import annotations

import socket

import pytest
from clickhouse_driver import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.local.clickhouse import compression, wire
from tests.integration.clickhouse.conftest import ServerProcess, wait_for

pytestmark = pytest.mark.stack

HELLO = b"".join(
    (
        wire.varint(0),
        wire.string("ClickHouse fuzz"),
        *(wire.varint(number) for number in (20, 10, wire.REVISION)),
        *(wire.string(text) for text in ("", "default", "")),
    )
)
CLIENT_INFO = b"".join(
    (
        b"\x01",
        *(wire.string(text) for text in ("", "", "0.0.0.0:0")),
        b"\x01",
        *(wire.string(text) for text in ("os", "host", "name")),
        *(wire.varint(number) for number in (20, 10, wire.REVISION)),
        wire.string(""),
        wire.varint(2),
    )
)
EMPTY_BLOCK = wire.BLOCK_INFO + b"\x00\x00"


def query(text: str, compressed: bool = False) -> bytes:
    return b"".join(
        (
            wire.varint(1),
            wire.string(""),
            CLIENT_INFO,
            wire.string(""),
            wire.varint(2),
            bytes((compressed,)),
            wire.string(text),
        )
    )


def data(block: bytes, compressed: bool = False) -> bytes:
    return b"\x02\x00" + (compression.compress(block) if compressed else block)


BLOCK = wire.BLOCK_INFO + b"\x02\x02\x01a\x06UInt64" + bytes(16) + b"\x01s\x06String\x01x\x00"
CONVERSATIONS = [
    HELLO + b"\x04" + query("SELECT 1") + data(EMPTY_BLOCK),
    HELLO + query("INSERT INTO fuzz VALUES") + data(EMPTY_BLOCK) + data(BLOCK) + data(EMPTY_BLOCK),
    HELLO
    + query("INSERT INTO fuzz VALUES", compressed=True)
    + data(EMPTY_BLOCK, compressed=True)
    + data(BLOCK, compressed=True)
    + data(EMPTY_BLOCK, compressed=True),
]


def talk(server: ServerProcess, sent: bytes) -> bytes:
    """Sends, says that no more comes, and reads until the server closes."""
    with socket.create_connection(("127.0.0.1", server.native_port), timeout=30) as one:
        received = bytearray()
        try:
            one.sendall(sent)
            one.shutdown(socket.SHUT_WR)
            while piece := one.recv(65536):
                received += piece
        except (ConnectionError, BrokenPipeError):
            pass
        return bytes(received)


@pytest.fixture(scope="module")
def bystander(server: ServerProcess) -> Client:
    """A client that was there before, and must not notice anything."""
    client = server.client()
    client.execute("CREATE TABLE IF NOT EXISTS fuzz (a UInt64, s String) ENGINE = Memory")
    return client


def unharmed(server: ServerProcess, bystander: Client) -> bool:
    """The other client is served, and the server met nothing that it did not foresee."""
    faults = [line for line in server.log if "fault of the server" in line or "Traceback" in line]
    return bystander.execute("SELECT 1") == [(1,)] and not faults


FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(sent=st.binary(max_size=400))
def test_random_bytes_end_their_connection_only(
    server: ServerProcess, bystander: Client, sent: bytes
) -> None:
    talk(server, sent)
    assert unharmed(server, bystander)


@FUZZ
@given(sent=st.binary(min_size=1, max_size=400))
def test_random_packets_behind_a_hello_end_their_connection_only(
    server: ServerProcess, bystander: Client, sent: bytes
) -> None:
    talk(server, HELLO + sent)
    assert unharmed(server, bystander)


@FUZZ
@given(
    conversation=st.sampled_from(CONVERSATIONS),
    changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 600),
)
def test_damaged_conversations_end_their_connection_only(
    server: ServerProcess,
    bystander: Client,
    conversation: bytes,
    changes: list[tuple[int, int]],
    cut: int,
) -> None:
    damaged = bytearray(conversation)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    talk(server, bytes(damaged[: len(damaged) - cut % 40]))
    assert unharmed(server, bystander)


def test_a_string_of_a_terabyte_ends_the_connection(server: ServerProcess) -> None:
    sent = wire.varint(0) + wire.varint(1 << 40)
    assert talk(server, sent + b"x" * 1000) == b""


def test_a_number_of_eleven_bytes_ends_the_connection(server: ServerProcess) -> None:
    assert talk(server, b"\xff" * 11) == b""


def test_a_connection_goes_on_after_a_syntax_error(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.native_port), timeout=30) as one:
        one.sendall(HELLO + query("SELEC 1") + data(EMPTY_BLOCK))
        received = b""
        while b"(SYNTAX_ERROR)" not in received or not received.endswith(b"\0\0"):
            received += one.recv(65536)
        one.sendall(b"\x04")
        assert one.recv(1) == b"\x04"


def test_a_user_whose_name_is_no_text_is_refused(server: ServerProcess) -> None:
    assert b"AUTHENTICATION_FAILED" in talk(server, HELLO.replace(b"default", b"def\xffult"))


def test_a_malformed_packet_is_logged(server: ServerProcess) -> None:
    before = len(server.log)
    talk(server, HELLO + query("SELECT 1") + b"\x09")
    wait_for(
        lambda: any("malformed packet" in line for line in server.log[before:]), "the log line"
    )


def test_a_damaged_checksum_is_error_40(server: ServerProcess, bystander: Client) -> None:
    sent = bytearray(CONVERSATIONS[2])
    sent[-40] ^= 1
    assert b"CHECKSUM_DOESNT_MATCH" in talk(server, bytes(sent))


def test_http_on_the_native_port_is_told_so(server: ServerProcess) -> None:
    assert b"400 Bad Request" in talk(server, b"GET / HTTP/1.1\r\n\r\n")
