"""The same lessons make the same model, and what a whole train tells teaches once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.codes import Mode
from corridor.eta.estimator import query_of
from corridor.eta.experts import OWN, Statement
from corridor.eta.learner import Learner
from corridor.eta.lessons import Lesson, What, decode, encode
from corridor.eta.model import Model
from corridor.eta.query import Phase, minutes
from corridor.eta.signal import Kind, limits
from corridor.tracking.unit import PlannedLeg
from tests.unit.corridor.journeys import (
    HOUR,
    JOURNEY,
    RAIL,
    SEA,
    at,
    history,
    lesson,
    replaced,
    run,
    stay,
    taught,
)

QUICK = settings(max_examples=10, deadline=None)
LESSONS = history(12)


def all_of(learner: Learner) -> tuple[bytes, bytes]:
    return learner.model.snapshot(), learner.snapshot()


def from_box(lesson: Lesson) -> Lesson:
    """The same, as another box of the run tells it a little later."""
    return replaced(lesson, at=lesson.at + 1)


def test_the_same_lessons_make_the_same_model() -> None:
    assert all_of(taught(LESSONS)) == all_of(taught(LESSONS))


@QUICK
@given(st.integers(0, len(LESSONS)))
def test_a_learner_that_was_restarted_learns_on_as_if_it_had_not_been(cut: int) -> None:
    before = taught(LESSONS[:cut])
    after = Learner(Model())
    after.load(before.snapshot())
    after.model.load(before.model.snapshot())
    for one in LESSONS[cut:]:
        after.hear(one)
    assert all_of(after) == all_of(taught(LESSONS))


@pytest.mark.parametrize("one", LESSONS[:9])
def test_a_lesson_is_read_as_it_was_written(one: Lesson) -> None:
    assert decode(encode(one)) == one


@pytest.mark.parametrize("boxes", [2, 50])
def test_a_run_teaches_once_however_many_boxes_tell_it(boxes: int) -> None:
    lessons = [one for day in range(-20, -10) for one in run(RAIL, day, 30, 60)]
    told = [one for one in lessons for _ in range(boxes)]
    assert all_of(taught(told)) == all_of(taught(lessons))


def test_a_box_that_tells_of_a_run_after_it_has_arrived_teaches_nothing_more() -> None:
    told = run(RAIL, -20, 30, 60)
    once, again = taught(told), taught([*told, *map(from_box, told[1:])])
    assert again.model.learned == once.model.learned == 1
    assert again.model.predict(QUERY, NOW) == once.model.predict(QUERY, NOW)


NOW = minutes(at(1))
QUERY = query_of(
    PlannedLeg(*(getattr(RAIL, name) for name in PlannedLeg.__struct_fields__)), at(1), at(1)
)


def test_what_is_known_at_every_checkpoint_teaches() -> None:
    before, early, left, come = run(RAIL, -20, 30, 60)
    known = {
        phase: taught(told).model.predict(QUERY._replace(phase=phase), NOW)
        for phase, told in {
            Phase.BEFORE: [before, early, come],
            Phase.UNDER_WAY: [left, come],
        }.items()
    }
    assert None not in known.values()


def test_a_train_that_is_long_overdue_still_teaches_by_its_departure() -> None:
    late = [replaced(lesson(What.EXPECTED, RAIL, -20, 2.0**n), delay=2.0**n * 60) for n in range(7)]
    left, come = run(RAIL, -20, 9000, 9100)[2:]
    assert taught([*late, left, come]).model.predict(QUERY, NOW) is not None


def test_what_is_expected_of_a_run_that_has_left_is_no_longer_asked() -> None:
    before, early, left, come = run(RAIL, -20, 30, 60)
    late = replaced(early, at=left.at + 60)
    assert all_of(taught([before, left, late, come])) == all_of(taught([before, left, come]))


def test_a_cancelled_run_teaches_nothing() -> None:
    before, early, left, come = run(RAIL, -20, 30, 60)
    ended = lesson(What.ENDED, RAIL, -20, 1)
    learner = taught([before, early, left, ended])
    assert learner.model.predict(QUERY, NOW) is None
    learner.hear(come)
    assert learner.model.predict(QUERY, NOW) is None


def test_a_cancelled_run_that_leaves_after_all_teaches() -> None:
    before, early, left, come = run(RAIL, -20, 30, 60)
    ended = lesson(What.ENDED, RAIL, -20, -1)
    assert taught([before, early, ended, left, come]).model.predict(QUERY, NOW) is not None


def test_the_model_says_until_when_it_has_learned() -> None:
    come = [run(RAIL, day, 30, 60)[-1] for day in (-20, -18, -19)]
    until = taught(come).model.learned_until
    assert until == RAIL.planned_arrival - 18 * 24 * HOUR + HOUR


# stays -------------------------------------------------------------------------------------------


def changed(day: int, **values: object) -> Lesson:
    """A box leaves by sea, three days after it came by rail."""
    left = lesson(What.DEPARTED, SEA, day, 60)
    came = stay(RAIL, SEA, day, 1.0, **values)
    return replaced(left, time=left.at, delay=60.0, stay=came)


def test_stays_teach_once_per_pair_of_runs() -> None:
    once, often = taught([changed(-20)]), taught([changed(-20)] * 5)
    assert all_of(once) == all_of(often)
    assert once.model.habits.snapshot() != Model().habits.snapshot()


def test_boxes_that_came_by_another_train_teach_another_stay() -> None:
    one, other = changed(-20), changed(-20, run="ANOTHER")
    both = taught([one, other]).model.habits
    assert both.snapshot() != taught([one]).model.habits.snapshot()


def test_who_left_before_it_came_teaches_no_stay() -> None:
    left = changed(-20)
    assert left.time is not None
    early = replaced(left, time=left.time - 100 * 1440)
    assert taught([early]).model.habits.delta() is None


# plans, others' words and silences ---------------------------------------------------------------


def plans(leg_id: str = SEA.leg_id) -> list[Lesson]:
    weekly = [lesson(What.PLANNED, SEA, day, -96) for day in range(-70, 0, 7)]
    return [replaced(one, leg_id=leg_id, run=f"{one.run.split()[0]} {leg_id}") for one in weekly]


def test_plans_teach_when_a_service_leaves_next() -> None:
    habits = taught(plans()).model.habits
    slots = habits.following(SEA.leg_id, minutes(SEA.planned_departure) - 10_080)
    assert slots is not None
    assert [slot.departure - minutes(SEA.planned_departure) for slot in slots[:2]] == [0, 10080]
    assert {slot.departure - (slot.cutoff or 0) for slot in slots} == {240}


def test_a_service_is_learned_per_leg() -> None:
    habits = taught(plans("ELSEWHERE")).model.habits
    assert habits.following(SEA.leg_id, 0) is None
    assert habits.following("ELSEWHERE", 0) is not None


def test_a_plan_without_a_service_teaches_nothing() -> None:
    assert taught([lesson(What.PLANNED, RAIL, -20, -96)]).model.delta() is None


def said(source: str, day: int, error: float) -> Statement:
    arrival = minutes(RAIL.planned_arrival) + 1440 * day + 60
    return Statement(source, arrival - 600, arrival - error, 600)


def test_others_are_weighed_by_how_right_they_have_been() -> None:
    lessons = [
        one
        for day in range(-60, -20)
        for one in run(
            RAIL,
            day,
            30,
            60,
            stated=(said("oracle", day, 1), said("liar", day, 300), said(OWN, day, 60)),
        )
    ]
    habits = taught(lessons).model.habits
    quantiles = tuple(600.0 + 20 * number for number in range(7))
    told = [Statement("oracle", 0, 500, 600), Statement("liar", 0, 100, 600)]
    weights = habits.combined(Mode.RAIL, quantiles, told, 0).weights
    assert weights["oracle"] > weights["liar"]
    assert weights["oracle"] > weights[OWN]


def test_silences_teach_a_source_s_rhythm() -> None:
    gaps = (("lock", Kind.LOCK, 60.0),) * 8
    lessons = [one for day in range(-60, -20) for one in run(RAIL, day, 30, 60, gaps=gaps)]
    before, after = (taught(one).model.habits.rhythm("lock", Kind.LOCK) for one in ([], lessons))
    assert limits(before)[0] == pytest.approx(10)
    assert limits(after)[0] == pytest.approx(60, 0.2)


def test_all_legs_teach() -> None:
    assert taught(LESSONS).model.learned == 12 * len(JOURNEY)
