"""A subscriber's server, real: it answers as it is told, and keeps what it got."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from tests.support import free_port


@dataclass
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def id(self) -> str:
        """`webhook-id`."""
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        """The incident."""
        return dict(orjson.loads(self.body)["data"])


Answer = Callable[[Got], web.StreamResponse | None]
"""None: 204."""


@dataclass
class Receiver:
    """What came, by path."""

    url: str
    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """How long an answer takes."""
    got: dict[str, list[Got]] = field(default_factory=dict)

    def taken(self, path: str) -> list[Got]:
        """What was answered with success."""
        return [one for one in self.got.get(path, []) if one.status < 300]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Takes one request."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        one = Got(request.path, headers, body, 204)
        await asyncio.sleep(self.seconds.get(request.path, 0))
        answer = self.answers.get(request.path)
        response = (answer(one) if answer else None) or web.Response(status=204)
        one.status = response.status
        self.got.setdefault(request.path, []).append(one)
        return response


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server on a thread of its own."""
    port = free_port()
    made = Receiver(f"http://127.0.0.1:{port}", port)
    loop = asyncio.new_event_loop()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(application, access_log=None)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
