"""What a unit has to teach: plans, what was known before departures, and what came of it."""

from datetime import datetime

import pytest

from corridor.codes import Mode
from corridor.eta.estimator import CHECKPOINTS, NAIVE, Estimator
from corridor.eta.lessons import Lesson, What
from corridor.eta.query import minutes
from corridor.eta.signal import Kind
from corridor.models import Leg
from corridor.tracking.update import Verdict
from tests.unit.corridor.journeys import (
    ABROAD,
    HOUR,
    LAND,
    PORT,
    RAIL,
    SEA,
    TERMINAL,
    Told,
    at,
    itinerary,
    learned,
    position,
    taught,
    told,
)

CHECKED = [minutes(RAIL.planned_departure - before) for before in CHECKPOINTS]


def planned(known: bool = False, *legs: Leg) -> Told:
    """A box of which a plan is known in time."""
    box = Told(Estimator(learned()) if known else NAIVE)
    box.clock = at(-72)
    box.take(itinerary(*legs))
    return box


def asked(box: Told) -> list[tuple[str, float]]:
    return [(one.leg_id, one.at) for one in box.lessons(What.EXPECTED)]


# plans -------------------------------------------------------------------------------------------


def test_a_plan_teaches_the_legs_that_go_by_a_service() -> None:
    [lesson] = planned().lessons(What.PLANNED)
    assert (lesson.leg_id, lesson.service_id) == (SEA.leg_id, "LINE")
    assert lesson.cutoff == minutes(at(56))


def test_a_plan_of_a_leg_that_has_left_teaches_nothing() -> None:
    box = planned()
    box.take(told("DEPARTED", PORT, 60))
    box.take(itinerary(version=2, issued_time=at(61)))
    assert len(box.lessons(What.PLANNED)) == 1


def test_all_boxes_of_a_service_without_runs_tell_one_departure() -> None:
    sea = SEA.model_copy(update={"run_id": None})
    runs = set()
    for unit in ("U", "V"):
        box = Told()
        box.unit.unit_id = unit
        box.take(itinerary(RAIL, sea, LAND, unit=unit))
        runs |= {one.run for one in box.lessons(What.PLANNED)}
    assert len(runs) == 1


# before the departure ----------------------------------------------------------------------------


@pytest.mark.parametrize("known", [False, True])
def test_what_is_known_at_each_checkpoint_teaches_once(known: bool) -> None:
    box = planned(known)
    for half in range(-144, 2):
        box.wait(half / 2)
    assert asked(box) == [(RAIL.leg_id, time) for time in CHECKED]


def test_checkpoints_are_kept_however_late_time_is_told() -> None:
    box = planned()
    box.take(told("DEPARTED", TERMINAL, 0.5))
    assert asked(box) == [(RAIL.leg_id, time) for time in CHECKED]


def test_checkpoints_that_have_passed_when_the_plan_comes_teach_nothing() -> None:
    box = Told()
    box.clock = at(-1)
    box.take(itinerary())
    box.wait(0.1)
    assert asked(box) == [(RAIL.leg_id, time) for time in CHECKED[2:]]


def test_a_second_plan_asks_nothing_twice() -> None:
    box = planned()
    box.wait(-3)
    box.take(itinerary(version=2, issued_time=at(-4)))
    box.wait(0.1)
    assert asked(box) == [(RAIL.leg_id, time) for time in CHECKED]


def test_the_next_leg_is_asked_of_once_the_box_waits_for_it() -> None:
    box = planned()
    box.take(told("DEPARTED", TERMINAL, 0))
    box.wait(40)
    assert {leg for leg, _ in asked(box)} == {RAIL.leg_id}
    box.take(told("ARRIVED", PORT, 46))
    box.wait(60.1)
    assert [time for leg, time in asked(box) if leg == SEA.leg_id] == [
        minutes(SEA.planned_departure - before) for before in CHECKPOINTS[1:]
    ]


def test_who_goes_on_with_the_same_train_is_not_asked_of_as_if_it_began() -> None:
    on = Leg(**(LAND.model_dump() | {"from_node": PORT, "run_id": "RUN1", "sequence": 2}))
    box = planned(False, RAIL, on)
    box.take(told("DEPARTED", TERMINAL, 0), told("ARRIVED", PORT, 46))
    box.wait(201)
    assert {leg for leg, _ in asked(box)} == {RAIL.leg_id}


def test_whoever_is_overdue_is_late_by_so_much_at_least() -> None:
    box = planned(True)
    box.wait(30)
    late = [one for one in box.lessons(What.EXPECTED) if one.delay]
    assert late
    assert all(one.delay == one.at - one.planned_departure for one in late)
    assert [one.at for one in late] == sorted({one.at for one in late})


# departures and arrivals -------------------------------------------------------------------------


def done(*legs: Leg) -> Told:
    """A box that has come all the way, a little late."""
    box = planned(False, *legs)
    box.take(told("DEPARTED", TERMINAL, 1), told("ARRIVED", PORT, 47))
    box.take(told("DEPARTED", PORT, 62), told("ARRIVED", ABROAD, 181))
    return box


def test_departures_and_arrivals_teach_once_each() -> None:
    box = done()
    left = [(one.leg_id, one.time, one.delay) for one in box.lessons(What.DEPARTED)]
    come = [(one.leg_id, one.time) for one in box.lessons(What.ARRIVED)]
    assert left == [
        (RAIL.leg_id, minutes(at(1)), 60),
        (SEA.leg_id, minutes(at(62)), 120),
    ]
    assert come == [(RAIL.leg_id, minutes(at(47))), (SEA.leg_id, minutes(at(181)))]


@pytest.mark.parametrize(
    "again",
    [
        told("ARRIVED", PORT, 48, updated_time=at(200)),
        told("DEPARTED", TERMINAL, 2, updated_time=at(200)),
        told("ARRIVED", PORT, 46, source="port"),
        told("DISCHARGED", PORT, 49),
    ],
    ids=["arrival corrected", "departure corrected", "told by another", "unloaded"],
)
def test_what_has_taught_does_not_teach_again(again: object) -> None:
    box = done()
    count = sum(isinstance(o, Lesson) for o in box.out)
    assert box.take(again) is not Verdict.DUPLICATE  # type: ignore[arg-type]
    assert sum(isinstance(o, Lesson) for o in box.out) == count


def test_a_run_is_named_by_what_it_is_in_fact() -> None:
    box = planned()
    box.take(told("LOADED", TERMINAL, -1, run_id="RUN9", unit_id="U"))
    box.take(told("DEPARTED", TERMINAL, 0))
    [lesson] = box.lessons(What.DEPARTED)
    assert lesson.run == f"RUN9 {RAIL.leg_id}"


def test_a_box_that_travels_alone_is_its_own_run() -> None:
    alone = RAIL.model_copy(update={"run_id": None})
    runs = set()
    for unit in ("U", "V"):
        box = Told()
        box.unit.unit_id = unit
        box.take(itinerary(alone, unit=unit), told("DEPARTED", TERMINAL, 0, unit_id=unit))
        runs |= {one.run for one in box.lessons(What.DEPARTED)}
    assert len(runs) == 2


@pytest.mark.parametrize("code", ["CANCELLED", "DIVERTED"])
def test_a_run_that_ends_otherwise_says_so_once(code: str) -> None:
    box = planned()
    where = TERMINAL if code == "CANCELLED" else PORT
    box.take(told(code, where, -1, run_id="RUN1", unit_id="U"))
    box.take(told(code, where, -1, run_id="RUN1", unit_id="U", source="port"))
    assert [one.run for one in box.lessons(What.ENDED)] == [f"RUN1 {RAIL.leg_id}"]
    assert box.lessons(What.ARRIVED) == []


def test_a_cancelled_run_that_leaves_after_all_has_not_ended() -> None:
    box = planned()
    box.take(told("CANCELLED", TERMINAL, -1), told("DEPARTED", TERMINAL, 1))
    box.take(told("ARRIVED", PORT, 47))
    found = [o.what for o in box.out if isinstance(o, Lesson) and o.leg_id == RAIL.leg_id]
    assert found[-3:] == [What.ENDED, What.DEPARTED, What.ARRIVED]


def test_a_departure_that_is_taken_back_ends_what_it_began() -> None:
    box = planned()
    box.take(told("DEPARTED", TERMINAL, 1))
    box.take(told("DEPARTED", TERMINAL, 1, retracted=True, updated_time=at(2)))
    box.take(told("DEPARTED", TERMINAL, 3, event_id="right"))
    found = [o for o in box.out if isinstance(o, Lesson) and o.what is not What.EXPECTED]
    assert [o.what for o in found[-3:]] == [What.DEPARTED, What.ENDED, What.DEPARTED]


def test_an_arrival_that_is_taken_back_teaches_nothing() -> None:
    box = done()
    count = sum(isinstance(o, Lesson) for o in box.out)
    box.take(told("ARRIVED", ABROAD, 181, retracted=True, updated_time=at(200)))
    assert sum(isinstance(o, Lesson) for o in box.out) == count


# stays -------------------------------------------------------------------------------------------


def test_a_departure_says_how_the_box_had_come() -> None:
    first, second = done().lessons(What.DEPARTED)
    assert first.stay is None
    assert second.stay is not None
    assert (second.stay.mode, second.stay.arrival) == (Mode.RAIL, minutes(at(47)))
    assert (second.stay.run, second.stay.gap) == (f"RUN1 {RAIL.leg_id}", 600)
    assert (second.stay.through, second.stay.missed) == (False, None)


def test_who_goes_by_a_later_vessel_has_missed_the_first() -> None:
    box = planned()
    box.take(told("DEPARTED", TERMINAL, 10), told("ARRIVED", PORT, 57))
    later = SEA.model_copy(
        update={
            "run_id": "NEXT",
            "planned_departure": at(228),
            "planned_arrival": at(348),
            "cutoff": at(224),
        }
    )
    ship = itinerary(
        RAIL,
        later,
        LAND.model_copy(update={"planned_departure": at(360), "planned_arrival": at(375)}),
        version=2,
        issued_time=at(58),
    )
    box.take(ship, told("DEPARTED", PORT, 228))
    stay = box.lessons(What.DEPARTED)[-1].stay
    assert stay is not None
    assert stay.missed == minutes(at(56))


def test_who_was_planned_anew_before_the_service_closed_has_missed_nothing() -> None:
    box = planned()
    later = SEA.model_copy(update={"run_id": "NEXT"})
    box.take(itinerary(RAIL, later, LAND, version=2, issued_time=at(-10)))
    box.take(told("DEPARTED", TERMINAL, 1), told("ARRIVED", PORT, 47), told("DEPARTED", PORT, 62))
    stay = box.lessons(What.DEPARTED)[-1].stay
    assert stay is not None
    assert stay.missed is None


# silences ----------------------------------------------------------------------------------------


def test_an_arrival_says_for_how_long_sources_were_silent_on_the_way() -> None:
    box = planned()
    box.take(told("DEPARTED", TERMINAL, 0), *(position(hour) for hour in range(1, 6)))
    box.take(told("ARRIVED", PORT, 46))
    [lesson] = box.lessons(What.ARRIVED)
    assert lesson.gaps == (
        ("carrier", Kind.MILESTONE, 46 * 60),
        *(("lock", Kind.LOCK, 60),) * 4,
    )


def test_silence_at_a_node_is_none_on_the_way() -> None:
    box = done()
    assert [one.gaps for one in box.lessons(What.ARRIVED)] == [
        (("carrier", Kind.MILESTONE, 46 * 60),),
        (("carrier", Kind.MILESTONE, 119 * 60),),
    ]


# what comes of it --------------------------------------------------------------------------------


def test_what_boxes_teach_is_enough_to_predict() -> None:
    lessons: list[Lesson] = []
    for day in range(-12, -2):

        def shifted(time: datetime, day: int = day) -> datetime:
            return time + day * 24 * HOUR

        legs = [
            RAIL.model_copy(
                update={
                    "run_id": f"RUN.{day}",
                    "planned_departure": shifted(RAIL.planned_departure),
                    "planned_arrival": shifted(RAIL.planned_arrival),
                }
            )
        ]
        box = Told()
        box.take(itinerary(*legs, issued_time=shifted(at(-72)), unit="U"))
        box.take(told("DEPARTED", TERMINAL, 24 * day + 1), told("ARRIVED", PORT, 24 * day + 49))
        lessons += [o for o in box.out if isinstance(o, Lesson)]
    box = Told(Estimator(taught(lessons).model))
    box.take(itinerary(), told("DEPARTED", TERMINAL, 1))
    eta = box.last().eta_p50
    assert eta is not None
    assert abs(eta - at(49)) < abs(eta - at(47))
