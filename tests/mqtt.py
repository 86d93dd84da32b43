"""A real MQTT broker of a test's own, and locks that publish to it.

Mosquitto, if the machine has it (`CORRIDOR_MOSQUITTO` may say where); else `tests.mqtt_broker`.
"""

import os
import random
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from corridor.containers import check_digit
from tests.support import free_port, running

MOSQUITTO = (
    os.environ.get("CORRIDOR_MOSQUITTO")
    or shutil.which("mosquitto")
    or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
)

_MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {data}/
max_queued_messages 0
max_inflight_messages 0
"""


class Broker(NamedTuple):
    """Where it listens, and what it can."""

    address: str
    version: str
    group: str
    """Of shared subscriptions; empty where the broker has none."""


@contextmanager
def broker(directory: Path) -> Iterator[Broker]:
    """A broker for the length of a `with` block."""
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "broker.conf"
    if MOSQUITTO:
        path.write_text(_MOSQUITTO.format(port=port, data=directory))
        command, found = [MOSQUITTO, "-c", str(path)], ("5", "corridor")
    else:
        command = [sys.executable, "-m", "tests.mqtt_broker", str(port)]
        found = ("3.1.1", "corridor")
    with running(command, directory / "broker.log", ready=f"tcp://127.0.0.1:{port}"):
        yield Broker(f"127.0.0.1:{port}", *found)


class Locks:
    """Devices of one party, over one connection; they remember what the broker has acknowledged."""

    def __init__(self, address: str, party: str, in_flight: int = 200) -> None:
        """Connects."""
        host, _, port = address.rpartition(":")
        self.party = party
        self.acknowledged = 0
        self._all = threading.Semaphore(in_flight)
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.max_inflight_messages_set(in_flight)
        self._client.on_publish = self._on_publish
        self._client.connect(host, int(port))
        self._client.loop_start()

    def publish(self, message: bytes, device: str, format: str = "lock") -> MQTTMessageInfo:
        """Publishes at QoS 1; waits while too much is not acknowledged."""
        self._all.acquire()
        return self._client.publish(f"corridor/{self.party}/{format}/{device}", message, qos=1)

    def close(self) -> None:
        """Disconnects."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_publish(
        self, client: Client, userdata: object, mid: int, reason: ReasonCode, properties: Properties
    ) -> None:
        self.acknowledged += 1
        self._all.release()


def lock_message(number: int, locks: int = 500) -> tuple[str, bytes]:
    """A device, and one of its messages: a position every minute."""
    device, seq = number % locks, number // locks
    dice = random.Random(device)
    serial = f"MSKU{device:06}"
    message = {
        "device": f"LOCK{device:05}",
        "seq": seq,
        "time": 1_790_000_000 + 60 * seq,
        "container": f"{serial}{check_digit(serial)}",
        "position": {"lat": 29.6 - seq / 1000, "lon": 106.5 + dice.random(), "accuracy": 5},
        "speed": 61.5,
        "battery": 80,
        "state": "sealed",
        "event": "position",
    }
    return str(message["device"]), orjson.dumps(message)
