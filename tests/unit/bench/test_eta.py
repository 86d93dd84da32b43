"""`bench/eta`: histories are spoiled as said, rivals know no more than we do, the page is whole."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise

import orjson
import pytest

from bench.eta import histories, tables
from bench.eta.__main__ import run
from bench.eta.play import play
from bench.eta.rivals import DEPARTURE, Rivals, Said
from bench.eta.runs import QUICK
from bench.eta.surroundings import Features
from commands.evaluate import Evaluation
from producers.replay.record import Record


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(islice(histories.flights(), 3_000))


def is_arrival(record: Record) -> bool:
    return not record.is_itinerary and orjson.loads(record.value)["code"] == "ARRIVED"


def in_order(records: list[Record]) -> bool:
    return all(a.available <= b.available for a, b in pairwise(records))


def test_late_reports_are_of_arrivals_and_nothing_is_lost(records: list[Record]) -> None:
    late = list(histories.reported_late(records, timedelta(minutes=30)))
    assert in_order(late)
    assert sorted(r.value for r in late) == sorted(r.value for r in records)
    added = {r.value: r.available for r in late}
    for record in records:
        expected = 30 * histories.MINUTE if is_arrival(record) else 0
        assert added[record.value] - record.available == expected


def test_a_share_of_events_is_lost_and_no_plan(records: list[Record]) -> None:
    kept = list(histories.lost(records, 0.3, 1))
    events = sum(not r.is_itinerary for r in records)
    assert [r for r in kept if r.is_itinerary] == [r for r in records if r.is_itinerary]
    assert sum(not r.is_itinerary for r in kept) / events == pytest.approx(0.7, abs=0.05)


def test_the_same_seed_loses_the_same_events(records: list[Record]) -> None:
    assert list(histories.lost(records, 0.3, 1)) == list(histories.lost(records, 0.3, 1))


def test_only_some_legs_are_planned_shorter_and_only_from_then_on(records: list[Record]) -> None:
    moved = list(histories.moved_timetable(records, date(2013, 1, 2), timedelta(minutes=15)))
    changed = [(a, b) for a, b in zip(records, moved, strict=True) if a != b]
    assert changed
    for before, after in changed:
        old, new = (orjson.loads(r.value)["legs"][0] for r in (before, after))
        assert histories.is_moved(old["leg_id"])
        assert old["planned_departure"] >= "2013-01-02"
        earlier, later = (datetime.fromisoformat(leg["planned_arrival"]) for leg in (new, old))
        assert later - earlier == timedelta(minutes=15)


class Parrot:
    """Says what it was taught last, at any moment of the grid."""

    name = "parrot"
    together = 1

    def __init__(self, points: tuple[str, ...]) -> None:
        self.points = points
        self.last = 0.0
        self.begun: list[str] = []

    def begin(self, point: str) -> None:
        self.begun.append(point)

    def say(self, point: str, features: list[Features]) -> list[Said]:
        return [(self.last,) for _ in features]

    def learn(self, point: str, features: Features, error: float) -> None:
        self.last = error


def test_a_rival_is_asked_at_every_moment_of_its_own(records: list[Record]) -> None:
    since = datetime(2013, 1, 1, tzinfo=UTC)
    rivals = Rivals([Parrot((DEPARTURE, "before_30min"))], since)
    played = play(records, Evaluation(since, rivals.hear))
    scores = rivals.scores()["parrot"]
    for point in (DEPARTURE, "before_30min"):
        assert len(scores.point(point)) == len(played.scores.point(point))


def test_a_rival_that_adds_nothing_errs_as_timetable_plus_delay_does(records: list[Record]) -> None:
    class Silent(Parrot):
        def learn(self, point: str, features: Features, error: float) -> None: ...

    since = datetime(2013, 1, 1, tzinfo=UTC)
    rivals = Rivals([Silent((DEPARTURE,))], since)
    play(records, Evaluation(since, rivals.hear))
    rows = rivals.scores()["parrot"].point(DEPARTURE)
    assert rows["quantiles"][:, 3].tolist() == pytest.approx((-rows["persistence"]).tolist())


def test_asking_many_at_once_changes_nothing(records: list[Record]) -> None:
    class Patient(Parrot):
        together = 100

        def learn(self, point: str, features: Features, error: float) -> None: ...

    class Hasty(Patient):
        together = 1

    since = datetime(2013, 1, 1, tzinfo=UTC)
    found = []
    for rival in (Patient((DEPARTURE,)), Hasty((DEPARTURE,))):
        rivals = Rivals([rival], since)
        play(records, Evaluation(since, rivals.hear))
        found.append(rivals.scores()["parrot"].point(DEPARTURE).tobytes())
    assert found[0] == found[1]


@pytest.mark.slow
def test_the_quick_benchmark_fills_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def flights(until: date | None = None) -> Iterator[Record]:
        return islice(whole(until), 2_500)

    whole = histories.flights
    monkeypatch.setattr(histories, "flights", flights)
    first = date(2013, 1, 1)
    size = replace(QUICK, flights_since=first, spoiled_since=first, moved_from=first, seeds=(1,))
    found, _ = run(size, [])
    assert {"nycflights13", "simulator", "peers", "curves", "cost"} <= set(found)
    assert found["nycflights13"]["departure"]["n"] > 0
    assert found["simulator"]["CKG-AIR"]["oracle"]["n"] > 0
    orjson.dumps(found)
    page = tables.page(found)
    assert "None" not in page
    assert "nan" not in page
