"""How good the alerts of a history were, by what came of it.

A run on its leg is late if it arrived later than the least threshold of the rules. It was alerted
if its DELAY was OPEN before its arrival was known. All is counted once for each run, not for each
unit aboard.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

import msgspec

from corridor.alerting import places
from corridor.alerting.alerts import Alert
from corridor.alerting.notices import Notice, explained_no_more, explains, notice
from corridor.alerting.rules import Rules, packaged
from corridor.codes import AlertKind, AlertState, Ending, Mode, Stage
from corridor.models import Incident, LegEstimate, LegOutcome

FLAP = timedelta(hours=24)
"""An incident that comes back within so long after its end was flapping."""


GROUP = timedelta(minutes=5)
"""What is said of an incident within so long is one message."""


class Run(msgspec.Struct):
    """One run on one leg."""

    mode: Mode
    limit: datetime | None = None
    """From when on it is late."""
    arrival: datetime | None = None
    arrived: bool | None = None
    known: datetime | None = None
    """When its arrival could be known."""
    opened: datetime | None = None
    """When its alert was first OPEN, before that."""
    departed: datetime | None = None
    """When its departure could be known."""


class Naive(msgspec.Struct):
    """What a threshold on each shipment's ETA would have told of one unit's leg."""

    level: int = 0


class Figures(NamedTuple):
    """How many, of what."""

    runs: int
    late: int
    alerted: int
    hits: int
    in_time: int
    leads: Sequence[float]
    """Minutes before it was late, of those that were."""


class AlertScorer:
    """Hears what the workers say."""

    def __init__(self, rules: Rules | None = None, since: datetime | None = None) -> None:
        """Hears nothing yet.

        Args:
            rules: By which alerts are made.
            since: Runs that were to arrive before are not counted.
        """
        self._rules, self._since = rules or packaged(), since
        self.runs: dict[tuple[str, str], Run] = {}
        self._last: dict[str, Incident] = {}
        self._told: dict[str, tuple[Incident, datetime]] = {}
        """As last told to somebody who hears of everything, and when."""
        self.messages: Counter[str] = Counter()
        self.to_parties = 0
        """The same, counted for each party that it concerns."""
        self.opened: Counter[str] = Counter()
        self.flaps = 0
        self._naive: dict[tuple[str, str, int], Naive] = {}
        self.naive = 0
        self._shipments: set[str] = set()

    def hear(self, output: LegEstimate | LegOutcome, heard: datetime) -> None:
        """Takes an estimate or outcome, and when it could be made."""
        run = self._run(output)
        bounds = self._rules.rule(AlertKind.DELAY, output.mode, output.corridor_id).thresholds
        least = min((bound for bound in bounds if bound is not None), default=0.0)
        run.limit = output.planned_arrival + timedelta(seconds=least)
        if self._is_counted(heard):
            self._shipments.add(output.shipment_id)
        if isinstance(output, LegEstimate):
            if output.stage is Stage.EN_ROUTE and run.departed is None:
                run.departed = heard
            self._count_naive(output, bounds, heard)
            return
        run.arrived = output.ending is Ending.ARRIVED and not output.retracted
        run.arrival = output.actual_arrival
        run.known = min(run.known or heard, heard)

    def hear_alert(self, output: Alert | Incident, heard: datetime) -> None:
        """Takes what was said of alerts."""
        if isinstance(output, Alert):
            return
        before = self._last.get(output.dedup_key)
        self._last[output.dedup_key] = output
        opens = output.state is AlertState.OPEN and not output.late
        if self._is_counted(heard) and opens and (before is None or _over(before)):
            self.opened[output.kind] += 1
            ended = None if before is None else before.resolved_time
            self.flaps += ended is not None and output.as_of < ended + FLAP
        if opens and output.kind is AlertKind.DELAY and output.leg_id is not None:
            run = self.runs.get((output.subject, output.leg_id))
            if run is not None and run.opened is None and run.known is None:
                run.opened = heard
        self._tell(output, heard)
        if before is not None:
            for key in explained_no_more(before, output):
                if (child := self._last.get(key)) is not None:
                    self._tell(child, heard)

    def _is_explained(self, incident: Incident) -> bool:
        if incident.parent is None:
            return False
        # of a unit's own alarms, only a standing one is named; of places, any
        return incident.kind not in places.KINDS or explains(
            self._last.get(incident.parent), incident
        )

    def _tell(self, incident: Incident, heard: datetime) -> None:
        """Counts what somebody who hears of everything would be told."""
        key = incident.dedup_key
        told, told_at = self._told.get(key) or (None, None)
        why = notice(told, incident, explained=self._is_explained(incident))
        if why is None:
            return
        if told_at is not None and heard < told_at + GROUP and why is not Notice.RESOLVED:
            self._told[key] = incident, told_at  # it goes out with the one before
            return
        self._told[key] = incident, heard
        if self._is_counted(heard):
            self.messages[why] += 1
            concerned = sum(1 for party in incident.parties if party.units or _over(incident))
            self.to_parties += max(1, concerned)

    def _is_counted(self, heard: datetime) -> bool:
        return self._since is None or heard >= self._since

    def figures(self) -> dict[str, Any]:
        """What it came to, by mode and in all."""
        counted = [run for run in self.runs.values() if self._counts(run)]
        modes = sorted({run.mode for run in counted})
        opened, shipments = self.opened.total(), max(len(self._shipments), 1)
        messages = self.messages.total()
        return {
            "delay": shares(count(counted)),
            "by_mode": {str(m): shares(count([r for r in counted if r.mode is m])) for m in modes},
            "incidents": _named(self.opened),
            "flap_rate": _ratio(self.flaps, opened),
            "messages": _named(self.messages),
            "shipments": len(self._shipments),
            "messages_per_1000_shipments": 1000 * messages / shipments,
            "naive_per_1000_shipments": 1000 * self.naive / shipments,
            "messages_less_than_naive": _ratio(self.naive - messages, self.naive),
            "to_parties_per_1000_shipments": 1000 * self.to_parties / shipments,
        }

    def _counts(self, run: Run) -> bool:
        if not run.arrived or run.arrival is None or run.limit is None:
            return False
        return self._since is None or run.limit >= self._since

    def _run(self, output: LegEstimate | LegOutcome) -> Run:
        key = (output.run_id or output.unit_id, output.leg_id)
        run = self.runs.get(key)
        if run is None:
            run = self.runs[key] = Run(output.mode)
        return run

    def _count_naive(
        self, estimate: LegEstimate, bounds: Sequence[float | None], heard: datetime
    ) -> None:
        if estimate.late or estimate.delay_seconds is None:
            return
        value = estimate.delay_seconds
        level = sum(bound is not None and value >= bound for bound in bounds)
        key = (estimate.unit_id, estimate.shipment_id, estimate.sequence)
        known = self._naive.get(key)
        if known is None:
            if not level:
                return
            known = self._naive[key] = Naive()
        if level != known.level:
            known.level = level
            self.naive += self._is_counted(heard)


def _named(counts: Counter[str]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(counts.items())}


def _over(incident: Incident) -> bool:
    return incident.state is AlertState.RESOLVED


def count(runs: Sequence[Run]) -> Figures:
    """Runs that have arrived, by whether they were late and alerted."""
    late = alerted = hits = in_time = 0
    leads: list[float] = []
    for run in runs:
        assert run.limit is not None
        assert run.arrival is not None
        is_late = run.arrival >= run.limit
        late += is_late
        alerted += run.opened is not None
        if is_late and run.opened is not None:
            hits += 1
            lead = (run.limit - run.opened).total_seconds() / 60
            in_time += lead > 0
            leads.append(lead)
    return Figures(len(runs), late, alerted, hits, in_time, sorted(leads))


def shares(found: Figures) -> dict[str, Any]:
    """What is made of them."""
    leads = found.leads
    return {
        "runs": found.runs,
        "late": found.late,
        "alerted": found.alerted,
        "precision": _ratio(found.hits, found.alerted),
        "recall": _ratio(found.hits, found.late),
        "recall_in_time": _ratio(found.in_time, found.late),
        "lead_median_minutes": median(leads) if leads else None,
        "lead_p10_minutes": leads[len(leads) // 10] if leads else None,
    }


def _ratio(some: float, all_: float) -> float | None:
    return some / all_ if all_ else None
