"""The whole year of flights through Kafka into ClickHouse, against the data set itself.

`python -m bench.year [--json]` starts a stack of its own, replays 336,776 flights as fast as they
go, and holds the counts and errors that SQL finds against `nycflights13.truth()`, which reads the
data set and nothing else. It exits with 1 where they differ.
"""

import argparse
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.fresh_stack import FreshStack, fresh_stacks
from producers import nycflights13

DEADLINE_SECONDS = 900.0
LOOK_SECONDS = 0.25
PEAK_SECONDS = 5.0

JUDGED = """
    SELECT count(), avg(abs(timetable_error_seconds)) / 60, avg(abs(eta_error_seconds)) / 60
    FROM departure_errors WHERE outcome_id IN (
        SELECT outcome_id FROM current_outcomes
        WHERE toMonth(toTimeZone(planned_departure, 'America/New_York')) >= 10)"""
"""Arrived flights that were to leave from October on, by New York's clocks."""

COUNTERS = {"worker": "corridor_received_records_total", "sink": "corridor_clickhouse_rows_total"}


@dataclass(frozen=True)
class Check:
    """One number that has to be what the data set says."""

    what: str
    landed: float
    expected: float

    @property
    def right(self) -> bool:
        """Counts to the last one, minutes to the second decimal."""
        return round(self.landed, 2) == round(self.expected, 2)


@dataclass
class Usage:
    """What one process needed."""

    peak_mib: float = 0.0
    cpu_seconds: float = 0.0
    samples: list[tuple[float, float]] = field(default_factory=list)
    """Time, and what its counter stood at."""

    @property
    def per_second(self) -> float | None:
        """From the first to the last thing that it did."""
        changes = [b for a, b in zip(self.samples, self.samples[1:], strict=False) if b[1] > a[1]]
        if len(changes) < 2:
            return None
        (first, before), (last, after) = changes[0], changes[-1]
        return (after - before) / (last - first)

    @property
    def peak_per_second(self) -> float | None:
        """The best `PEAK_SECONDS`."""
        best = None
        start = 0
        for at, value in self.samples:
            while at - self.samples[start][0] > PEAK_SECONDS:
                start += 1
            before = self.samples[max(0, start - 1)]
            if at - before[0] >= PEAK_SECONDS:
                best = max(best or 0.0, (value - before[1]) / (at - before[0]))
        return best


@dataclass
class Measured:
    """One run."""

    checks: list[Check]
    messages: int
    rows: int
    seconds: float
    """From the first record's timestamp to the last row."""
    publish_seconds: float
    usage: dict[str, Usage]
    printed: str


def run(stack: FreshStack, console: Console) -> Measured:
    """Replays, waits, and asks SQL."""
    usage = {name: Usage() for name in (*stack.processes, "replay")}
    replay = stack.start("replay", nycflights13.SOURCE, "--staleness", "0")
    began = time.time()
    last_row = began
    before: dict[str, int] = {}
    deadline = time.monotonic() + DEADLINE_SECONDS
    published: float | None = None
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} messages in ClickHouse"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    try:
        with bar:
            task = bar.add_task("", total=nycflights13.MESSAGES)
            while True:
                for name in stack.processes:
                    _observe(stack, name, usage[name])
                if published is None and _ended(replay, usage["replay"]):
                    published = time.time() - began
                rows = stack.rows() or before
                if rows != before:
                    before, last_row = rows, time.time()
                bar.update(task, completed=rows.get("itineraries", 0) + rows.get("events", 0))
                if (
                    published is not None
                    and time.time() - last_row > PEAK_SECONDS
                    and stack.lag() == 0
                ):
                    break
                if time.monotonic() > deadline:
                    raise SystemExit(f"not done in time\n{stack.describe()}")
                time.sleep(LOOK_SECONDS)
    finally:
        if replay.returncode is None:
            replay.kill()
    assert replay.stdout is not None
    printed = replay.stdout.read().strip()
    if replay.returncode:
        raise SystemExit(f"the replay failed:\n{printed}")
    arrived = stack.rows()
    stack.wait_until_quiet(60)
    if stack.rows() != arrived:  # only merges may still change the counts
        console.print("[dim]rows came or were merged while waiting for quiet[/]")
    # the first record's timestamp is the publisher's clock, the same as ours
    first = float(stack.query("SELECT toFloat64(min(_record_time)) FROM itineraries")[0][0])
    return Measured(
        checks=check(stack),
        messages=nycflights13.MESSAGES,
        rows=sum(stack.unique_rows().values()),
        seconds=last_row - first,
        publish_seconds=_replay_seconds(printed) or published or 0.0,
        usage=usage,
        printed=printed,
    )


def check(stack: FreshStack) -> list[Check]:
    """What landed against what the data set says."""
    truth = nycflights13.truth()
    rows = stack.unique_rows()
    events = dict(stack.query("SELECT code, count() FROM current_events GROUP BY code"))
    endings = dict(stack.query("SELECT ending, count() FROM current_outcomes GROUP BY ending"))
    judged, timetable, ours = stack.query(JUDGED)[0]
    checks = [Check("itineraries", rows["itineraries"], truth.itineraries)]
    checks += [
        Check(f"events {code}", events.get(code, 0), truth.events.get(code, 0))
        for code in sorted(events.keys() | truth.events.keys())
    ]
    checks += [
        Check(f"outcomes {ending}", endings.get(ending, 0), truth.outcomes.get(ending, 0))
        for ending in sorted(endings.keys() | truth.outcomes.keys())
    ]
    checks += [
        Check("dead letters", rows["dead_letters"], 0),
        Check("arrived, planned for October to December", judged, truth.judged),
        Check("MAE at departure: timetable, min", timetable, truth.timetable_mae),
        Check("MAE at departure: timetable + delay, min", ours, truth.persistence_mae),
    ]
    return checks


def _observe(stack: FreshStack, name: str, usage: Usage) -> None:
    process = stack.process(name)
    if process is None:
        return
    try:
        family = [process, *process.children(recursive=True)]
        usage.peak_mib = max(usage.peak_mib, sum(map(_high_water_mib, family)))
        usage.cpu_seconds = sum(sum(member.cpu_times()[:2]) for member in family)
    except (psutil.Error, OSError):
        return  # gone in this moment
    if name in COUNTERS:
        port = {
            "worker": stack.settings.worker_metrics_port,
            "sink": stack.settings.sink_metrics_port,
        }[name]
        if (value := _counter(port, COUNTERS[name])) is not None:
            usage.samples.append((time.monotonic(), value))


def _high_water_mib(process: psutil.Process) -> float:
    """VmHWM: the most memory that a process has ever had resident."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _counter(port: int, name: str) -> float | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=3) as answer:
            text = answer.read().decode()
    except OSError:
        return None
    lines = [line for line in text.splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def _ended(process: subprocess.Popen[str], usage: Usage) -> bool:
    """Whether the replay has ended; then also what it needed."""
    pid, status, used = os.wait4(process.pid, os.WNOHANG)
    if pid == 0:
        return False
    process.returncode = os.waitstatus_to_exitcode(status)
    usage.peak_mib = used.ru_maxrss / 1024
    usage.cpu_seconds = used.ru_utime + used.ru_stime
    return True


def _replay_seconds(printed: str) -> float | None:
    found = re.search(r" in ([\d.]+) s ", printed)
    return float(found[1]) if found else None


def as_json(measured: Measured) -> dict[str, Any]:
    """The run as one JSON object."""
    return {
        "right": all(c.right for c in measured.checks),
        "checks": [{**dataclasses.asdict(c), "right": c.right} for c in measured.checks],
        "messages": measured.messages,
        "rows": measured.rows,
        "seconds": round(measured.seconds, 2),
        "messages_per_second": round(measured.messages / measured.seconds),
        "publish_seconds": round(measured.publish_seconds, 2),
        "processes": {
            name: {
                "peak_mib": round(used.peak_mib),
                "cpu_seconds": round(used.cpu_seconds, 1),
                "per_second": round(used.per_second) if used.per_second else None,
                "peak_per_second": round(used.peak_per_second) if used.peak_per_second else None,
            }
            for name, used in measured.usage.items()
        },
    }


def show(measured: Measured, console: Console) -> None:
    """The run as tables."""
    table = Table(title="What landed in ClickHouse, and what the data set says")
    for column in ("", "landed", "data set", ""):
        table.add_column(column, justify="left" if not column else "right")
    for c in measured.checks:
        decimals = 2 if "MAE" in c.what else 0
        table.add_row(
            c.what,
            f"{c.landed:,.{decimals}f}",
            f"{c.expected:,.{decimals}f}",
            "[green]equal[/]" if c.right else "[red]DIFFERS[/]",
        )
    console.print(table)
    table = Table(title="What each process needed")
    for column in ("process", "peak memory, MiB", "CPU s", "what", "per second", "best 5 s"):
        table.add_column(column, justify="left" if column in ("process", "what") else "right")
    what = {"worker": "records read", "sink": "rows written", "replay": "messages published"}
    for name, used in measured.usage.items():
        per_second = used.per_second
        if name == "replay":
            per_second = measured.messages / measured.publish_seconds
        table.add_row(
            name,
            f"{used.peak_mib:,.0f}",
            f"{used.cpu_seconds:.1f}",
            what.get(name, ""),
            f"{per_second:,.0f}" if per_second else "",
            f"{used.peak_per_second:,.0f}" if used.peak_per_second else "",
        )
    console.print(table)
    console.print(
        f"{measured.messages:,} messages became {measured.rows:,} rows in "
        f"{measured.seconds:.1f} s from the first message to the last row: "
        f"{measured.messages / measured.seconds:,.0f} messages/s, "
        f"{measured.rows / measured.seconds:,.0f} rows/s"
    )


def main() -> None:
    """Runs it once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    notes = Console(stderr=True, highlight=False)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    notes.print("[dim]starting a stack on free ports, then replaying the year …[/]")
    with (
        tempfile.TemporaryDirectory(prefix="corridor-year-") as directory,
        fresh_stacks(Path(directory)) as (stack,),
    ):
        measured = run(stack, notes)
    if arguments.json:
        print(json.dumps(as_json(measured), indent=2))
    else:
        show(measured, Console(highlight=False))
    if not all(c.right for c in measured.checks):
        sys.exit(1)


if __name__ == "__main__":
    main()
