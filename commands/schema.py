"""`corridor schema`: the ClickHouse database and what the code declares."""

import logging
from typing import Annotated

import typer
from clickhouse_driver.errors import Error
from rich.console import Console

from corridor import settings
from corridor.settings import Settings
from sinks.clickhouse import schema

app = typer.Typer(help="The ClickHouse schema.", no_args_is_help=True)
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)

Cluster = Annotated[
    str | None,
    typer.Option(help="Of this cluster; default: CORRIDOR_CLICKHOUSE_CLUSTER.", metavar="NAME"),
]


@app.command()
def apply(cluster: Cluster = None) -> None:
    """Bring ClickHouse to what the code declares. Safe to repeat; stop the sink before."""
    done = _asked(schema.apply, cluster)
    for line in done:
        _out.print(f"applied {line}", markup=False)
    if not done:
        _out.print("nothing to do")


@app.command()
def diff(cluster: Cluster = None) -> None:
    """Say what differs; exit with 1 if anything does."""
    differences = _asked(schema.diff, cluster)
    for line in differences:
        _out.print(line, markup=False)
    if differences:
        raise typer.Exit(1)
    _out.print("no difference")


@app.command()
def sql(cluster: Cluster = None) -> None:
    """Print the statements that make everything; nothing is asked or changed."""
    try:
        for statement in schema.sql(_settings(cluster)):
            typer.echo(f"{statement};\n")
    except schema.SchemaError as error:
        raise _refused(error) from None


def _settings(cluster: str | None) -> Settings:
    known = settings.load()
    return known if cluster is None else known.model_copy(update={"clickhouse_cluster": cluster})


def _refused(error: schema.SchemaError) -> typer.Exit:
    _err.print(str(error), markup=False)
    return typer.Exit(2)


def _asked(question: schema.Question, cluster: str | None) -> list[str]:
    known = _settings(cluster)
    logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)  # what it raises says it too
    try:
        return question(known)
    except schema.SchemaError as error:
        raise _refused(error) from None
    except (Error, OSError, EOFError) as error:
        _err.print(
            f"ClickHouse at {known.clickhouse_host}:{known.clickhouse_port} does not answer "
            f"as it should (CORRIDOR_CLICKHOUSE_HOST, CORRIDOR_CLICKHOUSE_PORT): "
            f"{str(error).partition(chr(10))[0]}",
            markup=False,
        )
        raise typer.Exit(2) from None
