"""The report of `corridor evaluate`, for people."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from corridor.eta.figures import RIVALS

KNOWN_AT = {
    "before_2h": "2 h before",
    "before_30min": "30 min before",
    "departure": "departure",
    "progress_25": "25 % of the way",
    "progress_50": "50 %",
    "progress_75": "75 %",
    "progress_90": "90 %",
    "downstream": "later legs",
}
THEIRS = {
    "timetable": "timetable",
    "persistence": "plan + delay",
    "slack_aware": "less slack",
    "hierarchical_mean": "mean error",
    "transit_kalman": "Kalman",
}
assert tuple(THEIRS) == RIVALS


def show(report: dict[str, Any], console: Console) -> None:
    """Prints it; where there are not 96 columns, without the less important ones."""
    wide = console.width >= 96
    points = {p: found for p, found in report["points"].items() if found["n"]}
    if not points:
        console.print("No run with a departure and an arrival was scored.")
    else:
        console.print(_errors(points, wide))
        console.print(_rivals(points, wide))
        _weakest(report, console)
    _calls(report, console)
    _incidents(report["incidents"], console)
    seconds = max(report["seconds"], 1e-9)
    console.print(
        f"\n{report['events']:,} messages in {seconds:.1f} s"
        f" ({report['events'] / seconds:,.0f}/s), {report['rejected']:,} rejected,"
        f" model {report['model']}"
    )


def _errors(points: dict[str, Any], wide: bool) -> Table:
    table = _table("Errors of the ETA, minutes, and arrivals inside its intervals")
    table.add_column("known at")
    for title in ("runs", "mean", *["95 % of it"] * wide, "median", "P90", "bias"):
        table.add_column(title, justify="right")
    for title in (*["80 %"] * wide, "90 %", "width"):
        table.add_column(title, justify="right")
    for point, found in points.items():
        span = found["mae_ci95_minutes"]
        between = "" if span is None else f"{_number(span[0])}-{_number(span[1])}"
        table.add_row(
            KNOWN_AT[point],
            f"{found['n']:,}",
            _number(found["mae_minutes"]),
            *[between] * wide,
            _number(found["median_minutes"]),
            _number(found["p90_minutes"]),
            _number(found["bias_minutes"], "+"),
            *[_percent(found["coverage_80"])] * wide,
            _percent(found["coverage_90"]),
            _number(found["width_90_minutes"]),
        )
    return table


def _rivals(points: dict[str, Any], wide: bool) -> Table:
    table = _table("The mean error of others, minutes, and ours as a share of it")
    table.add_column("known at")
    shown = {name: title for name, title in THEIRS.items() if wide or name != "slack_aware"}
    for title in shown.values():
        table.add_column(title, justify="right")
    for point, found in points.items():
        cells = (
            f"{_number(found[f'{name}_mae_minutes'])} {_share(found[f'ratio_to_{name}'])}"
            for name in shown
        )
        table.add_row(KNOWN_AT[point], *cells)
    return table


def _weakest(report: dict[str, Any], console: Console) -> None:
    worst = report["groups"]["departure"]["worst"]
    said = [
        f"{kind} {found['name']} {found['coverage_90']:.1%}"
        for kind, found in worst.items()
        if found
    ]
    if said:
        console.print("Least inside 90 % at departure, of 200 runs or more: " + ", ".join(said))


def _calls(report: dict[str, Any], console: Console) -> None:
    late, missed, steady = report["alerts"], report["missed_connections"], report["stability"]
    if late["average_precision"] is not None:
        console.print(f"Late arrivals ({late['share']:.1%}), called at departure: {_called(late)}.")
        if late["lead_median_minutes"] is not None:
            console.print(
                f"Called at any time: {_number(late['lead_median_minutes'])} min before they were"
                f" late (median); {late['ever']['recall_in_time']:.1%} of them in time."
            )
    if missed["average_precision"] is not None:
        console.print(
            f"Missed connections ({missed['share']:.1%} of {missed['n']:,}), called 12 h before"
            f" they closed: {_called(missed)}."
        )
    if steady["n"] and steady["jitter"] is not None:
        console.print(
            f"An ETA moved {steady['updates_per_run']:.1f} times and turned"
            f" {steady['reversals_per_run']:.1f} times; all its ways are"
            f" {steady['jitter']:.2f} times the straight one."
        )


def _incidents(found: dict[str, Any], console: Console) -> None:
    delay = found["delay"]
    if not delay["alerted"]:
        return
    lead = delay["lead_median_minutes"]
    early = "" if lead is None else f", {_number(lead)} min before they were late (median)"
    console.print(
        f"Incidents of late runs: {delay['alerted']:,}, precision {_percent(delay['precision'])},"
        f" recall {_percent(delay['recall']) or '-'}{early}."
    )
    less = found["messages_less_than_naive"]
    console.print(
        f"{sum(found['messages'].values()):,} messages of {sum(found['incidents'].values()):,}"
        f" incidents"
        + ("" if less is None else f", {less:.1%} fewer than one threshold for each shipment")
        + f"; {_percent(found['flap_rate']) or '-'} came back within a day."
    )


def _called(found: dict[str, Any]) -> str:
    precision, recall = _percent(found["precision"]), _percent(found["recall"])
    return (
        f"precision {precision or '-'}, recall {recall or '-'},"
        f" average precision {found['average_precision']:.3f}, Brier {found['brier']:.4f}"
    )


def _table(title: str) -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title=title,
        title_justify="left",
        title_style="bold",
    )


def _number(value: float | None, sign: str = "") -> str:
    """Three digits or so, whatever the mode."""
    if value is None:
        return ""
    digits = 2 if abs(value) < 100 else 0
    return format(value, f"{sign},.{digits}f")


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
