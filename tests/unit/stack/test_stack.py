"""What the embedded stack consists of, by settings."""

from pathlib import Path

import pytest

from corridor.settings import Settings
from deploy.local import stack
from deploy.local.errors import StackError
from deploy.local.parts import Part, Process

DATA = Path("/data")


def declare(settings: Settings, workers: int = 1, *, learner: bool = True) -> dict[str, Part]:
    parts = stack.declare(
        settings,
        DATA,
        workers,
        learner=learner,
        apply_topics=lambda: None,
        apply_schema=lambda: None,
    )
    return {part.name: part for part in parts}


def test_workers_and_sink_wait_for_topics_and_the_sink_for_the_schema_too() -> None:
    parts = declare(Settings())
    assert parts["worker"].after == ("topics",)
    assert parts["sink"].after == ("topics", "schema")
    assert parts["subscribers"].after == ("topics",)
    assert parts["topics"].after == ("kafka",)
    assert parts["schema"].after == ("clickhouse",)


def test_each_worker_has_a_metrics_port_of_its_own() -> None:
    parts = declare(Settings(worker_metrics_port=9000), workers=3)
    workers = [part for name, part in parts.items() if name.startswith("worker")]
    ports = [part.listeners[0].port for part in workers if isinstance(part, Process)]
    assert ports == [9000, 9001, 9002]


def test_a_learner_waits_for_topics_and_can_be_left_out() -> None:
    assert declare(Settings())["learner"].after == ("topics",)
    assert "learner" not in declare(Settings(), learner=False)


def test_servers_listen_where_the_settings_say() -> None:
    settings = Settings(
        kafka="127.0.0.2:1234",
        clickhouse_host="127.0.0.3",
        clickhouse_port=1235,
        clickhouse_http_port=1236,
    )
    parts = declare(settings)
    kafka, clickhouse = parts["kafka"], parts["clickhouse"]
    assert isinstance(kafka, Process)
    assert isinstance(clickhouse, Process)
    assert kafka.ready == "kafka://127.0.0.2:1234"
    assert clickhouse.ready == "http://127.0.0.3:1236/readyz"
    assert {listener.port for listener in clickhouse.listeners} == {1235, 1236}


@pytest.mark.parametrize("kafka", ["one:9092,two:9092", "localhost", "host:port"])
def test_a_kafka_that_is_not_one_address_cannot_be_embedded(kafka: str) -> None:
    with pytest.raises(StackError, match=f"^CORRIDOR_KAFKA={kafka} is not one address"):
        declare(Settings(kafka=kafka))


def test_what_is_not_installed_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stack, "find_spec", lambda name: None if name == "chdb" else object())
    with pytest.raises(StackError) as error:
        stack.check_installed()
    assert str(error.value) == 'The embedded stack needs chdb: pip install "corridor[local]"'
