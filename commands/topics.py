"""`corridor topics`: Kafka's topics and what the code declares."""

import logging
from collections.abc import Callable
from typing import TypeVar

import kafka.errors
import typer
from rich.console import Console

from commands import topic_admin
from corridor import settings
from corridor.settings import Settings

app = typer.Typer(help="Kafka's topics.", no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

T = TypeVar("T")


@app.command()
def apply() -> None:
    """Create topics that are missing and set configuration. Safe to repeat."""
    applied = _asked(topic_admin.apply)
    for line in applied.done:
        _out.print(f"[green]✓[/] {line}")
    for difference in applied.left:
        _err.print(f"[yellow]![/] {difference}: not changed, as it would move data")
    if applied.left:
        raise typer.Exit(1)
    if not applied.done:
        _out.print("nothing to do")


@app.command()
def diff() -> None:
    """Say what differs; exit with 1 if anything does."""
    differences = _asked(topic_admin.diff)
    for difference in differences:
        _out.print(str(difference), markup=False)
    if differences:
        raise typer.Exit(1)
    _out.print("no difference")


def _asked(question: Callable[[Settings], T]) -> T:
    known = settings.load()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what fails is said below, once
    try:
        return question(known)
    except kafka.errors.KafkaError as error:
        _err.print(
            f"Kafka at {known.kafka} does not answer as it should (CORRIDOR_KAFKA): {error}",
            markup=False,
        )
        raise typer.Exit(2) from None
