"""`corridor schema`: the ClickHouse database and what the code declares."""

import logging

import typer
from clickhouse_driver.errors import Error
from rich.console import Console

from corridor import settings
from sinks.clickhouse import schema

app = typer.Typer(help="The ClickHouse schema.", no_args_is_help=True)
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)


@app.command()
def apply() -> None:
    """Bring ClickHouse to what the code declares. Safe to repeat."""
    done = _asked(schema.apply)
    for line in done:
        _out.print(f"applied {line}", markup=False)
    if not done:
        _out.print("nothing to do")


@app.command()
def diff() -> None:
    """Say what differs; exit with 1 if anything does."""
    differences = _asked(schema.diff)
    for line in differences:
        _out.print(line, markup=False)
    if differences:
        raise typer.Exit(1)
    _out.print("no difference")


def _asked(question: schema.Question) -> list[str]:
    known = settings.load()
    logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)  # what it raises says it too
    try:
        return question(known)
    except (Error, OSError, EOFError) as error:
        _err.print(
            f"ClickHouse at {known.clickhouse_host}:{known.clickhouse_port} does not answer "
            f"as it should (CORRIDOR_CLICKHOUSE_HOST, CORRIDOR_CLICKHOUSE_PORT): "
            f"{str(error).partition(chr(10))[0]}",
            markup=False,
        )
        raise typer.Exit(2) from None
