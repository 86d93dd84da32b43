"""`corridor formats` and `corridor decode`: what is read, and what would become of a message."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corridor.decoding import Rejected
from corridor.models import Itinerary, TrackingEvent
from producers import formats as registry
from producers.adapter import Format
from producers.intake import Taken, judge
from producers.messages import TOPIC_OF

PIPE_WIDTH = 1000
"""Columns where nobody looks: nothing is cut."""
WIDE = 140
"""Columns that the list of formats needs for a line each."""
DEFAULT_SENDER = "sender"
BY_TYPE = "by their type"

_err = Console(stderr=True, highlight=False, soft_wrap=True)


def formats() -> None:
    """Show every format that is read."""
    console = _console()
    wide = console.width >= WIDE
    table = (
        _table("name", "title", "events go to", "media type", "docs")
        if wide
        else _table("name", "title, where events go, media type, docs")
    )
    for family, members in registry.FAMILIES.items():
        for format in members:
            title, topic = escape(format.title), format.topic or BY_TYPE
            rest = (topic, format.content_type, f"docs/formats/{family}.md")
            if wide:
                table.add_row(format.name, title, *rest)
            else:
                table.add_row(format.name, f"{title}\n[dim]{', '.join(rest)}[/]")
    console.print(table)


def decode(
    files: Annotated[
        list[Path], typer.Argument(help="Messages; - reads standard input.", show_default=False)
    ],
    format: Annotated[
        str, typer.Option(help="Name of the format; default: recognised.", show_default=False)
    ] = "",
    sender: Annotated[
        str, typer.Option(help="Who sends it: the source where a message names none.")
    ] = DEFAULT_SENDER,
    json: Annotated[
        bool, typer.Option(help="Print JSON lines, also for what is rejected.")
    ] = False,
) -> None:
    """Show what a message would become, without sending it; exit with 1 if anything is rejected."""
    chosen = _named(format) if format else None
    rejected = 0
    for file in files:
        message = _read(file)
        known = chosen or registry.recognise(message)
        if known is None:
            _fail(
                f"{file}: it looks like no format that we read; say --format, see: corridor formats"
            )
        taken = judge(known, message, sender)
        rejected += len(taken.rejected)
        if json:
            _write(taken)
        else:
            _show(str(file), known, taken)
    if rejected:
        raise typer.Exit(1)


def _named(name: str) -> Format:
    found = registry.BY_NAME.get(name)
    if found is None:
        _fail(f"no format is named {name}; see: corridor formats")
    return found


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        _fail(f"{file}: {error.strerror}")


def _write(taken: Taken) -> None:
    out = sys.stdout.buffer
    for item in taken.accepted:
        out.write(item.to_json() + b"\n")
    for reason, field, detail in taken.rejected:
        rejected = {"rejected": {"reason": reason, "field": field, "detail": _plain(detail)}}
        out.write(orjson.dumps(rejected) + b"\n")
    out.flush()


def _show(file: str, format: Format, taken: Taken) -> None:
    console = _console()
    counts = f"{len(taken.accepted):,} accepted, {len(taken.rejected):,} rejected"
    console.print(
        f"[bold]{_text(file)}[/]: {_text(format.title)} [dim]({format.name})[/], {counts}"
    )
    events = [item for item in taken.accepted if isinstance(item, TrackingEvent)]
    itineraries = [item for item in taken.accepted if isinstance(item, Itinerary)]
    if events:
        console.print(_events(events, format))
    for itinerary in itineraries:
        console.print(_itinerary(itinerary))
    if taken.rejected:
        console.print(_rejects(taken.rejected))


def _events(events: list[TrackingEvent], format: Format) -> Table:
    table = _table("time", "event", "of", "where", "more")
    for event in events:
        mode = f" {event.mode}" if event.mode else ""
        what = f"{event.event_type} [bold]{_text(event.code)}[/]{mode}"
        if event.classifier != "ACTUAL":
            what += f" [yellow]{event.classifier}[/]"
        if event.retracted:
            what += " [red]RETRACTED[/]"
        subjects = (event.unit_id, event.run_id, event.shipment_id)
        where = [event.node_id] if event.node_id else []
        if event.latitude is not None and event.longitude is not None:
            where.append(f"{event.latitude:.4f}, {event.longitude:.4f}")
        table.add_row(
            event.event_time.strftime("%Y-%m-%d %H:%M:%SZ").replace(" ", "\n", 1),
            what,
            "\n".join(_text(subject) for subject in subjects if subject),
            "\n".join(_text(part) for part in where),
            _more(event, format),
        )
    return table


def _more(event: TrackingEvent, format: Format) -> str:
    lines = [f"[dim]id[/] {_text(event.source)}/{_text(event.event_id)}"]
    lines.append(f"[dim]topic[/] {format.topic or TOPIC_OF[event.event_type]}")
    if event.updated_time != event.event_time:
        lines.append(f"[dim]updated[/] {event.updated_time:%Y-%m-%d %H:%M:%SZ}")
    if event.delay_reasons:
        lines.append(f"[dim]delayed by[/] {_text(' '.join(event.delay_reasons))}")
    lines += [f"[dim]{_text(name)}[/] {_text(value)}" for name, value in event.attributes.items()]
    return "\n".join(lines)


def _itinerary(itinerary: Itinerary) -> Table:
    table = _table("leg", "mode", "from", "to", "planned departure", "planned arrival", "run")
    table.title = (
        f"itinerary of {_text(itinerary.unit_id)}, {_text(itinerary.shipment_id)},"
        f" version {itinerary.version}"
    )
    table.title_justify = "left"
    for leg in itinerary.legs:
        table.add_row(
            str(leg.sequence),
            leg.mode,
            _text(leg.from_node),
            _text(leg.to_node),
            f"{leg.planned_departure:%Y-%m-%d %H:%MZ}",
            f"{leg.planned_arrival:%Y-%m-%d %H:%MZ}",
            _text(leg.run_id or ""),
        )
    return table


def _rejects(rejected: list[Rejected]) -> Table:
    table = _table("rejected", "field", "why")
    for reason, field, detail in rejected:
        table.add_row(f"[red]{reason}[/]", _text(field or ""), _text(detail))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def _plain(text: str) -> str:
    """Text of a message as any terminal and any file takes it: control characters are shown."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def _text(value: object) -> str:
    return escape(_plain(str(value)))


def _fail(text: str) -> NoReturn:
    _err.print(f"[red]✗[/] {_text(text)}")
    raise typer.Exit(2)
