"""Corridors: legs that can be learned, and the routes that shipments take over them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from corridor.codes import Mode
from corridor.network import files
from corridor.network.files import CorridorEntry, Hours, LegEntry, Problem, RouteEntry

Z90 = 1.2815515655446004
"""The standard normal's 90th percentile."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A movement from node to node in one mode, by whatever run.

    Hours are priors from public sources and experience, not measurements.
    """

    leg_id: str
    """`FROM-TO.MODE`."""
    mode: Mode
    from_node: str
    to_node: str
    distance_km: float
    typical_hours: float
    """The median."""
    p90_hours: float
    gauge: int | None = None
    """Of a rail leg: the track gauge that it is run in, mm."""
    note: str = ""

    @property
    def sigma(self) -> float:
        """The spread of its hours, as the sigma of a log-normal."""
        return spread(self.typical_hours, self.p90_hours)


@dataclass(frozen=True, slots=True)
class Dwell:
    """The time between two legs of a route, at a node: handling, clearance and queues."""

    node_id: str
    typical_hours: float
    """The median."""
    p90_hours: float

    @property
    def sigma(self) -> float:
        """The spread of its hours, as the sigma of a log-normal."""
        return spread(self.typical_hours, self.p90_hours)


@dataclass(frozen=True, slots=True)
class Route:
    """Legs in order from an origin to a destination; `dwells` are at the nodes between them."""

    route_id: str
    title: str
    legs: tuple[Leg, ...]
    dwells: tuple[Dwell, ...]

    @property
    def origin(self) -> str:
        return self.legs[0].from_node

    @property
    def destination(self) -> str:
        return self.legs[-1].to_node

    @property
    def distance_km(self) -> float:
        return sum(leg.distance_km for leg in self.legs)

    @property
    def typical_hours(self) -> float:
        """The medians under way and at the nodes, added up."""
        moving = sum(leg.typical_hours for leg in self.legs)
        return moving + sum(dwell.typical_hours for dwell in self.dwells)

    @property
    def node_ids(self) -> tuple[str, ...]:
        return (self.origin, *(leg.to_node for leg in self.legs))

    @property
    def gauge_changes(self) -> tuple[str, ...]:
        """The nodes at which it goes from one track gauge to another."""
        return tuple(
            before.to_node
            for before, after in zip(self.legs, self.legs[1:], strict=False)
            if before.gauge and after.gauge and before.gauge != after.gauge
        )


@dataclass(frozen=True, slots=True)
class Corridor:
    """A named network of legs: those that its routes use."""

    corridor_id: str
    title: str
    note: str
    legs: tuple[Leg, ...]
    routes: tuple[Route, ...]

    @property
    def node_ids(self) -> tuple[str, ...]:
        """In the order in which its legs first touch them."""
        return tuple(dict.fromkeys(n for leg in self.legs for n in (leg.from_node, leg.to_node)))


def corridors() -> tuple[Corridor, ...]:
    """All corridors, in the order of their ids."""
    return tuple(_network().corridors[key] for key in sorted(_network().corridors))


def corridor(corridor_id: str) -> Corridor | None:
    """The corridor of an id; None where there is none."""
    return _network().corridors.get(corridor_id)


def legs() -> tuple[Leg, ...]:
    """All legs, also those that no route uses, in the order of their ids."""
    return tuple(_network().legs[key] for key in sorted(_network().legs))


def leg(leg_id: str) -> Leg | None:
    """The leg of an id; None where there is none."""
    return _network().legs.get(leg_id)


def route(route_id: str) -> Route | None:
    """The route of an id, of whichever corridor; None where there is none."""
    return next((r for c in corridors() for r in c.routes if r.route_id == route_id), None)


def leg_id(from_node: str, to_node: str, mode: Mode) -> str:
    """What the leg between two nodes in a mode is called."""
    return f"{from_node}-{to_node}.{mode}"


def spread(median: float, p90: float) -> float:
    """Sigma of the log-normal with a median and a 90th percentile."""
    return math.log(p90 / median) / Z90


@dataclass(frozen=True)
class Network:
    """What entries come to, with what is wrong with them."""

    legs: dict[str, Leg]
    corridors: dict[str, Corridor]
    problems: list[Problem]


def build(leg_entries: Iterable[LegEntry], corridor_entries: Iterable[CorridorEntry]) -> Network:
    """Legs in both directions, and routes along their paths.

    A route that cannot be followed is a problem, and left out.
    """
    network = Network({}, {}, [])
    for entry in leg_entries:
        for one in _directions(entry):
            if one.leg_id in network.legs:
                network.problems.append(Problem(f"leg {one.leg_id}", "is there twice"))
            network.legs[one.leg_id] = one
    for corridor_entry in corridor_entries:
        where = f"corridor {corridor_entry.id}"
        if corridor_entry.id in network.corridors:
            network.problems.append(Problem(where, "is there twice"))
        network.corridors[corridor_entry.id] = _corridor(corridor_entry, network)
    return network


def _directions(entry: LegEntry) -> list[Leg]:
    there = Leg(
        leg_id(entry.start, entry.end, entry.mode),
        entry.mode,
        entry.start,
        entry.end,
        entry.km,
        *entry.hours,
        entry.gauge,
        entry.note,
    )
    if entry.one_way:
        return [there]
    back = Leg(
        leg_id(entry.end, entry.start, entry.mode),
        entry.mode,
        entry.end,
        entry.start,
        entry.km,
        *(entry.back_hours or entry.hours),
        entry.gauge,
        entry.note,
    )
    return [there, back]


def _corridor(entry: CorridorEntry, network: Network) -> Corridor:
    routes = []
    for one in entry.routes:
        path = one.path.split()
        for route_id, title, steps in (
            (one.id, one.title, path),
            (one.back, one.back_title, path[::-1]),
        ):
            if route_id is None:
                continue
            found = _route(route_id, title or f"{one.title}, back", steps, one, entry, network)
            if isinstance(found, Route):
                routes.append(found)
            else:
                network.problems.extend(
                    Problem(f"corridor {entry.id}, route {route_id}", what) for what in found
                )
    used = tuple(dict.fromkeys(leg for route in routes for leg in route.legs))
    return Corridor(entry.id, entry.title, entry.note, used, tuple(routes))


def _route(
    route_id: str,
    title: str,
    steps: list[str],
    entry: RouteEntry,
    corridor: CorridorEntry,
    network: Network,
) -> Route | list[str]:
    """The route along a path, or what is wrong with it."""
    nodes, modes = steps[::2], steps[1::2]
    if len(nodes) < 2 or len(steps) % 2 == 0:
        return [f"path must be NODE MODE NODE ..., not {entry.path!r}"]
    wrong = [
        f"{m} is no mode; one of {', '.join(Mode)}" for m in modes if m not in Mode.__members__
    ]
    if wrong:
        return wrong
    ids = [
        leg_id(start, end, Mode(mode))
        for start, mode, end in zip(nodes, modes, nodes[1:], strict=False)
    ]
    wrong = [f"there is no leg {one}" for one in ids if one not in network.legs]
    dwell: dict[str, Hours] = corridor.dwell | entry.dwell
    wrong += [f"no dwell is given for {n}" for n in nodes[1:-1] if n not in dwell]
    if wrong:
        return wrong
    return Route(
        route_id,
        title,
        tuple(network.legs[one] for one in ids),
        tuple(Dwell(n, *dwell[n]) for n in nodes[1:-1]),
    )


@files.remembered(None)
def _network() -> Network:
    known = files.known()
    return build(known.legs, known.corridors)
