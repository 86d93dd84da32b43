"""How far a run is on its leg, how fast, and how long the rest will take.

The motion along the leg is `s' = v` and `v` an Ornstein-Uhlenbeck process around the mean speed of
this run, which is itself unknown: what a train does now says little about tomorrow, what it has
done since it left says more. Position, speed and mean speed are the three states of a Kalman
filter (over a time short beside the mode's `tau` it is the constant velocity model; over a long
one a stop is not carried on for ever). Transition and noise are the exact integrals of
R. A. Singer, Estimating Optimal Tracking Filter Performance, IEEE TAES 6(4), 1970.

Distances are in km along the leg, times in minutes from any fixed moment, speeds in km/min.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, exp, hypot, log, log1p, radians, sqrt
from typing import NamedTuple

import msgspec

from corridor.codes import Mode
from corridor.eta.distribution import MEDIAN, Quantiles, not_before
from corridor.eta.signal import Z95, Z_LEVELS
from corridor.network.geofence import AGREEING, EARTH_KM, LIMIT_KMH, distance_km

GATE = 4.0
"""Positions further from what is expected, in standard deviations, are not believed."""
MANOEUVRE = 3.0
"""Beyond this the speed is taken to have changed at once: a train leaves a siding."""
BACK = 3.0
"""Nor are those that go back by so many, on a leg whose line is known."""
LEAST_MINUTES = 0.5
"""Nothing is predicted more closely than this, and logarithms are taken of no less."""
CORRELATION = 0.5
"""Between the error of the filter and that of history: both miss the queue ahead."""
_WIDEST = 1.5  # sigma of the logarithm of the time left: 90 % within a factor of 12
_NARROWEST = 0.05  # between the logarithms of q05 and q95: nobody knows it to a 20th
_SUREST = 0.03  # the mean speed is never known better than to this share
# what an error teaches of a run's unrest; a calm run may still meet a queue
_LEARN, _SURPRISE, _CALMEST, _WILDEST = 0.04, 6.0, 0.35, 3.0
_DEGREE_KM = radians(EARTH_KM)


class Physics(NamedTuple):
    """How a mode moves."""

    pace: float
    """Mean speed over a whole leg, stops included, km/min; what a run is taken for at first."""
    spread: float
    """Standard deviation of that between runs, as a share of it."""
    sigma: float
    """Standard deviation of the speed around the run's mean, km/min."""
    tau: float
    """How long such a deviation lasts, minutes."""
    noise: float
    """Standard deviation of a position along the leg, km, doubt about its time included."""
    slowest: float
    """Below this it does not move, as far as plans are concerned, km/min."""
    patience: float
    """How long it may do so outside a node before it counts as stalled, minutes."""


PHYSICS: dict[Mode, Physics] = {
    # 80 km/h or nothing: crossings, crew changes; two hours in a siding are ordinary
    Mode.RAIL: Physics(0.75, 0.35, 0.40, 60.0, 0.5, 10 / 60, 120.0),
    # 15 knots, slow steaming and currents; at anchor it swings by a few hundred metres
    Mode.VESSEL: Physics(0.47, 0.25, 0.08, 360.0, 0.4, 5 / 60, 180.0),
    # 8 km/h up the Yangtze, 18 down; it anchors in fog and at night in narrow reaches
    Mode.BARGE: Physics(0.22, 0.40, 0.10, 240.0, 0.3, 2 / 60, 480.0),
    # 70 km/h or nothing, in shifts; a driver rests 11 h a day (AETR, Article 8)
    Mode.TRUCK: Physics(0.65, 0.40, 0.50, 120.0, 0.5, 5 / 60, 720.0),
    # wind, climb and approach; half a minute of doubt is 7 km; beyond patience it holds
    Mode.AIR: Physics(13.5, 0.12, 1.00, 20.0, 5.0, 200 / 60, 30.0),
}


@dataclass(frozen=True, slots=True)
class Path:
    """The way from the origin to the destination of a leg. Made by `path`."""

    mode: Mode
    latitude: float
    longitude: float
    """Of the destination."""
    direct_km: float
    """Origin to destination over the great circle."""
    length_km: float
    pace: float
    """km/min that a run is taken for before it has moved."""
    line: tuple[tuple[float, float, float], ...] = ()
    """Latitude, longitude and km from the origin of points on the way; empty: not known."""
    cap: float = 20.0
    """No speed is higher, km/min."""

    @property
    def doubt(self) -> float:
        """Share of the distance left by which it may be wrong: detours that no line shows."""
        return 0.02 if self.line or self.mode is Mode.AIR else 0.05


def path(
    mode: Mode,
    origin: tuple[float, float],
    destination: tuple[float, float],
    *,
    length_km: float | None = None,
    minutes: float | None = None,
    via: Sequence[tuple[float, float]] = (),
) -> Path:
    """A leg by its ends in degrees (latitude, longitude), and what else is known of it.

    `length_km` is the route's length, `minutes` its usual duration, `via` points that it goes by.
    """
    direct = max(distance_km(*origin, *destination), 1.0)
    line: list[tuple[float, float, float]] = []
    if via:
        along = 0.0
        before = origin
        for point in (origin, *via, destination):
            along += distance_km(*before, *point)
            line.append((*point, along))
            before = point
    own = max(line[-1][2], 1.0) if line else direct
    length = max(length_km or own, 1.0)
    cap = LIMIT_KMH[mode] / 60
    return Path(
        mode=mode,
        latitude=destination[0],
        longitude=destination[1],
        direct_km=direct,
        length_km=length,
        pace=min(length / minutes, cap) if minutes else PHYSICS[mode].pace,
        line=tuple((lat, lon, km * length / own) for lat, lon, km in line),
        cap=cap * max(1.0, length / own),
    )


class Motion(msgspec.Struct, array_like=True):
    """What is known of one run on one leg. Fields may be appended, never moved."""

    time: float | None = None
    """Of the last position that was believed; None: nothing is known yet."""
    s: float = 0.0
    """Distance from the origin, km."""
    v: float = 0.0
    """Speed along the leg, km/min; less than 0 on a detour."""
    mean: float = 0.0
    """Mean speed of the run, km/min."""
    ss: float = 0.0
    sv: float = 0.0
    sm: float = 0.0
    vv: float = 0.0
    vm: float = 0.0
    mm: float = 0.0
    """Covariances of the three."""
    seen: float | None = None
    """The time of the last position, believed or not."""
    suspect: float = 0.0
    suspect_time: float = 0.0
    suspects: int = 0
    """Positions in a row that were not believed but agree with each other; the last of them."""
    slow_s: float = 0.0
    slow_time: float | None = None
    """Where and when it was last sure to move, or at a node."""
    stalled: float | None = None
    """Since when it has stalled; None: it has not."""
    unrest: float = 1.0
    """By which the variance of this run's speed is another one than its mode's."""


class Features(NamedTuple):
    """What the learned model takes from the motion."""

    fraction: float
    """Of the way, 0 to 1."""
    left_km: float
    speed: float
    """Mean of the run, km/min."""
    pace_ratio: float
    """Mean speed over what was expected of the leg; 1 while nothing is known."""
    stalled_minutes: float
    age_minutes: float
    """Since the last position that was believed."""


def place(way: Path, latitude: float, longitude: float, near: float | None = None) -> float:
    """A position as km from the origin, between 0 and the length.

    Without a line it is what is not left: the great circle to the destination, stretched to the
    route's length. With one it is the nearest point of it, where two are about as near the one
    closer to `near`.
    """
    if not way.line:
        left = distance_km(latitude, longitude, way.latitude, way.longitude) / way.direct_km
        return way.length_km * max(0.0, 1.0 - left)
    return _on_line(way, latitude, longitude, near)


def depart(motion: Motion, way: Path, time: float) -> bool:
    """Takes it that the run left the origin. Nothing changes if a position is known already."""
    if motion.time is not None:
        return False
    _begin(motion, way, time, 0.0)
    motion.seen = time
    return True


def observe(
    motion: Motion,
    way: Path,
    time: float,
    latitude: float,
    longitude: float,
    *,
    at_node: bool = False,
) -> bool:
    """Takes a position; whether it was believed.

    One that is not later than the last changes nothing. `at_node`: within the fence of a node,
    where standing is no stall. Of positions that are not believed, the third in a row that agrees
    with the ones before is.
    """
    if motion.seen is not None and time <= motion.seen:
        return False
    motion.seen = time
    physics = PHYSICS[way.mode]
    if motion.time is None:
        _begin(motion, way, time, place(way, latitude, longitude))
        return True

    dt = time - motion.time
    a = exp(-dt / physics.tau)
    one = 1.0 - a
    by_v = physics.tau * one
    by_mean = dt - by_v
    s = motion.s + motion.v * by_v + motion.mean * by_mean
    v = motion.v * a + motion.mean * one
    z = place(way, latitude, longitude, s)
    # F P F' + Q with F = [[1, by_v, by_mean], [0, a, one], [0, 0, 1]]
    fsv = motion.sv + by_v * motion.vv + by_mean * motion.vm
    sm = motion.sm + by_v * motion.vm + by_mean * motion.mm
    vm = a * motion.vm + one * motion.mm
    square = physics.sigma * physics.sigma * motion.unrest
    ss = motion.ss + by_v * (motion.sv + fsv) + by_mean * (motion.sm + sm)
    ss += _drift(square, physics.tau, dt)
    sv = a * fsv + one * sm + square * physics.tau * one * one
    vv = a * (a * motion.vv + one * motion.vm) + one * vm + square * (1.0 - a * a)
    noise = physics.noise * physics.noise

    # as far as its speed is to blame for what is not known of where it is
    blame = max(1.0 - (motion.ss + noise) / (ss + noise), 0.0)
    error = z - s
    total = ss + noise
    if error * error > MANOEUVRE * MANOEUVRE * total:
        # as if the speed had been drawn anew
        # (Bar-Shalom et al., Estimation with Applications to Tracking, 2001, 11.2)
        span = min(dt, physics.tau)
        ss += square * span * span
        sv += square * span
        vv += square
        total = ss + noise
    back = motion.s - z
    if error * error > GATE * GATE * total or (
        way.line and back > 0 and back * back > BACK * BACK * (motion.ss + noise)
    ):
        return _doubt(motion, way, time, z)

    surprise = error * error / total
    k, kv, km = ss / total, sv / total, sm / total
    cap = way.cap
    motion.time = time
    motion.s = min(max(s + k * error, 0.0), way.length_km)
    motion.v = min(max(v + kv * error, -cap), cap)
    motion.mean = min(max(motion.mean + km * error, 0.0), cap)
    motion.ss = ss - k * ss
    motion.sv = sv - k * sv
    motion.sm = sm - k * sm
    motion.vv = max(vv - kv * sv, 0.0)
    motion.vm = vm - kv * sm
    motion.mm = max(motion.mm - km * sm, 0.0)
    motion.suspects = 0
    # noise from innovations (R. K. Mehra, IEEE Transactions on Automatic Control 15(2), 1970)
    motion.unrest *= exp(_LEARN * blame * (min(surprise, _SURPRISE) - 1.0))
    motion.unrest = min(max(motion.unrest, _CALMEST), _WILDEST)
    _watch(motion, physics, at_node=at_node)
    return True


def remaining(
    motion: Motion, way: Path, now: float, history: Sequence[float] | None = None
) -> Quantiles | None:
    """Minutes from `now` to the arrival, given that it has not arrived; None: nothing is known.

    `history` is what past runs or the plan say of the same time, as quantiles. The two are put
    together by the inverse of their variances, as logarithms: the errors of both are shares of
    what is left, and nothing is less than nothing. History that was over before `now` is what is
    left of its tail, and counts little.
    """
    past = None
    if history is not None:
        if history[0] < 0:  # what has not happened cannot have happened
            history = not_before(history, 0.0)
        past = [max(value, LEAST_MINUTES) for value in history]
    if motion.time is None:
        return None if past is None else tuple(past)
    median, sigma = _travel(motion, way)
    age = max(now - motion.time, 0.0)
    own: Sequence[float] = [median * exp(sigma * z) for z in Z_LEVELS]
    if age > 0:
        own = [max(value - age, LEAST_MINUTES) for value in not_before(own, age)]
    if past is None:
        return _ascending(own)
    logs = [log(value) for value in own]
    past = [log(value) for value in past]
    wide = max(logs[-1] - logs[0], _NARROWEST)
    wide_past = max(past[-1] - past[0], _NARROWEST)
    # by inverse variance
    weight = wide_past * wide_past / (wide * wide + wide_past * wide_past)
    rest = 1.0 - weight
    one, other = weight * wide, rest * wide_past
    shrink = sqrt(one * one + other * other + 2 * CORRELATION * one * other) / (one + other)
    middle, middle_past = logs[MEDIAN], past[MEDIAN]
    centre = weight * middle + rest * middle_past
    return _ascending(
        [
            exp(centre + shrink * (weight * (x - middle) + rest * (y - middle_past)))
            for x, y in zip(logs, past, strict=True)
        ]
    )


def features(motion: Motion, way: Path, now: float) -> Features | None:
    """What the motion says at `now`; None: nothing is known."""
    if motion.time is None:
        return None
    return Features(
        fraction=motion.s / way.length_km,
        left_km=way.length_km - motion.s,
        speed=motion.mean,
        pace_ratio=motion.mean / way.pace,
        stalled_minutes=0.0 if motion.stalled is None else max(now - motion.stalled, 0.0),
        age_minutes=max(now - motion.time, 0.0),
    )


def _begin(motion: Motion, way: Path, time: float, s: float) -> None:
    physics = PHYSICS[way.mode]
    motion.time = time
    motion.s = s
    motion.v = motion.mean = way.pace
    between = (physics.spread * max(way.pace, physics.pace)) ** 2
    motion.ss = physics.noise**2
    motion.sv = motion.sm = 0.0
    motion.mm = motion.vm = between
    motion.vv = between + physics.sigma**2
    motion.slow_s, motion.slow_time = s, time


def _doubt(motion: Motion, way: Path, time: float, z: float) -> bool:
    """Keeps a position that is not believed, or believes it since it is not the only one."""
    physics = PHYSICS[way.mode]
    passed = time - motion.suspect_time
    step = z - motion.suspect
    agrees = motion.suspects > 0 and abs(step) <= way.cap * passed + 4 * physics.noise
    motion.suspects = motion.suspects + 1 if agrees else 1
    motion.suspect, motion.suspect_time = z, time
    if motion.suspects < AGREEING:
        return False
    # the filter was wrong about where it is, not about how fast such a run goes
    motion.time, motion.s = time, z
    motion.v = min(max(step / passed, -way.cap), way.cap)
    motion.ss = physics.noise**2
    motion.sv = motion.sm = motion.vm = 0.0
    motion.vv = physics.sigma**2
    motion.suspects = 0
    motion.slow_s, motion.slow_time, motion.stalled = z, time, None
    return True


def _watch(motion: Motion, physics: Physics, *, at_node: bool) -> None:
    """Whether it has stalled: its mean speed since it last moved is surely below `slowest`.

    The speed of the moment would not do: between two positions it is hardly known.
    """
    time = motion.time
    assert time is not None
    if (
        at_node
        or motion.slow_time is None
        or abs(motion.v) - Z95 * sqrt(motion.vv) > physics.slowest
    ):
        motion.slow_s, motion.slow_time, motion.stalled = motion.s, time, None
        return
    passed = time - motion.slow_time
    if passed >= physics.patience:
        way = abs(motion.s - motion.slow_s) + Z95 * sqrt(motion.ss)
        motion.stalled = motion.slow_time if way < physics.slowest * passed else None


def _travel(motion: Motion, way: Path) -> tuple[float, float]:
    """Median minutes from the last position to the destination, and the sigma of its logarithm."""
    physics = PHYSICS[way.mode]
    tau = physics.tau
    left = max(way.length_km - motion.s, 0.01)
    mean = max(motion.mean, 0.1 * way.pace, 0.01 * physics.pace)
    v = max(motion.v, 0.0)
    # mean * t + (v - mean) * tau * (1 - exp(-t / tau)) = left has one root, as both speeds are
    # positive; from the side where Newton's method cannot overshoot
    t = left / v if v > mean else left / mean + tau * (1.0 - v / mean)
    by_v = 0.0
    for _ in range(6):
        a = exp(-t / tau)
        by_v = tau * (1.0 - a)
        step = (mean * t + (v - mean) * by_v - left) / (mean + (v - mean) * a)
        t -= step
        if abs(step) <= 1e-3 * t:
            break
    t = max(t, left / way.cap)
    by_v = tau * (1.0 - exp(-t / tau))
    by_mean = t - by_v
    doubt = way.doubt * left
    surest = _SUREST * mean
    grain = LEAST_MINUTES * left / t
    variance = (
        motion.ss
        + by_v * (by_v * motion.vv + 2.0 * motion.sv)
        + by_mean
        * (by_mean * max(motion.mm, surest * surest) + 2.0 * (motion.sm + by_v * motion.vm))
        + _drift(physics.sigma * physics.sigma * motion.unrest, tau, t)
        + doubt * doubt
        + grain * grain
    )
    # the share by which the distance may be wrong is that by which the time may be
    return max(t, LEAST_MINUTES), min(sqrt(log1p(max(variance, 0.0) / (left * left))), _WIDEST)


def _drift(square: float, tau: float, dt: float) -> float:
    """Variance of the distance that deviations of a variance make in `dt` minutes, km²."""
    ratio = dt / tau
    if ratio < 0.01:  # the closed form loses its digits
        return square * 2.0 / 3.0 * dt * dt * ratio
    a = exp(-ratio)
    return 2.0 * square * tau * (dt - 2.0 * tau * (1.0 - a) + 0.5 * tau * (1.0 - a * a))


def _on_line(way: Path, latitude: float, longitude: float, near: float | None) -> float:
    """The point of the line that is nearest, on a plane around the position."""
    across = cos(radians(latitude)) * _DEGREE_KM
    best, found = float("inf"), 0.0
    x = y = along = 0.0
    first = True
    for lat, lon, km in way.line:
        x2 = ((lon - longitude + 540.0) % 360.0 - 180.0) * across
        y2 = (lat - latitude) * _DEGREE_KM
        if not first:
            dx, dy = x2 - x, y2 - y
            square = dx * dx + dy * dy
            share = min(max(-(x * dx + y * dy) / square, 0.0), 1.0) if square > 0 else 0.0
            s = along + share * (km - along)
            away = hypot(x + share * dx, y + share * dy)
            if near is not None:
                away += 0.02 * abs(s - near)
            if away < best:
                best, found = away, s
        x, y, along, first = x2, y2, km, False
    return found


def _ascending(values: Sequence[float]) -> Quantiles:
    """Rounding may make one a little less than the one before."""
    high = 0.0
    found = []
    for value in values:
        high = max(high, value)
        found.append(high)
    return tuple(found)
