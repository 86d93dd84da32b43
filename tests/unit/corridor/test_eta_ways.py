"""What positions are measured along: the way between two nodes that the gazetteer has."""

import pytest

from corridor.codes import Mode
from corridor.eta.progress import place
from corridor.eta.ways import way_of
from corridor.models import Leg
from corridor.network import corridors
from corridor.network.gazetteer import node
from corridor.tracking.unit import PlannedLeg
from tests.unit.corridor.journeys import ABROAD, PORT, RAIL, TERMINAL, leg, on_the_way


def planned(leg: Leg) -> PlannedLeg:
    return PlannedLeg(*(getattr(leg, name) for name in PlannedLeg.__struct_fields__))


@pytest.mark.parametrize(("origin", "target"), [("A", PORT), (PORT, "B"), ("A", "B")])
def test_there_is_no_way_from_or_to_a_node_that_nobody_knows(origin: str, target: str) -> None:
    assert way_of(planned(leg(1, origin, target, Mode.RAIL, 0, 10))) is None


def test_a_declared_leg_is_as_long_as_it_is_declared() -> None:
    way, declared = way_of(planned(RAIL)), corridors.leg(RAIL.leg_id)
    assert way is not None
    assert declared is not None
    assert way.length_km == declared.distance_km


def test_a_leg_that_no_corridor_has_is_as_long_as_the_great_circle() -> None:
    way = way_of(planned(leg(1, TERMINAL, ABROAD, Mode.TRUCK, 0, 100)))
    assert way is not None
    assert way.length_km == way.direct_km


def test_a_run_is_first_taken_to_be_as_fast_as_planned() -> None:
    way = way_of(planned(RAIL))
    assert way is not None
    assert way.pace == pytest.approx(way.length_km / (46 * 60))


def test_it_begins_at_the_origin_and_ends_at_the_destination() -> None:
    way, end = way_of(planned(RAIL)), node(PORT)
    assert way is not None
    assert end is not None
    assert place(way, *on_the_way(0)) == pytest.approx(0, abs=1)
    assert place(way, end.latitude, end.longitude) == pytest.approx(way.length_km)


def test_a_plan_that_is_slower_makes_another_way() -> None:
    slower = way_of(planned(leg(1, TERMINAL, PORT, Mode.RAIL, 0, 92)))
    usual = way_of(planned(RAIL))
    assert slower is not None
    assert usual is not None
    assert slower.pace == pytest.approx(usual.pace / 2)
