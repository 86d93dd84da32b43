"""`corridor simulate`: a synthetic history of a corridor, with the truth beside it."""

import gzip
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from commands.replay import replay
from producers.replay.file import ReplayWriter
from producers.replay.ordering import Sorter
from producers.simulator.drop import Drop
from producers.simulator.geography import UnknownCorridor
from producers.simulator.simulate import Parameters, Replay, Summary
from producers.simulator.simulate import simulate as run


class Noise(StrEnum):
    """How much goes wrong in telling; `producers.simulator.noise.LEVELS`."""

    NONE = "none"
    NORMAL = "normal"
    HARSH = "harsh"


KINDS_SHOWN = 40

console = Console(stderr=True)


def simulate(
    corridor: Annotated[str, typer.Option(help="The corridor's id, like ILSTC.")],
    shipments: Annotated[int, typer.Option(min=1, help="How many are booked.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same history.")] = 1,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="Day of the first booking.")
    ] = datetime(2026, 1, 5),
    days: Annotated[int, typer.Option(min=1, help="In how many days they are booked.")] = 120,
    noise: Annotated[Noise, typer.Option(help="How well parties tell.")] = Noise.NORMAL,
    loss: Annotated[
        float, typer.Option(min=0, max=1, help="Share of statements that nobody ever hears.")
    ] = 0.0,
    positions: Annotated[
        float,
        typer.Option(min=0, help="Positions, times the usual number; 0: none."),
    ] = 1.0,
    output: Annotated[
        Path | None, typer.Option(help="Write a replay file (.gz: gzipped); Kafka is not needed.")
    ] = None,
    messages: Annotated[
        Path | None,
        typer.Option(help="Write the parties' own messages into this folder, as a drop folder."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="Where the truth goes; default: beside the output, NAME.truth.jsonl."),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            min=1e-6, help="When published: times real time; default: as fast as it goes."
        ),
    ] = None,
) -> None:
    """Simulates shipments on a corridor; publishes them, or writes them to a file or folder."""
    parameters = Parameters(
        corridor,
        shipments,
        seed,
        start.date(),
        days,
        noise.value,
        loss,
        1 / positions if positions else 0.0,
    )
    try:
        if messages is not None:
            drop = Drop(messages)
            with _truth(truth or messages.with_name(f"{messages.name}.truth.jsonl")) as write:
                _run(parameters, drop, write)
            typer.echo(f"{drop.files:,} messages in {messages}")
        elif output is not None:
            to_file(parameters, output, truth or _beside(output))
            typer.echo(f"written to {output}")
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{corridor}-{seed}.jsonl"
                to_file(parameters, path, truth)
                replay([str(path)], speed=speed)
    except (UnknownCorridor, OSError) as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def to_file(parameters: Parameters, output: Path, truth: Path | None, *, tell: bool = True) -> None:
    """Simulates, says how much, and writes the replay file."""
    sorter = Sorter()
    with _truth(truth) as write:
        _run(parameters, Replay(sorter), write, tell)
    with ReplayWriter(output) as writer:
        for record in sorter.sorted():
            writer.write(record)


def _run(
    parameters: Parameters,
    listener: Replay | Drop,
    write: Callable[[bytes], object],
    tell: bool = True,
) -> None:
    began = time.monotonic()
    with console.status(f"Simulating {parameters.shipments:,} shipments …"):
        summary = run(parameters, listener, write)
    if tell:
        _tell(summary, listener.kinds, time.monotonic() - began)


@contextmanager
def _truth(path: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Where the truth is written; nowhere, if nobody asked for it."""
    if path is None:
        yield lambda line: None
        return
    try:
        with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
            yield file.write
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    typer.echo(f"truth: {path}")


def _beside(output: Path) -> Path:
    """`FILE.truth.jsonl` of FILE.jsonl or FILE.jsonl.gz."""
    name = output.name.removesuffix(".gz").removesuffix(".jsonl")
    return output.with_name(f"{name}.truth.jsonl")


def _tell(summary: Summary, kinds: Counter[str], seconds: float) -> None:
    typer.echo(
        f"{summary.shipments:,} shipments, {summary.units:,} units, {summary.runs:,} runs,"
        f" {kinds.total():,} messages in {seconds:.1f} s"
    )
    typer.echo(f"messages  {_counts(kinds)}")
    typer.echo(f"causes    {_counts(summary.causes)}")
    typer.echo(f"legs      {_counts(summary.endings)}")
    typer.echo(f"spoiled   {summary.rows['spoiled']:,} messages that cannot be used")


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common(KINDS_SHOWN))
