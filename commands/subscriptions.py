"""`corridor subscriptions`: who hears of incidents, and how."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from commands import consoles
from corridor import settings
from corridor.codes import AlertKind, Channel, DeliveryOutcome, Level
from corridor.models import EmailSettings, Subscription, WebhookSettings
from corridor.parties import Parties, PartiesError, parties_file
from corridor.settings import Settings
from sinks.subscribers import requests
from sinks.subscribers.attempt import Attempt
from sinks.subscribers.guard import ForbiddenTargetError, check_url
from sinks.subscribers.sample import trial
from sinks.subscribers.server import open_channels, public_url
from sinks.subscribers.subscriptions import new_id, opened

app = typer.Typer(help="Who hears of incidents, and how.", no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

T = TypeVar("T")
Id = Annotated[str, typer.Argument(metavar="ID", help="See list.", show_default=False)]
Some = list[str] | None


@app.command()
def add(
    party: Annotated[
        str, typer.Argument(metavar="PARTY", help="Hears of its own units.", show_default=False)
    ],
    url: Annotated[str | None, typer.Option(help="A server that takes webhooks.")] = None,
    email: Annotated[str | None, typer.Option(help="An address for mail.")] = None,
    secret: Annotated[
        str | None, typer.Option(help="Of a webhook; default: a new one.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    kind: Annotated[list[AlertKind] | None, typer.Option(help="Only this kind.")] = None,
    level: Annotated[Level, typer.Option(help="This and worse.")] = Level.MINOR,
    corridor: Annotated[Some, typer.Option(help="Only this corridor.")] = None,
    leg: Annotated[Some, typer.Option(help="Only this leg.")] = None,
    node: Annotated[Some, typer.Option(help="Only at this node.")] = None,
    unit: Annotated[Some, typer.Option(help="Only this unit.")] = None,
    shipment: Annotated[Some, typer.Option(help="Only this shipment.")] = None,
    group_seconds: Annotated[
        float, typer.Option(min=0, help="Least time between two messages of one incident.")
    ] = 300,
    repeat_seconds: Annotated[
        float, typer.Option(min=0, help="What stands is told again after this; 0: never.")
    ] = 86_400,
    quiet: Annotated[
        str | None,
        typer.Option(metavar="HH:MM-HH:MM", help="Then only CRITICAL is told.", show_default=False),
    ] = None,
    time_zone: Annotated[str, typer.Option(help="Of the quiet hours.")] = "UTC",
) -> None:
    """Subscribe a party, by webhook or mail; print the id, and a webhook's secret, once."""
    known = settings.load()
    if (url is None) == (email is None):
        _fail("say either --url or --email; a stream needs no subscription: GET /stream")
    try:
        if Parties(parties_file(known)).get(party) is None:
            _fail(f"there is no party {party}: corridor parties add {party}")
        if url is not None:
            check_url(url, private=known.webhook_private)
        begins, _, ends = (quiet or "").partition("-")
        asked = requests.SubscriptionAsked.model_validate(
            {
                "name": name,
                "channel": {"type": "email", "address": email}
                if url is None
                else {"type": "webhook", "url": url, "secret": secret},
                "filters": {
                    "kinds": kind or (),
                    "level": level,
                    "corridor_ids": corridor or (),
                    "leg_ids": leg or (),
                    "node_ids": node or (),
                    "unit_ids": unit or (),
                    "shipment_ids": shipment or (),
                },
                "group_seconds": group_seconds,
                "repeat_seconds": repeat_seconds,
                "quiet_hours": {"begins": begins, "ends": ends, "time_zone": time_zone}
                if quiet
                else None,
            }
        )
    except (PartiesError, ForbiddenTargetError) as error:
        _fail(str(error))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        _fail(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}")
    made = requests.build(asked, id=new_id(), party=party, now=datetime.now(UTC))
    _run(_write(known, made.subscription_id, made))
    typer.echo(made.subscription_id)
    if isinstance(made.channel, WebhookSettings):
        typer.echo(made.channel.secrets[0])
        _err.print("[dim]This is the only time that the secret is shown.[/]")


@app.command(name="list")
def list_() -> None:
    """Show all subscriptions."""
    found = _run(_all(settings.load()))
    if not found:
        _err.print("no subscriptions; corridor subscriptions add makes one")
        return
    console = consoles.tables()
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("id", "party", "name", "to", "of", "state"):
        table.add_column(column, overflow="fold")
    for one in found:
        state = "on" if one.enabled else f"[red]off: {escape(one.disabled_reason or 'by hand')}[/]"
        cells = (one.subscription_id, one.party, one.name, _target(one), _filters(one))
        table.add_row(*map(escape, cells), state)
    console.print(table)


@app.command()
def test(id: Id) -> None:
    """Send a message that says that it is a test; exit with 1 if it was not taken."""
    known = settings.load()
    attempt = _run(_try(known, id))
    status = "" if attempt.status_code is None else f" ({attempt.status_code})"
    if attempt.outcome is not DeliveryOutcome.DELIVERED:
        _fail(f"not taken{status}: {attempt.detail}")
    _out.print(f"[green]✓[/] taken{status}")


@app.command()
def remove(id: Id) -> None:
    """End a subscription; the gateway notices at once."""
    known = settings.load()
    _run(_find(known, id))
    _run(_write(known, id, None))
    _out.print(f"[green]✓[/] removed {escape(id)}")


async def _all(known: Settings) -> list[Subscription]:
    async with opened(known) as subscriptions:
        found = list(subscriptions.all().values())
    return sorted(found, key=lambda one: (one.party, one.subscription_id))


async def _find(known: Settings, id: str) -> Subscription:
    async with opened(known) as subscriptions:
        found = subscriptions.get(id)
    if found is None:
        _fail(f"there is no subscription {id}")
    return found


async def _write(known: Settings, id: str, subscription: Subscription | None) -> None:
    async with opened(known) as subscriptions:
        await subscriptions.write(id, subscription)


async def _try(known: Settings, id: str) -> Attempt:
    found = await _find(known, id)
    channels = open_channels(known)
    try:
        channel = channels.get(found.channel.type)
        if channel is None:
            _fail("a stream is tested by opening it: GET /stream")
        return await channel.send(found, trial(found, public_url(known)))
    finally:
        for one in channels.values():
            await one.close()


def _target(one: Subscription) -> str:
    match one.channel:
        case WebhookSettings():
            return one.channel.url
        case EmailSettings():
            return one.channel.address
    return str(Channel.SSE)


def _filters(one: Subscription) -> str:
    given = one.filters.model_dump(exclude_defaults=True)
    words = [str(given.pop("level"))] if "level" in given else []
    for values in given.values():
        words += map(str, values)
    return ", ".join(words) or "all"


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except KafkaError as error:
        _fail(f"Kafka does not answer (CORRIDOR_KAFKA): {error!r}")


def _fail(text: str) -> NoReturn:
    _err.print(f"[red]✗[/] {escape(text)}")
    raise typer.Exit(1)
