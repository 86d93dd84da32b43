"""`corridor alerts`: what stands, as it comes, and why."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer
from clickhouse_driver.errors import Error as ClickHouseError
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands import consoles
from corridor import settings, topics
from corridor.alerting.notices import explains, notice
from corridor.alerting.rules import LEVELS
from corridor.alerting.wording import span
from corridor.codes import AlertKind, AlertState, Level
from corridor.decoding import Decoder, Rejected
from corridor.models import Incident
from corridor.settings import Settings
from sinks.clickhouse.client import connect

app = typer.Typer(help="Incidents: what stands, and why.", invoke_without_command=True)

_ID_SHOWN = 12
_REVISIONS_SHOWN = 30
_COLOURS = {Level.MINOR: "yellow", Level.MAJOR: "dark_orange", Level.CRITICAL: "red"}

_PARENT = (
    "if(parent IN (SELECT dedup_key FROM {database}.current_incidents "
    f"WHERE state != '{AlertState.RESOLVED}'), parent, '') AS because"
)

_out = consoles.tables()
_err = Console(stderr=True, highlight=False, soft_wrap=True)
_read = Decoder(Incident)


@app.callback()
def alerts(
    context: typer.Context,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show what comes, until Ctrl-C.")
    ] = False,
    kind: Annotated[AlertKind | None, typer.Option(help="Only this kind.")] = None,
    level: Annotated[Level, typer.Option(help="This level and worse.")] = Level.MINOR,
    party: Annotated[str | None, typer.Option(help="Only what concerns this party.")] = None,
    over: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Incidents that stand, the worst first."""
    if context.invoked_subcommand is not None:
        return
    known = settings.load()
    if follow:
        _follow(known, kind, level, party, json)
        return
    conditions, parameters = ["1"], dict[str, Any]()
    if kind is not None:
        conditions.append(f"kind = '{kind}'")
    if not over:
        conditions.append(f"state != '{AlertState.RESOLVED}'")
    worse = ", ".join(f"'{name}'" for name in LEVELS[LEVELS.index(level) :])
    conditions.append(f"level IN ({worse})")
    if party is not None:
        conditions.append("has(parties.party, %(party)s)")
        parameters["party"] = party
    if json:
        columns = "incident_id, dedup_key, revision, kind, level, state, reason, unit_count, as_of"
        where = " AND ".join(conditions)
        for [line] in _ask(
            known,
            f"SELECT formatRowNoNewline('JSONEachRow', {columns}) "
            f"FROM {{database}}.current_incidents WHERE {where} ORDER BY as_of DESC LIMIT {limit}",
            parameters,
        ):
            typer.echo(line)
        return
    rows = _ask(
        known,
        f"SELECT incident_id, level, state, {_PARENT}, opened_time, reason "
        f"FROM {{database}}.current_incidents WHERE {' AND '.join(conditions)} "
        "ORDER BY level = 'CRITICAL' DESC, level = 'MAJOR' DESC, as_of DESC, incident_id "
        f"LIMIT {limit}",
        parameters,
    )
    if not rows:
        _out.print("Nothing stands.")
        return
    table = _table("id", "level", "state", "since (UTC)", "what")
    for incident_id, degree, state, parent, opened, reason in rows:
        table.add_row(
            incident_id[:_ID_SHOWN],
            Text(degree, _COLOURS[Level(degree)]),
            state,
            "" if opened is None else f"{opened:%m-%d %H:%M}",
            Text(f"{reason}{f' Because of {parent}.' if parent else ''}", overflow="fold"),
        )
    _out.print(table)
    _err.print("[dim]corridor alerts explain ID[/]")


@app.command()
def explain(
    incident: Annotated[str, typer.Argument(metavar="ID", help="An id, its beginning, or a key.")],
) -> None:
    """Why an incident is one: the rule, the numbers held against it, and how it went."""
    known = settings.load()
    rows = _ask(
        known,
        f"SELECT {', '.join(_EXPLAINED)} FROM {{database}}.incidents FINAL "
        "WHERE startsWith(incident_id, %(id)s) OR dedup_key = %(id)s "
        "ORDER BY incident_id, revision",
        {"id": incident},
    )
    revisions = [dict(zip(_EXPLAINED, row, strict=True)) for row in rows]
    if not revisions:
        _fail(f"no incident {incident}")
    ids = sorted({revision["incident_id"] for revision in revisions})
    if len(ids) > 1:
        _fail(f"{incident} may be {', '.join(name[:_ID_SHOWN] for name in ids[:10])}")
    last = revisions[-1]
    _out.print(Text(last["reason"], "bold"))
    for line in _reasons(last):
        _out.print(Text(f"  {line}"))
    _out.print()
    table = _table("revision", "as of (UTC)", "state", "level", "units", "value", "sure", "told by")
    told: tuple[Any, ...] | None = None
    shown = 0
    for revision in revisions:
        standing = (revision["state"], revision["level"])
        if standing == told and revision is not last:
            continue
        told, shown = standing, shown + 1
        if shown > _REVISIONS_SHOWN:
            continue
        sure = revision["why_probability"]
        value = revision["why_value_seconds"]
        table.add_row(
            str(revision["revision"]),
            _time(revision["as_of"]),
            f"{revision['state']}{' (late)' if revision['late'] else ''}",
            Text(revision["level"], _COLOURS[Level(revision["level"])]),
            str(revision["unit_count"]),
            "" if value is None else span(value),
            "" if sure is None else f"{sure:.0%}",
            Text(revision["caused_by"], overflow="fold"),
        )
    _out.print(table)


_EXPLAINED = (
    *("incident_id", "dedup_key", "revision", "kind", "level", "state", "flags", "late", "as_of"),
    *("opened_time", "resolved_time", "reason", "why_rule", "why_fact", "why_probability"),
    *("why_opens_at", "why_clears_at", "why_threshold_seconds", "why_value_seconds"),
    *("why_planned_time", "why_expected_time", "why_since", "why_node_id", "why_evidence"),
    *("why_model_version", "why_caused_by", "unit_count", "shipment_count", "parent", "caused_by"),
)


def _reasons(last: dict[str, Any]) -> Iterator[str]:
    yield f"{last['dedup_key']}, revision {last['revision']}, id {last['incident_id']}"
    by = "by a fact" if last["why_fact"] else "by what is likely"
    yield f"rule {last['why_rule']}, {by}"
    if last["why_probability"] is not None:
        yield (
            f"probability {last['why_probability']:.0%}; opens at {last['why_opens_at']:.0%},"
            f" clears at {last['why_clears_at']:.0%}"
        )
    if last["why_value_seconds"] is not None:
        line = f"value {span(last['why_value_seconds'])}"
        if last["why_threshold_seconds"] is not None:
            line += f"; {last['level']} from {span(last['why_threshold_seconds'])} on"
        yield line
    if last["why_planned_time"] is not None:
        expected = last["why_expected_time"]
        yield f"planned {_time(last['why_planned_time'])}, expected {_time(expected)} UTC"
    if last["why_since"] is not None:
        yield f"since {_time(last['why_since'])} UTC"
    if last["why_evidence"]:
        yield f"evidence {last['why_evidence']}, model {last['why_model_version'] or 'none'}"
    yield f"told by {last['why_caused_by']}"
    yield f"{last['unit_count']} units of {last['shipment_count']} shipments now"
    if last["flags"]:
        yield ", ".join(last["flags"])
    if last["parent"]:
        yield f"explained by {last['parent']}, which is told instead while it stands"


def _follow(
    known: Settings, kind: AlertKind | None, level: Level, party: str | None, json: bool
) -> None:
    told, newest = dict[str, Incident](), dict[str, Incident]()
    for incident in _incidents(known):
        newest[incident.dedup_key] = incident
        if (
            (kind is not None and incident.kind is not kind)
            or LEVELS.index(incident.level) < LEVELS.index(level)
            or (party is not None and all(share.party != party for share in incident.parties))
        ):
            continue
        explained = explains(newest.get(incident.parent or ""), incident)
        why = notice(told.get(incident.dedup_key), incident, explained=explained)
        if json:
            typer.echo(incident.to_json())
        elif why is not None:
            colour = "green" if incident.state is AlertState.RESOLVED else _COLOURS[incident.level]
            _out.print(
                Text(f"{incident.as_of:%Y-%m-%d %H:%M} "),
                Text(f"{why:8}", colour),
                Text(f" {incident.incident_id[:_ID_SHOWN]} {incident.reason}"),
                sep="",
                soft_wrap=True,
            )
        if why is not None:
            told[incident.dedup_key] = incident


def _incidents(known: Settings) -> Iterator[Incident]:
    """What comes from now on."""
    try:
        consumer = KafkaConsumer(**known.kafka_client(), enable_auto_commit=False)
    except KafkaError as error:
        _fail(f"Kafka at {known.kafka} does not answer: {error}")
    try:
        name = topics.INCIDENTS.name
        partitions = consumer.partitions_for_topic(name)
        if not partitions:
            _fail(f"there is no topic {name}: corridor topics apply")
        consumer.assign([TopicPartition(name, number) for number in sorted(partitions)])
        consumer.seek_to_end()
        for record in consumer:
            incident = _read(record.value)
            if not isinstance(incident, Rejected):
                yield incident
    except KeyboardInterrupt:
        return
    finally:
        consumer.close()


def _ask(known: Settings, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    try:
        with connect(known) as client:
            statement = sql.replace("{database}", known.clickhouse_database)
            rows: list[tuple[Any, ...]] = client.execute(statement, parameters)
            return rows
    except (ClickHouseError, OSError, EOFError) as error:
        where = f"{known.clickhouse_host}:{known.clickhouse_port}"
        _fail(f"ClickHouse at {where} does not answer: {str(error).splitlines()[0]}")
        raise AssertionError from error


def _time(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("id", "since (UTC)", "as of (UTC)"))
    return table


def _fail(text: str) -> Any:
    _err.print("[red]✗[/]", Text(text))
    raise typer.Exit(1)
