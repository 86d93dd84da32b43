"""A few rounds of each fault; `python -m bench.sink_kills` plays hundreds."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from bench import sink_kills
from bench.sink_kills import AT_ONCE, CLICKHOUSE_KILLED, FAULTS, Arena, Outcome
from corridor.settings import Settings
from tests.support import ClickHouse, unique_name

pytestmark = pytest.mark.stack

ROUNDS = 2
HERE = [fault for fault in FAULTS if fault != CLICKHOUSE_KILLED]
"""A ClickHouse that other tests share is not killed; `test_sink.py` starts one for that."""


@pytest.fixture(scope="module")
def arena(kafka: str, clickhouse: ClickHouse) -> Arena:
    return Arena(
        Settings(
            kafka=kafka,
            clickhouse_port=clickhouse.port,
            clickhouse_http_port=clickhouse.http_port,
            clickhouse_database=unique_name("kills"),
        )
    )


@pytest.fixture(scope="module")
def outcomes(arena: Arena) -> dict[str, list[Outcome]]:
    """Rounds of every fault, played side by side."""
    played: dict[str, list[Outcome]] = {fault: [] for fault in HERE}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rounds = product(range(ROUNDS), HERE)
        for outcome in pool.map(
            lambda round_: sink_kills.play(arena, round_[1], round_[0]), rounds
        ):
            played[outcome.fault].append(outcome)
    return played


@pytest.mark.parametrize("fault", HERE)
def test_every_record_is_there_once(outcomes: dict[str, list[Outcome]], fault: str) -> None:
    assert any(outcome.happened for outcome in outcomes[fault])
    assert [outcome.differences for outcome in outcomes[fault]] == [()] * ROUNDS


def test_without_intents_rows_are_there_twice(arena: Arena) -> None:
    outcomes = sink_kills.play_all(arena, "before the next commit", range(3), intents=False)
    assert any("is 2 times" in line for outcome in outcomes for line in outcome.differences)
