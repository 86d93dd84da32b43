"""Positions in, crossings out."""

import math
import os
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.codes import CODES, EventType, Mode
from corridor.network import gazetteer, geofence
from corridor.network.geofence import Crossing, Fence, Whereabouts, plausible, update

START = datetime(2026, 3, 1, tzinfo=UTC)
EXAMPLES = int(os.environ.get("CORRIDOR_FUZZ_EXAMPLES", "200"))

Fix = tuple[float, float, float]
"""Minutes, km east and km north of a node."""


def circles(node_id: str) -> Fence:
    node = gazetteer.node(node_id)
    assert node is not None
    fence = geofence.fence(node)
    assert fence is not None
    return fence


QINZHOU = circles("CNQZH")


def place(fence: Fence, east: float, north: float) -> tuple[float, float]:
    degree = math.radians(geofence.EARTH_KM)
    return fence.latitude + north / degree, fence.longitude + east / degree / fence.cosine


def run(
    *fixes: Fix,
    fence: Fence = QINZHOU,
    mode: Mode | None = Mode.RAIL,
    state: Whereabouts | None = None,
) -> list[Crossing]:
    state = Whereabouts() if state is None else state
    told: list[Crossing] = []
    for minutes, east, north in fixes:
        time = START + timedelta(minutes=minutes)
        told += update(state, *place(fence, east, north), time, mode)
    return told


def codes(told: list[Crossing]) -> list[str]:
    return [crossing.code for crossing in told]


def minutes(time: datetime | None) -> float:
    assert time is not None
    return (time - START).total_seconds() / 60


def line(first: float, last: float, *, step: float = 1.0, start: float = 0.0) -> list[Fix]:
    """Along the meridian, a km a minute."""
    count = round(abs(last - first) / step)
    way = math.copysign(step, last - first)
    return [(start + i * step, 0.0, first + i * way) for i in range(count + 1)]


def test_the_codes_are_those_of_a_transport_event() -> None:
    told = run(*line(60, 0), *line(0, 60, start=100))
    assert {crossing.code for crossing in told} <= CODES[EventType.TRANSPORT]


def test_who_comes_and_goes_approaches_arrives_and_departs() -> None:
    told = run(*line(60, 0), *line(0, 60, start=100))
    assert [(c.node_id, c.code) for c in told] == [
        ("CNQZH", "APPROACHING"),
        ("CNQZH", "ARRIVED"),
        ("CNQZH", "DEPARTED"),
    ]


def test_who_comes_again_approaches_and_arrives_again() -> None:
    told = run(*line(60, 0), *line(0, 60, start=100), *line(60, 0, start=200))
    assert codes(told) == ["APPROACHING", "ARRIVED", "DEPARTED", "APPROACHING", "ARRIVED"]


def test_who_turns_round_before_the_approach_ends_arrives_again_without_approaching() -> None:
    told = run(*line(60, 0), *line(0, 20, start=100), *line(20, 0, start=200))
    assert codes(told) == ["APPROACHING", "ARRIVED", "DEPARTED", "ARRIVED"]


def test_times_are_interpolated_between_the_positions_that_bracket_the_fence() -> None:
    told = run((0, 0, 40.5), (10, 0, 10.5), (20, 0, 0.5))
    assert [minutes(c.time) for c in told] == pytest.approx([5.5 / 3, 13.5], abs=0.02)


def test_a_crossing_says_between_which_positions_it_was() -> None:
    told = run((0, 0, 40.5), (10, 0, 10.5), (20, 0, 0.5))
    assert [(minutes(c.earliest), minutes(c.latest)) for c in told] == [(0, 10), (10, 20)]


def test_over_a_long_silence_nothing_is_interpolated() -> None:
    told = run((0, 0, 60), (600, 0, 0.5))
    assert [(c.code, minutes(c.time), minutes(c.earliest)) for c in told] == [
        ("APPROACHING", 600, 0),
        ("ARRIVED", 600, 0),
    ]


def test_the_first_position_inside_has_arrived_at_any_time_before() -> None:
    assert run((5, 0, 1)) == [
        Crossing(
            "CNQZH",
            "ARRIVED",
            START + timedelta(minutes=5),
            None,
            START + timedelta(minutes=5),
        )
    ]


def test_the_first_position_in_the_approach_is_not_an_approach() -> None:
    assert run((0, 0, 20), (1, 0, 20.1), (2, 0, 20.0)) == []


def test_who_is_first_seen_in_the_approach_and_comes_nearer_approaches() -> None:
    assert codes(run((0, 0, 20), (1, 0, 18), (2, 0, 15))) == ["APPROACHING"]


def test_who_is_first_seen_in_the_approach_and_goes_away_does_not_approach() -> None:
    assert run((0, 0, 20), (1, 0, 22), (2, 0, 25)) == []


def test_jitter_at_the_fence_does_not_flap() -> None:
    jitter = [(60.0 + i, 0.1 * (i % 3), 7 + 0.4 * (-1) ** i) for i in range(200)]
    assert codes(run(*line(60, 7.5), *jitter)) == ["APPROACHING", "ARRIVED"]


def test_jitter_at_the_edge_of_the_approach_does_not_flap() -> None:
    jitter = [(60.0 + i, 0.0, 35 + 1.5 * (-1) ** i) for i in range(200)]
    assert codes(run(*line(60, 36), *jitter)) == ["APPROACHING"]


def test_one_position_outside_is_not_a_departure() -> None:
    out = QINZHOU.exit + 0.5
    assert "DEPARTED" not in codes(run((0, 0, 0), (1, 0, out), (2, 0, 1), (3, 0, out), (4, 0, 1)))


def test_a_second_position_outside_confirms_the_departure_at_the_time_of_the_first() -> None:
    out = QINZHOU.exit + 0.5
    (departed,) = run((0, 0, 5), (10, 0, out), (20, 0, out + 0.2))[1:]
    assert (departed.code, 0 < minutes(departed.time) < 10) == ("DEPARTED", True)


def test_a_clear_distance_is_a_departure_at_once() -> None:
    assert codes(run((0, 0, 5), (10, 0, QINZHOU.clear + 0.1))) == ["ARRIVED", "DEPARTED"]


def test_a_late_position_changes_nothing() -> None:
    state = Whereabouts()
    run(*line(60, 20), state=state)
    before = msgspec.msgpack.encode(state)
    assert run((10, 0, 0), (40, 0, 0), state=state) == []
    assert msgspec.msgpack.encode(state) == before


def test_a_node_between_two_close_positions_was_passed() -> None:
    told = run((0, 0, 16), (1, 0, 14), (12, 0, -10))
    assert [(c.code, round(minutes(c.time), 1)) for c in told] == [
        ("ARRIVED", 4.2),
        ("DEPARTED", 10.6),
    ]


def test_a_node_between_two_far_positions_was_perhaps_passed_and_nothing_is_said() -> None:
    told = run((0, 0, 60), (60, 0, -60))
    assert told == []


def test_what_flies_over_does_not_approach_or_arrive() -> None:
    jiangbei = circles("CNCKG")
    fixes = [(float(i), 0.0, 100.0 - 14 * i) for i in range(15)]  # 840 km/h
    assert run(*fixes, fence=jiangbei, mode=Mode.AIR) == []


def test_a_landing_flight_approaches_and_arrives() -> None:
    jiangbei = circles("CNCKG")
    fixes = [(float(i), 0.0, max(0.0, 90.0 - 4.5 * i)) for i in range(30)]  # 270 km/h
    assert codes(run(*fixes, fence=jiangbei, mode=Mode.AIR)) == ["APPROACHING", "ARRIVED"]


def test_a_mode_does_not_come_to_nodes_of_another() -> None:
    assert run((0, 0, 0), (1, 0, 0), fence=circles("CNCKG"), mode=Mode.BARGE) == []


def test_without_a_mode_any_node_counts() -> None:
    assert codes(run((0, 0, 0), fence=circles("CNCKG"), mode=None)) == ["ARRIVED"]


def test_a_departure_does_not_depend_on_the_mode() -> None:
    state = Whereabouts()
    run((0, 0, 0), state=state)
    assert codes(run((60, 0, 50), state=state, mode=Mode.AIR)) == ["DEPARTED"]


BORDERS = [
    ("CNAKL", "KZDOS", Mode.RAIL),
    ("CNHRS", "KZ-ALTYNKOL", Mode.RAIL),
    ("CNHRS", "KZHOR", Mode.TRUCK),
    ("CNPIN", "VN-DONGDANG", Mode.RAIL),
    ("CNMHN", "LABTN", Mode.RAIL),
    ("CNERC", "MNZUU", Mode.RAIL),
    ("CNMLX", "RUZBK", Mode.RAIL),
    ("BYBQT", "PLMAA", Mode.RAIL),
    ("LATHG", "THNOK", Mode.RAIL),
]


@pytest.mark.parametrize(("first", "second", "mode"), BORDERS)
def test_at_a_border_one_side_is_left_before_the_other_is_reached(
    first: str, second: str, mode: Mode
) -> None:
    here, there = circles(first), circles(second)
    state = Whereabouts()
    told: list[Crossing] = []
    for i in range(101):
        share = i / 100
        latitude = here.latitude + (there.latitude - here.latitude) * share
        longitude = here.longitude + (there.longitude - here.longitude) * share
        told += update(state, latitude, longitude, START + timedelta(minutes=i), mode)
    assert [(c.node_id, c.code) for c in told if c.code != "APPROACHING"] == [
        (first, "ARRIVED"),
        (first, "DEPARTED"),
        (second, "ARRIVED"),
    ]


def test_at_the_terminals_of_a_city_the_nearest_wins() -> None:
    tuanjiecun, jiangbei = circles("CNCQI-TJC"), circles("CNCKG")
    told = run(*line(40, 0), fence=tuanjiecun, mode=None)
    assert {c.node_id for c in told if c.code == "ARRIVED"} == {tuanjiecun.node_id}
    assert jiangbei.node_id not in {c.node_id for c in told}


@pytest.mark.parametrize(
    "longitude", [179.99, -179.99, 180.0, -180.0], ids=lambda longitude: str(longitude)
)
@pytest.mark.parametrize("latitude", [90.0, -90.0, 0.0])
def test_the_edges_of_the_map_are_positions_like_others(latitude: float, longitude: float) -> None:
    assert update(Whereabouts(), latitude, longitude, START) == []


def test_the_grid_finds_each_node_from_all_sides() -> None:
    for node in gazetteer.nodes():
        fence = geofence.fence(node)
        if fence is None:
            continue
        for bearing in range(0, 360, 15):
            east = math.sin(math.radians(bearing)) * fence.approach * 0.999
            north = math.cos(math.radians(bearing)) * fence.approach * 0.999
            cell = geofence._cell(*place(fence, east, north))
            assert fence in geofence._grid()[cell], (node.node_id, bearing)


def test_a_state_survives_being_stored() -> None:
    state = Whereabouts()
    run(*line(60, 3), state=state)
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Whereabouts)
    assert stored == state


def test_a_state_of_a_node_that_is_no_longer_known_goes_on() -> None:
    state = Whereabouts(latitude=1.0, longitude=1.0, time=START, inside="CNXXX")
    assert codes(run((6000, 0, 0), state=state)) == ["APPROACHING", "ARRIVED"]


# what cannot be


def jump(
    km: float, after: float, mode: Mode | None, state: Whereabouts | None = None
) -> str | None:
    state = Whereabouts() if state is None else state
    run((0, 0, 0), state=state, mode=mode)
    return plausible(state, *place(QINZHOU, 0, km), START + timedelta(minutes=after), mode)


@pytest.mark.parametrize(
    ("mode", "possible", "impossible"),
    [
        (Mode.BARGE, 40, 60),
        (Mode.VESSEL, 50, 75),
        (Mode.TRUCK, 120, 180),
        (Mode.RAIL, 160, 260),
        (Mode.AIR, 1100, 1400),
        (None, 1100, 1400),
    ],
)
def test_a_jump_is_judged_by_the_mode(
    mode: Mode | None, possible: float, impossible: float
) -> None:
    assert jump(possible, 60, mode) is None
    assert jump(impossible, 60, mode) is not None


def test_why_a_position_is_impossible_is_said_in_words() -> None:
    assert jump(1000, 120, Mode.RAIL) == (
        "1,000 km from the last position in 2:00:00 needs 500 km/h, where the limit for RAIL is 220"
    )


def test_two_places_at_the_same_moment_are_impossible() -> None:
    assert jump(1000, 0, None) == "1,000 km from where it is at the same moment"


def test_the_first_position_is_possible() -> None:
    assert plausible(Whereabouts(), 0.1, 0.1, START) is None


def test_a_little_noise_within_a_second_is_possible() -> None:
    assert jump(0.5, 1 / 60, Mode.BARGE) is None


def test_a_late_position_is_judged_too() -> None:
    assert jump(1000, -60, Mode.TRUCK) is not None


def test_one_bad_position_does_not_make_the_good_ones_impossible() -> None:
    state = Whereabouts()
    assert jump(3000, 10, Mode.TRUCK, state) is not None
    assert (
        plausible(state, *place(QINZHOU, 0, 1), START + timedelta(minutes=11), Mode.TRUCK) is None
    )


def test_a_bad_first_position_is_given_up_after_three_that_agree() -> None:
    state = Whereabouts(latitude=-33.0, longitude=20.0, time=START)
    answers = []
    for i in range(1, 5):
        time = START + timedelta(minutes=5 * i)
        position = place(QINZHOU, 0, i)
        answers.append(plausible(state, *position, time, Mode.TRUCK))
        if answers[-1] is None:
            update(state, *position, time, Mode.TRUCK)
    assert [answer is None for answer in answers] == [False, False, True, True]


def test_bad_positions_that_do_not_agree_are_never_believed() -> None:
    state = Whereabouts()
    run((0, 0, 0), state=state)
    for i in range(1, 20):
        position = place(QINZHOU, 0, 2000 if i % 2 else -1500)
        assert plausible(state, *position, START + timedelta(minutes=i), Mode.RAIL) is not None


def test_late_positions_that_agree_are_not_believed_over_newer_ones() -> None:
    state = Whereabouts()
    run((600, 0, 0), state=state)
    for i in range(5):
        position = place(QINZHOU, 0, 9000)
        assert plausible(state, *position, START + timedelta(minutes=i), Mode.RAIL) is not None


def test_who_was_given_up_has_departed_without_a_time_that_nobody_knows() -> None:
    state = Whereabouts()
    run((0, 0, 0), state=state)
    told = []
    for i in range(1, 4):
        time, position = START + timedelta(minutes=5 * i), place(QINZHOU, 0, 3000)
        if plausible(state, *position, time, Mode.TRUCK) is None:
            told += update(state, *position, time, Mode.TRUCK)
    assert [(c.code, minutes(c.time), minutes(c.earliest)) for c in told] == [("DEPARTED", 15, 0)]


# what holds whatever comes

journeys = st.lists(
    st.tuples(
        st.floats(-3, 300, allow_nan=False),
        st.floats(-50, 50, allow_nan=False),
        st.floats(-50, 50, allow_nan=False),
    ),
    max_size=60,
).map(
    lambda steps: [
        (sum(step[0] for step in steps[: i + 1]), east, north)
        for i, (_, east, north) in enumerate(steps)
    ]
)
walks = st.tuples(
    st.lists(
        st.tuples(st.floats(0.05, 15), st.floats(-4, 4), st.floats(-4, 4)), min_size=1, max_size=80
    ),
    st.floats(-40, 40),
    st.floats(-40, 40),
).map(
    lambda walk: [
        (
            sum(step[0] for step in walk[0][: i + 1]),
            walk[1] + sum(step[1] for step in walk[0][: i + 1]),
            walk[2] + sum(step[2] for step in walk[0][: i + 1]),
        )
        for i in range(len(walk[0]))
    ]
)
places = st.sampled_from(["CNQZH", "CNCQI-TJC", "CNAKL", "KZDOS", "CNHRS", "LATHG", "CNYYG"])
modes = st.sampled_from([None, *Mode])


@settings(max_examples=EXAMPLES, deadline=None)
@given(journeys | walks, places, modes)
def test_what_is_told_of_a_node_is_in_order(
    fixes: list[Fix], node_id: str, mode: Mode | None
) -> None:
    told = run(*fixes, fence=circles(node_id), mode=mode)
    assert [c.time for c in told] == sorted(c.time for c in told)
    inside: str | None = None
    for crossing in told:
        if crossing.code == "ARRIVED":
            assert inside is None
            inside = crossing.node_id
        elif crossing.code == "DEPARTED":
            assert inside == crossing.node_id
            inside = None
        else:
            assert inside is None


@settings(max_examples=EXAMPLES, deadline=None)
@given(journeys | walks, places, modes)
def test_between_two_approaches_to_a_node_one_was_beyond_it(
    fixes: list[Fix], node_id: str, mode: Mode | None
) -> None:
    fence = circles(node_id)
    state = Whereabouts()
    approached = False
    for fix in fixes:
        told = run(fix, fence=fence, mode=mode, state=state)
        away = math.hypot(*fix[1:])
        if any(c.node_id == node_id and c.code == "APPROACHING" for c in told):
            assert not approached
            approached = True
        if state.time == START + timedelta(minutes=fix[0]) and away > fence.forget:
            approached = False


@settings(max_examples=EXAMPLES, deadline=None)
@given(journeys | walks, places, modes)
def test_a_crossing_is_never_told_outside_of_what_shows_it(
    fixes: list[Fix], node_id: str, mode: Mode | None
) -> None:
    for crossing in run(*fixes, fence=circles(node_id), mode=mode):
        assert crossing.time <= crossing.latest
        assert crossing.earliest is None or crossing.earliest <= crossing.time


@settings(max_examples=EXAMPLES, deadline=None)
@given(journeys | walks, places, modes, st.integers(0, 60))
def test_the_same_positions_tell_the_same_also_over_a_restart(
    fixes: list[Fix], node_id: str, mode: Mode | None, cut: int
) -> None:
    fence = circles(node_id)
    state = Whereabouts()
    told = run(*fixes[:cut], fence=fence, mode=mode, state=state)
    restored = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Whereabouts)
    told += run(*fixes[cut:], fence=fence, mode=mode, state=restored)
    assert told == run(*fixes, fence=fence, mode=mode)


@settings(max_examples=EXAMPLES, deadline=None)
@given(journeys | walks, places, modes)
def test_who_stays_inside_and_is_slow_has_arrived(
    fixes: list[Fix], node_id: str, mode: Mode | None
) -> None:
    fence = circles(node_id)
    if mode is not None and mode not in fence.modes:
        return
    state = Whereabouts()
    run(*fixes, fence=fence, mode=mode, state=state)
    last = max((fix[0] for fix in fixes), default=0)
    run((last + 1000, 0, 0), (last + 1001, 0, 0), fence=fence, mode=mode, state=state)
    assert state.inside == node_id


@given(st.floats(-89, 89), st.floats(-180, 180), st.floats(-89, 89), st.floats(-180, 180))
def test_a_distance_is_the_same_both_ways_and_no_longer_than_half_the_earth(
    latitude: float, longitude: float, latitude2: float, longitude2: float
) -> None:
    there = geofence.distance_km(latitude, longitude, latitude2, longitude2)
    back = geofence.distance_km(latitude2, longitude2, latitude, longitude)
    assert there == pytest.approx(back)
    assert 0 <= there <= math.pi * geofence.EARTH_KM + 1e-6


def test_a_distance_is_that_of_the_sphere() -> None:
    # a quarter of a meridian
    assert geofence.distance_km(0, 10, 90, 10) == pytest.approx(10_007.557, abs=0.01)
