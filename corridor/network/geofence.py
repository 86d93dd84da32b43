"""Geofences: from the positions of a unit or run to APPROACHING, ARRIVED and DEPARTED.

Around each node are circles. Within `inside_km` one has arrived, within `approach_km` one may be
approaching. One leaves only beyond a third circle, the exit, and only when a second position or a
clear distance confirms it: what jitters at a fence has not left. Exits never overlap
(`validation` sees to it), and where approaches do, the nearest node wins.

Nothing is said that the positions do not show. Between two of them the time of a crossing is
interpolated, but not over a long silence: then it is the time of the position that shows it, and
`earliest` says how much sooner it may have been. A node between two positions counts as passed
only if the line between them is short beside its circle.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from corridor.codes import Mode
from corridor.network import files, gazetteer
from corridor.network.gazetteer import Node

EARTH_KM = 6371.0088
"""The mean radius of the Earth (IUGG)."""

SILENCE_SECONDS = 7200.0
"""Over a longer gap between two positions nothing is interpolated."""

FASTEST_ARRIVAL_KMH = 350.0
FASTEST_APPROACH_KMH = 650.0
"""What flies over faster is not coming here; airliners land at 250 to 300 km/h."""

LIMIT_KMH: dict[Mode | None, float] = {
    Mode.BARGE: 50.0,  # 25 km/h, and the current of the gorges twice over
    Mode.VESSEL: 60.0,  # container ships make 25 knots, 46 km/h
    Mode.TRUCK: 150.0,  # limited to 90, downhill or badly measured more
    Mode.RAIL: 220.0,  # express freight runs at 160
    Mode.AIR: 1200.0,  # 900 km/h, with a jet stream of 300 behind
    None: 1200.0,
}
"""No movement of a mode is faster, over any distance."""

SLACK_KM = 2.0
"""What two positions may be wrong by together, where GPS gives way to cell towers."""
SLACK_SECONDS = 60.0
"""What two times may be wrong by together."""
AGREEING = 3
"""So many impossible positions in a row that agree with each other are believed."""

_CELLS = 2  # to a degree, both ways
_DEGREE_KM = math.radians(EARTH_KM)
_APPROACHED = -1.0


class Whereabouts(msgspec.Struct, array_like=True):
    """What is kept of a subject's positions. Fields may be appended, never moved."""

    latitude: float | None = None
    longitude: float | None = None
    """Of the last position; None: there is none to measure from."""
    time: datetime | None = None
    inside: str | None = None
    """The node that it has arrived at and not left."""
    leaving: datetime | None = None
    """When it went out of that node's fence, while that waits to be confirmed."""
    leaving_after: datetime | None = None
    """The last position that was inside."""
    told: datetime | None = None
    """The time of the last crossing; none is told before it."""
    near: dict[str, float] = {}
    """Nodes whose approach it is in: how far it was at most, km, or -1 once that was told."""
    suspect_latitude: float = 0.0
    suspect_longitude: float = 0.0
    suspect_time: datetime | None = None
    suspects: int = 0
    """Impossible positions in a row that agree with each other; the last of them."""


class Crossing(NamedTuple):
    """A fence was crossed."""

    node_id: str
    code: str
    """APPROACHING, ARRIVED or DEPARTED."""
    time: datetime
    earliest: datetime | None
    """It was after this position; None: at any time before `time`."""
    latest: datetime
    """It was not after this position, which shows it."""


@dataclass(frozen=True, slots=True)
class Fence:
    """The circles around a node, km."""

    node_id: str
    latitude: float
    longitude: float
    inside: float
    exit: float
    clear: float
    """Beyond this, one position is enough to have left."""
    approach: float
    forget: float
    """Beyond this, coming back is a new approach."""
    reach: float
    """Beyond this, nothing can be said of the node."""
    cosine: float
    modes: frozenset[Mode]

    def offset(self, latitude: float, longitude: float) -> tuple[float, float]:
        """A position in km east and north of the node, on a plane.

        Within 60 km it is wrong by 2 % at most, less than anybody knows the radius.
        """
        east = (longitude - self.longitude + 540.0) % 360.0 - 180.0
        return east * self.cosine * _DEGREE_KM, (latitude - self.latitude) * _DEGREE_KM


def fence(node: Node) -> Fence | None:
    """The circles of a node; None where it has no fence."""
    if node.inside_km is None or node.approach_km is None:
        return None
    inside, approach = node.inside_km, node.approach_km
    leave = 1.25 * inside + 0.2
    forget = 1.15 * approach + 0.5
    return Fence(
        node_id=node.node_id,
        latitude=node.latitude,
        longitude=node.longitude,
        inside=inside,
        exit=leave,
        clear=leave + max(1.0, inside / 2),
        approach=approach,
        forget=forget,
        reach=max(forget, 5 * inside),
        cosine=math.cos(math.radians(node.latitude)),
        modes=node.modes,
    )


def distance_km(latitude: float, longitude: float, latitude2: float, longitude2: float) -> float:
    """The great-circle distance on a sphere: haversine (R. W. Sinnott, Sky & Telescope, 1984)."""
    phi, phi2 = math.radians(latitude), math.radians(latitude2)
    a = (
        math.sin((phi2 - phi) / 2) ** 2
        + math.cos(phi) * math.cos(phi2) * math.sin(math.radians(longitude2 - longitude) / 2) ** 2
    )
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(a)))


def plausible(
    state: Whereabouts, latitude: float, longitude: float, time: datetime, mode: Mode | None = None
) -> str | None:
    """Whether a subject can be there, judged by its last position; None: it can.

    To be asked before `update`. It remembers impossible positions, so that a bad one that was
    believed does not make all later ones impossible: the third of three that agree is believed.

    Returns:
        Why it cannot, for a person to read.
    """
    if state.time is None or state.latitude is None or state.longitude is None:
        return None
    limit = LIMIT_KMH[mode]
    seconds = (time - state.time).total_seconds()
    moved = distance_km(state.latitude, state.longitude, latitude, longitude)
    if _possible(moved, seconds, limit):
        if seconds > 0:
            state.suspects = 0
        return None
    if seconds > 0 and _believed(state, latitude, longitude, time, limit):
        # there is no way from where it was thought to be
        state.latitude = state.longitude = None
        return None
    if not seconds:
        return f"{moved:,.0f} km from where it is at the same moment"
    gap = timedelta(seconds=round(abs(seconds)))
    speed = moved / abs(seconds) * 3600
    whose = f" for {mode}" if mode else ""
    return (
        f"{moved:,.0f} km from the last position in {gap} needs {speed:,.0f} km/h,"
        f" where the limit{whose} is {limit:,.0f}"
    )


def _possible(moved: float, seconds: float, limit: float) -> bool:
    return moved - SLACK_KM <= limit * (abs(seconds) + SLACK_SECONDS) / 3600


def _believed(
    state: Whereabouts, latitude: float, longitude: float, time: datetime, limit: float
) -> bool:
    """Whether an impossible position completes a row of them that agree."""
    agrees = False
    if state.suspects and state.suspect_time is not None and time > state.suspect_time:
        moved = distance_km(state.suspect_latitude, state.suspect_longitude, latitude, longitude)
        agrees = _possible(moved, (time - state.suspect_time).total_seconds(), limit)
    state.suspects = state.suspects + 1 if agrees else 1
    state.suspect_latitude, state.suspect_longitude = latitude, longitude
    state.suspect_time = time
    if state.suspects < AGREEING:
        return False
    state.suspects = 0
    return True


def update(
    state: Whereabouts, latitude: float, longitude: float, time: datetime, mode: Mode | None = None
) -> list[Crossing]:
    """Takes a position into the state, and says which fences were crossed, in order of time.

    A position that is not later than the last one changes nothing. A mode limits the nodes to
    those that one can come to in it.
    """
    last = state.time
    if last is not None and time <= last:
        return []
    around = _grid().get(_cell(latitude, longitude), ())
    told: list[Crossing] = []
    if around or state.inside is not None or state.near:
        told = _Step(state, latitude, longitude, time, mode).crossings(around)
    state.latitude = latitude
    state.longitude = longitude
    state.time = time
    return told


class _Step:
    """From one position of a subject to the next."""

    __slots__ = ("_kmh", "_latitude", "_longitude", "_mode", "_moved", "_state", "_time", "_told")

    def __init__(
        self,
        state: Whereabouts,
        latitude: float,
        longitude: float,
        time: datetime,
        mode: Mode | None,
    ) -> None:
        self._state = state
        self._latitude = latitude
        self._longitude = longitude
        self._time = time
        self._mode = mode
        self._told: list[Crossing] = []
        self._moved: float | None = None
        self._kmh = 0.0
        if state.latitude is not None and state.longitude is not None and state.time is not None:
            self._moved = distance_km(state.latitude, state.longitude, latitude, longitude)
            self._kmh = self._moved / (time - state.time).total_seconds() * 3600

    def crossings(self, around: tuple[Fence, ...]) -> list[Crossing]:
        state = self._state
        near = [
            (fence, math.hypot(*fence.offset(self._latitude, self._longitude)))
            for fence in around
            if self._mode is None or self._mode in fence.modes
        ]
        if state.inside is not None:
            self._leave(any(d <= f.inside for f, d in near if f.node_id != state.inside))
        if state.inside is None:
            self._pass(near)
            self._arrive(near)
        self._approach(near)
        return self._told

    def _leave(self, elsewhere: bool) -> None:
        """DEPARTED from where it was, if that is sure; else remembers that it may be."""
        state = self._state
        fence = _fences().get(state.inside or "")
        if fence is None:  # a node that the gazetteer no longer has
            state.inside = state.leaving = state.leaving_after = None
            return
        away = math.hypot(*fence.offset(self._latitude, self._longitude))
        if away <= fence.exit:
            state.leaving = state.leaving_after = None
            return
        first = state.leaving is None
        if first:
            state.leaving = self._crossed(fence, fence.inside, outward=True)
            state.leaving_after = state.time
        if first and away <= fence.clear and not elsewhere:
            return
        left, after = state.leaving or self._time, state.leaving_after
        state.inside = state.leaving = state.leaving_after = None
        self._tell(fence, "DEPARTED", left, after)

    def _pass(self, near: list[tuple[Fence, float]]) -> None:
        """All three of nodes that it went through between the two positions."""
        if self._moved is None or self._kmh > FASTEST_ARRIVAL_KMH:
            return
        passed = []
        for fence, away in near:
            if away <= fence.inside or self._moved > 4 * fence.inside or self._silent():
                continue
            within = self._chord(fence, fence.inside)
            if within is not None and 0 < within[0] < within[1] < 1:
                passed.append((within, fence))
        for (entered, left), fence in sorted(passed, key=lambda one: one[0]):
            self._announce(fence)
            self._tell(fence, "ARRIVED", self._at(entered), self._state.time)
            self._tell(fence, "DEPARTED", self._at(left), self._state.time)

    def _arrive(self, near: list[tuple[Fence, float]]) -> None:
        """ARRIVED at the node whose fence it is in; fences do not overlap."""
        if self._kmh > FASTEST_ARRIVAL_KMH:
            return
        for fence, away in near:
            if away <= fence.inside:
                self._announce(fence)
                entered = self._crossed(fence, fence.inside, outward=False)
                self._tell(fence, "ARRIVED", entered, self._state.time)
                self._state.inside = fence.node_id
                return

    def _announce(self, fence: Fence) -> None:
        """APPROACHING a node that it has come to, if it came in from outside and was not told."""
        if self._state.near.get(fence.node_id) != _APPROACHED and self._came_in(fence):
            approached = self._crossed(fence, fence.approach, outward=False)
            self._tell(fence, "APPROACHING", approached, self._state.time)
        self._state.near[fence.node_id] = _APPROACHED

    def _approach(self, near: list[tuple[Fence, float]]) -> None:
        """APPROACHING the nearest node, if it comes nearer; remembers which others are near."""
        watched = self._state.near
        nearest = min(near, key=lambda one: one[1] - one[0].inside, default=(None, 0.0))[0]
        current = {}
        for fence, away in near:
            node_id = fence.node_id
            most = watched.get(node_id)
            if away > fence.forget or (most is None and away > fence.approach):
                continue
            current[node_id] = most if most is not None else away
            if most == _APPROACHED:
                continue
            came_in = most is None and self._came_in(fence)
            if came_in:
                current[node_id] = most = fence.approach
            nearer = most is not None and most - away > max(0.5, fence.approach / 10)
            if (
                (came_in or nearer)
                and fence is nearest
                and away <= fence.approach
                and self._state.inside is None
                and self._kmh <= FASTEST_APPROACH_KMH
            ):
                time = (
                    self._crossed(fence, fence.approach, outward=False) if came_in else self._time
                )
                self._tell(fence, "APPROACHING", time, self._state.time)
                current[node_id] = _APPROACHED
            else:
                current[node_id] = max(current[node_id], away)
        if self._state.inside is not None:
            current.setdefault(self._state.inside, _APPROACHED)
        self._state.near = current

    def _tell(self, fence: Fence, code: str, time: datetime, earliest: datetime | None) -> None:
        state = self._state
        if state.told is not None and time < state.told:
            time = state.told
        state.told = time
        self._told.append(Crossing(fence.node_id, code, time, earliest, self._time))

    def _silent(self) -> bool:
        """Whether there is no last position, or it is too old to draw a line from."""
        time = self._state.time
        return (
            self._moved is None
            or time is None
            or (self._time - time).total_seconds() > SILENCE_SECONDS
        )

    def _came_in(self, fence: Fence) -> bool:
        """Whether the last position was outside the approach."""
        state = self._state
        if state.latitude is None or state.longitude is None:
            return False
        return math.hypot(*fence.offset(state.latitude, state.longitude)) > fence.approach

    def _crossed(self, fence: Fence, radius: float, *, outward: bool) -> datetime:
        """When it crossed a circle."""
        within = None if self._silent() else self._chord(fence, radius)
        return self._time if within is None else self._at(within[1 if outward else 0])

    def _at(self, fraction: float) -> datetime:
        last = self._state.time or self._time
        return last + (self._time - last) * min(max(fraction, 0.0), 1.0)

    def _chord(self, fence: Fence, radius: float) -> tuple[float, float] | None:
        """Where the line between the two positions, or beyond them, goes into a circle and out.

        As fractions of the way; None: it does not touch it, or has no length.
        """
        state = self._state
        if state.latitude is None or state.longitude is None:
            return None
        x, y = fence.offset(state.latitude, state.longitude)
        x2, y2 = fence.offset(self._latitude, self._longitude)
        dx, dy = x2 - x, y2 - y
        a = dx * dx + dy * dy
        b = x * dx + y * dy
        square = b * b - a * (x * x + y * y - radius * radius)
        if a == 0 or square < 0:
            return None
        root = math.sqrt(square)
        return (-b - root) / a, (-b + root) / a


@files.remembered(None)
def _fences() -> dict[str, Fence]:
    found = (fence(node) for node in gazetteer.nodes())
    return {one.node_id: one for one in found if one is not None}


@files.remembered(None)
def _grid() -> dict[int, tuple[Fence, ...]]:
    """The fences that reach into each cell of the Earth's surface."""
    cells: dict[int, list[Fence]] = {}
    for one in _fences().values():
        high = one.reach / _DEGREE_KM
        # the circle is widest, in degrees, on its side towards the pole
        wide = high / max(math.cos(math.radians(min(89.0, abs(one.latitude) + high))), 0.01)
        for row in range(_row(one.latitude - high), _row(one.latitude + high) + 1):
            for column in range(_column(one.longitude - wide), _column(one.longitude + wide) + 1):
                cells.setdefault(row * 360 * _CELLS + column % (360 * _CELLS), []).append(one)
    return {key: tuple(found) for key, found in cells.items()}


def _cell(latitude: float, longitude: float) -> int:
    return _row(latitude) * 360 * _CELLS + _column(longitude) % (360 * _CELLS)


def _row(latitude: float) -> int:
    return math.floor((latitude + 90) * _CELLS)


def _column(longitude: float) -> int:
    return math.floor((longitude + 180) * _CELLS)
