"""The gateway as a process: what it reads, who it tells, and the port that it answers on."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from aiokafka import AIOKafkaProducer

from corridor.codes import Channel as ChannelType
from corridor.observability import ObservabilityServer
from corridor.parties import Parties, PartiesError, parties_file
from corridor.settings import Settings, SettingsError
from sinks.subscribers import app
from sinks.subscribers.attempt import Channel
from sinks.subscribers.board import Board
from sinks.subscribers.dispatch import Dispatch
from sinks.subscribers.feed import Feed
from sinks.subscribers.ledger import Ledger
from sinks.subscribers.mail import Mail
from sinks.subscribers.stream import CLIENTS, Hub
from sinks.subscribers.subscriptions import Subscriptions
from sinks.subscribers.webhook import Webhooks

SHUTDOWN_SECONDS = 8

_log = structlog.get_logger("sinks.subscribers")


def run(settings: Settings, metrics_port: int) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        settings: Of the process.
        metrics_port: Of metrics and health.

    Raises:
        SettingsError: a setting cannot be used.
        OSError: a port is in use.
        KafkaError: the broker is not there, or was lost; a supervisor starts the process again.
    """
    try:
        parties = Parties(parties_file(settings))
    except PartiesError as error:
        raise SettingsError(f"CORRIDOR_PARTIES: {error}") from None
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    asyncio.run(Gateway(settings, parties, metrics_port).run())


def public_url(settings: Settings) -> str:
    """Where subscribers find the gateway."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = settings.subscribers_url or f"http://{host}:{settings.subscribers_port}"
    return url.rstrip("/")


def open_channels(settings: Settings) -> dict[ChannelType, Channel]:
    """The ways to subscribers who do not come by themselves; needs a running loop."""
    return {
        ChannelType.WEBHOOK: Webhooks(private=settings.webhook_private),
        ChannelType.EMAIL: Mail(settings),
    }


class Gateway:
    """One process."""

    def __init__(self, settings: Settings, parties: Parties, metrics_port: int) -> None:
        self._settings = settings
        self._parties = parties
        self._metrics_port = metrics_port
        self._url = public_url(settings)
        self._trouble: str | None = "what stands is being read"
        self._failure: BaseException | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serves until a signal; raises what must not happen."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stopping.set)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listening = socket.create_server(
            (settings.host, settings.subscribers_port), family=family, backlog=2_048
        )
        with ObservabilityServer(settings.host, self._metrics_port, ready=lambda: self._trouble):
            await self._serve(listening)
        if self._failure is not None:
            raise self._failure

    async def _serve(self, listening: socket.socket) -> None:
        settings = self._settings
        producer = AIOKafkaProducer(
            **settings.aiokafka_client(),
            client_id="corridor-subscribers",
            acks="all",
            enable_idempotence=True,
        )
        feed = Feed(settings)
        channels = open_channels(settings)
        subscriptions = Subscriptions(producer)
        try:
            await producer.start()
            board = Board(await feed.open())
            await feed.read_to_end(board, subscriptions)
            dispatch = Dispatch(
                settings,
                board=board,
                subscriptions=subscriptions,
                ledger=Ledger(settings, producer),
                parties=self._parties,
                channels=channels,
                url=self._url,
                failed=self._failed,
            )
            hub = Hub(board, self._url)
            services = app.Services(
                board=board,
                subscriptions=subscriptions,
                feed=feed,
                producer=producer,
                parties=self._parties,
                channels=channels,
                hub=hub,
                url=self._url,
                private=settings.webhook_private,
                trouble=lambda: self._trouble,
            )

            async def follow() -> None:
                while True:
                    await feed.read_more(board, subscriptions)
                    self._trouble = dispatch.trouble

            @asynccontextmanager
            async def beside() -> AsyncIterator[None]:
                tasks = [asyncio.create_task(work) for work in (follow(), dispatch.run())]
                for task in tasks:
                    task.add_done_callback(self._ended)
                try:
                    yield
                finally:
                    for task in reversed(tasks):
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)

            server = uvicorn.Server(
                uvicorn.Config(
                    app.create(services, beside),
                    ws="none",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    limit_concurrency=CLIENTS + 1_000,
                    timeout_keep_alive=75,
                    timeout_graceful_shutdown=SHUTDOWN_SECONDS,
                )
            )
            _log.info("listening", address=self._url, incidents=board.end)
            # not `serve`: it would take the signals, and streams have to be ended before it waits
            serving = asyncio.create_task(server._serve([listening]))
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            self._trouble = "is stopping"
            hub.close()
            server.should_exit = True
            stopping.cancel()
            await serving
        finally:
            for channel in channels.values():
                await channel.close()
            await feed.close()
            await producer.stop()
        _log.info("stopped")

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        """What must not happen has happened: the next process goes on from what is durable."""
        _log.error("failed", error=repr(error), exc_info=error)
        self._failure = self._failure or error
        self._stopping.set()
