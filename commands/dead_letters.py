"""`corridor dead-letters`: look into the quarantine, and empty it."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import orjson
import typer
from clickhouse_driver.errors import Error as ClickHouseError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from corridor import settings
from corridor.codes import Reject, Status
from corridor.decoding import Rejected
from corridor.models import DeadLetter, Origin
from corridor.settings import Settings
from producers import quarantine
from producers.publisher import Publisher, PublishError
from sinks.clickhouse.client import connect

app = typer.Typer(help="Messages that could not be used: the quarantine.", no_args_is_help=True)

MOST_SETTLED = 100_000
_PAYLOAD_SHOWN = 4_000
_ID_SHOWN = 12

_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]…", help="Ids, or beginnings of ids.")
]
Reason = Annotated[Reject | None, typer.Option(help="Only this reason.")]
Source = Annotated[str | None, typer.Option(help="Only from this party.")]
Format = Annotated[str | None, typer.Option(help="Only of this format.")]
Since = Annotated[datetime | None, typer.Option(formats=_TIMES, help="Rejected since (UTC).")]
Until = Annotated[datetime | None, typer.Option(formats=_TIMES, help="Rejected before (UTC).")]
All = Annotated[bool, typer.Option("--all", help="All that are open, if nothing else is said.")]


class Choice(NamedTuple):
    """Which letters are meant."""

    ids: list[str]
    reason: Reject | None = None
    source: str | None = None
    format: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    settled: bool = False

    def where(self) -> tuple[str, dict[str, Any]]:
        """A condition for SQL, and its parameters."""
        parameters: dict[str, Any] = {}
        conditions = [] if self.settled else [f"status = '{Status.OPEN}'"]
        for column, value in (
            ("reason = ", self.reason and str(self.reason)),
            ("source = ", self.source),
            ("origin_format = ", self.format),
            ("rejected_time >= ", self.since),
            ("rejected_time < ", self.until),
        ):
            if value is not None:
                name = f"p{len(parameters)}"
                parameters[name] = value
                conditions.append(f"{column}%({name})s")
        if self.ids:
            names = [f"id{number}" for number in range(len(self.ids))]
            parameters |= dict(zip(names, self.ids, strict=True))
            starts = (f"startsWith(dead_letter_id, %({name})s)" for name in names)
            conditions.append(f"({' OR '.join(starts)})")
        return " AND ".join(conditions) or "1", parameters

    @property
    def everything(self) -> bool:
        """Whether nothing narrows the choice."""
        return not (any(self[1:6]) or self.ids)


@app.command("list")
def list_letters(
    reason: Reason = None,
    source: Source = None,
    format: Format = None,
    since: Since = None,
    until: Until = None,
    settled: Annotated[bool, typer.Option("--settled", help="Also replayed and dropped.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what is in the quarantine: how much for which reason, and the newest letters."""
    known = settings.load()
    choice = Choice([], reason, source, format, since, until, settled)
    if json:
        for letter in _fetch(known, choice, limit):
            _out.print(letter.to_json().decode(), markup=False, soft_wrap=True)
        return
    where, parameters = choice.where()
    counts = _ask(
        known,
        "SELECT reason, source, if(origin_format != '', origin_format, "
        "if(origin_file != '', origin_file, origin_topic)), status, count(), max(rejected_time) "
        f"FROM {{database}}.dead_letters FINAL WHERE {where} "
        "GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1 LIMIT 30",
        parameters,
    )
    if not counts:
        _out.print("The quarantine is empty." if choice.everything else "No letter is like that.")
        return
    table = _table("reason", "source", "from", "status", "letters", "last")
    table.columns[4].justify = "right"
    for cause, party, origin, status, count, last in counts:
        table.add_row(cause, party, origin, status, f"{count:,}", f"{last:%Y-%m-%d %H:%M:%S}")
    _out.print(table)
    table = _table("id", "rejected (UTC)", "reason", "field", "detail")
    for letter in _fetch(known, choice, limit):
        table.add_row(
            letter.dead_letter_id[:_ID_SHOWN],
            f"{letter.rejected_time:%Y-%m-%d %H:%M:%S}",
            str(letter.reason),
            Text(letter.field or "", overflow="fold"),
            Text(letter.detail, overflow="fold"),
        )
    _out.print(table)
    _err.print("[dim]corridor dead-letters show ID · replay ID · drop ID[/]")


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="Id, or its beginning.")],
    raw: Annotated[bool, typer.Option("--raw", help="Only the message, as it came.")] = False,
) -> None:
    """Show one letter: why, where from, and the message itself."""
    letters = list(_fetch(settings.load(), Choice([id], settled=True), 2))
    if len(letters) != 1:
        _fail(f"{'more than one letter begins' if letters else 'no letter begins'} with {id}")
    letter = letters[0]
    payload = base64.b64decode(letter.payload)
    if raw:
        typer.get_binary_stream("stdout").write(payload)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    origin = letter.origin.model_dump(exclude_none=True)
    for name, value in (
        ("id", letter.dead_letter_id),
        ("status", letter.status),
        ("reason", letter.reason),
        ("field", letter.field),
        ("detail", letter.detail),
        ("source", letter.source),
        ("origin", " · ".join(f"{name} {value}" for name, value in origin.items())),
        ("key", letter.key and base64.b64decode(letter.key).decode(errors="replace")),
        ("rejected", f"{letter.rejected_time:%Y-%m-%d %H:%M:%S} UTC"),
        ("bytes", f"{len(payload):,}"),
    ):
        if value:
            table.add_row(name, Text(str(value)))
    _out.print(table)
    _out.rule(style="dim")
    text = _readable(payload)
    _out.print(Text(text[:_PAYLOAD_SHOWN]))
    if len(text) > _PAYLOAD_SHOWN:
        _err.print("[dim]… --raw shows all of it[/]")


@app.command()
def replay(
    ids: Ids = None,
    reason: Reason = None,
    source: Source = None,
    format: Format = None,
    since: Since = None,
    until: Until = None,
    all: All = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
) -> None:
    """Try letters again by today's code, and publish those that can be used now.

    They become the very events that a clean message would have. Who replays a letter that a party
    sent in another's name vouches for it.
    """
    known = settings.load()
    letters = _chosen(known, Choice(ids or [], reason, source, format, since, until), all)
    usable, still = [], []
    for letter in letters:
        messages = quarantine.read(letter)
        if isinstance(messages, Rejected):
            still.append((letter, messages))
        else:
            usable.append((letter, messages))
    published = sum(len(messages) for _, messages in usable)
    if usable and not dry_run:
        try:
            with Publisher(known) as publisher:
                for _, messages in usable:
                    for message in messages:
                        publisher.publish(*message)
                publisher.flush()  # a letter is settled only when what it says is on Kafka
                for letter, _ in usable:
                    quarantine.settle(letter, Status.REPLAYED, publisher)
        except PublishError as error:
            _fail(str(error))
    would = "would become" if dry_run else "became"
    _out.print(f"{len(usable):,} of {len(letters):,} letters {would} {published:,} messages.")
    _tell_why_not(still)


@app.command()
def drop(
    ids: Ids = None,
    reason: Reason = None,
    source: Source = None,
    format: Format = None,
    since: Since = None,
    until: Until = None,
    all: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Give letters up. They stay in the table, marked, as long as the quarantine keeps them."""
    known = settings.load()
    letters = _chosen(known, Choice(ids or [], reason, source, format, since, until), all)
    if not letters:
        _out.print("No open letter is like that.")
        return
    if not yes:
        typer.confirm(f"Give up {len(letters):,} messages?", abort=True)
    try:
        with Publisher(known) as publisher:
            for letter in letters:
                quarantine.settle(letter, Status.DROPPED, publisher)
    except PublishError as error:
        _fail(str(error))
    _out.print(f"{len(letters):,} letters dropped.")


def _chosen(known: Settings, choice: Choice, all: bool) -> list[DeadLetter]:
    """The letters to settle."""
    if choice.everything and not all:
        _fail("which letters? Say ids, a reason, a source, a format, a time, or --all")
    return list(_fetch(known, choice, MOST_SETTLED))


def _tell_why_not(still: list[tuple[DeadLetter, Rejected]]) -> None:
    if not still:
        return
    table = _table("id", "still", "field", "detail")
    for letter, (reason, field, detail) in still[:20]:
        table.add_row(letter.dead_letter_id[:_ID_SHOWN], str(reason), field or "", Text(detail))
    _out.print(table)
    if len(still) > 20:
        _err.print(f"[dim]and {len(still) - 20:,} more[/]")


def _fetch(known: Settings, choice: Choice, limit: int) -> Iterator[DeadLetter]:
    """Letters from ClickHouse, the newest first."""
    where, parameters = choice.where()
    rows = _ask(
        known,
        "SELECT dead_letter_id, reason, field, detail, source, origin_topic, origin_partition, "
        "origin_offset, origin_file, origin_line, origin_format, origin_channel, key, payload, "
        f"rejected_time, status FROM {{database}}.dead_letters FINAL WHERE {where} "
        f"ORDER BY rejected_time DESC, dead_letter_id LIMIT {limit}",
        parameters,
    )
    for row in rows:
        id, reason, field, detail, source, topic, partition, offset, file, line = row[:10]
        format, channel, key, payload, rejected_time, status = row[10:]
        yield DeadLetter(
            dead_letter_id=id,
            reason=reason,
            field=field or None,
            detail=detail,
            source=source or None,
            origin=Origin(
                topic=topic or None,
                partition=partition,
                offset=offset,
                file=file or None,
                line=line,
                format=format or None,
                channel=channel or None,
            ),
            key=key or None,
            payload=payload,
            rejected_time=rejected_time.replace(tzinfo=UTC),
            status=status,
        )


def _ask(known: Settings, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    statement = sql.replace("{database}", known.clickhouse_database)
    try:
        with connect(known) as client:
            rows: list[tuple[Any, ...]] = client.execute(statement, parameters)
            return rows
    except (ClickHouseError, OSError, EOFError) as error:
        where = f"{known.clickhouse_host}:{known.clickhouse_port}"
        _fail(f"ClickHouse at {where} does not answer: {str(error).splitlines()[0]}")
        raise AssertionError from error


def _readable(payload: bytes) -> str:
    try:
        return orjson.dumps(orjson.loads(payload), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return payload.decode(errors="replace")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("id", "rejected (UTC)", "last"))
    return table


def _fail(text: str) -> None:
    _err.print("[red]✗[/]", Text(text))
    raise typer.Exit(1)
