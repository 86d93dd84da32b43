"""How the stack looks in a terminal."""

import time
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from commands.lag import TopicLag
from commands.stack_status import ProcessReport, StackReport
from deploy.local.state import PartState, StackState, Status

_MARKS = {
    Status.WAITING: Text("·", "dim"),
    Status.READY: Text("✓", "green"),
    Status.DONE: Text("✓", "green"),
    Status.TROUBLED: Text("!", "yellow"),
    Status.RESTARTING: Text("↻", "yellow"),
    Status.STOPPED: Text("■", "dim"),
    Status.FAILED: Text("✗", "red"),
}
_STYLES = {
    Status.READY: "green",
    Status.DONE: "green",
    Status.TROUBLED: "yellow",
    Status.RESTARTING: "yellow",
    Status.FAILED: "red",
}


class Progress:
    """A stack that starts or stops, drawn anew at each refresh."""

    def __init__(self) -> None:
        self.state: StackState | None = None
        self._spinner = Spinner("dots", style="cyan")

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=1)
        table.add_column(min_width=12)
        table.add_column(min_width=10)
        table.add_column(justify="right", min_width=7)
        table.add_column(style="dim", no_wrap=True, overflow="ellipsis")
        for part in self.state.parts if self.state else ():
            table.add_row(
                _MARKS.get(part.status, self._spinner),
                part.name,
                Text(part.status, _STYLES.get(part.status, "")),
                _seconds(part),
                part.detail,
            )
        return table


def line(part: PartState) -> str:
    """One part on one line, for output that is not a terminal."""
    took = _seconds(part) if part.status in (Status.READY, Status.DONE) else ""
    return "  ".join(filter(None, [f"{part.name:<12}", part.status, took, part.detail]))


def endpoints(rows: Sequence[tuple[str, str]]) -> RenderableType:
    """Where things are."""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=14)
    table.add_column(style="cyan", overflow="fold")
    for name, where in rows:
        table.add_row(name, where)
    return table


def report(stack: StackReport) -> RenderableType:
    """`corridor status`."""
    parts: list[RenderableType] = [_processes(stack.processes)]
    if stack.lag:
        parts += [_lag(stack.lag)]
    return Group(*parts)


def _processes(processes: Sequence[ProcessReport]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("process")
    table.add_column("state")
    for heading in ("pid", "uptime", "memory", "restarts"):
        table.add_column(heading, justify="right")
    table.add_column("health", overflow="fold")
    for process in processes:
        table.add_row(
            process.name,
            Text(process.state, _STYLES.get(process.state, "")),
            str(process.pid or "-"),
            _duration(process.uptime_seconds),
            _memory(process.rss_bytes),
            Text(str(process.restarts), "yellow" if process.restarts else ""),
            Text(process.health, "green" if process.healthy else "red"),
        )
    return table


def _lag(rows: Sequence[TopicLag]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("consumer group")
    table.add_column("topic")
    for heading in ("partitions", "records", "lag"):
        table.add_column(heading, justify="right")
    before = ""
    for row in rows:
        table.add_row(
            "" if row.group == before else row.group,
            row.topic,
            str(row.partitions),
            f"{row.end_offset:,}",
            Text(f"{row.lag:,}", "yellow" if row.lag else "green"),
        )
        before = row.group
    return table


def _seconds(part: PartState) -> str:
    if part.status in (Status.STARTING, Status.STOPPING):
        return f"{max(0.0, time.time() - part.since):.1f} s"
    if part.took_seconds is not None and part.status in (Status.READY, Status.DONE):
        return f"{part.took_seconds:.1f} s"
    return ""


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def _memory(size: int | None) -> str:
    return "-" if size is None else f"{size / 2**20:,.0f} MiB"
