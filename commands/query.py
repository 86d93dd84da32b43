"""`corridor query`: asks ClickHouse."""

import http.client
import shutil
import sys
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from commands import consoles
from corridor import settings
from corridor.settings import Settings

SHOWN_ROWS = 1000
"""A table on the screen ends here; a format does not."""

_NUMBERS = ("Int", "UInt", "Float", "Decimal", "Nullable(Int", "Nullable(UInt", "Nullable(Float")
_TABLE_FORMAT = "JSONCompact"
_TIMEOUT_SECONDS = 300.0

_err = Console(stderr=True, highlight=False, soft_wrap=True)


def query(
    sql: Annotated[str, typer.Argument(help="One statement.", show_default=False)],
    format: Annotated[
        str,
        typer.Option(
            help="Any output format of ClickHouse, such as CSVWithNames, JSONEachRow or Parquet."
        ),
    ] = "",
) -> None:
    """Ask ClickHouse; shows a table, or writes any format of ClickHouse."""
    known = settings.load()
    connection = http.client.HTTPConnection(
        known.clickhouse_host, known.clickhouse_http_port, timeout=_TIMEOUT_SECONDS
    )
    try:
        response = _ask(connection, known, sql, format or _TABLE_FORMAT)
        if response.status != 200:
            _fail(response.read().decode(errors="replace"))
        # a FORMAT in the statement itself wins over ours
        if (response.getheader("X-ClickHouse-Format") or _TABLE_FORMAT) == _TABLE_FORMAT and (
            not format
        ):
            _show(response.read())
        else:
            shutil.copyfileobj(response, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    except (OSError, http.client.HTTPException) as error:
        _err.print(
            f"ClickHouse at {known.clickhouse_host}:{known.clickhouse_http_port} does not answer "
            "(CORRIDOR_CLICKHOUSE_HOST, CORRIDOR_CLICKHOUSE_HTTP_PORT): "
            f"{(isinstance(error, OSError) and error.strerror) or error}",
            markup=False,
        )
        raise typer.Exit(1) from None
    finally:
        connection.close()


def _ask(
    connection: http.client.HTTPConnection, known: Settings, sql: str, format: str
) -> http.client.HTTPResponse:
    parameters = {"default_format": format, "database": known.clickhouse_database}
    connection.request(
        "POST",
        "/?" + urlencode(parameters),
        body=sql.encode(),
        headers={
            "X-ClickHouse-User": known.clickhouse_user,
            "X-ClickHouse-Key": known.clickhouse_password.get_secret_value(),
        },
    )
    return connection.getresponse()


def _show(body: bytes) -> None:
    if not body.strip():
        Console().print("[green]✓[/] done")
        return
    try:
        result = orjson.loads(body)
        columns, rows = result["meta"], result["data"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        # a format of the statement's own, or an error that came when rows were under way
        text = body.decode(errors="replace")
        if "DB::Exception" in text:
            _fail(text[text.rindex("Code:") if "Code:" in text else 0 :])
        sys.stdout.write(text)
        return
    console = consoles.tables()
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        number = column["type"].startswith(_NUMBERS)
        table.add_column(column["name"], justify="right" if number else "left")
    for row in rows[:SHOWN_ROWS]:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)
    count, total = min(len(rows), SHOWN_ROWS), result.get("rows", len(rows))
    seconds = result.get("statistics", {}).get("elapsed")
    more = f" of {total:,}; --format shows all" if total > count else ""
    took = f" in {seconds:.3f} s" if seconds is not None else ""
    _err.print(f"[dim]{count:,} row{'' if count == 1 else 's'}{more}{took}[/]")


def _cell(value: Any) -> str:
    if value is None:
        return "[dim]NULL[/]"
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text.replace("[", r"\[")


def _fail(text: str) -> None:
    line = " ".join(text.split()) or "ClickHouse gave no reason"
    _err.print(f"[red]✗[/] {line.replace('[', chr(92) + '[')}")
    raise typer.Exit(1)
