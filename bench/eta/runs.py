"""What is measured: flights, simulated corridors, spoiled histories, and cost."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from bench.eta import histories
from bench.eta.cost import Timer, costs
from bench.eta.play import (
    Watch,
    Watched,
    beside_oracle,
    by_days,
    measured,
    moved_legs,
    play,
    together,
)
from bench.eta.rivals import Rival, Rivals
from commands.evaluate import Evaluation
from corridor.eta.figures import Figures, calls, figures
from corridor.eta.scoring import MODES, POINTS
from producers.replay.record import Record

Tell = Callable[[str], None]

SIMULATED_FROM = date(2026, 1, 5)


@dataclass(frozen=True)
class Size:
    """How much is played."""

    flights_until: date | None
    flights_since: date
    """From when on flights are scored; before, they teach."""
    spoiled_until: date
    spoiled_since: date
    moved_from: date
    """When timetables are moved."""
    corridors: dict[str, int]
    """Shipments of each."""
    seeds: tuple[int, ...]
    days: int
    """In which they are booked."""
    warm_up: int
    """Days of a simulated history that only teach."""


FULL = Size(
    None,
    date(2013, 10, 1),
    date(2013, 2, 1),
    date(2013, 1, 20),
    date(2013, 1, 20),
    {"ILSTC": 200, "CRE": 150, "YANGTZE": 120, "CKG-AIR": 600, "TIR": 300},
    (1, 2, 3),
    days=180,
    warm_up=45,
)
QUICK = Size(
    date(2013, 1, 5),
    date(2013, 1, 3),
    date(2013, 1, 4),
    date(2013, 1, 2),
    date(2013, 1, 3),
    {"CKG-AIR": 60},
    (1, 2),
    days=20,
    warm_up=5,
)


def on_flights(size: Size, rivals: list[Rival], tell: Tell) -> tuple[Figures, Figures]:
    """The flights' figures, and those of peers through the same scorer."""
    tell("flights")
    since = _time(size.flights_since)
    others = Rivals(rivals, since) if rivals else None
    evaluation = Evaluation(since, None if others is None else others.hear)
    played = play(histories.flights(size.flights_until), evaluation)
    report = played.report
    ours = report["points"] | {
        name: report[name] for name in ("groups", "alerts", "stability", "events", "seconds")
    }
    peers: Figures = {}
    for name, scores in ({} if others is None else others.scores()).items():
        found = {point: measured(scores.point(point)) for point in POINTS}
        peers[name] = {point: shown for point, shown in found.items() if shown["n"]}
    return ours, peers


def on_corridors(size: Size, tell: Tell) -> tuple[Figures, Watched | None]:
    """Each simulated corridor over all seeds, beside the error that nobody could avoid."""
    found: Figures = {}
    shown: Watched | None = None
    for corridor, shipments in size.corridors.items():
        scored, oracles, connections, seconds, events = [], [], [], 0.0, 0
        for seed in size.seeds:
            tell(f"{corridor} {seed}")
            history = histories.simulated(corridor, shipments, seed, size.days)
            watch = Watch() if shown is None else None
            since = _time(SIMULATED_FROM + timedelta(days=size.warm_up))
            evaluation = Evaluation(since, None if watch is None else watch.hear)
            played = play(history.records, evaluation)
            if watch is not None:
                shown = watch.most_told()
            scored.append(played.scores)
            oracles.append(history.oracles)
            connections.append(played.scores.connections())
            seconds += played.report["seconds"]
            events += played.report["events"]
        tables = together(scored)
        missed = np.concatenate(connections)
        found[corridor] = {
            **{point: measured(rows) for point, rows in tables.items()},
            "modes": {
                str(mode): {
                    point: figures(rows[rows["mode"] == number]) for point, rows in tables.items()
                }
                for number, mode in enumerate(MODES)
                if (tables["departure"]["mode"] == number).any()
            },
            "oracle": beside_oracle(zip(scored, oracles, strict=True)),
            "missed_connections": calls(missed["missed_probability"], missed["missed"]),
            "events": events,
            "seconds": seconds,
        }
    return found, shown


def curves(size: Size, tell: Tell) -> tuple[Figures, Figures]:
    """How a beginning, late and lost reports and a moved timetable change the errors; and cost."""
    since = _time(size.spoiled_since)
    first_day = _day(date(2013, 1, 1))

    def flights() -> Iterator[Record]:
        return histories.flights(size.spoiled_until)

    tell("as they are")
    evaluation = Evaluation()
    timer = Timer.of(evaluation.rehearsal.model, "predict")
    plain = play(flights(), evaluation)
    cost = costs(timer, plain)
    spoiled: dict[str, Iterator[Record]] = {
        "arrivals told 30 min late": histories.reported_late(flights(), timedelta(minutes=30)),
        "arrivals told 120 min late": histories.reported_late(flights(), timedelta(minutes=120)),
        "10 % of events lost": histories.lost(flights(), 0.1, 1),
        "30 % of events lost": histories.lost(flights(), 0.3, 1),
    }
    rows = plain.scores.point("departure")
    found: Figures = {
        "cold_start": by_days(rows, first_day),
        "spoiled": {"as they are": measured(rows[rows["day"] >= _day(size.spoiled_since)])},
    }
    for name, records in spoiled.items():
        tell(name)
        found["spoiled"][name] = measured(
            play(records, Evaluation(since)).scores.point("departure")
        )
    tell("moved timetable")
    moved = histories.moved_timetable(flights(), size.moved_from, timedelta(minutes=15))
    after = play(moved, Evaluation(_time(size.moved_from))).scores
    begins = _day(size.moved_from)
    found["moved_timetable"] = {
        "moved": by_days(moved_legs(after), begins),
        "as they are": by_days(moved_legs(plain.scores), begins),
    }
    return found, cost


def _time(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days
