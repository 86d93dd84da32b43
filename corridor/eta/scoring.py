"""Scores what was said of legs against what came of them, on a fixed grid of moments.

A statement counts from when it could be made, not from the time that it speaks of. Every leg
counts once per moment, however often it was spoken of. Errors are in minutes, positive when the
arrival was later than said.
"""

from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from corridor.codes import Ending, Mode, Stage
from corridor.eta.distribution import LEVELS, probability
from corridor.eta.query import minutes
from corridor.models import LegEstimate, LegOutcome

Floats = NDArray[np.float64]

LATE_BY = {
    # what people call late in each mode; air: the second step of the US DOT's
    Mode.AIR: 30.0,
    Mode.TRUCK: 60.0,
    Mode.RAIL: 60.0,
    Mode.BARGE: 240.0,
    Mode.VESSEL: 720.0,
}
"""Minutes by which an arrival has to be late to count as late for alerts."""

BEFORE = {"before_2h": 120.0, "before_30min": 30.0}
PROGRESS = {"progress_25": 0.25, "progress_50": 0.5, "progress_75": 0.75, "progress_90": 0.9}
POINTS = ("before_2h", "before_30min", "departure", *PROGRESS, "downstream")
WORST_OF = 200
"""A group has to have so many legs to be the worst one."""
MOST_LEGS = 200_000
"""Legs that are remembered for corrections."""

_FIELDS = tuple(f"eta_p{round(level * 100):02d}" for level in LEVELS)


class Said(NamedTuple):
    """One statement about a leg; times in minutes since 1970."""

    heard: float
    """When it could be made."""
    stage: Stage
    median: float | None
    quantiles: tuple[float, ...] | None
    delay: float | None
    """How late it had departed."""
    planned: float
    """The arrival by the plan of that time; a later one may know of what went wrong."""


class Scored(NamedTuple):
    """One leg at one moment."""

    mode: Mode
    leg_id: str
    carrier: str
    day: int
    delay: float
    """Known at that moment."""
    error: float
    timetable: float
    persistence: float
    quantiles: tuple[float, ...]
    """Relative to the arrival; NaN where no interval was stated."""
    late_probability: float
    late: bool


class Scorer:
    """Collects statements and outcomes of one replay."""

    def __init__(self) -> None:
        self._said: OrderedDict[tuple[str, str, int], list[Said]] = OrderedDict()
        self._first_departure: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._scored: dict[str, dict[tuple[str, str, int], Scored]] = {p: {} for p in POINTS}

    def hear(self, output: LegEstimate | LegOutcome, heard: datetime) -> None:
        """Takes what was said.

        Args:
            output: The statement.
            heard: When it could be made at the earliest.
        """
        leg = (output.unit_id, output.shipment_id, output.sequence)
        if isinstance(output, LegOutcome):
            self._score(leg, output)
            return
        said = _said(output, minutes(heard))
        self._said.setdefault(leg, []).append(said)
        if len(self._said) > MOST_LEGS:
            self._said.popitem(last=False)
        journey = leg[:2]
        if output.stage is Stage.EN_ROUTE and said.delay is not None:
            self._first_departure.setdefault(journey, (said.heard, said.delay))
            if len(self._first_departure) > MOST_LEGS:
                self._first_departure.popitem(last=False)

    def points(self) -> dict[str, list[Scored]]:
        """The scored legs of every moment."""
        return {point: list(legs.values()) for point, legs in self._scored.items()}

    def _score(self, leg: tuple[str, str, int], outcome: LegOutcome) -> None:
        for legs in self._scored.values():  # of a corrected outcome, the last word counts
            legs.pop(leg, None)
        if outcome.retracted or outcome.ending is not Ending.ARRIVED:
            return
        if outcome.actual_arrival is None or outcome.actual_departure is None:
            return
        said = self._said.get(leg)
        if not said:
            return
        for point, statement in self._moments(leg, outcome, said):
            scored = _scored(outcome, statement)
            if scored is not None:
                self._scored[point][leg] = scored

    def _moments(
        self, leg: tuple[str, str, int], outcome: LegOutcome, said: list[Said]
    ) -> Iterator[tuple[str, Said]]:
        assert outcome.actual_departure is not None
        assert outcome.actual_arrival is not None
        departure, arrival = minutes(outcome.actual_departure), minutes(outcome.actual_arrival)
        planned = minutes(outcome.planned_departure)
        duration = minutes(outcome.planned_arrival) - planned
        said.sort(key=lambda statement: statement.heard)
        times = [statement.heard for statement in said]

        def known(time: float) -> Said | None:
            index = bisect_right(times, time)
            return said[index - 1] if index else None

        for point, lead in BEFORE.items():
            statement = known(planned - lead)
            if statement is not None and planned - lead < departure:
                yield point, statement
        first = next((s for s in said if s.stage is Stage.EN_ROUTE), None)
        if first is not None and first.heard < arrival:
            yield "departure", first
        for point, share in PROGRESS.items():
            moment = departure + share * duration
            statement = known(moment)
            if moment < arrival and statement is not None and statement.stage is Stage.EN_ROUTE:
                yield point, statement
        began = self._first_departure.get(leg[:2])
        if began is not None and began[0] < departure:
            statement = known(began[0])
            if statement is not None and statement.stage is not Stage.EN_ROUTE:
                yield "downstream", statement._replace(delay=began[1])


def _said(output: LegEstimate, heard: float) -> Said:
    quantiles = None
    if output.eta_p05 is not None:
        quantiles = tuple(minutes(getattr(output, field)) for field in _FIELDS)
    delay = None
    if output.actual_departure is not None:
        delay = minutes(output.actual_departure) - minutes(output.planned_departure)
    median = None if output.eta_p50 is None else minutes(output.eta_p50)
    planned = minutes(output.planned_arrival)
    return Said(heard, output.stage, median, quantiles, delay, planned)


_NONE = (float("nan"),) * len(LEVELS)


def _scored(outcome: LegOutcome, said: Said) -> Scored | None:
    if said.median is None or outcome.actual_arrival is None:
        return None
    arrival, planned = minutes(outcome.actual_arrival), said.planned
    delay = said.delay or 0.0
    threshold = planned + LATE_BY[outcome.mode]
    if said.quantiles is None:
        late_probability = float(said.median >= threshold)
    else:
        late_probability = 1 - probability(said.quantiles, threshold)
    return Scored(
        outcome.mode,
        outcome.leg_id,
        outcome.carrier_id or "",
        int(minutes(outcome.planned_departure) // 1440),
        delay,
        arrival - said.median,
        arrival - planned,
        arrival - planned - delay,
        _NONE if said.quantiles is None else tuple(q - arrival for q in said.quantiles),
        late_probability,
        arrival >= threshold,
    )


# figures ----------------------------------------------------------------------------------------


def figures(legs: Iterable[Scored]) -> dict[str, Any]:
    """The figures of some legs at one moment; minutes, and shares."""
    legs = list(legs)
    if not legs:
        return {"n": 0}
    errors = np.array([leg.error for leg in legs])
    sizes = np.abs(errors)
    timetable = float(np.mean(np.abs([leg.timetable for leg in legs])))
    persistence = float(np.mean(np.abs([leg.persistence for leg in legs])))
    found: dict[str, Any] = {
        "n": len(legs),
        "mae_minutes": float(np.mean(sizes)),
        "median_minutes": float(np.median(sizes)),
        "p90_minutes": float(np.quantile(sizes, 0.9)),
        "bias_minutes": float(np.mean(errors)),
        "timetable_mae_minutes": timetable,
        "persistence_mae_minutes": persistence,
        "ratio_to_timetable": _ratio(float(np.mean(sizes)), timetable),
        "ratio_to_persistence": _ratio(float(np.mean(sizes)), persistence),
    }
    quantiles = np.array([leg.quantiles for leg in legs])
    stated = ~np.isnan(quantiles[:, 0])
    found["stated"] = float(np.mean(stated))
    if stated.any():
        found |= _intervals(quantiles[stated])
    return found


def _ratio(ours: float, theirs: float) -> float | None:
    return ours / theirs if theirs else None


def _intervals(quantiles: Floats) -> dict[str, float]:
    """Of quantiles relative to the arrival."""
    found = {}
    for share, low, high in ((50, 2, 4), (80, 1, 5), (90, 0, 6)):
        inside = (quantiles[:, low] <= 0) & (quantiles[:, high] >= 0)
        width = quantiles[:, high] - quantiles[:, low]
        found[f"coverage_{share}"] = float(np.mean(inside))
        found[f"width_{share}_minutes"] = float(np.mean(width))
    miss = np.maximum(quantiles[:, 0], 0) + np.maximum(-quantiles[:, 6], 0)
    width = quantiles[:, 6] - quantiles[:, 0]
    found["interval_score_90_minutes"] = float(np.mean(width + 20 * miss))
    levels = np.asarray(LEVELS)
    loss = np.maximum(levels * -quantiles, (levels - 1) * -quantiles)
    found["pinball_minutes"] = float(np.mean(loss))
    return found


def groups(legs: list[Scored]) -> dict[str, Any]:
    """Figures by mode, delay, carrier and leg; the worst coverage of those that are large."""
    by: dict[str, dict[str, list[Scored]]] = defaultdict(lambda: defaultdict(list))
    for leg in legs:
        by["mode"][str(leg.mode)].append(leg)
        by["delay"][_delay_group(leg.delay)].append(leg)
        by["carrier"][leg.carrier].append(leg)
        by["leg"][leg.leg_id].append(leg)
    found: dict[str, Any] = {}
    for kind, members in by.items():
        large = {name: figures(m) for name, m in members.items() if len(m) >= WORST_OF}
        shown = large if kind in ("leg", "carrier") else {n: figures(m) for n, m in members.items()}
        found[kind] = {name: shown[name] for name in sorted(shown)}
        covered = {n: f["coverage_90"] for n, f in large.items() if "coverage_90" in f}
        if covered:
            worst = min(covered, key=lambda name: covered[name])
            found[f"worst_{kind}"] = {"name": worst, "coverage_90": covered[worst]}
    return found


def _delay_group(delay: float) -> str:
    for bound, name in ((0, "early or on time"), (15, "to 15 min"), (60, "15 to 60 min")):
        if delay <= bound:
            return name
    return "over 60 min"


def alerts(legs: list[Scored]) -> dict[str, Any]:
    """How well lateness was foretold, as a probability and at p >= 0.5."""
    if not legs:
        return {"n": 0}
    p = np.array([leg.late_probability for leg in legs])
    late = np.array([leg.late for leg in legs])
    called = p >= 0.5
    hits = int(np.sum(called & late))
    order = np.argsort(-p, kind="stable")
    precision = np.cumsum(late[order]) / np.arange(1, len(p) + 1)
    return {
        "n": len(legs),
        "late_share": float(np.mean(late)),
        "precision": hits / int(called.sum()) if called.any() else None,
        "recall": hits / int(late.sum()) if late.any() else None,
        "average_precision": float(np.mean(precision[late[order]])) if late.any() else None,
        "brier": float(np.mean((p - late) ** 2)),
    }
