"""Whatever a broker has acknowledged to a lock is in ClickHouse, once, whoever dies on the way.

100,000 messages of locks go through a broker, the gateway, Kafka and the sink; the gateway is
killed with -9 at three seeded points of progress. `docs/formats/iot.md`.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_driver.errors import Error as ClickHouseError

from bench.fresh_stack import FreshStack, fresh_stacks
from corridor.models import TrackingEvent
from producers.iot import LOCK
from tests.mqtt import Broker, Locks, broker, lock_message
from tests.support import ROOT, free_port, running, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(1800)]

MESSAGES = 100_000
KILLS = 3
SEED = 27
SECONDS = 900.0
PARTY = "locks"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshStack]:
    with fresh_stacks(tmp_path_factory.mktemp("chaos")) as (stack,):
        yield stack


@pytest.fixture(scope="module")
def mqtt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("mqtt")) as found:
        yield found


def landed(stack: FreshStack) -> set[str]:
    rows = stack.query(f"SELECT event_id FROM current_events WHERE source = '{PARTY}'")
    return {str(id) for (id,) in rows}


def count(stack: FreshStack) -> int:
    try:
        return int(stack.query(f"SELECT count() FROM events WHERE source = '{PARTY}'")[0][0])
    except (ClickHouseError, OSError, EOFError):
        return 0


def test_every_acknowledged_message_is_in_clickhouse_once(
    stack: FreshStack, mqtt: Broker, tmp_path: Path
) -> None:
    log = tmp_path / "gateway.log"
    port = free_port()
    command = [
        *(sys.executable, "-m", "commands.main", "gateway", "mqtt"),
        *("--client-id", "chaos", "--metrics-port", str(port)),
    ]
    environment = {
        **stack.env,
        "CORRIDOR_MQTT": mqtt.address,
        "CORRIDOR_MQTT_VERSION": mqtt.version,
    }

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    with running(command, log, ready=f"http://127.0.0.1:{port}/readyz", env=environment):
        pass  # makes the session, so that nothing is published to nobody
    messages = [lock_message(number) for number in range(MESSAGES)]
    sent = {
        item.event_id
        for _, message in messages
        for item in LOCK.decode(message, PARTY)
        if isinstance(item, TrackingEvent)
    }
    locks = Locks(mqtt.address, PARTY)
    publisher = threading.Thread(
        target=lambda: [locks.publish(message, device) for device, message in messages]
    )
    began = time.monotonic()
    process = start()
    publisher.start()
    dice = random.Random(SEED)
    try:
        for share in sorted(dice.uniform(0.05, 0.9) for _ in range(KILLS)):
            due = int(share * MESSAGES)
            wait_until(lambda due=due: count(stack) >= due, SECONDS, what=f"{due} rows")  # type: ignore[misc]
            process.kill()
            process.wait()
            tell(f"{time.monotonic() - began:5.1f} s: killed at {share:.0%}; {count(stack):,} rows")
            process = start()
        publisher.join(SECONDS)
        wait_until(lambda: locks.acknowledged == MESSAGES, SECONDS, what="acknowledgements")
        wait_until(lambda: count(stack) >= MESSAGES, SECONDS, what="all rows")
        stack.wait_until_quiet(SECONDS)
    finally:
        process.terminate()
        process.wait(20)
        locks.close()
    rows, once = count(stack), landed(stack)
    tell(
        f"{time.monotonic() - began:5.1f} s: {locks.acknowledged:,} acknowledged, {len(once):,}"
        f" events in {rows:,} rows"
    )
    assert once == sent
    unique = stack.query(f"SELECT count() FROM events FINAL WHERE source = '{PARTY}'")[0][0]
    assert unique == MESSAGES == len(sent)


def tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201
