"""How a process shows itself: structured logs, `/metrics`, `/healthz` and `/readyz`.

Not part of the pure kernel; it is here because producers, streams and sinks all need it and may
not import each other.
"""

import logging
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

Check = Callable[[], str | None]
"""Returns None when all is well, else one sentence that says what is not."""


def configure_logging(level: str = "INFO") -> None:
    """One line per entry on stderr, from structlog and the standard library alike."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.LogfmtRenderer(
                    key_order=["timestamp", "level", "logger", "event"], bool_as_flag=False
                ),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)


class ObservabilityServer:
    """Serves metrics and health on its own thread, so that a busy loop still answers."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        healthy: Check = lambda: None,
        ready: Check = lambda: None,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        """Binds at once.

        Args:
            host: Address to bind to.
            port: Port; 0 takes a free one (see `port`).
            healthy: Liveness: the process makes progress.
            ready: Readiness: the process can do its work now.
            registry: Metrics to serve.

        Raises:
            OSError: the port is in use.
        """

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path in ("/healthz", "/readyz"):
                    trouble = healthy() if self.path == "/healthz" else ready()
                    self._answer(
                        503 if trouble else 200,
                        "text/plain; charset=utf-8",
                        f"{trouble or 'ok'}\n".encode(),
                    )
                else:
                    self._answer(404, "text/plain", b"try /metrics, /healthz or /readyz\n")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass  # a scrape every few seconds is not worth a log line

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="observability", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
