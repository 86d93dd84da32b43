"""Fixtures of the sink's tests."""

import pytest

from tests.integration.sinks.flow import Flow
from tests.support import ClickHouse


@pytest.fixture
def flow(kafka: str, clickhouse: ClickHouse) -> Flow:
    """Topics, group and database of this test alone."""
    flow = Flow(kafka, clickhouse)
    flow.prepare()
    return flow
