"""Server-sent events: each revision as it comes, and after a break what was missed.

A client is a place in the log (`board`), not a queue: one that reads slowly falls behind in the log
and costs nothing, and when it has fallen out of it, it is told so (`gap`) and gets what stands.
The id of an event says up to which offset of each partition the client has been told; so it means
the same to every gateway, and after every restart.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from corridor.codes import AlertState
from corridor.metrics import STREAM_EVENTS, STREAM_GAPS, STREAM_SECONDS, STREAMS
from corridor.models import Incident, Subscription
from sinks.subscribers.board import Board, Entry, Names
from sinks.subscribers.matching import fits, judged
from sinks.subscribers.message import cloud_event

HEARTBEAT_SECONDS = 15.0
RETRY_MS = 2_000
SEND_SECONDS = 60.0
"""A client that takes nothing for so long is cut off; it may come back where it was."""
PIECE_BYTES = 32 * 1024
AT_A_TIME = 500
RENDERED = 2_000
"""Events that are kept for the other clients of a party."""
CLIENTS = 5_000
GAP = b'{"detail":"some of what came in between is no longer there; what stands now follows"}'

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Hub:
    """Wakes the clients that a new revision concerns."""

    def __init__(self, board: Board, url: str) -> None:
        self.board = board
        self.url = url
        self.clients: set[Client] = set()
        self._of_party: dict[str, set[Client]] = defaultdict(set)
        self._rendered: dict[tuple[int, str, Names], tuple[Incident, bytes] | None] = {}
        self.closing = asyncio.Event()
        board.listeners.append(self._wake)

    def _wake(self, entry: Entry) -> None:
        for share in entry.incident.parties:
            for client in self._of_party.get(share.party, ()):
                client.woken.set()

    def enter(self, client: "Client") -> None:
        """Wakes a client from now on."""
        self.clients.add(client)
        for name in client.names:
            self._of_party[name].add(client)
        STREAMS.set(len(self.clients))

    def leave(self, client: "Client") -> None:
        """Wakes it no more."""
        self.clients.discard(client)
        for name in client.names:
            self._of_party[name].discard(client)
        STREAMS.set(len(self.clients))

    def close(self) -> None:
        """Ends all streams; clients come back to whoever is there next."""
        self.closing.set()
        for client in self.clients:
            client.woken.set()

    def render(self, entry: Entry, party: str, names: Names) -> tuple[Incident, bytes] | None:
        """A revision as a party sees it, and its event; made once for all clients of the party."""
        key = (entry.number, party, names)
        if key not in self._rendered:
            if len(self._rendered) >= RENDERED:
                self._rendered.clear()
            seen = self.board.see(entry.incident, party, names)
            self._rendered[key] = None if seen is None else (seen, cloud_event(seen, self.url))
        return self._rendered[key]


class Client(Response):
    """One stream, as an ASGI response."""

    def __init__(
        self,
        hub: Hub,
        *,
        party: str,
        names: Names,
        subscription: Subscription,
        last_event_id: str | None,
        allowed: Callable[[], bool],
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        """Sends nothing yet.

        Args:
            hub: What all streams share.
            party: Whose stream it is.
            names: The party's.
            subscription: What it asks for.
            last_event_id: Where it was.
            allowed: Whether its token is still good.
            heartbeat_seconds: A sign of life at least so often.
        """
        super().__init__()
        self.names = names
        self.woken = asyncio.Event()
        self._hub = hub
        self._board = hub.board
        self._party = party
        self._subscription = subscription
        self._last_event_id = last_event_id
        self._allowed = allowed
        self._heartbeat_seconds = heartbeat_seconds
        self._positions: list[int] = []
        self._number = 0
        self._told_id = ""
        self._behind = False
        """There is more in the log than was told at the last turn."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        self._hub.enter(self)
        left = asyncio.create_task(_left(receive))
        writing = asyncio.create_task(self._write(send))
        try:
            await asyncio.wait((left, writing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (left, writing):
                task.cancel()
            await asyncio.gather(left, writing, return_exceptions=True)
            self._hub.leave(self)
        if self._hub.closing.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        await self._send(send, b"retry: %d\n" % RETRY_MS)  # of the event that follows
        await self._begin(send)
        while not self._hub.closing.is_set() and self._allowed():
            concerned = self.woken.is_set() or self._behind
            self.woken.clear()
            if self._number < self._board.begin:
                if concerned:
                    STREAM_GAPS.inc()
                    await self._stand(send, gap=True)
                self._number = max(self._number, self._board.begin)
            elif not await self._tell_news(send):
                await self._rest(send)

    async def _begin(self, send: Send) -> None:
        positions = _positions(self._last_event_id, len(self._board.positions))
        number = None if positions is None else self._board.place(dict(enumerate(positions)))
        if positions is None or number is None:
            if self._last_event_id:
                STREAM_GAPS.inc()
            await self._stand(send, gap=bool(self._last_event_id))
            return
        self._positions, self._number = positions, number
        await self._tell_place(send)

    async def _stand(self, send: Send, *, gap: bool) -> None:
        """Tells all that stands: to one who is new, or has missed something."""
        self._positions, self._number = list(self._board.positions), self._board.end
        standing = [
            seen
            for id in sorted(self._board.ids(self.names))
            if (known := self._board.standing(id)) is not None
            and known.news
            and known.incident.state is not AlertState.RESOLVED
            and (seen := self._board.view(known, self._party, self.names)) is not None
            and seen.state is not AlertState.RESOLVED
            and self._wants(seen)
        ]
        if gap:
            await self._send(send, _event("gap", GAP))
        for seen in standing:
            # without an id: who is cut off in the midst of it gets all of it again
            await self._send(send, _event("incident", cloud_event(seen, self._hub.url)))
        await self._tell_place(send)

    async def _tell_place(self, send: Send) -> None:
        self._told_id = self._id
        await self._send(send, _event("position", b"{}", self._told_id))

    async def _tell_news(self, send: Send) -> bool:
        """Tells what is new; False: there was nothing."""
        piece: list[bytes] = []
        size = looked = 0
        self._behind = False
        for entry in self._board.since(self._number):
            self._number = entry.number + 1
            looked += 1
            if (event := self._take(entry)) is not None:
                piece.append(event)
                size += len(event)
                STREAM_EVENTS.inc()
                STREAM_SECONDS.observe(max(0.0, time.time() - entry.time_ms / 1000))
            if size >= PIECE_BYTES or looked >= AT_A_TIME:
                self._behind = self._number < self._board.end
                break
        if piece:
            await self._send(send, b"".join(piece))
        elif looked:
            await asyncio.sleep(0)
        return looked > 0

    def _take(self, entry: Entry) -> bytes | None:
        if entry.offset < self._positions[entry.partition]:
            return None  # told before a break, by another gateway or this one
        self._positions[entry.partition] = entry.offset + 1
        rendered = self._hub.render(entry, self._party, self.names)
        if rendered is None or not _is_news(rendered[0], self._board):
            return None
        if not self._wants(rendered[0]):
            return None
        self._told_id = self._id
        return _event("incident", rendered[1], self._told_id)

    def _wants(self, seen: Incident) -> bool:
        if (
            seen.state is not AlertState.RESOLVED
            and self._board.explaining(seen, self._party, self.names) is not None
        ):
            return False  # it hears of the one that explains this one
        meant = judged(self._subscription.overrides, seen)
        return meant is not None and fits(self._subscription.filters, meant)

    async def _rest(self, send: Send) -> None:
        """Waits for news; tells that the stream lives, and where it is."""
        try:
            async with asyncio.timeout(self._heartbeat_seconds):
                await self.woken.wait()
        except TimeoutError:
            while await self._tell_news(send):
                pass  # what concerned others: the place moves on
            if self._told_id != self._id:
                await self._tell_place(send)
            else:
                # no empty line after it: some clients would take that for the end of an event
                await self._send(send, b": still here\n")

    async def _send(self, send: Send, piece: bytes) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    @property
    def _id(self) -> str:
        return ".".join(map(str, self._positions))


def _is_news(seen: Incident, board: Board) -> bool:
    """What is late is none, but for the end of what was news once."""
    standing = board.standing(seen.incident_id)
    was_news = standing is not None and standing.news > 0
    return not seen.late or (seen.state is AlertState.RESOLVED and was_news)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(name: str, data: bytes, id: str | None = None) -> bytes:
    place = b"" if id is None else b"id: %s\n" % id.encode()
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), place, data)


def _positions(id: str | None, partitions: int) -> list[int] | None:
    """What an id says; None: it is not one of ours."""
    if not id or len(id) > 30 * partitions:
        return None
    numbers = id.split(".")
    if len(numbers) != partitions or not all(n.isascii() and n.isdecimal() for n in numbers):
        return None
    return [int(number) for number in numbers]
