"""What is wrong with nodes, legs and corridors, in words."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from zoneinfo import available_timezones

from corridor.codes import Mode
from corridor.network import corridors, files, gazetteer
from corridor.network.corridors import Corridor, Leg
from corridor.network.files import CorridorEntry, Entries, LegEntry, NodeEntry, Problem
from corridor.network.gazetteer import NODE_ID, Node, NodeKind, fold
from corridor.network.geofence import distance_km, fence

MEAN_KMH: dict[Mode, tuple[float, float]] = {
    Mode.RAIL: (10, 120),
    Mode.TRUCK: (10, 100),
    Mode.BARGE: (3, 35),
    Mode.VESSEL: (5, 50),
    Mode.AIR: (300, 1000),
}
"""Between which speeds a whole leg's median may be."""

SHORT_KM = 50.0
"""A leg this short may be slower: most of it is waiting for a signal or a guard."""

GAUGES = {600, 750, 762, 914, 950, 1000, 1050, 1067, 1435, 1520, 1524, 1600, 1668, 1676}
"""Track gauges in use for freight, mm."""

BOXES: dict[str, tuple[float, float, float, float]] = {
    "AZ": (38.3, 42.0, 44.7, 50.7),
    "BE": (49.4, 51.6, 2.5, 6.5),
    "BY": (51.2, 56.2, 23.1, 32.8),
    "CN": (17.9, 53.6, 73.4, 134.8),
    "DE": (47.2, 55.1, 5.8, 15.1),
    "GE": (41.0, 43.6, 39.9, 46.8),
    "HU": (45.7, 48.6, 16.1, 22.95),
    "ID": (-11.1, 6.1, 94.9, 141.1),
    "JP": (24.0, 45.6, 122.9, 146.0),
    "KH": (9.9, 14.7, 102.3, 107.7),
    "KZ": (40.5, 55.5, 46.4, 87.4),
    "LA": (13.9, 22.6, 100.0, 107.7),
    "LU": (49.4, 50.2, 5.7, 6.6),
    "MN": (41.5, 52.2, 87.7, 120.0),
    "MY": (0.8, 7.4, 99.6, 119.3),
    "NL": (50.7, 53.6, 3.3, 7.3),
    "PL": (49.0, 54.9, 14.1, 24.2),
    "RO": (43.6, 48.3, 20.2, 29.8),
    "RU": (41.1, 81.9, 19.6, 180.0),
    "SG": (1.1, 1.5, 103.5, 104.1),
    "TH": (5.6, 20.5, 97.3, 105.7),
    "UA": (44.3, 52.4, 22.1, 40.3),
    "US": (18.9, 71.4, -179.2, -66.9),
    "VN": (8.3, 23.4, 102.1, 109.5),
}
"""Latitudes and longitudes, from and to, of the countries that ours go through, rough."""


def validate(own: Entries | None = None) -> list[Problem]:
    """What is wrong with our geography, or with it and a user's own added; empty: nothing.

    What `own` defines again, by id, replaces ours.
    """
    entries = files.ours() if own is None else files.ours().replaced_by(own)
    nodes = {node.node_id: node for node in gazetteer.build(entries.nodes)}
    network = corridors.build(entries.legs, entries.corridors)
    problems = [*entries.problems]
    for node_entry in entries.nodes:
        problems += _problems(f"node {node_entry.id}", _node(node_entry, nodes))
    problems += _twice("node", [node.id for node in entries.nodes])
    problems += _ambiguous(list(nodes.values()))
    problems += _overlapping(list(nodes.values()))
    for leg_entry in entries.legs:
        name = corridors.leg_id(leg_entry.start, leg_entry.end, leg_entry.mode)
        problems += _problems(f"leg {name}", _leg_entry(leg_entry, name))
    for leg in network.legs.values():
        problems += _problems(f"leg {leg.leg_id}", _leg(leg, nodes))
    problems += network.problems
    for corridor_entry in entries.corridors:
        where = f"corridor {corridor_entry.id}"
        corridor = network.corridors[corridor_entry.id]
        problems += _problems(where, _corridor(corridor_entry, corridor, nodes))
    problems += _twice("route", [r.route_id for c in network.corridors.values() for r in c.routes])
    return problems


def _problems(where: str, found: Iterator[str]) -> list[Problem]:
    return [Problem(where, what) for what in found]


def _twice(kind: str, ids: list[str]) -> list[Problem]:
    return [
        Problem(f"{kind} {one}", "is there twice")
        for one in dict.fromkeys(ids)
        if ids.count(one) > 1
    ]


def _node(entry: NodeEntry, nodes: dict[str, Node]) -> Iterator[str]:
    if not NODE_ID.fullmatch(entry.id):
        yield (
            "its id must be a UN/LOCODE, or that or a country with a suffix: CNCQI-TJC, KZ-ALTYNKOL"
        )
    country = entry.country or entry.id[:2]
    if not gazetteer.is_country(country):
        yield f"there is no country {country!r}"
    elif not entry.id.startswith(country):
        yield f"its id does not begin with its country {country}"
    if entry.kind not in NodeKind.__members__:
        yield f"there is no kind {entry.kind!r}; one of {', '.join(NodeKind)}"
    if entry.time_zone not in _zones():
        yield f"there is no time zone {entry.time_zone!r}"
    yield from _position(entry, country)
    yield from _radii(entry)
    for gauge in entry.gauges:
        if gauge not in GAUGES:
            yield f"there are no railways with a gauge of {gauge} mm"
    if entry.gauge_change and len(entry.gauges) < 2:
        yield "it changes the gauge, but has only one"
    if entry.kind == NodeKind.BORDER and len(entry.gauges) > 1 and not entry.gauge_change:
        yield "it is a border with two gauges: gauge_change = true is missing"
    if entry.place is not None and entry.place not in nodes and not _is_locode(entry.place):
        yield f"its place {entry.place} is neither a node nor a UN/LOCODE"


def _position(entry: NodeEntry, country: str) -> Iterator[str]:
    lat, lon = entry.position
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        yield f"{lat}, {lon} is not on Earth"
    elif country in BOXES:
        south, north, west, east = BOXES[country]
        if not (south <= lat <= north and west <= lon <= east):
            yield f"{lat}, {lon} is not in {country}"


def _radii(entry: NodeEntry) -> Iterator[str]:
    inside, approach = entry.inside_km, entry.approach_km
    if (inside is None) != (approach is None):
        yield "inside_km and approach_km are given together or not at all"
    elif inside is None or approach is None:
        if entry.kind != NodeKind.CITY:
            yield "it has no fence: inside_km and approach_km are missing"
    elif inside <= 0:
        yield "inside_km must be more than 0"
    else:
        built = gazetteer.build([entry])
        circles = fence(built[0]) if built else None
        if circles is not None and approach <= circles.clear:
            yield f"approach_km must be more than {circles.clear:g}, where one has surely left"


def _ambiguous(nodes: list[Node]) -> list[Problem]:
    """Codes and names that more than one node has; a facility's only within its place."""
    owners: dict[str, dict[str, str]] = defaultdict(dict)
    for node in nodes:
        for text in (node.node_id, *node.codes, node.name, *node.names):
            owners[fold(text)][node.node_id] = text
        for text in node.facilities:
            owners[f"{node.place or node.node_id} {fold(text)}"][node.node_id] = text
    return [
        Problem(
            f"node {ids[0]}", f"{found[ids[0]]!r} is also what {' and '.join(ids[1:])} is called"
        )
        for found in owners.values()
        if len(ids := sorted(found)) > 1
    ]


def _overlapping(nodes: list[Node]) -> list[Problem]:
    problems = []
    fences = [one for one in map(fence, nodes) if one is not None]
    for one, other in combinations(fences, 2):
        if abs(one.latitude - other.latitude) > 1:
            continue
        apart = distance_km(one.latitude, one.longitude, other.latitude, other.longitude)
        if apart < one.exit + other.exit:
            problems.append(
                Problem(
                    f"node {one.node_id}",
                    f"its fence overlaps that of {other.node_id}: they are {apart:.1f} km apart,"
                    f" and one leaves them at {one.exit:g} and {other.exit:g} km",
                )
            )
    return problems


def _leg_entry(entry: LegEntry, name: str) -> Iterator[str]:
    if entry.id is not None and entry.id != name:
        yield f"its id is {entry.id}, and should be {name}"
    if entry.start == entry.end:
        yield "it goes nowhere"
    if entry.one_way and entry.back_hours is not None:
        yield "it goes one way, but has back_hours"


def _leg(leg: Leg, nodes: dict[str, Node]) -> Iterator[str]:
    ends = [nodes.get(leg.from_node), nodes.get(leg.to_node)]
    for node_id, node in zip((leg.from_node, leg.to_node), ends, strict=True):
        if node is None:
            yield f"there is no node {node_id}"
        elif leg.mode not in node.modes:
            track = " without gauges" if leg.mode is Mode.RAIL else ""
            yield f"nobody comes to {node_id} by {leg.mode}: it is a {node.kind}{track}"
        elif leg.mode is Mode.RAIL and leg.gauge is not None and leg.gauge not in node.gauges:
            yield f"{node_id} has no track of {leg.gauge} mm"
    if leg.mode is Mode.RAIL and leg.gauge is None:
        yield "the gauge of its track is missing"
    if leg.mode is not Mode.RAIL and leg.gauge is not None:
        yield f"it goes by {leg.mode} and has a gauge"
    yield from _hours(leg.typical_hours, leg.p90_hours)
    if leg.distance_km <= 0:
        yield "km must be more than 0"
        return
    if ends[0] is not None and ends[1] is not None:
        straight = distance_km(
            ends[0].latitude, ends[0].longitude, ends[1].latitude, ends[1].longitude
        )
        if leg.distance_km < straight * 0.99 - 1:
            yield f"{leg.distance_km:g} km is shorter than the straight line of {straight:.0f} km"
    if leg.typical_hours > 0:
        slowest, fastest = MEAN_KMH[leg.mode]
        speed = leg.distance_km / leg.typical_hours
        if speed > fastest or (speed < slowest and leg.distance_km > SHORT_KM):
            yield (
                f"{leg.distance_km:g} km in {leg.typical_hours:g} h is {speed:.0f} km/h, where"
                f" {leg.mode} has {slowest:g} to {fastest:g}"
            )


def _hours(median: float, p90: float) -> Iterator[str]:
    if median <= 0:
        yield "hours must be more than 0"
    elif p90 < median:
        yield f"the 90th percentile of its hours, {p90:g}, is less than the median, {median:g}"


def _corridor(entry: CorridorEntry, corridor: Corridor, nodes: dict[str, Node]) -> Iterator[str]:
    if entry.id != entry.id.upper() or not entry.id.strip():
        yield "its id must be in capitals"
    if not entry.routes:
        yield "it has no routes"
    touched = {node_id for route in corridor.routes for node_id in route.node_ids}
    stated = [("", entry.dwell)] + [(f"route {r.id}: ", r.dwell) for r in entry.routes]
    for whose, dwell in stated:
        for node_id, hours in dwell.items():
            if node_id not in touched:
                yield f"{whose}dwell is given for {node_id}, where no route goes"
            for what in _hours(*hours):
                yield f"{whose}dwell of {node_id}: {what}"
    for route in corridor.routes:
        for node_id in route.gauge_changes:
            node = nodes.get(node_id)
            if node is not None and not node.gauge_change:
                yield (
                    f"route {route.route_id}: it changes the gauge at {node_id}, which does not say"
                    " gauge_change = true"
                )
        ids = route.node_ids
        for node_id in dict.fromkeys(ids):
            if ids.count(node_id) > 1:
                yield f"route {route.route_id}: it comes to {node_id} twice"


def _is_locode(text: str) -> bool:
    return len(text) == 5 and NODE_ID.fullmatch(text) is not None


@cache
def _zones() -> set[str]:
    return available_timezones()
