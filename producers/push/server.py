"""The gateway as a process: uvicorn with the bounds that an open port needs."""

import asyncio
import logging
import signal
import socket

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from corridor.decoding import EDGE_PAYLOAD_KEPT
from corridor.observability import ObservabilityServer
from corridor.parties import Parties, PartiesError, parties_file
from corridor.settings import Settings, SettingsError
from producers.push import app
from producers.push.outlet import Outlet

log = structlog.get_logger(__name__)

HEADER_BYTES = 16 * 1024
FIRST_REQUEST_SECONDS = 15.0
"""A connection on which no request has begun by then is closed,"""
KEEP_ALIVE_SECONDS = 75
"""and one on which no further request has."""
CONNECTIONS = 1000
SHUTDOWN_SECONDS = 25


class Protocol(H11Protocol):
    """HTTP/1.1 that does not wait for ever for a first request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(FIRST_REQUEST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.scope is None and not self.transport.is_closing():
            self.transport.close()


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; finishes what was begun.

    Args:
        settings: Of the process.

    Raises:
        SettingsError: a setting cannot be used.
        OSError: a port is in use.
    """
    if settings.push_bytes > EDGE_PAYLOAD_KEPT:
        raise SettingsError(
            f"CORRIDOR_PUSH_BYTES: at most {EDGE_PAYLOAD_KEPT}, which the quarantine keeps whole"
            f" (got {settings.push_bytes})"
        )
    path = parties_file(settings)
    try:
        parties = Parties(path)
    except PartiesError as error:
        raise SettingsError(f"CORRIDOR_PARTIES: {error}") from None
    if not parties.all():
        log.warning("nobody may send anything yet: corridor parties add", file=str(path))
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.create_server((settings.host, settings.push_port), family=family)
    outlet = Outlet(settings)
    config = uvicorn.Config(
        app.create(settings, parties, outlet),
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=HEADER_BYTES,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    with ObservabilityServer(
        settings.host, settings.gateway_metrics_port, ready=lambda: outlet.trouble
    ):
        log.info("listening", address=f"http://{settings.host}:{settings.push_port}")
        # uvicorn stops at a signal, and then sends it once more to whoever was there before
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda signum, frame: None)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        uvicorn.Server(config).run(sockets=[listening])
