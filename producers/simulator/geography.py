"""From the declared corridors to lanes: who runs there, along which path, through which areas."""

import math
from dataclasses import dataclass
from random import Random

from corridor.codes import Mode
from corridor.network import corridors, gazetteer
from corridor.network.corridors import Corridor, Leg, Route
from producers.simulator.chance import Chance, lognormal
from producers.simulator.lanes import Lane, Place
from producers.simulator.policy import MOVEMENTS
from producers.simulator.weather import area_of

CARRIERS: dict[Mode, tuple[str, ...]] = {
    # invented; airlines have the real codes that air waybills need
    Mode.RAIL: ("EXRAIL", "TRANSEURAS"),
    Mode.VESSEL: ("BBGL", "SEAQ"),
    Mode.BARGE: ("CJBL", "YZXL"),
    Mode.TRUCK: ("LANLU", "SILKWAY"),
    Mode.AIR: ("CA", "LH"),
}
_POINTS = 24
_MOST_BENT = 0.05
"""How far a path strays from the great circle, as a share of its length."""
_PRIOR_SIGMA = 0.06
"""How far a leg's true median is from the published one."""
_RUN_SHARE = 0.5
"""Of the published spread of a leg, what is due to the run itself; the rest is what happens."""


_MOST_SIGMA = 0.12


class UnknownCorridor(Exception):
    """There is no such corridor; the text names those that there are."""


@dataclass(frozen=True)
class Way:
    """A route that shipments take."""

    route_id: str
    lanes: tuple[Lane, ...]
    dwells: tuple[float, ...]
    """Usual hours at the nodes between."""
    weight: float


@dataclass(frozen=True)
class Geography:
    """One corridor."""

    corridor_id: str
    lanes: dict[str, Lane]
    ways: tuple[Way, ...]


def geography(corridor_id: str, chance: Chance) -> Geography:
    """A corridor as the simulator sees it.

    Raises:
        UnknownCorridor: it is not declared.
    """
    found = corridors.corridor(corridor_id)
    if found is None:
        known = ", ".join(corridor.corridor_id for corridor in corridors.corridors())
        raise UnknownCorridor(f"there is no corridor {corridor_id}; there are {known}")
    places: dict[str, Place] = {}
    onward = {leg.leg_id for route in found.routes for leg in route.legs[1:]}
    onward -= {route.legs[0].leg_id for route in found.routes}
    lanes = {leg.leg_id: _lane(leg, places, chance, leg.leg_id in onward) for leg in found.legs}
    return Geography(found.corridor_id, lanes, tuple(_ways(found, lanes, chance)))


def _ways(corridor: Corridor, lanes: dict[str, Lane], chance: Chance) -> list[Way]:
    rng = chance.stream("routes", corridor.corridor_id)

    def way(route: Route) -> Way:
        dwells = tuple(dwell.typical_hours for dwell in route.dwells)
        weight = rng.expovariate(1) + 0.15
        return Way(route.route_id, tuple(lanes[leg.leg_id] for leg in route.legs), dwells, weight)

    return [way(route) for route in corridor.routes]


def _lane(leg: Leg, places: dict[str, Place], chance: Chance, onward: bool) -> Lane:
    rng = chance.stream("lane", leg.leg_id)
    origin, target = (_place(node, places) for node in (leg.from_node, leg.to_node))
    path = _path(origin, target, leg.distance_km, rng)
    movement = MOVEMENTS[leg.mode]
    hours = lognormal(rng, leg.typical_hours, _PRIOR_SIGMA)
    count = max(1, min(movement.parts, math.ceil(hours / 4)))
    parts = []
    for index in range(count):
        _, latitude, longitude = path[round((index + 0.5) / count * (len(path) - 1))]
        parts.append(((index + 1) / count, area_of(latitude, longitude, leg.mode)))
    return Lane(
        leg.leg_id,
        leg.mode,
        origin,
        target,
        hours,
        CARRIERS[leg.mode],
        path,
        tuple(parts),
        max(movement.run_sigma, min(_RUN_SHARE * leg.sigma, _MOST_SIGMA)) * _settling(hours),
        onward,
    )


def _settling(hours: float) -> float:
    """Good and bad days even out on the longest legs."""
    return min(1.0, math.sqrt(100 / hours))


def _place(node_id: str, places: dict[str, Place]) -> Place:
    place = places.get(node_id)
    if place is None:
        node = gazetteer.node(node_id)
        assert node is not None  # the network's own tests hold legs and nodes together
        place = places[node_id] = Place(
            node_id,
            node.country,
            node.latitude,
            node.longitude,
            node.time_zone,
            node.kind,
        )
    return place


def _path(
    origin: Place, target: Place, km: float, rng: Random
) -> tuple[tuple[float, float, float], ...]:
    """A great circle, bent to one side as much as its length allows."""
    start, end = _vector(origin), _vector(target)
    angle = math.acos(max(-1.0, min(1.0, sum(a * b for a, b in zip(start, end, strict=True)))))
    if angle < 1e-6:
        return ((0.0, origin.latitude, origin.longitude), (1.0, target.latitude, target.longitude))
    side = _cross(start, end)
    side = tuple(value / math.sin(angle) for value in side)
    longer = max(1.0, km / (6371 * angle))
    bend = min(_MOST_BENT, math.sqrt(longer - 1) * 2 / math.pi) * angle * rng.choice((-1, 1))
    points = []
    for index in range(_POINTS + 1):
        share = index / _POINTS
        along = [
            (a * math.sin((1 - share) * angle) + b * math.sin(share * angle)) / math.sin(angle)
            for a, b in zip(start, end, strict=True)
        ]
        off = bend * math.sin(math.pi * share)
        x, y, z = (a + off * s for a, s in zip(along, side, strict=True))
        points.append(
            (share, math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x)))
        )
    return tuple(points)


def _vector(place: Place) -> tuple[float, ...]:
    latitude, longitude = math.radians(place.latitude), math.radians(place.longitude)
    flat = math.cos(latitude)
    return flat * math.cos(longitude), flat * math.sin(longitude), math.sin(latitude)


def _cross(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, ...]:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
