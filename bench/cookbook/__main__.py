"""The cookbook's answers and timings.

    python -m bench.cookbook [--events N] [--json]   times all questions over N events
    python -m bench.cookbook --page                   writes only the answers of docs/sql.md

Both write `docs/sql.md`. Last line: the slowest question, in seconds.
"""

import argparse
import json
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from clickhouse_driver import Client
from rich.console import Console

from bench.cookbook.history import PARAMETERS, history
from bench.cookbook.multiply import multiply
from bench.cookbook.questions import NOW, QUESTIONS
from bench.directly import land, server
from corridor.settings import Settings
from sinks.clickhouse import schema
from sinks.clickhouse.tables import TABLES

PAGE = Path(__file__).parents[2] / "docs" / "sql.md"
ROUNDS = 3
ROWS_SHOWN = 5
TIMINGS = "## How fast\n"

_INTRODUCTION = """\
# SQL cookbook

Twenty questions that people ask of a corridor. Each statement is run by the tests on a simulated
history, and its answer compared with one that is computed from the messages in Python. This page is
written by `python -m bench.cookbook`; what the views hold is in [tables.md](tables.md).

## Three ways to ask
`corridor up` starts a ClickHouse on the ports 9000 (native) and 8123 (HTTP). Tables are in the
database `corridor`, and the user is `default` without a password, unless the
[settings](settings.md) say otherwise.

```
corridor query "SELECT mode, sum(legs) FROM leg_hours GROUP BY mode" [--format CSVWithNames]
curl 'http://127.0.0.1:8123/?database=corridor' \\
    --data-binary "SELECT mode, sum(legs) FROM leg_hours GROUP BY mode FORMAT JSONEachRow"
```

```python
import clickhouse_connect  # pip install clickhouse-connect pandas

client = clickhouse_connect.get_client(host="127.0.0.1", port=8123, database="corridor")
frame = client.query_df("SELECT mode, sum(legs) AS legs FROM leg_hours GROUP BY mode")
```

- Durations are seconds, times are UTC; `toTimeZone(arrived, 'Asia/Shanghai')` shows another zone.
- Delays and errors are positive when something came later than planned, or than said.
- `{now}` is where this history ends; live, write `now()` instead.
- A column that ends in `_state` is no value: read it by
  `quantilesExactInclusiveMerge(0.1, 0.5, 0.9, 0.95)(…)`, which gives these four quantiles. Python's
  clients refuse `SELECT *` of `leg_hours` for that reason; `leg_days` has them read.
- What there is: `SELECT name, comment FROM system.tables WHERE database = 'corridor'`.
- What is `NULL` is not known (a number, a time); an id or a code that is not known is `''`.

The answers are those of {shipments} simulated shipments on {corridor}, told badly (`--noise {noise}
--seed {seed}`) and broken off on {now}, in the middle of it; at most {rows} rows are shown.
"""


class Timing(NamedTuple):
    """How long one question took."""

    name: str
    seconds: float
    """Median."""
    cpu_seconds: float
    """Of all cores, of the quickest."""
    rows: int


def main() -> None:
    """Runs the benchmark, or only writes the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--page", action="store_true", help="answers only, no timings")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    notes = Console(stderr=True, highlight=False)
    with (
        tempfile.TemporaryDirectory(prefix="corridor-cookbook-") as name,
        _ports() as (port, http_port),
        server(Path(name), port, http_port) as process,
    ):
        small = _settings(port, http_port, "small")
        schema.apply(small)
        log = history()
        with Client("127.0.0.1", port, database="small") as client:
            land(client, "small", log)
            answers = {q.name: client.execute(q.sql, with_column_types=True) for q in QUESTIONS}
        if arguments.page:
            PAGE.write_text(_page(answers) + _kept_timings(), encoding="utf-8")
            return
        schema.apply(_settings(port, http_port, "corridor"))
        with Client("127.0.0.1", port, database="corridor", send_receive_timeout=3600) as client:
            counts = _fill(client, arguments.events, notes)
            timings = list(_times(client, process, notes))
    PAGE.write_text(_page(answers) + _timings(timings, counts), encoding="utf-8")
    if arguments.json:
        print(json.dumps({"rows": counts, "timings": [t._asdict() for t in timings]}, indent=2))
    else:
        print(_timings(timings, counts))
        print(f"{max(timing.seconds for timing in timings):.2f}")


def _settings(port: int, http_port: int, database: str) -> Settings:
    return Settings(
        clickhouse_port=port, clickhouse_http_port=http_port, clickhouse_database=database
    )


class _ports:
    """Two free ports."""

    def __enter__(self) -> tuple[int, int]:
        servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        ports = [int(one.getsockname()[1]) for one in servers]
        for one in servers:
            one.close()
        return ports[0], ports[1]

    def __exit__(self, *details: object) -> None: ...


def _fill(client: Client, events: int, notes: Console) -> dict[str, int]:
    [(few,)] = client.execute("SELECT count() FROM small.events FINAL")
    began = time.monotonic()
    multiply(client, "small", "corridor", -(-events // few))
    counts = {
        table.name: client.execute(f"SELECT count() FROM corridor.{table.name}")[0][0]
        for table in TABLES
    }
    notes.print(f"[dim]filled in {time.monotonic() - began:.0f} s: {counts}[/]")
    return counts


def _times(client: Client, server: psutil.Process, notes: Console) -> Iterator[Timing]:
    for question in QUESTIONS:
        seconds, cpu, rows = [], [], 0
        for _ in range(ROUNDS):
            began, used = time.monotonic(), _cpu_seconds(server)
            rows = len(client.execute(question.sql))
            seconds.append(time.monotonic() - began)
            cpu.append(_cpu_seconds(server) - used)
        timing = Timing(question.name, statistics.median(seconds), min(cpu), rows)
        notes.print(f"[dim]{timing}[/]")
        yield timing


def _cpu_seconds(server: psutil.Process) -> float:
    times = [one.cpu_times() for one in (server, *server.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _page(answers: dict[str, Any]) -> str:
    parts = [
        _INTRODUCTION.format(
            now=NOW,
            shipments=PARAMETERS.shipments,
            corridor=PARAMETERS.corridor_id,
            noise=PARAMETERS.noise,
            seed=PARAMETERS.seed,
            rows=ROWS_SHOWN,
        )
    ]
    for number, question in enumerate(QUESTIONS, 1):
        rows, columns = answers[question.name]
        parts.append(
            f"## {number}. {question.title}\n{question.note}\n\n"
            f"```sql\n{question.sql}\n```\n\n{_table([name for name, _ in columns], rows)}\n"
        )
    return "\n".join(parts) + "\n"


def _table(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    lines = [names, ["---"] * len(names)]
    lines += [[_cell(value) for value in row] for row in rows[:ROWS_SHOWN]]
    more = len(rows) - ROWS_SHOWN
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n\n… and {more} more" if more > 0 else text


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return value.isoformat() if isinstance(value, date) else str(value)


def _timings(timings: list[Timing], counts: dict[str, int]) -> str:
    held = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    lines = [
        f"Over {held}:",
        "the same history many times over, each with its own ids and times, spread over two years.",
        f"Seconds: median of {ROUNDS}, on {os.cpu_count()} cores that others used too, and the CPU",
        "time of all cores, which depends less on others. `python -m bench.cookbook` repeats it.",
        "",
        "| question | seconds | CPU seconds | rows |",
        "|---|---|---|---|",
    ]
    titles = {question.name: question.title for question in QUESTIONS}
    lines += [
        f"| {titles[t.name]} | {t.seconds:.2f} | {t.cpu_seconds:.2f} | {t.rows:,} |"
        for t in timings
    ]
    return TIMINGS + "\n".join(lines) + "\n"


def _kept_timings() -> str:
    """Those that the page has."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return TIMINGS + text.partition(TIMINGS)[2] if TIMINGS in text else ""


if __name__ == "__main__":
    main()
