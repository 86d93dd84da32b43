"""`corridor audit`: whether ClickHouse holds what Kafka holds."""

import logging
from collections.abc import Sequence
from typing import Annotated

import kafka.errors
import orjson
import typer
from clickhouse_driver.errors import Error
from rich import box
from rich.console import Console
from rich.table import Table

from commands import consoles
from corridor import settings
from sinks.clickhouse.audit import AuditError, Verdict, as_json
from sinks.clickhouse.audit import audit as run

_err = Console(stderr=True, highlight=False, soft_wrap=True)

_COUNTS = ("gaps", "duplicates", "foreign", "missing", "differing", "refused", "waiting")


def audit(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove, for each partition, that ClickHouse holds what Kafka holds; exit with 1 if not.

    Reads every record that Kafka still has and the sink has committed, and looks up its row.
    """
    known = settings.load()
    for name in ("kafka", "clickhouse_driver"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is said below, once
    verdicts: list[Verdict] = []
    try:
        with _err.status("") as status:
            for verdict in run(known):
                verdicts.append(verdict)
                status.update(f"{verdict.topic}, partition {verdict.partition}")
    except (kafka.errors.KafkaError, Error, OSError, EOFError, AuditError) as error:
        _err.print(
            f"No audit: {str(error).partition(chr(10))[0] or type(error).__name__} "
            f"(Kafka at {known.kafka}, ClickHouse at "
            f"{known.clickhouse_host}:{known.clickhouse_port})",
            markup=False,
        )
        raise typer.Exit(2) from None
    if json:
        typer.echo(orjson.dumps(as_json(verdicts), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(verdicts, consoles.tables())
    if not all(verdict.ok for verdict in verdicts):
        raise typer.Exit(1)


def _show(verdicts: Sequence[Verdict], console: Console) -> None:
    shown = [name for name in _COUNTS if any(getattr(one, name) for one in verdicts)]
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("topic", no_wrap=True)
    for title in ("partition", "from", "to", "rows", *shown):
        table.add_column(title, justify="right")
    for one in verdicts:
        counts = [getattr(one, name) for name in shown]
        table.add_row(
            one.topic,
            str(one.partition),
            *(f"{number:,}" for number in (one.start, one.end, one.rows)),
            *(f"{count:,}" if count else "" for count in counts),
            style=None if one.ok else "red",
        )
    console.print(table)
    rows = sum(one.rows for one in verdicts)
    if wrong := sum(not one.ok for one in verdicts):
        console.print(
            f"[red]✗[/] {wrong} of {len(verdicts)} partitions differ from what Kafka holds"
        )
        return
    waiting = sum(one.waiting for one in verdicts)
    later = f"; {waiting:,} records are still to come" if waiting else ""
    console.print(
        f"[green]✓[/] ClickHouse holds what Kafka holds: {rows:,} rows of {len(verdicts)} "
        f"partitions, each once and as it was told{later}"
    )
