"""The process: the engine, both listeners, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from aiohttp import web

from deploy.local.clickhouse.engine import Engine, EngineLimits
from deploy.local.clickhouse.http import HttpInterface, HttpTimeouts
from deploy.local.clickhouse.native import NativeConnection, Timeouts
from deploy.local.clickhouse.users import User
from deploy.local.clickhouse.wire import Wire

log = structlog.get_logger("corridor.clickhouse")


class PortInUse(Exception):
    """A port cannot be listened on."""


@dataclass(frozen=True)
class ServerOptions:
    """Where to listen, where to keep data, whom to let in."""

    data: Path
    host: str = "127.0.0.1"
    native_port: int = 9000
    http_port: int = 8123
    user: User = field(default_factory=User)
    limits: EngineLimits = field(default_factory=EngineLimits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    http_timeouts: HttpTimeouts = field(default_factory=HttpTimeouts)
    stop_seconds: float = 20.0
    """How long queries may run on after a stop was asked for."""


class Server:
    """Starts in order (directory, engine, ports) and stops in the reverse one."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._engine = Engine(options.data, options.limits)
        self._http = HttpInterface(self._engine, options.user, options.http_timeouts)
        self._connections: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        self._engine.open()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        try:
            native = await self._listen_native()
            runner: web.AppRunner | None = None
            try:
                runner = await self._listen_http()
                log.info(
                    "ready",
                    host=self._options.host,
                    native_port=native.sockets[0].getsockname()[1],
                    http_port=runner.addresses[0][1],
                    engine=self._engine.version,
                    data=str(self._options.data),
                )
                await self._stop.wait()
                log.info("stopping")
            finally:
                native.close()
                await self._end_connections()
                if runner is not None:
                    await runner.cleanup()
                await self._http.close()
        finally:
            await self._close_engine()

    async def _close_engine(self) -> None:
        closing = asyncio.create_task(asyncio.to_thread(self._engine.close))
        await asyncio.wait((closing,), timeout=self._options.stop_seconds)
        if not closing.done():
            # A query that cannot be killed holds a thread. What was acknowledged is on disk.
            log.error("the engine did not close in time")
            os._exit(1)
        closing.result()
        log.info("stopped")

    async def _listen_native(self) -> asyncio.Server:
        options = self._options
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(self._accept, options.host, options.native_port)
        except OSError as error:
            raise PortInUse(_port_message(options.host, options.native_port, error)) from None

    async def _listen_http(self) -> web.AppRunner:
        options = self._options
        runner = web.AppRunner(
            self._http.application(),
            handle_signals=False,
            access_log=None,
            handler_cancellation=True,
            auto_decompress=False,
            shutdown_timeout=options.stop_seconds,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, options.host, options.http_port).start()
        except OSError as error:
            await runner.cleanup()
            raise PortInUse(_port_message(options.host, options.http_port, error)) from None
        return runner

    def _accept(self) -> Wire:
        return _ServedWire(self._serve)

    def _serve(self, wire: Wire) -> None:
        connection = NativeConnection(
            wire, self._engine, self._options.user, self._options.timeouts
        )
        task = asyncio.get_running_loop().create_task(connection.serve())
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _end_connections(self) -> None:
        """Lets queries end, then cancels those that do not."""
        for task in list(self._connections):
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.stop_seconds):
                await asyncio.gather(*self._connections, return_exceptions=True)


class _ServedWire(Wire):
    """A wire that is served as soon as it is connected."""

    def __init__(self, serve: Callable[[Wire], None]) -> None:
        super().__init__()
        self._serve = serve

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport and begins."""
        super().connection_made(transport)
        self._serve(self)


def _port_message(host: str, port: int, error: OSError) -> str:
    return (
        f"Cannot listen on {host}:{port} ({error.strerror or error}): stop what uses the port, "
        "or name another one with --native-port or --http-port."
    )
