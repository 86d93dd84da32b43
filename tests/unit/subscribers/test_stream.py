"""Streams: what a client hears, and that a slow one costs nobody anything."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson

from corridor.codes import AlertState, Level
from corridor.models import Incident
from sinks.subscribers.board import Board
from sinks.subscribers.stream import Client, Hub
from tests.unit.subscribers.samples import incident, subscription


class Reader:
    """The other end of a stream, which may stop reading."""

    def __init__(self, hub: Hub, last: str | None = None, heartbeat: float = 60) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self.text = ""
        client = Client(
            hub,
            party="acme",
            names=frozenset({"acme"}),
            subscription=subscription(),
            last_event_id=last,
            allowed=lambda: True,
            heartbeat_seconds=heartbeat,
        )
        self.task = asyncio.create_task(client({"type": "http"}, self._receive, self._send))

    async def _receive(self) -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        await self.reads.wait()
        self.text += message.get("body", b"").decode()

    @property
    def events(self) -> list[tuple[str, str, Any]]:
        """Name, id and what is said."""
        found = []
        for block in self.text.split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line[0] != ":")
            found.append((fields["event"], fields.get("id", ""), orjson.loads(fields["data"])))
        return found

    @property
    def heard(self) -> list[tuple[str, int]]:
        return [
            (said["data"]["subject"], said["data"]["revision"])
            for name, _, said in self.events
            if name == "incident"
        ]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110, what is waited for has no event
                await asyncio.sleep(0.001)

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Scene:
    """A board with streams."""

    def __init__(self, log_bytes: int = 10**9) -> None:
        self.board = Board(2, log_bytes=log_bytes)
        self.hub = Hub(self.board, "http://gateway")

    def say(self, *incidents: Incident) -> None:
        now = int(datetime.now(UTC).timestamp() * 1000)
        for one in incidents:
            partition = sum(map(ord, one.subject)) % 2
            self.board.take(partition, self.board.positions[partition], now, one.to_json())


def play(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scene())  # type: ignore[arg-type]


def test_a_slow_client_is_told_of_the_gap_and_others_wait_for_nobody() -> None:
    async def scene() -> None:
        it = Scene(log_bytes=20 * len(incident("G000").to_json()))
        slow, quick = Reader(it.hub), Reader(it.hub)
        await quick.until(lambda: quick.events and slow.events)
        slow.reads.clear()
        for n in range(100):
            it.say(incident(f"G{n:03}"))
            await quick.until(lambda n=n: len(quick.heard) == n + 1)  # type: ignore[misc]
        assert slow.heard == []
        slow.reads.set()
        await slow.until(lambda: len(slow.heard) >= 100)
        assert "gap" in [name for name, _, _ in slow.events]
        assert {subject for subject, _ in slow.heard} == {f"G{n:03}" for n in range(100)}
        await slow.leave()
        await quick.leave()

    play(scene)


def test_who_comes_back_hears_exactly_the_rest_from_any_event_on() -> None:
    async def scene() -> None:
        it = Scene()
        first = Reader(it.hub)
        await first.until(lambda: first.events)
        it.say(*(incident(f"G{n}", revision) for revision in (1, 2, 3) for n in range(5)))
        await first.until(lambda: len(first.heard) == 15)
        for number, (_, id, _) in enumerate(first.events):
            again = Reader(it.hub, last=id)
            await again.until(lambda n=number, r=again: len(r.heard) >= 15 - n)  # type: ignore[misc]
            assert sorted(again.heard) == sorted(first.heard[number:])
            await again.leave()
        await first.leave()

    play(scene)


def test_what_concerns_others_moves_the_place_without_news() -> None:
    async def scene() -> None:
        it = Scene()
        reader = Reader(it.hub, heartbeat=0.01)
        await reader.until(lambda: reader.events)
        it.say(incident("G1", units={"other": ["U1"]}))
        await reader.until(lambda: reader.events[-1][1] == ".".join(map(str, it.board.positions)))
        assert reader.heard == []
        await reader.until(lambda: "still here" in reader.text)
        await reader.leave()

    play(scene)


def test_log_that_was_lost_without_concerning_a_client_is_no_gap() -> None:
    async def scene() -> None:
        it = Scene(log_bytes=5 * len(incident("G1").to_json()))
        reader = Reader(it.hub)
        await reader.until(lambda: reader.events)
        it.say(*(incident(f"G{n}", units={"other": ["U1"]}) for n in range(50)))
        it.say(incident("MINE"))
        await reader.until(lambda: reader.heard)
        assert reader.heard == [("MINE", 1)]
        await reader.leave()

    play(scene)


def test_the_end_of_what_was_news_is_told_even_if_it_is_told_late() -> None:
    async def scene() -> None:
        it = Scene()
        reader = Reader(it.hub)
        await reader.until(lambda: reader.events)
        it.say(incident("OLD", late=True), incident("OLD", 2, state=AlertState.RESOLVED, late=True))
        it.say(incident("NEW"), incident("NEW", 2, late=True, level=Level.CRITICAL))
        it.say(incident("NEW", 3, state=AlertState.RESOLVED, late=True))
        await reader.until(lambda: ("NEW", 3) in reader.heard)
        assert reader.heard == [("NEW", 1), ("NEW", 3)]
        await reader.leave()

    play(scene)


def test_what_another_incident_explains_is_not_told_beside_it() -> None:
    async def scene() -> None:
        it = Scene()
        reader = Reader(it.hub)
        await reader.until(lambda: reader.events)
        parent = incident("NODE")
        it.say(parent, incident("G1", parent=parent.dedup_key))
        it.say(incident("G2", parent="DELAY/RUN/NOBODY"))
        await reader.until(lambda: len(reader.heard) == 2)
        assert reader.heard == [("NODE", 1), ("G2", 1)]
        await reader.leave()

    play(scene)
