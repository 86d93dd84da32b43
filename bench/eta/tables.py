"""The figures as a page of Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

from commands.evaluation_view import KNOWN_AT, THEIRS
from corridor.eta.figures import Figures

Cells = Sequence[str]


def page(found: Figures) -> str:
    """Everything; `docs/eta.md` says what it means."""
    flights, simulator, curves = found["nycflights13"], found["simulator"], found["curves"]
    cost = found["cost"]
    parts = [
        "# ETAs in figures",
        "Written by `make bench-eta`. Minutes; a run counts once, however many units it carried."
        " In brackets: 95 % intervals by a bootstrap of whole days.",
        f"## Flights out of New York ({found['parameters']['flights']})",
        _points(flights),
        _rivals(flights),
        f"Late by 30 minutes, called at departure: {_called(flights['alerts'])}.",
        _groups(flights),
        "![coverage by group](coverage.svg)",
        "![errors by horizon](horizons.svg)",
    ]
    if found["peers"]:
        parts += ["### Models of other libraries, through the same scorer", _peers(found)]
    parts += [
        f"## Simulated corridors ({found['parameters']['simulator']})",
        "The oracle knows the true state of queues and weather when a run departs, and not the"
        " run's own luck: what is left to it can be foretold by nobody.",
        _corridors(simulator),
        _modes(simulator),
        _missed(simulator),
        "![one unit's interval closing in](closing.svg)",
        "## A beginning",
        "Share of the error of timetable plus delay at departure, from the first day on.",
        _windows({"ratio": curves["cold_start"]}, "ratio_to_persistence"),
        "![cold start](cold-start.svg)",
        "## Reports that come late or never",
        _spoiled(curves["spoiled"]),
        "## A timetable that moves",
        "A third of all legs is planned 15 minutes shorter from one day to the next; the mean error"
        " on them at departure by days since.",
        _windows(curves["moved_timetable"], "mae_minutes"),
        "## Cost",
        _cost(cost),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _points(points: Figures) -> str:
    return _table(
        ("known at", "runs", "MAE", "median", "P90", "bias", "50 %", "80 %", "90 %", "width"),
        (
            (
                KNOWN_AT[name],
                f"{p['n']:,}",
                number(p["mae_minutes"]) + _span(p["mae_ci95_minutes"]),
                number(p["median_minutes"]),
                number(p["p90_minutes"]),
                number(p["bias_minutes"], "+"),
                *(percent(p[f"coverage_{share}"]) for share in (50, 80, 90)),
                number(p["width_90_minutes"]),
            )
            for name, p in _measured(points)
        ),
    )


def _rivals(points: Figures) -> str:
    return "Mean errors of others, and ours as a share of them:\n\n" + _table(
        ("known at", *THEIRS.values()),
        ((KNOWN_AT[name], *(_held(p, rival) for rival in THEIRS)) for name, p in _measured(points)),
    )


def _held(p: Figures, rival: str) -> str:
    span = _span(p["ratio_to_persistence_ci95"]) if rival == "persistence" else ""
    return f"{number(p[f'{rival}_mae_minutes'])}: {number(p[f'ratio_to_{rival}'])}{span}"


def _groups(flights: Figures) -> str:
    worst = flights["groups"]["departure"]["worst"]
    return "Least inside the 90 % interval at departure, of groups of 200 runs or more:\n\n" + (
        _table(
            ("by", "group", "inside"),
            ((kind, w["name"], percent(w["coverage_90"])) for kind, w in worst.items() if w),
        )
    )


def _peers(found: Figures) -> str:
    ours = found["nycflights13"]
    rows = []
    for name, points in {"corridor": ours, **found["peers"]}.items():
        for point in ("before_2h", "before_30min", "departure"):
            p = points.get(point)
            if p and p["n"]:
                rows.append(
                    (
                        name,
                        KNOWN_AT[point],
                        number(p["mae_minutes"]) + _span(p["mae_ci95_minutes"]),
                        number(p["p90_minutes"]),
                        percent(p["coverage_90"]),
                        number(p["width_90_minutes"]),
                        number(p["pinball_minutes"]),
                    )
                )
    return _table(("model", "known at", "MAE", "P90", "90 %", "width", "pinball"), rows)


def _corridors(simulator: Figures) -> str:
    rows = []
    for corridor, found in simulator.items():
        oracle = found["oracle"]
        for point in ("departure", "progress_50", "progress_90", "downstream"):
            p = found[point]
            if p["n"]:
                at_departure = point == "departure"
                rows.append(
                    (
                        corridor if at_departure else "",
                        KNOWN_AT[point],
                        f"{p['n']:,}",
                        number(p["mae_minutes"]) + _span(p["mae_ci95_minutes"]),
                        *(number(p[f"ratio_to_{rival}"]) for rival in THEIRS),
                        percent(p["coverage_90"]),
                        number(oracle["oracle_mae_minutes"]) if at_departure else "",
                        number(oracle["ratio_to_oracle"]) if at_departure else "",
                    )
                )
    titles = ("corridor", "known at", "runs", "MAE", *(f"/ {t}" for t in THEIRS.values()), "90 %")
    return _table((*titles, "oracle's MAE", "/ oracle"), rows)


def _modes(simulator: Figures) -> str:
    return "By mode, at departure:\n\n" + _table(
        ("corridor", "mode", "runs", "MAE", "/ timetable", "/ plan + delay", "90 %"),
        (
            (
                corridor,
                mode,
                f"{points['departure']['n']:,}",
                number(points["departure"]["mae_minutes"]),
                number(points["departure"]["ratio_to_timetable"]),
                number(points["departure"]["ratio_to_persistence"]),
                percent(points["departure"]["coverage_90"]),
            )
            for corridor, found in simulator.items()
            for mode, points in found["modes"].items()
        ),
    )


def _missed(simulator: Figures) -> str:
    rows = [
        (
            corridor,
            f"{found['n']:,}",
            percent(found["share"]),
            percent(found["precision"]),
            percent(found["recall"]),
            percent(found["precision_at_recall_80"]),
            number(found["average_precision"]),
            number(found["brier"]),
        )
        for corridor, found in (
            (corridor, each["missed_connections"]) for corridor, each in simulator.items()
        )
        if found["n"]
    ]
    titles = (
        "corridor",
        "connections",
        "missed",
        "precision",
        "recall",
        "precision at recall 80 %",
    )
    if not rows:
        return ""
    head = "Missed connections, called 12 hours before they closed:\n\n"
    return head + _table((*titles, "average precision", "Brier"), rows)


def _windows(series: dict[str, Figures], figure: str) -> str:
    days = list(dict.fromkeys(day for found in series.values() for day in found))
    return _table(
        ("day", *days),
        (
            (name, *(number(found[day][figure]) if day in found else "" for day in days))
            for name, found in series.items()
        ),
    )


def _spoiled(spoiled: dict[str, Figures]) -> str:
    return _table(
        ("at departure", "runs", "MAE", "/ plan + delay", "90 %", "width"),
        (
            (
                name,
                f"{p['n']:,}",
                number(p["mae_minutes"]) + _span(p["mae_ci95_minutes"]),
                number(p["ratio_to_persistence"]),
                percent(p["coverage_90"]),
                number(p["width_90_minutes"]),
            )
            for name, p in spoiled.items()
        ),
    )


def _cost(cost: Figures) -> str:
    prediction = cost["microseconds_per_prediction"]
    return _table(
        ("what", "cost"),
        (
            ("a message, with scoring", f"{cost['microseconds_per_event']:,.0f} µs"),
            ("a prediction", "" if prediction is None else f"{prediction:,.0f} µs"),
            (f"state of a unit ({cost['units']:,})", f"{cost['bytes_per_unit'] or 0:,.0f} bytes"),
            ("the model, with the runs that it waits for", f"{cost['model_bytes']:,} bytes"),
            ("a snapshot of it", f"{1000 * cost['snapshot_seconds']:,.1f} ms"),
        ),
    )


def _called(found: Figures) -> str:
    return (
        f"precision {percent(found['precision'])}, recall {percent(found['recall'])},"
        f" F1 {number(found['f1'])}, average precision {number(found['average_precision'])},"
        f" Brier {number(found['brier'])}"
    )


def _measured(points: Figures) -> list[tuple[str, Figures]]:
    return [(name, points[name]) for name in KNOWN_AT if points[name]["n"]]


def _table(titles: Cells, rows: Iterable[Cells]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: Any, sign: str = "") -> str:
    """Three digits or so."""
    if value is None:
        return ""
    digits = 3 if abs(value) < 2 else 2 if abs(value) < 100 else 0
    return format(value, f"{sign},.{digits}f")


def percent(value: Any) -> str:
    """A share."""
    return "" if value is None else f"{value:.1%}"


def _span(span: Any) -> str:
    return "" if span is None else f" ({number(span[0])}-{number(span[1])})"
