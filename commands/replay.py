"""`corridor replay`: history onto Kafka in the order in which it became known."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from corridor import settings
from corridor.models import DeadLetter
from producers import nycflights13
from producers.publisher import Publisher, PublishError
from producers.replay import run
from producers.replay.file import ReplayFileError, ReplayWriter, look, read
from producers.replay.ordering import merged
from producers.replay.record import Record, to_micros, to_time
from producers.replay.staleness import KafkaPipeline, Staleness

INTERRUPTED = 130
STALENESS_MINUTES = 60.0
"""In life, a model is a moment old; by replay, no estimate is made by one that is much older."""
_REJECTS_SHOWN = 5

console = Console(stderr=True)


def replay(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE|nycflights13…", help="Replay files, or the flights."),
    ],
    speed: Annotated[
        float | None,
        typer.Option(min=1e-6, help="Times real time; default: as fast as it goes."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Stop after so many messages.")] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
            help="Stop before messages that became known at this time (UTC).",
        ),
    ] = None,
    staleness: Annotated[
        float,
        typer.Option(
            min=0,
            help="Minutes of event time that it may be ahead of what workers and learner have"
            " digested; 0: it does not wait. Without effect with --speed.",
        ),
    ] = STALENESS_MINUTES,
    output: Annotated[
        Path | None,
        typer.Option(help="Write a replay file instead (.gz: gzipped); Kafka is not needed."),
    ] = None,
) -> None:
    """Publishes replay files, or the built-in nycflights13, in order of availability.

    Several are played as one history.

    Lines that are no messages go to dead.letters, and the replay goes on.

    Ctrl-C stops it, and waits until Kafka has confirmed what was sent.
    """
    try:
        opened = [open_source(source) for source in sources]
        total, items = sum(lines for lines, _ in opened), merged(*(items for _, items in opened))
        end = to_micros(until.replace(tzinfo=UTC)) if until else None
        player = _Player(total if limit is None else min(limit, total), speed, limit, end)
        digested = staleness > 0 and speed is None
        if output is not None:
            with ReplayWriter(output) as writer:
                player.play(items, run.FileTarget(writer))
                if player.stopped:
                    raise _fail(f"Stopped; {output} was not written.", INTERRUPTED)
            typer.echo(f"{player.summary()}; written to {output}")
            return
        known = settings.load()
        with Publisher(known) as publisher, ExitStack() as stack:
            if digested:
                pipeline = stack.enter_context(KafkaPipeline(known, publisher.flush))
                player.hold_back(staleness, pipeline)
            try:
                player.play(items, run.KafkaTarget(publisher))
                publisher.flush()
            except PublishError:
                _say(f"{publisher.confirmed:,} messages were confirmed.")
                raise
            typer.echo(f"{player.summary()}; Kafka has confirmed {publisher.confirmed:,}")
        if player.stopped:
            raise _fail("Stopped.", INTERRUPTED)
    except (ReplayFileError, PublishError, OSError) as error:
        raise _fail(str(error)) from None


class _Player:
    """One replay with its progress on the terminal."""

    def __init__(self, total: int, speed: float | None, limit: int | None, end: int | None) -> None:
        self._stop = run.Stop()
        self._progress = run.Progress()
        self._pace: run.Pacing | None = run.Pace(speed, self._stop.wait) if speed else None
        self._total, self._limit, self._end = total, limit, end
        self._began = time.monotonic()

    def hold_back(self, minutes: float, pipeline: KafkaPipeline) -> None:
        """Lets the replay be only so far ahead of what the pipeline has digested."""
        self._pace = Staleness(
            int(minutes * 60_000_000),
            pipeline,
            self._stop.wait,
            lambda text: _say(f"{text}."),
            asked_to_stop=lambda: self._stop.asked,
        )

    @property
    def stopped(self) -> bool:
        return self._stop.asked

    def play(self, items: Iterator[Record | DeadLetter], target: run.Target) -> None:
        self._began = time.monotonic()
        with _signals_ask(self._stop), self._shown():
            run.play(
                self._tell_rejects(items),
                target,
                self._progress,
                stop=self._stop,
                pace=self._pace,
                until=self._end,
                limit=self._limit,
            )

    def summary(self) -> str:
        done = self._progress
        seconds = time.monotonic() - self._began
        rate = done.messages / seconds
        return (
            f"{done.itineraries:,} itineraries, {done.events:,} events, {done.rejected:,} rejected"
            f" in {seconds:.1f} s ({rate:,.0f}/s)"
        )

    def _tell_rejects(self, items: Iterator[Record | DeadLetter]) -> Iterator[Record | DeadLetter]:
        shown = 0
        for item in items:
            if isinstance(item, DeadLetter) and shown <= _REJECTS_SHOWN:
                shown += 1
                if shown > _REJECTS_SHOWN:
                    _say("more lines are rejected …")
                else:
                    field = f" {item.field}:" if item.field else ""
                    where = f"{item.origin.file}:{item.origin.line}"
                    _say(f"{where}: {item.reason}:{field} {item.detail}")
            yield item

    @contextmanager
    def _shown(self) -> Iterator[None]:
        """A progress bar that looks at the counts some times a second, off the replay's path."""
        bar = Progress(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TextColumn("{task.fields[reached]}"),
            TimeRemainingColumn(),
            console=console,
            refresh_per_second=4,
            transient=True,
            disable=not console.is_terminal,
        )
        task = bar.add_task("", total=self._total, rate=0.0, reached="")
        ended = threading.Event()
        began = time.monotonic()

        def refresh() -> None:
            while True:
                over = ended.wait(0.25)
                progress = self._progress
                reached = progress.reached
                bar.update(
                    task,
                    completed=progress.messages + progress.rejected,
                    rate=progress.messages / (time.monotonic() - began),
                    reached=f"{to_time(reached):%Y-%m-%d %H:%M} UTC" if reached else "",
                )
                if over:
                    return

        thread = threading.Thread(target=refresh, name="progress", daemon=True)
        with bar:
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join()


def open_source(source: str) -> tuple[int, Iterator[Record | DeadLetter]]:
    """How many lines a source has, and its messages."""
    path = Path(source)
    if source == nycflights13.SOURCE and not path.exists():
        return nycflights13.MESSAGES, nycflights13.records()
    with console.status(f"Looking at {source} …"):
        overview = look(path)
    return overview.lines, read(path, overview)


@contextmanager
def _signals_ask(stop: run.Stop) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) asks the replay to stop; the second one means it."""

    def ask(number: int, frame: object) -> None:
        stop.asked = True
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(text: str, code: int = 1) -> typer.Exit:
    _say(text)
    return typer.Exit(code)


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
