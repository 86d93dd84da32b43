"""`corridor parties`: who may send messages, and the tokens that prove it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corridor import parties, settings
from corridor.parties import ALL, Parties, PartiesError, Token, parties_file
from producers import formats

app = typer.Typer(help="The parties that may send messages.", no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

PartyName = Annotated[
    str, typer.Argument(metavar="NAME", help="The party's own name.", show_default=False)
]


@app.command()
def add(
    party: PartyName,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="Another name that messages call it by: SCAC, SMDG code, GLN, airline code …",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        list[str] | None,
        typer.Option(
            help="A format that it may send; default: all that speak in the sender's own name."
            " Itineraries do not, so they have to be granted. '*' names the default.",
            show_default=False,
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=1, help="The token expires after this; default: never.", show_default=False
        ),
    ] = None,
) -> None:
    """Add a party, or one more token (and name, and format) to one; print the token, once."""
    known = settings.load()
    names = tuple(format or ())
    for unknown in set(names) - set(formats.BY_NAME) - {ALL}:
        _fail(f"no format is named {unknown}; see: corridor formats")
    now = datetime.now(UTC)
    try:
        token = parties.add(
            parties_file(known),
            party,
            now,
            aliases=tuple(name or ()),
            formats=names,
            expires=None if days is None else now + timedelta(days=days),
        )
    except (PartiesError, OSError) as error:
        _fail(str(error))
    typer.echo(token)
    _err.print("[dim]This is the only time that the token is shown.[/]")


@app.command(name="list")
def list_() -> None:
    """Show the parties, their names, formats and tokens (never the tokens themselves)."""
    known = settings.load()
    try:
        everyone = Parties(parties_file(known)).all()
    except PartiesError as error:
        _fail(str(error))
    if not everyone:
        _err.print("no parties; corridor parties add makes one")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=1000)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("party", "also named", "formats", "tokens"):
        table.add_column(column, overflow="fold")
    now = datetime.now(UTC)
    for one in everyone:
        table.add_row(
            escape(one.id),
            escape(", ".join(one.aliases)),
            escape(", ".join(one.formats) or ALL),
            "\n".join(_token(token, now) for token in one.tokens) or "[yellow]none[/]",
        )
    console.print(table)


@app.command()
def remove(
    party: PartyName,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Only the token with this id (see list).", show_default=False
        ),
    ] = None,
) -> None:
    """Remove a party, or one of its tokens; gateways notice within a second."""
    known = settings.load()
    try:
        found = parties.remove(parties_file(known), party, token)
    except (PartiesError, OSError) as error:
        _fail(str(error))
    if not found:
        _fail(f"there is no {'such token of ' if token else 'party '}{party}")
    _out.print(f"[green]✓[/] removed {'token ' + token + ' of ' if token else ''}{escape(party)}")


def _token(token: Token, now: datetime) -> str:
    if token.expires is None:
        return f"{token.id} [dim]of {token.created:%Y-%m-%d}[/]"
    if token.expires <= now:
        return f"{token.id} [red]expired {token.expires:%Y-%m-%d}[/]"
    return f"{token.id} [dim]until {token.expires:%Y-%m-%d}[/]"


def _fail(text: str) -> NoReturn:
    _err.print(f"[red]✗[/] {escape(text)}")
    raise typer.Exit(1)
