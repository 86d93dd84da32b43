"""A history put into ClickHouse without Kafka, by the code of the workers and of the sink.

For what asks about tables and views alone: the messages that Kafka would hold are kept in memory,
so that an answer of SQL can be compared with one that was computed from the messages.
"""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import psutil
from clickhouse_driver import Client
from kafka import TopicPartition

from commands.rehearsal import Rehearsal
from corridor import topics
from deploy.local import child, readiness
from producers.replay.ordering import Sorter
from producers.replay.record import Record
from producers.simulator.simulate import Parameters, Replay, simulate
from sinks.clickhouse.rows import Reader
from sinks.clickhouse.tables import Table, routes

PARTITIONS = 4
BATCH_ROWS = 100_000
START_SECONDS = 60.0


class Stored(NamedTuple):
    """A record as a consumer gets it."""

    offset: int
    timestamp: int
    """Milliseconds; when the message became known, as if it had been told live."""
    key: bytes
    value: bytes


class Log:
    """What Kafka would hold after a history: records by topic and partition."""

    def __init__(self) -> None:
        self.records: dict[TopicPartition, list[Stored]] = defaultdict(list)

    def append(self, topic: str, key: bytes, value: bytes, time_ms: int) -> None:
        """Adds a record to the partition of its key."""
        records = self.records[TopicPartition(topic, crc32(key) % PARTITIONS)]
        records.append(Stored(len(records), time_ms, key, value))

    def of(self, topic: topics.Topic) -> Iterator[Stored]:
        """Every record of a topic, partition by partition."""
        for partition in sorted(self.records):
            if partition.topic == topic.name:
                yield from self.records[partition]


def simulated(parameters: Parameters) -> list[Record]:
    """A simulated history, in order of availability."""
    sorter = Sorter()
    simulate(parameters, Replay(sorter), lambda line: None)
    return list(sorter.sorted())


def played(records: Iterable[Record]) -> Log:
    """The records of a history, and what the workers say of them."""
    log, now = Log(), 0

    def publish(topic: str, key: bytes, value: bytes) -> None:
        log.append(topic, key, value, now)

    rehearsal = Rehearsal(
        lambda said, heard: publish(
            (topics.ESTIMATES if hasattr(said, "estimate_id") else topics.OUTCOMES).name,
            said.unit_id.encode(),
            said.to_json(),
        ),
        publish,
    )
    for record in records:
        now = record.available // 1000
        publish(record.topic, record.key, record.value)
        rehearsal.play(record)
    return log


def land(client: Client, database: str, log: Log, block_rows: int = BATCH_ROWS) -> None:
    """Writes a log into tables that exist, as the sink would."""
    tables = routes()
    for partition, records in log.records.items():
        if table := tables.get(partition.topic):
            for first in range(0, len(records), block_rows):
                insert(client, database, table, partition, records[first : first + block_rows])


def insert(
    client: Client,
    database: str,
    table: Table,
    partition: TopicPartition,
    records: list[Stored],
) -> None:
    """One block of records of one partition, under a token that names them."""
    names = ", ".join(f"`{column.name}`" for column in table.all_columns)
    token = f"{partition.topic}:{partition.partition}:{records[0].offset}:{records[-1].offset}"
    client.execute(
        f"INSERT INTO {database}.{table.name} ({names}) VALUES",
        Reader(table).read(partition, records).columns,
        columnar=True,
        settings={
            "async_insert": 0,
            "insert_deduplicate": 1,
            "insert_deduplication_token": token,
            "max_partitions_per_insert_block": 0,
        },
    )


@contextmanager
def server(directory: Path, port: int, http_port: int) -> Iterator[psutil.Process]:
    """A ClickHouse of its own for the length of a `with` block."""
    command = [sys.executable, "-m", "deploy.local.clickhouse", "--data", str(directory)]
    command += ["--native-port", str(port), "--http-port", str(http_port)]
    process = subprocess.Popen(
        child.wrapped(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + START_SECONDS
        while trouble := readiness.trouble(f"http://127.0.0.1:{http_port}/readyz"):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"ClickHouse does not start: {trouble}")
            time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)
