"""Corridors, their legs and routes."""

from itertools import pairwise

import pytest

from corridor.codes import Mode
from corridor.network import corridors, files, gazetteer
from corridor.network.corridors import Corridor, Route

ROUTES = [route for corridor in corridors.corridors() for route in corridor.routes]


def days(route_id: str) -> float:
    route = corridors.route(route_id)
    assert route is not None
    return route.typical_hours / 24


def test_the_corridors_of_chongqing_are_there() -> None:
    assert {c.corridor_id for c in corridors.corridors()} == {
        "CKG-AIR",
        "CRE",
        "ILSTC",
        "TIR",
        "YANGTZE",
    }


@pytest.mark.parametrize("leg", corridors.legs(), ids=lambda leg: leg.leg_id)
def test_a_leg_is_called_after_its_ends_and_mode(leg: corridors.Leg) -> None:
    assert leg.leg_id == f"{leg.from_node}-{leg.to_node}.{leg.mode}"


@pytest.mark.parametrize("leg", corridors.legs(), ids=lambda leg: leg.leg_id)
def test_a_leg_of_ours_has_a_way_back(leg: corridors.Leg) -> None:
    back = corridors.leg(corridors.leg_id(leg.to_node, leg.from_node, leg.mode))
    assert back is not None
    assert back.distance_km == leg.distance_km


def test_upstream_takes_longer_than_downstream() -> None:
    down, up = corridors.leg("CNYIC-CNWHG.BARGE"), corridors.leg("CNWHG-CNYIC.BARGE")
    assert down is not None
    assert up is not None
    assert up.typical_hours > down.typical_hours


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.route_id)
def test_the_legs_of_a_route_connect(route: Route) -> None:
    assert all(before.to_node == after.from_node for before, after in pairwise(route.legs))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.route_id)
def test_a_route_dwells_at_each_node_between_its_legs(route: Route) -> None:
    assert [dwell.node_id for dwell in route.dwells] == [leg.to_node for leg in route.legs[:-1]]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.route_id)
def test_every_node_of_a_route_is_in_the_gazetteer(route: Route) -> None:
    assert all(gazetteer.node(node_id) for node_id in route.node_ids)


@pytest.mark.parametrize("corridor", corridors.corridors(), ids=lambda c: c.corridor_id)
def test_a_corridor_has_the_legs_that_its_routes_use(corridor: Corridor) -> None:
    assert set(corridor.legs) == {leg for route in corridor.routes for leg in route.legs}


@pytest.mark.parametrize(
    ("route_id", "least", "most"),
    [
        # days, as published
        ("TJC-SIN", 6, 9),
        ("TJC-YEV", 3, 5),
        ("TJC-VTE", 3, 5),
        ("TJC-DUI", 12, 16),
        ("TJC-LOD", 11, 14),
        ("TJC-PTI", 11, 16),
        ("TJC-CND", 18, 23),
        ("GYP-SHA", 6, 14),
        ("NPG-HAN", 1.5, 2.5),
        ("NPG-THG", 2.5, 4),
        ("NPG-PNH", 4, 6),
        ("NPG-WAW", 11, 15),
    ],
)
def test_a_route_takes_about_as_long_as_published(route_id: str, least: float, most: float) -> None:
    assert least <= days(route_id) <= most


@pytest.mark.parametrize(
    ("route_id", "nodes"),
    [
        ("TJC-DUI", ("KZDOS", "PLMAA")),
        ("DUI-TJC-HRS", ("PLMAA", "KZ-ALTYNKOL")),
        ("TJC-LKR", ("LAVTE",)),
        ("TJC-HPH-PIN", ("VNYEV",)),
        ("TJC-YEV", ()),
        ("TJC-SIN", ()),
    ],
)
def test_a_route_knows_where_the_gauge_changes(route_id: str, nodes: tuple[str, ...]) -> None:
    route = corridors.route(route_id)
    assert route is not None
    assert route.gauge_changes == nodes


def test_the_spread_of_hours_is_that_of_the_log_normal_with_these_quantiles() -> None:
    # exp(0.5 * z90) = 1.898
    assert corridors.spread(10, 18.98) == pytest.approx(0.5, abs=1e-3)


def test_there_is_nothing_of_an_unknown_id() -> None:
    assert (corridors.corridor("X"), corridors.leg("X"), corridors.route("X")) == (None,) * 3


def test_a_leg_of_one_way_has_no_way_back() -> None:
    entry = files.LegEntry(start="A", end="B", mode=Mode.TRUCK, km=1, hours=(1, 1), one_way=True)
    assert list(corridors.build([entry], []).legs) == ["A-B.TRUCK"]


def test_the_dwell_of_a_route_comes_before_that_of_its_corridor() -> None:
    legs = [
        files.LegEntry(start=a, end=b, mode=Mode.TRUCK, km=1, hours=(1, 1)) for a, b in ("AB", "BC")
    ]
    routes = [files.RouteEntry(id="R", title="", path="A TRUCK B TRUCK C", dwell={"B": (5, 6)})]
    entry = files.CorridorEntry(id="C", title="", dwell={"B": (1, 2)}, routes=routes)
    (route,) = corridors.build(legs, [entry]).corridors["C"].routes
    assert route.dwells == (corridors.Dwell("B", 5, 6),)
