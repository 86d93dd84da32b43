"""Plays histories through `corridor evaluate` and keeps the figures."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from bench.eta.histories import is_moved
from commands.evaluate import Evaluation
from corridor.codes import Ending, Stage
from corridor.eta.distribution import LEVELS, MEDIAN
from corridor.eta.figures import Figures, figures, uncertainty
from corridor.eta.scoring import POINTS, Scores, Table
from corridor.models import LegEstimate, LegOutcome
from producers.replay.record import Record

DAYS = (0, 1, 3, 7, 14, 30, 60)
"""Bounds of the windows in which a beginning is looked at."""


class Played(NamedTuple):
    """What a history came to."""

    scores: Scores
    report: Figures
    evaluation: Evaluation
    """After it."""


def play(records: Iterable[Record], evaluation: Evaluation) -> Played:
    """Plays a history; see `Evaluation`."""
    for record in records:
        evaluation.take(record)
    scores = evaluation.scorer.scores()
    return Played(scores, evaluation.report(scores), evaluation)


def measured(rows: Table) -> Figures:
    """The figures of some rows, with what is uncertain about them."""
    return figures(rows) | uncertainty(rows)


def together(scores: list[Scores]) -> dict[str, Table]:
    """The rows of several histories as one, by moment; their legs' numbers mean nothing then."""
    return {point: np.concatenate([each.point(point) for each in scores]) for point in POINTS}


def beside_oracle(pairs: Iterable[tuple[Scores, dict[int, float]]]) -> Figures:
    """Our errors at departure beside those of who knows the state of the world, on the same runs.

    Args:
        pairs: What was scored of each history, and its oracle's errors by `run_key`.
    """
    ours: list[float] = []
    theirs: list[float] = []
    for scores, oracles in pairs:
        for row in scores.point("departure"):
            error = oracles.get(int(row["run"]))
            if error is not None:
                ours.append(abs(float(row["quantiles"][MEDIAN])))
                theirs.append(abs(error))
    mae = float(np.mean(ours)) if ours else None
    oracle = float(np.mean(theirs)) if theirs else None
    return {
        "n": len(ours),
        "mae_minutes": mae,
        "oracle_mae_minutes": oracle,
        "ratio_to_oracle": mae / oracle if mae is not None and oracle else None,
    }


def by_days(rows: Table, begins: int) -> dict[str, Figures]:
    """Figures in windows of days after a day."""
    found = {}
    for first, end in pairwise(DAYS):
        inside = (rows["day"] >= begins + first) & (rows["day"] < begins + end)
        found[f"{first + 1}-{end}" if end > first + 1 else str(end)] = figures(rows[inside])
    return found


def moved_legs(scores: Scores, point: str = "departure") -> Table:
    """The rows of legs whose timetable `histories.moved_timetable` moves."""
    rows = scores.point(point)
    moved = np.array([is_moved(leg) for leg in scores.legs] or [False])
    return rows[moved[rows["leg"]]] if len(rows) else rows


class Watched(NamedTuple):
    """How one leg was seen over time; minutes since 1970."""

    unit_id: str
    leg_id: str
    said: list[tuple[float, tuple[float, ...]]]
    """When, and the quantiles."""
    departures: list[float]
    """Of every leg of the journey."""
    arrivals: list[float]
    """The last one is what was to be foretold."""


class Watch:
    """Keeps what is said of journeys, to show one of them."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str, int], list[tuple[float, tuple[float, ...]]]] = defaultdict(
            list
        )
        self._outcomes: dict[tuple[str, str], dict[int, LegOutcome]] = defaultdict(dict)

    def hear(self, output: LegEstimate | LegOutcome, heard: datetime) -> None:
        """A `Listener`."""
        if isinstance(output, LegOutcome):
            self._outcomes[output.unit_id, output.shipment_id][output.sequence] = output
        elif output.eta_p05 is not None and output.stage is not Stage.DONE:
            etas: Iterator[Any] = (getattr(output, f"eta_p{lv * 100:02.0f}") for lv in LEVELS)
            quantiles = tuple(eta.timestamp() / 60 for eta in etas)
            key = (output.unit_id, output.shipment_id, output.sequence)
            self._said[key].append((heard.timestamp() / 60, quantiles))

    def most_told(self) -> Watched | None:
        """The journey of most legs, all arrived, of whose last leg most was said."""
        found: list[tuple[int, int, str, Watched]] = []
        for (unit, shipment), outcomes in sorted(self._outcomes.items()):
            legs = [outcome for _, outcome in sorted(outcomes.items())]
            departures = [o.actual_departure.timestamp() / 60 for o in legs if o.actual_departure]
            arrivals = [o.actual_arrival.timestamp() / 60 for o in legs if o.actual_arrival]
            went = all(o.ending is Ending.ARRIVED and not o.retracted for o in legs)
            if not went or not len(departures) == len(arrivals) == len(legs):
                continue
            last = legs[-1]
            said = [
                (heard, quantiles)
                for heard, quantiles in self._said.get((unit, shipment, last.sequence), [])
                if heard < arrivals[-1]
            ]
            if len(said) >= 2:
                watched = Watched(unit, last.leg_id, said, departures, arrivals)
                found.append((len(legs), len(said), unit, watched))
        return max(found)[-1] if found else None
