"""Figures of what was scored. Errors are minutes, positive when the arrival was later than said."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corridor.eta.distribution import LEVELS, MEDIAN
from corridor.eta.scoring import MODES, PEERS, POINTS, Scores, Table

Floats = NDArray[np.float64]
Figures = dict[str, Any]

WORST_OF = 200
"""A group has to have so many runs to be called the worst; legs and carriers to be shown."""
RIVALS = ("timetable", "persistence", "slack_aware", *PEERS)
"""Other ETAs, through the same grid: each with its MAE, and ours as a share of it."""
OPERATING = 0.5
"""The probability from which on something is called."""
RECALL = 0.8
"""The recall at which the precision of missed connections is compared."""

_RESAMPLES = 1000
_LEAST_DAYS = 5
_SHARES = {50: (2, 4), 80: (1, 5), 90: (0, 6)}
"""The quantiles that hold so many percent between them."""


def report(scores: Scores) -> Figures:
    """Everything; what could not be measured is None."""
    points: Figures = {}
    by_point: Figures = {}
    called: Figures = {}
    for point in POINTS:
        rows = scores.point(point)
        points[point] = figures(rows) | uncertainty(rows)
        by_point[point] = groups(rows, scores)
        called[point] = calls(rows["late_probability"], rows["late"])
    followed = scores.followed()
    return {
        "points": points,
        "groups": by_point,
        "alerts": called["departure"] | leads(followed) | {"points": called},
        "missed_connections": connections(scores.connections()),
        "stability": stability(followed),
    }


def figures(rows: Table) -> Figures:
    """Errors, rivals and intervals of some rows of `SCORED`."""
    errors = -rows["quantiles"][:, MEDIAN].astype(float)
    sizes = np.abs(errors)
    mae = _mean(sizes)
    found: Figures = {
        "n": len(rows),
        "mae_minutes": mae,
        "median_minutes": _quantile(sizes, 0.5),
        "p90_minutes": _quantile(sizes, 0.9),
        "bias_minutes": _mean(errors),
    }
    for rival in RIVALS:
        theirs = found[f"{rival}_mae_minutes"] = _mean(np.abs(rows[rival].astype(float)))
        found[f"ratio_to_{rival}"] = _ratio(mae, theirs)
    quantiles = rows["quantiles"].astype(float)
    stated = ~np.isnan(quantiles[:, 0])
    found["stated"] = _mean(stated.astype(float))
    return found | _intervals(quantiles[stated], rows["day"][stated])


def _intervals(quantiles: Floats, days: NDArray[np.int32]) -> Figures:
    """Of quantiles relative to the arrival."""
    found: Figures = {}
    inside = np.zeros(len(quantiles))
    for share, (low, high) in _SHARES.items():
        inside = ((quantiles[:, low] <= 0) & (quantiles[:, high] >= 0)).astype(float)
        found[f"coverage_{share}"] = _mean(inside)
        found[f"width_{share}_minutes"] = _mean(quantiles[:, high] - quantiles[:, low])
    daily = _daily(days, np.ones(len(days)), inside)
    found["coverage_90_daily_sd"] = _deviation(daily[1] / daily[0])
    # Winkler's interval score: the width, and 2 / 0.1 of what lies outside
    missed = np.maximum(quantiles[:, 0], 0) + np.maximum(-quantiles[:, -1], 0)
    found["interval_score_90_minutes"] = _mean(quantiles[:, -1] - quantiles[:, 0] + 20 * missed)
    levels = np.asarray(LEVELS)
    found["pinball_minutes"] = _mean(np.maximum(-levels * quantiles, (1 - levels) * quantiles))
    return found


def uncertainty(rows: Table) -> Figures:
    """95 % intervals of the MAE and of its ratio to timetable plus delay.

    By a bootstrap of whole days, since what goes wrong on one day goes wrong for many.
    """
    names = ("mae_ci95_minutes", "ratio_to_persistence_ci95")
    sizes = np.abs(rows["quantiles"][:, MEDIAN].astype(float))
    theirs = np.abs(rows["persistence"].astype(float))
    sums = _daily(rows["day"], np.ones(len(rows)), sizes, theirs)
    days = sums.shape[1]
    if days < _LEAST_DAYS:
        return dict.fromkeys(names)
    dice = np.random.default_rng(1)
    drawn = dice.multinomial(days, np.full(days, 1 / days), _RESAMPLES)
    count, ours, other = (drawn @ column for column in sums)
    ratios = ours / np.where(other == 0, np.nan, other)
    return {
        name: [_rounded(v) for v in np.nanquantile(values, [0.025, 0.975])]
        if not np.isnan(values).all()
        else None
        for name, values in zip(names, (ours / count, ratios), strict=True)
    }


def _daily(days: NDArray[np.int32], *columns: Floats) -> Floats:
    """Sums by day, (columns, days)."""
    if not len(days):
        return np.zeros((len(columns), 0))
    _, which = np.unique(days, return_inverse=True)
    return np.array([np.bincount(which, column) for column in columns])


# groups -----------------------------------------------------------------------------------------


def groups(rows: Table, scores: Scores) -> Figures:
    """Figures by mode, delay, carrier, leg and month; and the least covered of the large ones."""
    months = (rows["day"].astype("M8[D]")).astype("M8[M]")
    kinds: dict[str, tuple[NDArray[Any], int]] = {
        "mode": (np.array([str(mode) for mode in MODES])[rows["mode"]], 1),
        "delay": (delay_groups(rows["delay"]), 1),
        "month": (months.astype(str), 1),
        "carrier": (np.array(scores.carriers or [""])[rows["carrier"]], WORST_OF),
        "leg": (np.array(scores.legs or [""])[rows["leg"]], WORST_OF),
    }
    found: Figures = {}
    worst: Figures = {}
    for kind, (names, least) in kinds.items():
        parts = dict(_parts(rows, names, least))
        found[kind] = {name: figures(part) for name, part in parts.items()}
        covered = {
            name: shown["coverage_90"]
            for name, shown in found[kind].items()
            if shown["n"] >= WORST_OF and shown["coverage_90"] is not None
        }
        name = min(covered, key=lambda name: covered[name], default=None)
        worst[kind] = name and {"name": name, "coverage_90": covered[name]}
    return found | {"worst": worst}


def _parts(rows: Table, names: NDArray[Any], least: int) -> Iterator[tuple[str, Table]]:
    found, which, counts = np.unique(names, return_inverse=True, return_counts=True)
    order = np.argsort(which, kind="stable")
    for name, part in zip(found, np.split(order, np.cumsum(counts)[:-1]), strict=False):
        if len(part) >= least:
            yield str(name), rows[part]


DELAYS = ("early or on time", "to 15 min", "15 to 60 min", "over 60 min")


def delay_groups(delays: NDArray[np.float32]) -> NDArray[np.str_]:
    """Names of how late runs were, as far as was known."""
    return np.array(DELAYS)[np.searchsorted([0, 15, 60], delays, "left")]


# what was called --------------------------------------------------------------------------------


def calls(probabilities: NDArray[np.float32], truths: NDArray[np.bool_]) -> Figures:
    """How well something was foretold: as a probability, and by calling it from 0.5 on."""
    p, true = probabilities.astype(float), truths.astype(bool)
    called = p >= OPERATING
    hits, positives = int(np.sum(called & true)), int(true.sum())
    precision, recall = _ratio(hits, int(called.sum())), _ratio(hits, positives)
    curve = _precision_recall(p, true)
    reached = [precise for precise, recalled in curve if recalled >= RECALL]
    steps = np.diff([0.0, *(recalled for _, recalled in curve)])
    area = sum(step * precise for step, (precise, _) in zip(steps, curve, strict=True))
    return {
        "n": len(p),
        "share": _mean(true.astype(float)),
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * hits, int(called.sum()) + positives),
        "average_precision": float(area) if positives else None,
        "precision_at_recall_80": max(reached, default=None),
        "brier": _mean((p - true) ** 2),
    }


def _precision_recall(p: Floats, true: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """(precision, recall) at every distinct probability, from the highest on."""
    if not true.any():
        return []
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(true[order])
    last = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return list(zip(precision.tolist(), recall.tolist(), strict=True))


def leads(followed: Table) -> Figures:
    """How long before it was late a run was called late, at any time; rows of `FOLLOWED`."""
    called, late = ~np.isnan(followed["lead"]), followed["late"]
    lead = followed["lead"][called & late].astype(float)
    in_time = int(np.sum(lead > 0))
    return {
        "ever": {
            "precision": _ratio(int(np.sum(called & late)), int(called.sum())),
            "recall": _ratio(int(np.sum(called & late)), int(late.sum())),
            "recall_in_time": _ratio(in_time, int(late.sum())),
        },
        "lead_median_minutes": _quantile(lead, 0.5),
        "lead_p10_minutes": _quantile(lead, 0.1),
    }


def connections(rows: Table) -> Figures:
    """How well missed connections were foretold, half a day before they closed."""
    return calls(rows["missed_probability"], rows["missed"])


def stability(followed: Table) -> Figures:
    """How steady ETAs were, over all that was said of a run before it arrived."""
    updates = int(followed["updates"].sum())
    return {
        "n": len(followed),
        "updates_per_run": _mean(followed["updates"].astype(float)),
        "reversals_per_run": _mean(followed["reversals"].astype(float)),
        # 1: every ETA went straight from the first to the last
        "jitter": _ratio(
            float(followed["moved"].sum(dtype=float)), float(followed["net"].sum(dtype=float))
        ),
        "away_share": _ratio(int(followed["away"].sum()), updates),
    }


def _mean(values: Floats) -> float | None:
    return float(np.mean(values)) if values.size else None


def _deviation(values: Floats) -> float | None:
    return float(np.std(values)) if values.size else None


def _quantile(values: Floats, level: float) -> float | None:
    return float(np.quantile(values, level)) if values.size else None


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


def _rounded(value: float) -> float:
    return round(float(value), 4)
