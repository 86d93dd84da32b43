"""Fixtures of several folders. The servers start once in a test run, when first asked for."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support import ClickHouse, broker, clickhouse_command, free_port, running

# how long an example takes says how busy the machine is, and nothing of the code
settings.register_profile("corridor", deadline=None)
settings.load_profile("corridor")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Kafka, shared by all tests of the run: its bootstrap servers.

    Use topics and groups of your own (`tests.support.unique_name`).
    """
    with broker(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """A real ClickHouse, shared by all tests of the run: use a database of your own."""
    directory = tmp_path_factory.mktemp("clickhouse")
    server = ClickHouse("127.0.0.1", free_port(), free_port())
    command = clickhouse_command(directory / "data", server.port, server.http_port)
    ready = f"http://{server.host}:{server.http_port}/readyz"
    with running(command, directory / "log", ready=ready):
        yield server
