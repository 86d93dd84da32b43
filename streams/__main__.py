"""One stream worker: `python -m streams`."""

import argparse
import asyncio
import gc
import os
import sys
import threading
import time

import faust
import structlog
import uvloop

from corridor import settings as environment
from corridor.alerting.rules import RulesError
from corridor.observability import ObservabilityServer, configure_logging
from corridor.settings import Settings
from streams.app import Worker

STUCK_SECONDS = 90.0
RESTORE_SECONDS = 900.0
WATCH_SECONDS = 5.0
SWITCH_SECONDS = 0.0005
"""Fetches and commits go through a thread of their own; with Python's 5 ms, a round trip through
a busy worker is mostly waiting for the other thread."""

log = structlog.get_logger(__name__)


def main() -> None:
    """Runs until SIGTERM or a crash; a crash exits with a status other than 0."""
    settings = environment.load()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics-port", type=int, default=settings.worker_metrics_port)
    arguments = parser.parse_args()
    configure_logging(settings.log_level)
    run(settings, arguments.metrics_port)


def run(settings: Settings, metrics_port: int) -> None:
    """Runs one worker in this process."""
    # A batch makes many objects and hardly any cycles: with the default thresholds, looking for
    # them takes a fifth of the time.
    gc.set_threshold(50_000, 50, 100)
    sys.setswitchinterval(SWITCH_SECONDS)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        worker = Worker(settings)
    except RulesError as error:
        sys.exit(f"CORRIDOR_ALERT_RULES: {error}")

    def healthy() -> str | None:
        stuck = worker.stuck_seconds
        if stuck > (STUCK_SECONDS if worker.ready else RESTORE_SECONDS):
            return f"no progress for {stuck:.0f} s, though there is work"
        return None

    def watch() -> None:
        while True:
            time.sleep(WATCH_SECONDS)
            if trouble := healthy():
                log.error("gives up, to start anew from what is durable", reason=trouble)
                os._exit(os.EX_SOFTWARE)

    def ready() -> str | None:
        return None if worker.ready else "waits for its partitions"

    try:
        server = ObservabilityServer(settings.host, metrics_port, healthy=healthy, ready=ready)
    except OSError as error:
        sys.exit(f"cannot serve metrics on {settings.host}:{metrics_port}: {error.strerror}")
    # Faust's consumer can fall silent without failing; whoever supervises starts us anew.
    threading.Thread(target=watch, name="watchdog", daemon=True).start()
    with server:
        process = faust.Worker(
            worker.app, loop=loop, override_logging=False, redirect_stdouts=False, quiet=True
        )
        process.spinner = None  # it would write to the log
        process.execute_from_commandline()


if __name__ == "__main__":
    main()
