"""A run on its leg: where it is, how fast, how long it still takes."""

import math
from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.eta.distribution import not_before, of_points
from corridor.eta.progress import (
    PHYSICS,
    Motion,
    Path,
    depart,
    features,
    observe,
    path,
    place,
    remaining,
)
from corridor.network.geofence import EARTH_KM

DEGREE_KM = math.radians(EARTH_KM)
RUNS = 80
MARKS = (0.25, 0.5, 0.75, 0.9)
KILOMETRES = {
    Mode.RAIL: 900.0,
    Mode.VESSEL: 1500.0,
    Mode.BARGE: 600.0,
    Mode.TRUCK: 800.0,
    Mode.AIR: 5000.0,
}
EVERY = {Mode.RAIL: 15, Mode.VESSEL: 60, Mode.BARGE: 30, Mode.TRUCK: 15, Mode.AIR: 5}
FACTORS = (0.8, 0.85, 0.92, 1.0, 1.1, 1.25, 1.35)

modes = st.sampled_from(list(Mode))
tracks = st.lists(
    st.tuples(st.floats(0.01, 3000), st.floats(-0.5, 1.5), st.floats(-3, 3)), max_size=25
)
histories = st.lists(st.floats(-500, 1e5), min_size=7, max_size=7).map(sorted)


def straight(mode: Mode = Mode.RAIL, km: float = 900.0) -> Path:
    """Along the equator, where a kilometre is a kilometre."""
    return path(mode, (0.0, 0.0), (0.0, km / DEGREE_KM))


def see(motion: Motion, way: Path, time: float, km: float, *, at_node: bool = False) -> bool:
    return observe(motion, way, time, 0.0, km / DEGREE_KM, at_node=at_node)


def moved(way: Path, *positions: tuple[float, float]) -> Motion:
    motion = Motion()
    for time, km in positions:
        see(motion, way, time, km)
    return motion


def steady(way: Path, pace: float, minutes: int, every: int = 10) -> Motion:
    return moved(way, *((float(t), t * pace) for t in range(0, minutes + 1, every)))


def simulated(random: Random, mode: Mode) -> tuple[float, list[tuple[float, float]]]:
    """The arrival of a run at a constant mean speed with noise, and where it was seen."""
    physics = PHYSICS[mode]
    mean = physics.pace * math.exp(random.gauss(0, 0.15))
    step = 2.0
    stays = math.exp(-step / physics.tau)
    noise = physics.sigma * math.sqrt(1 - stays * stays)
    v, s, time = mean, 0.0, 0.0
    seen: list[tuple[float, float]] = []
    while True:
        v = max(mean + (v - mean) * stays + random.gauss(0, noise), 0.0)
        s += v * step
        time += step
        if s >= KILOMETRES[mode]:
            return time, seen
        if time % EVERY[mode] < step:
            seen.append((time, s + random.gauss(0, 0.6 * physics.noise)))


def scored(mode: Mode, seed: int) -> dict[float, list[tuple[bool, bool, float, float, float]]]:
    """Per mark: hit alone, hit with history, errors alone, with history and of history."""
    random = Random(seed)
    way = straight(mode, KILOMETRES[mode])
    history = of_points([simulated(random, mode)[0] for _ in range(RUNS)])
    found: dict[float, list[tuple[bool, bool, float, float, float]]] = {m: [] for m in MARKS}
    for _ in range(RUNS):
        arrival, seen = simulated(random, mode)
        motion = Motion()
        depart(motion, way, 0.0)
        marks = list(MARKS)
        for time, km in seen:
            see(motion, way, time, km)
            if marks and km >= marks[0] * way.length_km:
                past = [value - time for value in not_before(history, time)]
                alone, both = remaining(motion, way, time), remaining(motion, way, time, past)
                assert alone is not None
                assert both is not None
                left = arrival - time
                found[marks.pop(0)].append(
                    (
                        alone[0] <= left <= alone[6],
                        both[0] <= left <= both[6],
                        abs(left - alone[3]),
                        abs(left - both[3]),
                        abs(left - past[3]),
                    )
                )
    return found


@pytest.mark.parametrize("mode", list(Mode))
def test_nine_of_ten_simulated_runs_arrive_within_the_interval_and_errors_fall_on_the_way(
    mode: Mode,
) -> None:
    found = scored(mode, seed=7)
    rows = [row for mark in MARKS for row in found[mark]]
    for which in (0, 1):
        assert 0.80 <= sum(row[which] for row in rows) / len(rows) <= 0.98
    for which in (2, 3):
        errors = [sum(row[which] for row in found[mark]) for mark in MARKS]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 0.5 * errors[0]
    alone, both, past = (sum(row[which] for row in rows) for which in (2, 3, 4))
    assert both < past
    assert both < 1.2 * alone


@given(modes, tracks, st.none() | histories, st.floats(0, 5000))
def test_what_is_left_is_never_negative_and_its_quantiles_never_fall(
    mode: Mode, track: list[tuple[float, float, float]], history: list[float] | None, age: float
) -> None:
    way = straight(mode)
    motion = Motion()
    time = 0.0
    for passed, share, latitude in track:
        time += passed
        observe(motion, way, time, latitude, share * 900 / DEGREE_KM)
    found = remaining(motion, way, time + age, history)
    if found is None:
        assert not track
        assert history is None
        return
    assert all(math.isfinite(value) and value >= 0 for value in found)
    assert list(found) == sorted(found)


@given(modes, tracks)
def test_the_covariance_stays_one_and_speeds_within_what_the_mode_can_do(
    mode: Mode, track: list[tuple[float, float, float]]
) -> None:
    way = straight(mode)
    motion = Motion()
    time = 0.0
    for passed, share, latitude in track:
        time += passed
        observe(motion, way, time, latitude, share * 900 / DEGREE_KM)
        m = motion
        assert min(m.ss, m.vv, m.mm) >= 0
        for square, one, other in ((m.sv, m.ss, m.vv), (m.sm, m.ss, m.mm), (m.vm, m.vv, m.mm)):
            assert square * square <= one * other * (1 + 1e-6) + 1e-9
        assert -way.cap <= m.v <= way.cap
        assert 0 <= m.mean <= way.cap
        assert 0 <= m.s <= way.length_km


@given(modes, tracks, st.integers(0, 25))
def test_a_restored_state_goes_on_as_if_it_had_never_been_stored(
    mode: Mode, track: list[tuple[float, float, float]], at: int
) -> None:
    way = straight(mode)
    kept, restored = Motion(), Motion()
    time = 0.0
    for number, (passed, share, latitude) in enumerate(track):
        time += passed
        if number == at:
            restored = msgspec.msgpack.decode(msgspec.msgpack.encode(restored), type=Motion)
        for motion in (kept, restored):
            observe(motion, way, time, latitude, share * 900 / DEGREE_KM)
    assert kept == restored
    assert remaining(kept, way, time + 5) == remaining(restored, way, time + 5)


@given(tracks, st.floats(0, 1), st.floats(-1, 2))
def test_late_and_repeated_positions_change_nothing(
    track: list[tuple[float, float, float]], back: float, share: float
) -> None:
    way = straight()
    motion = Motion()
    time = 0.0
    for passed, at, latitude in [*track, (1.0, 0.5, 0.0)]:
        time += passed
        observe(motion, way, time, latitude, at * 900 / DEGREE_KM)
    before = msgspec.msgpack.encode(motion)
    assert not see(motion, way, time * back, share * 900)
    assert not see(motion, way, time, share * 900)
    assert msgspec.msgpack.encode(motion) == before


def test_nothing_is_known_before_the_first_position() -> None:
    way = straight()
    assert remaining(Motion(), way, 0.0) is None
    assert features(Motion(), way, 0.0) is None


def test_history_alone_is_passed_on() -> None:
    history = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
    assert remaining(Motion(), straight(), 0.0, history) == history


def test_a_run_that_only_left_takes_what_its_leg_usually_takes() -> None:
    way = path(Mode.RAIL, (0.0, 0.0), (0.0, 900 / DEGREE_KM), minutes=1500.0)
    motion = Motion()
    assert depart(motion, way, 0.0)
    found = remaining(motion, way, 0.0)
    assert found is not None
    assert found[3] == pytest.approx(1500, rel=0.01)


def test_a_departure_that_is_told_after_a_position_changes_nothing() -> None:
    way = straight()
    motion = moved(way, (60.0, 40.0))
    before = msgspec.msgpack.encode(motion)
    assert not depart(motion, way, 0.0)
    assert msgspec.msgpack.encode(motion) == before


def test_a_steady_run_is_expected_to_keep_its_pace() -> None:
    way = straight()
    found = remaining(steady(way, 1.0, 450), way, 450.0)
    assert found is not None
    assert found[3] == pytest.approx(450, rel=0.06)


def test_silence_makes_it_later_than_driving_on_would_have() -> None:
    way = straight()
    motion = steady(way, 1.0, 850)
    heard, silent = remaining(motion, way, 850.0), remaining(motion, way, 950.0)
    assert heard is not None
    assert silent is not None
    assert silent[3] + 100 > heard[3] + 50
    assert silent[0] >= 0


def test_near_the_end_the_filter_outweighs_history() -> None:
    way = straight()
    history = (700.0, 750.0, 820.0, 900.0, 980.0, 1050.0, 1100.0)
    weights = []
    for minutes in (100, 450, 800):
        motion = steady(way, 1.0, minutes)
        alone = remaining(motion, way, float(minutes))
        slower = [value + 200 - minutes for value in history]
        both = remaining(motion, way, float(minutes), slower)
        assert alone is not None
        assert both is not None
        weights.append(math.log(slower[3] / both[3]) / math.log(slower[3] / alone[3]))
    assert weights == sorted(weights)
    assert weights[-1] > 0.85


def test_history_that_is_over_does_not_overrule_the_filter() -> None:
    way = straight()
    motion = steady(way, 1.0, 450)
    alone = remaining(motion, way, 450.0)
    both = remaining(motion, way, 450.0, (-300.0, -250.0, -200.0, -150.0, -120.0, -100.0, -80.0))
    assert alone is not None
    assert both is not None
    assert both[3] > 0.8 * alone[3]


def test_a_run_that_has_been_steady_is_known_more_closely() -> None:
    way = straight()
    rough = Motion()
    see(rough, way, 0.0, 0.0)
    random = Random(2)
    for time in range(10, 451, 10):
        see(rough, way, float(time), time + random.choice((-8.0, 8.0)))
    calm = steady(way, 1.0, 450)
    assert calm.unrest < 0.6 < rough.unrest
    one, other = remaining(calm, way, 450.0), remaining(rough, way, 450.0)
    assert one is not None
    assert other is not None
    assert one[6] / one[0] < other[6] / other[0]


def test_a_stop_is_not_carried_on_for_ever() -> None:
    way = straight()
    positions = [(float(t), min(t, 400) * 1.0) for t in range(0, 451, 10)]
    found = remaining(moved(way, *positions), way, 450.0)
    assert found is not None
    assert 500 < found[3] < 800


def test_one_position_far_off_is_not_believed() -> None:
    way = straight()
    motion = steady(way, 1.0, 300)
    assert not see(motion, way, 310.0, 700.0)
    assert see(motion, way, 320.0, 320.0)
    assert motion.s == pytest.approx(320, abs=2)


def test_the_third_position_that_agrees_is_believed() -> None:
    way = straight()
    motion = steady(way, 1.0, 300)
    assert [see(motion, way, 300.0 + t, 700.0 + t) for t in (10, 20, 30)] == [False, False, True]
    assert motion.s == pytest.approx(730)
    assert see(motion, way, 340.0, 740.0)


def test_positions_far_off_that_disagree_are_never_believed() -> None:
    way = straight()
    motion = steady(way, 1.0, 300)
    assert not any(see(motion, way, 300.0 + t, 550.0 + 300 * (t % 2)) for t in range(1, 9))


def test_on_a_known_line_nothing_goes_back() -> None:
    way = path(Mode.RAIL, (0.0, 0.0), (0.0, 8.0), via=[(0.0, 4.0)])
    motion = steady(way, 1.0, 300)
    assert not see(motion, way, 310.0, 294.0)


def test_a_train_that_starts_after_a_stop_is_believed_at_once() -> None:
    way = straight()
    motion = moved(way, *((float(t), 100.0 + 0.01 * (t % 20)) for t in range(0, 200, 10)))
    assert see(motion, way, 205.0, 113.0)
    assert motion.v > 0.7


@settings(max_examples=30)
@given(modes)
def test_what_stands_outside_a_node_stalls_once_its_mode_s_patience_ends(mode: Mode) -> None:
    way, physics = straight(mode, 3000.0), PHYSICS[mode]
    motion = steady(way, physics.pace, 400, 5)
    stopped = motion.s
    minutes = 400.0
    since = None
    while since is None and minutes < 3000:
        minutes += 5
        see(motion, way, minutes, stopped)
        since = motion.stalled
    assert since is not None
    assert since == pytest.approx(400, abs=20 if mode in (Mode.RAIL, Mode.TRUCK, Mode.AIR) else 90)
    assert physics.patience <= minutes - since <= 2 * physics.patience + 60
    told = features(motion, way, minutes)
    assert told is not None
    assert told.stalled_minutes == minutes - since


def test_what_stands_at_a_node_does_not_stall() -> None:
    way = straight()
    motion = steady(way, 0.75, 300)
    for time in range(310, 1500, 10):
        see(motion, way, float(time), 225.0, at_node=True)
    assert motion.stalled is None


def test_a_stall_ends_when_it_surely_moves() -> None:
    way = straight()
    motion = steady(way, 0.75, 300)
    for time in range(310, 600, 10):
        see(motion, way, float(time), 225.0)
    assert motion.stalled is not None
    for time in range(600, 640, 10):
        see(motion, way, float(time), 225.0 + (time - 590) * 0.8)
    assert motion.stalled is None


def test_silence_alone_is_no_stall() -> None:
    way = straight()
    motion = steady(way, 0.75, 300)
    told = features(motion, way, 3000.0)
    assert told is not None
    assert told.stalled_minutes == 0
    assert told.age_minutes == 2700


def test_features_say_how_far_and_how_fast() -> None:
    way = path(Mode.RAIL, (0.0, 0.0), (0.0, 900 / DEGREE_KM), minutes=900.0)
    told = features(steady(way, 0.75, 600), way, 600.0)
    assert told is not None
    assert told.fraction == pytest.approx(0.5, abs=0.01)
    assert told.left_km == pytest.approx(450, abs=3)
    assert told.pace_ratio == pytest.approx(0.75, abs=0.08)


def test_the_great_circle_is_stretched_to_the_route() -> None:
    way = path(Mode.VESSEL, (0.0, 0.0), (0.0, 10.0), length_km=2000.0)
    assert place(way, 0.0, 0.0) == pytest.approx(0)
    assert place(way, 0.0, 5.0) == pytest.approx(1000)
    assert place(way, 0.0, 10.0) == pytest.approx(2000)
    assert place(way, 0.0, -1.0) == 0


def test_a_line_is_followed_where_the_great_circle_would_mislead() -> None:
    way = path(Mode.VESSEL, (0.0, 0.0), (0.0, 2.0), via=[(10.0, 1.0)], length_km=1000.0)
    assert place(way, 10.0, 1.0) == pytest.approx(500)
    assert place(way, 5.0, 0.5) == pytest.approx(250, abs=2)
    assert place(way, 5.0, 1.5) == pytest.approx(750, abs=2)


def test_where_a_line_meets_itself_the_nearer_past_decides() -> None:
    way = path(Mode.RAIL, (0.0, 0.0), (0.0, 0.0), via=[(0.0, 5.0)])
    out, home = place(way, 0.0, 2.0, 200.0), place(way, 0.0, 2.0, 900.0)
    assert out == pytest.approx(2 * DEGREE_KM)
    assert home == pytest.approx(8 * DEGREE_KM)


def test_a_line_across_the_date_line_is_short() -> None:
    way = path(Mode.VESSEL, (0.0, 175.0), (0.0, -175.0), via=[(0.0, -179.0)])
    assert way.length_km == pytest.approx(10 * DEGREE_KM)
    assert place(way, 0.0, 180.0) == pytest.approx(5 * DEGREE_KM)
    along = [place(way, 0.0, longitude) for longitude in (176.0, 179.0, -179.5, -176.0)]
    assert all(one < other for one, other in pairwise(along))


def test_a_detour_is_followed_once_three_positions_show_it() -> None:
    way = straight(Mode.VESSEL, 1500.0)
    motion = steady(way, 0.5, 1200, 30)
    away = [see(motion, way, 1200.0 + t, 600.0 - 0.5 * t) for t in range(30, 600, 30)]
    assert sum(away[4:]) >= 12
    assert motion.s == pytest.approx(315, abs=25)
