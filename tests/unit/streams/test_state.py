"""Bucket state: restored exactly, counted once, and with time that never runs ahead."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.eta.lessons import Lesson
from corridor.models import Itinerary, Leg
from corridor.tracking.unit import Unit
from corridor.tracking.update import Output, apply_itinerary
from streams.shelf import bucket_of
from streams.state import CLOCK_KEY, SKEW_MS, PartitionState

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
    state.put(unit)


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
    again = restored(state.drain())
    assert len(again.units) == len(unit_ids)
    assert sorted(again.units, key=lambda u: u.unit_id) == sorted(
        state.units, key=lambda u: u.unit_id
    )
    for offset, unit_id in enumerate(unit_ids):
        assert again.counted(bucket_of(unit_id.encode()), "itineraries", offset)


def test_only_buckets_that_changed_are_written() -> None:
    state = PartitionState()
    put(state, "one", START, 0)
    assert [key for key, _ in state.drain()] == [b"%d" % bucket_of(b"one"), CLOCK_KEY]
    assert state.drain() == []


def test_a_bucket_that_has_counted_less_does_not_replace_one_that_has_counted_more() -> None:
    old, new = PartitionState(), PartitionState()
    put(old, "unit", START, 5)
    put(new, "unit", START + timedelta(days=1), 9)
    old_records, new_records = old.drain(), new.drain()
    for changelogs in ((old_records, new_records), (new_records, old_records)):
        (unit,) = restored(*changelogs).units
        assert unit.journeys[0].legs[0].planned_departure == START + timedelta(days=1)


def ripe(state: PartitionState, behind: tuple[str, ...] = ()) -> list[Output]:
    out: list[Output] = []
    state.ripen(10 * SKEW_MS, 10 * SKEW_MS, behind, out)
    return [output for output in out if not isinstance(output, Lesson)]


def test_timers_are_set_again_by_a_restore() -> None:
    state = PartitionState()
    put(state, "unit", START, 0)
    again = restored(state.drain())
    again.tick("carrier", START + timedelta(hours=2), 0)
    assert [getattr(o, "stage", None) for o in ripe(again)] == ["OVERDUE"]


def test_time_goes_on_after_a_restore_though_nothing_more_is_read() -> None:
    state = PartitionState()
    state.tick("carrier", START + timedelta(hours=2), 0)
    put(state, "unit", START, 0)
    again = restored(state.drain())
    assert [getattr(o, "stage", None) for o in ripe(again)] == ["OVERDUE"]


def test_a_time_told_by_what_changes_nothing_else_is_not_lost_either() -> None:
    state = PartitionState()
    put(state, "unit", START, 0)
    before = state.drain()
    state.tick("carrier", START + timedelta(hours=2), 0)  # an event that was known already
    assert state.unsaved
    after = state.drain()
    assert not state.unsaved
    assert [getattr(o, "stage", None) for o in ripe(restored(before + after))] == ["OVERDUE"]


def test_the_clock_is_in_force_as_soon_as_it_is_restored() -> None:
    state = PartitionState()
    state.tick("carrier", START, 0)
    ripe(state)
    assert state.unsaved
    again = restored(state.drain())
    assert again.clock == START
    assert not again.unsaved


def test_a_unit_that_was_let_go_begins_anew_before_a_drain_as_after_it() -> None:
    for drained in (False, True):
        state = PartitionState()
        put(state, "unit", START, 0)
        unit = state.unit("unit")
        unit.journeys.clear()
        state.put(unit)
        if drained:
            state.drain()
        assert state.unit("unit") == Unit("unit")


def test_what_one_source_tells_lets_time_pass_only_when_the_others_had_time_to_tell() -> None:
    state = PartitionState()
    state.tick("carrier", START, 1000)
    state.ripen(10 * SKEW_MS, 1000 + SKEW_MS - 1, (), [])
    assert state.clock < START
    state.ripen(10 * SKEW_MS, 1000 + SKEW_MS, (), [])
    assert state.clock == START


def test_a_source_that_is_behind_holds_the_clock_back() -> None:
    state = PartitionState()
    state.tick("carrier", START, 0)
    state.tick("iot", START + timedelta(days=2), 0)
    ripe(state, behind=("carrier",))
    assert state.clock == START
    ripe(state)
    assert state.clock == START + timedelta(days=2)


def test_itineraries_that_are_not_read_yet_hold_the_clock_back() -> None:
    state = PartitionState()
    state.tick("carrier", START + timedelta(days=30), 0)
    ripe(state, behind=("itineraries",))
    assert state.clock < START
    state.hear("itineraries", START)
    ripe(state, behind=("itineraries",))
    assert state.clock == START


def test_itineraries_alone_let_no_time_pass() -> None:
    state = PartitionState()
    state.tick("carrier", START, 0)
    state.hear("itineraries", START + timedelta(days=3))
    ripe(state)
    assert state.clock == START


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 100), st.integers(0, 99_999)), max_size=50
    )
)
def test_the_clock_never_runs_back(ticks: list[tuple[str, int, int]]) -> None:
    state = PartitionState()
    seen = state.clock
    for topic, minutes, record_ms in ticks:
        state.tick(topic, START + timedelta(minutes=minutes), record_ms)
        state.ripen(record_ms, record_ms, (topic,) if minutes % 2 else (), [])
        assert state.clock >= seen
        seen = state.clock
