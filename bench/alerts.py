"""Alerts against the simulator's own truth.

    python -m bench.alerts [--shipments N] [--seeds 1 2 3] [CORRIDOR …] [--json]

Each corridor and seed is simulated and played through the workers' own code, as `corridor
evaluate` does it. Late is by the truth: a run that arrived beyond the least threshold of its mode.
What happens in the first days (`--warm-up`) only teaches.

The oracle is who knows the true state of the world when a run departs; it detects a late one when
that departure becomes known. Grouping is judged by pairs of late units: same incident (that of the
place, each time that it stands, where it explains the run), same true
cause. The naive system has a threshold on each shipment's ETA, and tells when it is crossed.

Last line: messages, as a share fewer than the naive system's.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from commands.rehearsal import Rehearsal
from corridor.alerting.alerts import Alert
from corridor.alerting.rules import packaged
from corridor.alerting.scoring import AlertScorer, Figures, count, shares
from corridor.codes import AlertKind, AlertState, Mode
from corridor.models import Incident
from producers.replay.ordering import Sorter
from producers.simulator.simulate import Parameters, Replay, simulate

START = date(2026, 1, 5)

SHARED = ("REGIME", "WEATHER", "BORDER_QUEUE", "LOCK_QUEUE", "BERTH")
"""Causes that many runs have in common: a place or an area."""

UnitLeg = tuple[str, str, int]
Facts = dict[str, Any]


class Truth:
    """What really happened, as far as alerts are concerned."""

    def __init__(self) -> None:
        self.runs: list[Facts] = []
        self.causes: dict[UnitLeg, str] = {}
        """What delayed a unit on a leg the most."""
        self.connections: list[Facts] = []
        self.tamperings: list[Facts] = []

    def write(self, line: bytes) -> None:
        """Takes a row."""
        row = orjson.loads(line)
        match row["kind"]:
            case "run" if row["ending"] == "ARRIVED":
                self.runs.append(row)
            case "unit_leg" if row["causes"]:
                worst = max(row["causes"], key=lambda cause: cause["seconds"])
                leg = (row["unit_id"], row["shipment_id"], row["sequence"])
                self.causes[leg] = worst["cause_id"]
            case "connection" if row["sequence"] > 1:
                self.connections.append(row)
            case "tampering":
                self.tamperings.append(row)


class Heard:
    """What was said of single units."""

    def __init__(self) -> None:
        self.delayed: dict[UnitLeg, str] = {}
        """The incident of a unit that is late."""
        self.parents: dict[str, str] = {}
        self.places: dict[str, str] = {}
        """Of the incidents that one of a place has explained: that one, and since when it stood."""
        self.missed: dict[tuple[str, str], list[tuple[datetime, bool]]] = defaultdict(list)
        """By unit and run that it may miss: since when it stands, or does not."""
        self.tampered: set[str] = set()

    def hear(self, output: Alert | Incident, heard: datetime) -> None:
        """Takes it."""
        if isinstance(output, Incident):
            if output.parent is not None and output.kind is not AlertKind.DELAY:
                self.parents[output.dedup_key] = output.parent
            for child in output.children:
                self.places[child] = f"{output.dedup_key} {output.opened_time}"
            return
        if output.run_key is not None:
            return
        unit_leg = (output.unit_id, output.shipment_id, output.sequence)
        match output.kind:
            case AlertKind.DELAY if output.state is AlertState.OPEN:
                self.delayed[unit_leg] = output.key
            case AlertKind.MISSED_CONNECTION:
                stands = output.state is not AlertState.RESOLVED
                run = output.subject.rpartition(">")[2]
                self.missed[output.unit_id, run].append((heard, stands))
            case AlertKind.SEAL_TAMPERED:
                self.tampered.add(output.unit_id)

    def root(self, key: str) -> str:
        """The incident that is told for this one."""
        key = self.parents.get(key, key)
        return self.places.get(key, key)


def run(corridor: str, shipments: int, seed: int, days: int, warm_up: int) -> Facts:
    """One history."""
    began = time.monotonic()
    truth, sorter, heard = Truth(), Sorter(), Heard()
    simulate(Parameters(corridor, shipments, seed, START, days), Replay(sorter), truth.write)
    since = datetime.combine(START + timedelta(days=warm_up), datetime.min.time(), UTC)
    scorer = AlertScorer(since=since)

    def hear(output: Alert | Incident, at: datetime) -> None:
        scorer.hear_alert(output, at)
        heard.hear(output, at)

    rehearsal = Rehearsal(scorer.hear, alerts=hear)
    messages = 0
    for record in sorter.sorted():
        rehearsal.play(record)
        messages += 1
    figures = scorer.figures()
    figures |= {"corridor": corridor, "seed": seed, "history": messages}
    figures |= _by_truth(truth, scorer, since)
    figures["grouping"] = _grouping(truth, heard)
    figures["missed_connections"] = _connections(truth, heard, since)
    figures["tampering"] = {
        "n": len(truth.tamperings),
        "found": sum(row["unit_id"] in heard.tampered for row in truth.tamperings),
    }
    figures["seconds"] = time.monotonic() - began
    return figures


def _by_truth(truth: Truth, scorer: AlertScorer, since: datetime) -> Facts:
    counted, waits = [], []
    for row in truth.runs:
        known = scorer.runs.get((row["run_id"], row["leg_id"]))
        bounds = packaged().rule(AlertKind.DELAY, Mode(row["mode"])).thresholds
        limit = _time(row["planned_arrival"]) + timedelta(seconds=min(b for b in bounds if b))
        if known is None or limit < since:
            continue
        known.arrived, known.limit, known.arrival = True, limit, _time(row["actual_arrival"])
        counted.append(known)
        surely = "oracle" in row and _time(row["oracle"]["p50"]) >= limit
        if surely and known.arrival >= limit and known.departed is not None and known.opened:
            waits.append((known.opened - known.departed).total_seconds() / 60)
    waits.sort()
    return {
        "delay": shares(count(counted)),
        "counts": count(counted)._asdict(),
        "by_mode": {
            str(mode): shares(count([r for r in counted if r.mode is mode]))
            for mode in sorted({run.mode for run in counted})
        },
        "after_oracle_minutes": {
            "n": len(waits),
            "median": median(waits) if waits else None,
            "p90": waits[int(0.9 * len(waits))] if waits else None,
        },
    }


def _grouping(truth: Truth, heard: Heard) -> Facts:
    """F1 of pairs: over all causes, and over those that one run or unit has by itself."""
    labels = [
        (heard.root(key), truth.causes[unit_leg])
        for unit_leg, key in heard.delayed.items()
        if unit_leg in truth.causes
    ]
    own = [(ours, theirs) for ours, theirs in labels if not theirs.startswith(SHARED)]
    return {"all": _pairs(labels), "of_runs_and_units": _pairs(own)}


def _pairs(labels: Iterable[tuple[str, str]]) -> Facts:
    both = Counter(labels)
    ours, theirs = Counter[str](), Counter[str]()
    for (one, other), n in both.items():
        ours[one] += n
        theirs[other] += n
    hits, said, true = (
        sum(n * (n - 1) // 2 for n in found.values()) for found in (both, ours, theirs)
    )
    precision, recall = hits / max(said, 1), hits / max(true, 1)
    return {
        "units": sum(both.values()),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(precision + recall, 1e-9),
    }


def _connections(truth: Truth, heard: Heard, since: datetime) -> Facts:
    """What stood when the service closed."""
    alerted = missed = hits = 0
    for row in truth.connections:
        decided = _time(row["decided"])
        if decided < since:
            continue
        stands = False
        for at, now in heard.missed.get((row["unit_id"], row["run_id"]), ()):
            if at <= decided:
                stands = now
        alerted += stands
        missed += not row["made"]
        hits += stands and not row["made"]
    return {
        "missed": missed,
        "alerted": alerted,
        "precision": hits / alerted if alerted else None,
        "recall": hits / missed if missed else None,
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def together(found: list[Facts]) -> Facts:
    """All histories as one."""
    counts = [Figures(**each["counts"]) for each in found]
    leads = sorted(lead for each in counts for lead in each.leads)
    summed = [sum(numbers) for numbers in zip(*(each[:-1] for each in counts), strict=True)]
    told = sum(sum(each["messages"].values()) for each in found)
    naive = sum(each["naive_per_1000_shipments"] * each["shipments"] / 1000 for each in found)
    return {
        "delay": shares(Figures._make([*summed, leads])),
        "messages": told,
        "naive": round(naive),
        "messages_less_than_naive": 1 - told / naive if naive else None,
    }


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corridors", nargs="*", default=["ILSTC"])
    parser.add_argument("--shipments", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--warm-up", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = [
        run(corridor, options.shipments, seed, options.days, options.warm_up)
        for corridor in options.corridors
        for seed in options.seeds
    ]
    whole = together(found)
    if options.json:
        for each in found:
            del each["counts"]["leads"]
        print(json.dumps({"histories": found, "together": whole}))
        return
    _show(found, whole)
    print(f"{whole['messages_less_than_naive'] or 0:.4f}")


def _show(found: list[Facts], whole: Facts) -> None:
    console = Console(highlight=False)
    table = Table("history", "runs", "late", "precision", "recall", "in time", "lead min (P10)")
    for each in (*found, whole | {"corridor": "all", "seed": ""}):
        delay = each["delay"]
        lead = delay["lead_median_minutes"]
        table.add_row(
            f"{each['corridor']} {each['seed']}",
            f"{delay['runs']:,}",
            f"{delay['late']:,}",
            *(f"{delay[name] or 0:.3f}" for name in ("precision", "recall", "recall_in_time")),
            "" if lead is None else f"{lead:,.0f} ({delay['lead_p10_minutes']:,.0f})",
        )
    console.print(table)
    table = Table("history", "mode", "late", "precision", "recall", "in time", "lead min (P10)")
    for each in found:
        for mode, delay in each["by_mode"].items():
            lead = delay["lead_median_minutes"]
            table.add_row(
                f"{each['corridor']} {each['seed']}",
                mode,
                f"{delay['late']:,}",
                *(f"{delay[name] or 0:.3f}" for name in ("precision", "recall", "recall_in_time")),
                "" if lead is None else f"{lead:,.0f} ({delay['lead_p10_minutes']:,.0f})",
            )
    console.print(table)
    table = Table(
        *("history", "after oracle, min (P90)", "flaps", "pairs F1", "own causes"),
        *("missed P/R", "told /1000", "naive /1000", "less"),
    )
    for each in found:
        oracle, missed = each["after_oracle_minutes"], each["missed_connections"]
        table.add_row(
            f"{each['corridor']} {each['seed']}",
            f"{oracle['median'] or 0:,.0f} ({oracle['p90'] or 0:,.0f}), n {oracle['n']}",
            f"{each['flap_rate'] or 0:.2%}",
            f"{each['grouping']['all']['f1']:.3f}",
            f"{each['grouping']['of_runs_and_units']['f1']:.3f}",
            f"{missed['precision'] or 0:.2f}/{missed['recall'] or 0:.2f}",
            f"{each['messages_per_1000_shipments']:,.0f}",
            f"{each['naive_per_1000_shipments']:,.0f}",
            f"{each['messages_less_than_naive'] or 0:.1%}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
