"""Starts and stops the stack, and shows a person how it goes."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import psutil
import typer
from rich.console import Console
from rich.live import Live

from commands import stack_view, topic_admin
from corridor.settings import Settings
from deploy.local import ownership, stack, state
from deploy.local.errors import StackError
from deploy.local.output import open_to_append
from deploy.local.parts import Part, log_path
from deploy.local.state import StackState
from deploy.local.supervisor import Supervisor
from sinks.subscribers.server import public_url

STOP_SECONDS = 150.0
"""Longer than the graces of all processes that stop one after another."""

_REFRESH_SECONDS = 0.1
_INTERRUPTED = 130

_out = Console(highlight=False)


def up(settings: Settings, workers: int, *, learner: bool, headless: bool) -> None:
    """Runs the stack until a signal says to stop.

    Args:
        settings: With an absolute data directory.
        workers: Number of stream workers.
        learner: Whether a learner teaches them.
        headless: Nobody looks; only what should be in a log is printed.

    Raises:
        StackError: it cannot start.
    """
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its retries while Kafka starts
    asyncio.run(_run(settings, workers, learner=learner, headless=headless))


async def _run(settings: Settings, workers: int, *, learner: bool, headless: bool) -> None:
    parts = _parts(settings, workers, learner=learner)
    supervisor = Supervisor(settings.data, parts, _announce)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.stop)
    running = asyncio.create_task(supervisor.run())
    if headless:
        await running
        return
    follower = _Follower(_out)
    with follower:
        while not running.done() and not supervisor.state.up:
            follower.show(supervisor.state)
            await asyncio.wait({running}, timeout=_REFRESH_SECONDS)
        follower.show(supervisor.state)
    if not running.done():
        _show_endpoints(settings, workers, learner=learner, last="Ctrl-C stops it; the data stays.")
        stopping = asyncio.create_task(supervisor.stopping())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        with follower:
            while not running.done():
                follower.show(supervisor.state)
                await asyncio.wait({running}, timeout=_REFRESH_SECONDS)
            follower.show(supervisor.state)
    await running


def up_detached(settings: Settings, workers: int, *, learner: bool) -> None:
    """Starts a supervisor that stays, and returns when everything is ready.

    Raises:
        StackError: it cannot start.
    """
    data = settings.data
    log = log_path(data, "supervisor")
    with open_to_append(log, data) as output:
        before = output.tell()
        supervisor = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "commands.main", "up", "--headless"),
                *("--data", str(data), "--workers", str(workers)),
                "--learner" if learner else "--no-learner",
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # the terminal's Ctrl-C and its closing are not for it
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        known = _follow(supervisor, data)
    except KeyboardInterrupt:
        supervisor.terminate()
        with _out.status("stopping", spinner="dots"):
            supervisor.wait(STOP_SECONDS)
        raise typer.Exit(_INTERRUPTED) from None
    if known is None or not known.up or supervisor.poll() is not None:
        words = log.read_bytes()[before:].decode(errors="replace").strip()
        reason = known.error if known else None
        if supervisor.returncode == 0:
            reason = "The stack was stopped while it started."
        raise StackError(reason or words.removeprefix("✗ ") or f"it ended without a word: {log}")
    _show_endpoints(
        settings, workers, learner=learner, last="corridor down stops it; the data stays."
    )


def down(data: Path) -> str:
    """Stops the stack of a data directory, and whatever a killed one has left.

    Returns:
        What was done, in a sentence.
    """
    known = state.read(data)
    supervisor = known.supervisor.find() if known else None
    if supervisor is not None:
        with suppress(psutil.NoSuchProcess):
            supervisor.terminate()
        _, alive = psutil.wait_procs([supervisor], timeout=STOP_SECONDS)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    left = ownership.leftovers(data)
    ownership.end(left)
    if supervisor is not None:
        return f"Stopped. The data stays in {data}."
    if left:
        return f"Ended {len(left)} processes that a killed supervisor had left. The data stays."
    return f"Nothing runs with its data in {data}."


class _Follower:
    """Shows a changing stack: in place on a terminal, a line per change elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = stack_view.Progress()
        self._live: Live | None = None
        self._told: dict[str, str] = {}

    def __enter__(self) -> "_Follower":
        if self._console.is_terminal:
            self._live = Live(self._progress, console=self._console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, known: StackState | None) -> None:
        """Shows the stack as it is now."""
        self._progress.state = known
        if self._live is not None:
            self._live.refresh()
            return
        for part in known.parts if known else ():
            if self._told.get(part.name) != part.status and part.status != "waiting":
                self._told[part.name] = part.status
                self._console.print(stack_view.line(part), markup=False, soft_wrap=True)


def _follow(supervisor: subprocess.Popen[bytes], data: Path) -> StackState | None:
    """Shows a supervisor's start until it is up or has ended; returns its last state."""
    known: StackState | None = None
    with _Follower(_out) as follower:
        while True:
            ended = supervisor.poll() is not None
            found = state.read(data)
            if found is not None and found.supervisor.pid == supervisor.pid:
                known = found
            follower.show(known)
            if ended or (known is not None and known.up):
                return known
            time.sleep(_REFRESH_SECONDS)


def _parts(settings: Settings, workers: int, *, learner: bool) -> list[Part]:
    def apply_topics() -> None:
        applied = topic_admin.apply(settings)
        if applied.left:
            raise StackError(
                f"{applied.left[0]}, and a topic that may hold data is not changed: "
                "set CORRIDOR_PARTITIONS and CORRIDOR_REPLICATION to what it has, "
                "or use another --data."
            )

    def apply_schema() -> None:
        from sinks.clickhouse import schema

        schema.apply(settings)

    return stack.declare(
        settings,
        settings.data,
        workers,
        learner=learner,
        apply_topics=apply_topics,
        apply_schema=apply_schema,
    )


def _announce(text: str) -> None:
    _out.print(f"{datetime.now():%H:%M:%S}  {text}", markup=False, soft_wrap=True)


def _show_endpoints(settings: Settings, workers: int, *, learner: bool, last: str) -> None:
    host, first = settings.host, settings.worker_metrics_port
    clickhouse = settings.clickhouse_host
    numbers = f"{first}" if workers == 1 else f"{first} … {first + workers - 1}"
    rows = [
        ("Kafka", settings.kafka),
        ("ClickHouse", f"{clickhouse}:{settings.clickhouse_port} (native protocol)"),
        ("", f"http://{clickhouse}:{settings.clickhouse_http_port} (HTTP)"),
        ("metrics", f"http://{host}:{numbers}/metrics (worker{'s' if workers > 1 else ''})"),
        *([("", f"http://{host}:{settings.learner_metrics_port}/metrics (learner)")] * learner),
        ("", f"http://{host}:{settings.sink_metrics_port}/metrics (sink)"),
        ("", f"http://{host}:{settings.subscribers_metrics_port}/metrics (subscribers)"),
        ("subscribers", f"{public_url(settings)}/docs"),
        ("logs", str(settings.data / "logs")),
    ]
    _out.print("\n[bold]corridor is up[/]")
    _out.print(stack_view.endpoints(rows))
    _out.print(f"[dim]{last}[/]\n")
