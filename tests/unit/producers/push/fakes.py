"""A publisher without Kafka, and a gateway on it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from corridor import topics
from corridor.parties import Parties, add
from corridor.settings import Settings
from producers.publisher import PublishError
from producers.push import app
from producers.push.outlet import Outlet
from tests.support import wait_until


class FakePublisher:
    """Holds what was published, and what of it was confirmed."""

    def __init__(self) -> None:
        self.pending: list[tuple[str, bytes, bytes]] = []
        self.confirmed: list[tuple[str, bytes, bytes]] = []
        self.flushes = 0
        self.fault: Exception | None = None
        self.closed = False
        self.open = threading.Event()
        self.open.set()

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        if self.fault is not None:
            raise self.fault
        self.pending.append((topic, key, value))

    def flush(self) -> None:
        self.open.wait(10)
        self.flushes += 1
        if self.fault is not None:
            raise self.fault
        self.confirmed += self.pending
        self.pending = []

    def close(self) -> None:
        self.closed = True

    def fail(self) -> None:
        self.fault = PublishError("the broker is gone")

    def topic(self, name: str) -> list[tuple[bytes, bytes]]:
        return [(key, value) for topic, key, value in self.confirmed if topic == name]

    @property
    def dead_letters(self) -> list[bytes]:
        return [value for _, value in self.topic(topics.DEAD_LETTERS.name)]


class World:
    """A gateway with one party, acme."""

    def __init__(self, client: TestClient, publishers: list[FakePublisher], token: str) -> None:
        self.client = client
        self.publishers = publishers
        self.token = token

    @property
    def kafka(self) -> FakePublisher:
        return self.publishers[-1]

    def post(self, path: str, **arguments: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} | arguments.pop("headers", {})
        return self.client.post(path, headers=headers, **arguments)


@contextmanager
def gateway(directory: Path, *, formats: tuple[str, ...] = (), **options: Any) -> Iterator[World]:
    file = directory / "parties.json"
    token = add(file, "acme", datetime.now(UTC), aliases=("ACMU",), formats=formats)
    settings = Settings(**{"push_per_minute": 100_000, "parties": file, **options})
    publishers: list[FakePublisher] = []

    def open_one() -> Any:
        publishers.append(FakePublisher())
        return publishers[-1]

    outlet = Outlet(settings, open=open_one, seconds=2)
    wait_until(lambda: outlet.trouble is None, interval=0.001)
    with TestClient(app.create(settings, Parties(file), outlet)) as client:
        yield World(client, publishers, token)
