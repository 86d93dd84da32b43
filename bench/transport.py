"""Record-batch delivery against stock Faust: one worker, the same small job, one run.

    python -m bench.transport [--events N] [--json]

The job, in both: read JSON readings, keep per key a count, a sum and the last time, make that
state durable on a changelog topic, and write one output record for every tenth reading. Both
deliver at least once, and commit only what is durable. Stock Faust is written as its
documentation has it, with a table, and with uvloop and the larger buffers that its settings
page advises. Rates are taken from the first record in to the last record durable.

Last line: how many times faster record-batch delivery is.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import faust
import msgspec
import uvloop
from kafka import KafkaAdminClient
from rich.console import Console
from rich.table import Table
from yarl import URL

from bench import broker
from corridor.settings import Settings
from producers.publisher import Publisher
from streams.app import create_app
from streams.emitter import KafkaEmitter
from streams.transport import BatchDelivery, BatchMessage, BatchSchema, BatchTransport

PARTITIONS = 4
KEYS = 1_000
STOCK_SHARE = 20
"""Stock Faust gets one in so many of the readings, so that the run ends; rates are compared."""


class Reading(msgspec.Struct):
    """What a lock on a container says."""

    device: str
    time: int
    latitude: float
    longitude: float
    speed: float
    battery: float


class State(msgspec.Struct, array_like=True):
    """What is kept per device."""

    count: int = 0
    total: float = 0.0
    last: int = 0


_read = msgspec.json.Decoder(Reading).decode
_encode = msgspec.msgpack.Encoder().encode


def readings(count: int) -> Iterable[tuple[bytes, bytes]]:
    """Readings of `KEYS` devices in turn."""
    for number in range(count):
        device = f"LOCK{number % KEYS:06d}"
        yield (
            device.encode(),
            b'{"device":"%s","time":%d,"latitude":29.56301,"longitude":106.5515%d,'
            b'"speed":%d.25,"battery":0.87,"state":"SEALED","firmware":"2.14.1"}'
            % (device.encode(), 1_780_000_000 + number, number % 10, number % 90),
        )


class Stopwatch:
    """Ends a worker when all readings are durable, and prints how long that took."""

    def __init__(self, app: faust.App, expected: int) -> None:
        self.app = app
        self.expected = expected
        self.done = 0
        self.started = 0.0

    def began(self) -> None:
        """The first reading is here."""
        self.started = self.started or time.perf_counter()

    def durable(self, count: int) -> None:
        """So many more readings are durable."""
        self.done += count
        if self.done == self.expected:
            seconds = time.perf_counter() - self.started
            cpu = time.process_time()
            print(json.dumps({"events": self.done, "seconds": seconds, "cpu_seconds": cpu}))
            sys.stdout.flush()
            os._exit(0)  # a graceful stop is not what is measured


def batch_worker(settings: Settings, source: str, target: str, changelog: str, count: int) -> None:
    """Our transport: fold a batch in memory, write each changed key once."""
    app = create_app(settings, BatchTransport)
    emitter = KafkaEmitter(settings)
    watch = Stopwatch(app, count)
    states: dict[str, State] = {}

    @app.agent(app.topic(source, schema=BatchSchema(), key_type=bytes, value_type=bytes))
    async def fold(stream: Any) -> None:
        await emitter.start_once()
        batches = cast(Any, stream).noack()
        queue = cast(Any, batches.channel).queue
        pending: list[BatchMessage] = []
        dirty: set[tuple[int, str]] = set()
        async for event in batches.events():
            watch.began()
            batch = cast(BatchMessage, event.message)
            pending.append(batch)
            for record in batch.records:
                reading = _read(record.value or b"")
                state = states.get(reading.device)
                if state is None:
                    state = states[reading.device] = State()
                state.count += 1
                state.total += reading.speed
                state.last = reading.time
                dirty.add((record.partition, reading.device))
                if state.count % 10 == 0:
                    emitter.add(target, record.partition, record.key or b"", _encode(state))
            if queue.empty() or len(pending) == 8:
                await emitter.flush()
                for partition, device in dirty:
                    emitter.add(changelog, partition, device.encode(), _encode(states[device]))
                await emitter.flush()
                for batch in pending:
                    cast(BatchDelivery, app.consumer).complete(batch)
                watch.durable(sum(len(batch.records) for batch in pending))
                pending.clear()
                dirty.clear()

    _run(app)


def stock_worker(settings: Settings, source: str, target: str, changelog: str, count: int) -> None:
    """Faust as it comes: one event at a time, a table with its changelog."""
    app = faust.App(
        f"{changelog}-stock",
        broker=[URL(f"kafka://{settings.kafka}")],
        store="memory://",
        datadir=Path(tempfile.gettempdir(), "corridor-bench"),
        key_serializer="raw",
        value_serializer="raw",
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=4_000,
        stream_buffer_maxsize=16_384,
        producer_linger=0.02,
        producer_max_batch_size=262_144,
        producer_compression_type="zstd",
        web_enabled=False,
    )
    table = app.Table("devices", key_type=bytes, value_type=bytes, partitions=PARTITIONS)
    out = app.topic(target, key_type=bytes, value_type=bytes)
    watch = Stopwatch(app, count)
    decode = msgspec.msgpack.Decoder(State).decode

    @app.agent(app.topic(source, key_type=bytes, value_type=bytes))
    async def fold(stream: Any) -> None:
        app.producer.buffer.max_messages = 10_000
        async for key, value in stream.items():
            watch.began()
            reading = _read(value)
            known = table.get(key)
            state = State() if known is None else decode(known)
            state.count += 1
            state.total += reading.speed
            state.last = reading.time
            table[key] = _encode(state)
            if state.count % 10 == 0:
                await out.send(key=key, value=_encode(state))
            if watch.done + 1 == count:
                await app.producer.flush()
            watch.durable(1)

    _run(app)


def _run(app: faust.App) -> None:
    with suppress(KeyboardInterrupt):
        faust.Worker(
            app, redirect_stdouts=False, quiet=True, loglevel="WARN"
        ).execute_from_commandline()


WORKERS = {"batch": batch_worker, "stock": stock_worker}


def measure(settings: Settings, kind: str, source: str, count: int) -> dict[str, float]:
    """Runs one worker in a process of its own."""
    target, changelog = f"{source}-out", f"{source}-changelog"
    _create(settings, target, changelog)
    command = [sys.executable, "-m", "bench.transport", "--worker", kind]
    command += [
        "--kafka",
        settings.kafka,
        "--topics",
        source,
        target,
        changelog,
        "--events",
        str(count),
    ]
    result = subprocess.run(command, capture_output=True, timeout=180)
    lines = [line for line in result.stdout.decode().splitlines() if "{" in line]
    if not lines:
        raise SystemExit(f"the {kind} worker failed:\n{result.stderr.decode()[-3000:]}")
    measured: dict[str, float] = json.loads(lines[-1][lines[-1].index("{") :])
    measured["events_per_second"] = measured["events"] / measured["seconds"]
    return measured


def _create(settings: Settings, *names: str) -> None:
    admin = KafkaAdminClient(**settings.kafka_client())
    try:
        admin.create_topics(
            {name: {"num_partitions": PARTITIONS, "replication_factor": 1} for name in names}
        )
    finally:
        admin.close()


def main() -> None:
    """Fills a topic for each worker, runs both, prints both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    parser.add_argument("--topics", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--kafka", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.set_event_loop(asyncio.new_event_loop())
        settings = Settings(kafka=arguments.kafka, group=arguments.topics[0], partitions=PARTITIONS)
        source, target, changelog = arguments.topics
        WORKERS[arguments.worker](settings, source, target, changelog, arguments.events)
        return
    console = Console(stderr=True)
    measured = {}
    with broker.kafka() as settings:
        counts = {"stock": arguments.events // STOCK_SHARE, "batch": arguments.events}
        for kind, count in counts.items():
            source = f"bench-{kind}-{uuid.uuid4().hex[:8]}"
            _create(settings, source)
            with console.status(f"{kind}: writing {count:,}"), Publisher(settings) as publisher:
                for key, value in readings(count):
                    publisher.publish(source, key, value)
            with console.status(f"{kind}: one worker reads them"):
                measured[kind] = measure(settings, kind, source, count)
    ratio = measured["batch"]["events_per_second"] / measured["stock"]["events_per_second"]
    if arguments.json:
        print(json.dumps({"machine": platform.processor(), **measured, "ratio": round(ratio, 1)}))
        return
    table = Table(title="one worker, the same job, the same broker")
    for column in ("delivery", "events", "seconds", "events/s", "CPU µs/event"):
        table.add_column(column, justify="left" if column == "delivery" else "right")
    for kind, name in (("stock", "stock Faust"), ("batch", "record batches")):
        m = measured[kind]
        table.add_row(
            name,
            f"{m['events']:,}",
            f"{m['seconds']:.1f}",
            f"{m['events_per_second']:,.0f}",
            f"{m['cpu_seconds'] / m['events'] * 1e6:.1f}",
        )
    Console().print(table)
    print(f"{ratio:.1f}")


if __name__ == "__main__":
    main()
