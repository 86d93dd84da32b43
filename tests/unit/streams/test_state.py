"""Bucket state: restored exactly, counted once, and with time that never runs ahead."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.models import Itinerary, Leg
from corridor.tracking.unit import Unit
from corridor.tracking.update import Output, apply_itinerary
from streams.state import PartitionState, bucket_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def itinerary(unit_id: str, departure: datetime) -> Itinerary:
    leg = Leg(
        leg_id="A-B.RAIL",
        sequence=1,
        mode=Mode.RAIL,
        from_node="A",
        to_node="B",
        planned_departure=departure,
        planned_arrival=departure + timedelta(hours=5),
    )
    return Itinerary(
        unit_id=unit_id,
        shipment_id="S",
        corridor_id="C",
        version=1,
        issued_time=departure - timedelta(days=1),
        legs=(leg,),
    )


def put(state: PartitionState, unit_id: str, departure: datetime, offset: int) -> None:
    unit = Unit(unit_id)
    apply_itinerary(unit, itinerary(unit_id, departure), [])
    index = bucket_of(unit_id.encode())
    state.count(index, "itineraries", offset)
    state.put(index, unit)


def restored(*changelogs: list[tuple[bytes, bytes]]) -> PartitionState:
    state = PartitionState()
    for changelog in changelogs:
        for key, value in changelog:
            state.load(key, value)
    state.start()
    return state


@given(st.lists(st.text(min_size=1, max_size=12), max_size=40, unique=True))
def test_what_is_written_is_what_is_restored(unit_ids: list[str]) -> None:
    state = PartitionState()
    for offset, unit_id in enumerate(unit_ids):
        put(state, unit_id, START, offset)
    again = restored(state.dirty())
    assert sorted(again.units(), key=lambda u: u.unit_id) == sorted(
        state.units(), key=lambda u: u.unit_id
    )
    for offset, unit_id in enumerate(unit_ids):
        assert again.counted(bucket_of(unit_id.encode()), "itineraries", offset)


def test_only_buckets_that_changed_are_written() -> None:
    state = PartitionState()
    put(state, "one", START, 0)
    assert [key for key, _ in state.dirty()] == [b"%d" % bucket_of(b"one")]
    state.clean()
    assert state.dirty() == []


def test_a_bucket_that_has_counted_less_does_not_replace_one_that_has_counted_more() -> None:
    old, new = PartitionState(), PartitionState()
    put(old, "unit", START, 5)
    put(new, "unit", START + timedelta(days=1), 9)
    for changelogs in ((old.dirty(), new.dirty()), (new.dirty(), old.dirty())):
        (unit,) = restored(*changelogs).units()
        assert unit.journeys[0].legs[0].planned_departure == START + timedelta(days=1)


def test_timers_are_set_again_by_a_restore() -> None:
    state = PartitionState()
    put(state, "unit", START, 0)
    again = restored(state.dirty())
    out: list[Output] = []
    again.tick("carrier", START + timedelta(hours=2), out)
    assert [getattr(o, "stage", None) for o in out] == ["OVERDUE"]


def test_a_source_that_is_behind_holds_the_clock_back() -> None:
    state = PartitionState()
    out: list[Output] = []
    state.tick("carrier", START, out)
    state.caught_up("carrier", False, out)
    state.tick("iot", START + timedelta(days=2), out)
    state.caught_up("iot", True, out)
    assert state.clock == START
    state.tick("carrier", START + timedelta(days=1), out)
    state.caught_up("carrier", True, out)
    assert state.clock == START + timedelta(days=2)


def test_itineraries_that_are_not_read_yet_hold_the_clock_back() -> None:
    state = PartitionState()
    state.expect({"itineraries", "carrier"})
    state.tick("carrier", START + timedelta(days=30), [])
    state.caught_up("carrier", True, [])
    assert state.clock < START
    state.hear("itineraries", START)
    state.caught_up("itineraries", False, [])
    assert state.clock == START
    state.caught_up("itineraries", True, [])
    assert state.clock == START + timedelta(days=30)


def test_itineraries_alone_let_no_time_pass() -> None:
    state = PartitionState()
    state.tick("carrier", START, [])
    state.hear("itineraries", START + timedelta(days=3))
    state.caught_up("itineraries", True, [])
    assert state.clock == START


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100), st.booleans()), max_size=50))
def test_the_clock_never_runs_back(ticks: list[tuple[str, int, bool]]) -> None:
    state = PartitionState()
    seen = state.clock
    for topic, minutes, caught_up in ticks:
        state.tick(topic, START + timedelta(minutes=minutes), [])
        state.caught_up(topic, caught_up, [])
        assert state.clock >= seen
        seen = state.clock
