"""Histories to be played: real flights and simulated corridors, whole or spoiled on purpose."""

import heapq
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zlib import crc32

import orjson

from corridor.eta.query import minutes
from corridor.eta.scoring import run_key
from producers import nycflights13
from producers.replay.ordering import Sorter
from producers.replay.record import Record, to_micros
from producers.simulator.simulate import Parameters, Replay, simulate

CORRIDORS = ("ILSTC", "CRE", "YANGTZE", "CKG-AIR", "TIR")
MINUTE = 60_000_000
"""In microseconds."""


class Simulated(NamedTuple):
    """A simulated history, and the truth about it."""

    records: Iterator[Record]
    oracles: dict[int, float]
    """By `run_key`, the error in minutes of the best that could be said at its departure."""


def flights(until: date | None = None) -> Iterator[Record]:
    """The flights out of New York in 2013, up to a day."""
    last = None if until is None else to_micros(datetime(*until.timetuple()[:3], tzinfo=UTC))
    for record in nycflights13.records():
        if last is not None and record.available >= last:
            return
        yield record


def simulated(corridor: str, shipments: int, seed: int, days: int) -> Simulated:
    """A corridor with everything that parties tell, positions included."""
    sorter = Sorter()
    oracles: dict[int, float] = {}

    def keep(line: bytes) -> None:
        if not line.startswith(b'{"kind":"run"'):
            return
        row = orjson.loads(line)
        if "oracle" in row and row["actual_arrival"] is not None:
            error = _minutes(row["oracle"]["p50"]) - _minutes(row["actual_arrival"])
            oracles[run_key(row["run_id"], row["leg_id"])] = error

    simulate(Parameters(corridor, shipments, seed, days=days), Replay(sorter), keep)
    return Simulated(sorter.sorted(), oracles)


def _minutes(text: str) -> float:
    return minutes(datetime.fromisoformat(text))


# spoiled on purpose -----------------------------------------------------------------------------


def reported_late(records: Iterable[Record], by: timedelta) -> Iterator[Record]:
    """Every arrival becomes known so much later."""
    held: list[tuple[int, int, Record]] = []
    added = int(by.total_seconds()) * 1_000_000
    for number, record in enumerate(records):
        while held and held[0][0] <= record.available:
            yield heapq.heappop(held)[2]
        if b'"code":"ARRIVED"' in record.value:
            late = record._replace(available=record.available + added, stated=True)
            heapq.heappush(held, (late.available, number, late))
        else:
            yield record
    while held:
        yield heapq.heappop(held)[2]


def lost(records: Iterable[Record], share: float, seed: int) -> Iterator[Record]:
    """Some events that nobody ever hears of; plans are all told."""
    dice = random.Random(seed)
    for record in records:
        if record.is_itinerary or dice.random() >= share:
            yield record


def moved_timetable(records: Iterable[Record], begins: date, by: timedelta) -> Iterator[Record]:
    """From a day on, a third of all legs are planned to arrive earlier than they used to be."""
    first = datetime(*begins.timetuple()[:3], tzinfo=UTC)
    for record in records:
        if not record.is_itinerary:
            yield record
            continue
        plan = orjson.loads(record.value)
        changed = False
        for leg in plan["legs"]:
            departure = datetime.fromisoformat(leg["planned_departure"])
            if departure >= first and is_moved(leg["leg_id"]):
                arrival = datetime.fromisoformat(leg["planned_arrival"]) - by
                leg["planned_arrival"] = max(arrival, departure).isoformat()
                changed = True
        yield record._replace(value=orjson.dumps(plan)) if changed else record


def is_moved(leg_id: str) -> bool:
    """Whether a leg is one of the third."""
    return crc32(leg_id.encode()) % 3 == 0
