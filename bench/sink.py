"""How fast is the sink, beside a client that has nothing to do but to insert?

    python -m bench.sink [--rows N] [--json]

Events are on Kafka; the sink's process reads them, declares them, makes rows of them and inserts
these. Then clickhouse-driver inserts the same rows, in blocks as large as the sink's were, straight
from memory into the same server. At last, events come at half of the sink's rate, and each is timed
from its Kafka timestamp until a query sees its row.

Last line: rows/s of the sink / rows/s of the driver.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from clickhouse_driver import Client
from kafka import TopicPartition
from rich.console import Console
from rich.table import Table

from bench import broker
from bench.clickhouse import ClickHouse
from commands import topic_admin
from corridor import topics
from corridor.models import TrackingEvent
from corridor.settings import Settings
from deploy.local import child
from producers.publisher import Publisher
from sinks.clickhouse import schema
from sinks.clickhouse.batches import Batch, Block, Chunk, Policy
from sinks.clickhouse.client import connect, insert
from sinks.clickhouse.intents import Offsets
from sinks.clickhouse.records import Consumer
from sinks.clickhouse.rows import Reader
from sinks.clickhouse.tables import EVENTS

START = datetime(2026, 1, 1, tzinfo=UTC)
LATENCY_SECONDS = 15.0
LOOK_SECONDS = 0.02
"""A row may have been there for so long before it is seen."""
UNITS = 5_000


class Measured(NamedTuple):
    """What came out."""

    rows: int
    sink_rows_per_second: float
    driver_rows_per_second: float
    rows_per_block: float
    events_per_second: float
    p50_seconds: float
    p99_seconds: float

    @property
    def ratio(self) -> float:
        """Sink / driver."""
        return self.sink_rows_per_second / self.driver_rows_per_second


def event(number: int) -> tuple[bytes, bytes]:
    """A position report with a few attributes, as a lock sends it; key and value."""
    unit = f"CSNU{number % UNITS:07d}"
    message = TrackingEvent(
        event_id=f"{unit}-{number}",
        source="lock.example",
        event_type="IOT",
        code="BREADCRUMB",
        event_time=START + timedelta(seconds=number),
        unit_id=unit,
        latitude=29.5 + number % 1000 / 1000,
        longitude=106.5 + number % 977 / 1000,
        attributes={"battery": number % 100, "speed": 17.5},
    )
    return unit.encode(), message.to_json()


def measure(rows: int) -> Measured:
    """Runs everything on servers of its own."""
    with tempfile.TemporaryDirectory(prefix="corridor-bench-") as directory:
        server = ClickHouse(Path(directory))
        server.start()
        try:
            with broker.kafka() as kafka:
                settings = kafka.model_copy(
                    update={
                        "clickhouse_port": server.port,
                        "clickhouse_http_port": server.http_port,
                    }
                )
                return _measure(settings, rows, Path(directory))
        finally:
            server.stop()


def _measure(settings: Settings, rows: int, directory: Path) -> Measured:
    topic_admin.apply(settings)
    schema.apply(settings)
    with Publisher(settings) as publisher:
        for number in range(rows):
            publisher.publish(topics.IOT.name, *event(number))
        publisher.flush()
    with _sink(settings, directory) as port:
        sink_rate = _landing_rate(settings, rows)
        rows_per_block = _rows_per_block(port)
        driver_rate = _driver_rate(settings, int(rows_per_block))
        pace = min(sink_rate / 2, 40_000)
        p50, p99 = _latency(settings, pace, first=rows)
    return Measured(rows, sink_rate, driver_rate, rows_per_block, pace, p50, p99)


@contextmanager
def _sink(settings: Settings, directory: Path) -> Iterator[int]:
    """The sink at work; gives the port of its metrics."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    environment = {
        "CORRIDOR_KAFKA": settings.kafka,
        "CORRIDOR_CLICKHOUSE_PORT": str(settings.clickhouse_port),
    }
    with (directory / "sink.log").open("wb") as log:
        process = subprocess.Popen(
            child.wrapped([sys.executable, "-m", "sinks.clickhouse", "--metrics-port", str(port)]),
            stdout=log,
            stderr=log,
            env={**os.environ, **environment},
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _rows_per_block(port: int) -> float:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    name = "corridor_clickhouse_insert_rows"
    total, blocks = (
        sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}_{what}"))
        for what in ("sum", "count")
    )
    return total / blocks


def _landing_rate(settings: Settings, rows: int) -> float:
    """Rows/s from the first rows that are seen to the last."""
    first: tuple[float, int] | None = None
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        [(count,)] = _query(settings, "SELECT count() FROM events")
        now = time.monotonic()
        if first is None and count:
            first = now, count
        if count >= rows:
            assert first is not None
            return (count - first[1]) / max(now - first[0], 1e-9)
        time.sleep(LOOK_SECONDS)
    raise SystemExit("the sink does not get on")


def _driver_rate(settings: Settings, rows_per_block: int) -> float:
    """Rows/s of the same blocks from memory, into a database of their own."""
    other = settings.model_copy(update={"clickhouse_database": "driver"})
    schema.apply(other)
    blocks = list(_blocks(settings, rows_per_block))
    with connect(other) as client:
        started = time.monotonic()
        for block in blocks:
            insert(client, other.clickhouse_database, block)
        return sum(block.rows for block in blocks) / (time.monotonic() - started)


def _blocks(settings: Settings, rows_per_block: int) -> Iterator[Block]:
    consumer = Consumer(enable_auto_commit=False, **settings.kafka_client())
    partitions = [TopicPartition(topics.IOT.name, number) for number in range(settings.partitions)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    policy = Policy(rows_per_block, 1.0)
    batches = {partition: Batch(partition, EVENTS, policy, 0) for partition in partitions}
    reader = Reader(EVENTS)
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for partition, records in consumer.poll(timeout_ms=200, max_records=5_000).items():
            offsets = Offsets(records[0].offset, records[-1].offset + 1)
            batch = batches[partition]
            batch.add(Chunk(reader.read(partition, records), offsets, 0, 0), 0.0)
            if batch.complete:
                yield batch.seal("driver")
                batches[partition] = batch.next()
    consumer.close()
    yield from (batch.seal("driver") for batch in batches.values() if not batch.empty)


def _latency(settings: Settings, pace: float, first: int) -> tuple[float, float]:
    """Seconds from an event's Kafka timestamp until its row is seen: p50 and p99."""
    done = threading.Event()
    # per partition: when all up to an offset were seen
    seen: dict[int, list[tuple[int, float]]] = {}

    def look() -> None:
        with connect(settings) as client:
            while not done.is_set():
                found = client.execute(
                    "SELECT _partition, max(_offset) FROM corridor.events "
                    f"WHERE _topic = '{topics.IOT.name}' GROUP BY _partition"
                )
                now = time.time()
                for partition, offset in found:
                    times = seen.setdefault(partition, [])
                    if not times or times[-1][0] < offset:
                        times.append((offset, now))
                time.sleep(LOOK_SECONDS)

    watcher = threading.Thread(target=look)
    watcher.start()
    count = int(pace * LATENCY_SECONDS)
    with Publisher(settings) as publisher:
        started = time.monotonic()
        for number in range(count):
            if number % 100 == 0 and (ahead := number / pace - (time.monotonic() - started)) > 0:
                time.sleep(ahead)
            publisher.publish(topics.IOT.name, *event(first + number))
        publisher.flush()
    _landing_rate(settings, first + count)
    time.sleep(0.2)
    done.set()
    watcher.join()
    delays = []
    rows = _query(
        settings,
        "SELECT _partition, _offset, toUnixTimestamp64Milli(_record_time) FROM events "
        f"WHERE _topic = '{topics.IOT.name}' AND event_time >= toDateTime64('"
        f"{(START + timedelta(seconds=first)).strftime('%Y-%m-%d %H:%M:%S')}', 6, 'UTC')",
    )
    for partition, offset, milliseconds in rows:
        times = seen[partition]
        delays.append(times[bisect_left(times, (offset, 0.0))][1] - milliseconds / 1000)
    delays.sort()
    return delays[len(delays) // 2], delays[len(delays) * 99 // 100]


def _query(settings: Settings, sql: str) -> list[tuple[int, ...]]:
    with Client(
        settings.clickhouse_host, settings.clickhouse_port, database=settings.clickhouse_database
    ) as client:
        rows: list[tuple[int, ...]] = client.execute(sql)
        return rows


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.sink", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    measured = measure(arguments.rows)
    if arguments.as_json:
        print(json.dumps({**measured._asdict(), "ratio": measured.ratio}))
    else:
        table = Table("what", "how much")
        for name, value in measured._asdict().items():
            table.add_row(
                name.replace("_", " "), f"{value:,.3f}" if value < 100 else f"{value:,.0f}"
            )
        Console().print(table)
    print(f"{measured.ratio:.2f}")


if __name__ == "__main__":
    main()
