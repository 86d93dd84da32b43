"""Simulated corridors through the whole pipeline, against the simulator's own truth.

    python -m bench.corridors [--shipments N] [--seed S] [--noise normal] [CORRIDOR …] [--json]

Each corridor on a stack of its own: simulated, published, tracked, landed. Then every leg that
has ended, by the truth that the simulator has written beside, has to be in ClickHouse with just
its ending and its actual times; and no other leg.

Last line: legs that agree, as a share of all.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from bench.fresh_stack import FreshStack, fresh_stacks
from corridor.network.corridors import corridors

DIFFERENCES_SHOWN = 5

Leg = tuple[str, str, str, int]
"""Unit, shipment, leg, sequence."""
Facts = tuple[str, str | None, str | None]
"""Ending, actual departure, actual arrival."""


class Result(NamedTuple):
    """One corridor."""

    corridor_id: str
    messages: int
    rows: int
    seconds: float
    """From the first message to the last row."""
    legs: int
    differences: list[str]
    dead_letters: dict[str, int]


def truth_of(path: Path) -> dict[Leg, Facts]:
    """Every leg that has ended, as the simulator has written it."""
    legs: dict[Leg, Facts] = {}
    with path.open("rb") as file:
        for line in file:
            fact = orjson.loads(line)
            if fact["kind"] == "unit_leg" and fact["ending"] is not None:
                leg = (fact["unit_id"], fact["shipment_id"], fact["leg_id"], fact["sequence"])
                times = (fact["actual_departure"], fact["actual_arrival"])
                legs[leg] = (fact["ending"], *map(_text, times))
    return legs


def landed(stack: FreshStack) -> dict[Leg, Facts]:
    """Every leg that has ended, as SQL has it."""
    rows = stack.query(
        "SELECT unit_id, shipment_id, leg_id, sequence, ending, actual_departure, actual_arrival "
        "FROM current_outcomes"
    )
    return {tuple(row[:4]): (row[4], _text(row[5]), _text(row[6])) for row in rows}


def differences(expected: dict[Leg, Facts], actual: dict[Leg, Facts]) -> Iterator[str]:
    """What is missing, too much, or otherwise; one line each."""
    for leg in sorted(expected.keys() | actual.keys()):
        ours, theirs = actual.get(leg), expected.get(leg)
        if ours != theirs:
            yield f"{' '.join(map(str, leg))}: {ours or 'no row'}, in truth {theirs or 'no end'}"


def run(stack: FreshStack, corridor_id: str, options: list[str], seconds: float = 900) -> Result:
    """Simulates a corridor on a stack and compares what lands with the truth."""
    path = stack.data.parent / f"{corridor_id}.truth.jsonl"
    began = time.monotonic()
    stack.run("simulate", "--corridor", corridor_id, "--truth", str(path), *options)
    stack.wait_until_quiet(seconds)
    rows = stack.unique_rows()
    last = stack.query(
        "SELECT dateDiff('millisecond', (SELECT min(_record_time) FROM itineraries), "
        "max(_record_time)) / 1000 FROM outcomes"
    )
    expected = truth_of(path)
    return Result(
        corridor_id,
        rows["itineraries"] + rows["events"],
        sum(rows.values()),
        float(last[0][0]) or time.monotonic() - began,
        len(expected),
        list(differences(expected, landed(stack))),
        dict(stack.query("SELECT reason, count() FROM dead_letters FINAL GROUP BY 1 ORDER BY 1")),
    )


def _text(time: Any) -> str | None:
    if isinstance(time, datetime):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ")
    return None if time is None else str(time)


def main() -> None:
    """Runs the proof."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corridors", nargs="*", default=[c.corridor_id for c in corridors()])
    parser.add_argument("--shipments", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise", default="normal")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    given = ["--shipments", str(options.shipments), "--seed", str(options.seed)]
    results = []
    for corridor_id in options.corridors:
        with (
            tempfile.TemporaryDirectory() as directory,
            fresh_stacks(Path(directory, "stack")) as [stack],
        ):
            results.append(run(stack, corridor_id, [*given, "--noise", options.noise]))
    legs = sum(result.legs for result in results)
    wrong = sum(len(result.differences) for result in results)
    share = 1 - wrong / max(legs, 1)
    if options.json:
        print(json.dumps({"corridors": [r._asdict() for r in results], "share": share}))
    else:
        table = Table("corridor", "messages", "rows", "seconds", "legs", "differ", "dead letters")
        for r in results:
            letters = ", ".join(f"{reason} {n:,}" for reason, n in r.dead_letters.items())
            numbers = (f"{r.messages:,}", f"{r.rows:,}", f"{r.seconds:,.1f}", f"{r.legs:,}")
            table.add_row(r.corridor_id, *numbers, f"{len(r.differences):,}", letters)
        Console().print(table)
        for result in results:
            for line in result.differences[:DIFFERENCES_SHOWN]:
                print(f"{result.corridor_id}: {line}")
        print(f"{share:.6f}")
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
