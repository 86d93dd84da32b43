"""When the place is at fault for the delays of many runs, and what it then says."""

from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.alerting import incidents
from corridor.alerting.alarm import Reading
from corridor.alerting.alerts import Alert
from corridor.alerting.incidents import Gathered
from corridor.alerting.notices import Notice, explained_no_more, explains, notice
from corridor.alerting.rules import PLACES
from corridor.codes import AlertKind, AlertState, Cause, Level, Mode, Order
from corridor.models import AlertCommand, Incident
from tests.unit.corridor.journeys import at

OPEN, CLEARING, RESOLVED = AlertState.OPEN, AlertState.CLEARING, AlertState.RESOLVED
KEY = "DELAY/BORDER/CNHGS"
DAY = 24.0


def late(
    run: int, hours: float, state: AlertState = OPEN, level: int = 1, unit: str = "", **more: Any
) -> Alert:
    """A wagon of a train that is late by the border, or is not any more."""
    name = unit or f"U{run}"
    known: dict[str, Any] = {
        "key": KEY,
        "revision": round((hours + 1000) * 60),
        "parties": (f"P{run}",),
        "run_key": child(run),
    }
    return Alert(
        kind=AlertKind.DELAY,
        cause=Cause.BORDER,
        subject="CNHGS",
        unit_id=name,
        shipment_id=f"S-{name}",
        sequence=1,
        state=state,
        level=level,
        as_of=at(hours),
        reading=Reading(level, level, "DELAY.RAIL", "s/e", value=4 * 3600.0),
        corridor_id="C",
        leg_id="L",
        mode=Mode.RAIL,
        from_node="CNHGS",
        to_node="KZALA",
        **(known | more),
    )


def child(run: int) -> str:
    return f"DELAY/RUN/T{run}/L"


LONG_AGO = [late(0, -200), late(0, -199, RESOLVED)]
"""What is usual is known."""


def tell(incident: Gathered | None, alerts: Iterable[Alert]) -> tuple[Gathered, list[Incident]]:
    """Takes alerts one after the other; what is said of each."""
    said: list[Incident] = []
    for alert in [*LONG_AGO, *alerts] if incident is None else alerts:
        incident = incident or incidents.gathered(alert)
        if incidents.take(incident, alert):
            message = incidents.message(incident, late=False)
            said.append(Incident.model_validate_json(message.to_json()))
    assert incident is not None
    return incident, said


def queue(runs: int = 3, hours: float = 0.0) -> list[Alert]:
    return [late(run, hours + run) for run in range(1, runs + 1)]


def usual_trains(days: int, each: int) -> list[Alert]:
    """So many trains a day are late for an hour."""
    told = []
    for day in range(days):
        for n in range(each):
            run, hours = 1000 + day * each + n, day * DAY + n * DAY / each
            told += [late(run, hours), late(run, hours + 1, RESOLVED)]
    return sorted(told, key=lambda alert: alert.as_of)


def test_before_it_is_known_what_is_usual_there_is_no_incident() -> None:
    incident = incidents.gathered(late(1, 1))
    tell(incident, queue(9))
    assert incident.state is None


def test_two_late_trains_are_no_incident_of_the_border_and_a_third_makes_one() -> None:
    incident, said = tell(None, queue(2))
    assert (said, incident.state, incident.revision) == ([], None, 0)
    incident, [message] = tell(incident, [late(3, 4, level=2)])
    assert (message.dedup_key, message.state, message.level) == (KEY, OPEN, Level.MAJOR)
    assert message.children == (child(1), child(2), child(3))
    assert (message.cause, message.subject, message.node_id) == (Cause.BORDER, "CNHGS", "CNHGS")
    assert [share.party for share in message.parties] == ["P1", "P2", "P3"]
    assert message.reason == (
        "Border CNHGS: 3 trains late, most of it gained there, by up to 4 h (MAJOR, 3 units)."
    )


def test_fifty_wagons_of_one_train_are_one_train() -> None:
    incident, said = tell(None, [late(1, 1 + n / 60, unit=f"W{n}") for n in range(50)])
    assert not said
    assert incident.state is None


def test_trains_that_are_late_days_apart_have_nothing_in_common() -> None:
    incident, said = tell(None, [late(n, n * 30.0) for n in range(1, 9)])
    assert not said
    assert incident.state is None


def test_where_some_are_always_late_that_is_no_incident_and_many_more_are() -> None:
    incident = incidents.gathered(late(1, 1))
    incident, said = tell(incident, usual_trains(40, 4))
    assert not said
    known = incident.revision
    incident, said = tell(incident, queue(9, 40 * DAY))
    assert not said  # what a bad day there may bring by chance
    incident, said = tell(incident, [late(run, 40 * DAY + 10 + run / 9) for run in range(10, 25)])
    assert said[0].state is OPEN
    assert said[0].revision == known + 1
    assert len(said[0].children) >= 9


def test_it_clears_when_no_more_begin_to_be_late_and_ends_with_those_that_are() -> None:
    incident, _ = tell(None, queue())
    known = incident.revision
    due = incidents.next_time(incident, PLACES)
    assert due == at(1 + 2 * DAY)
    assert not incidents.pass_time(incident, at(2 * DAY), PLACES)
    assert not incidents.pass_time(incident, at(2 * DAY + 1.5), PLACES)  # two are left
    assert incidents.pass_time(incident, at(2 * DAY + 2), PLACES)
    message = incidents.message(incident, late=False)
    assert (message.state, message.revision, message.caused_by) == (CLEARING, known + 1, "clock")
    assert message.children == (child(1), child(2), child(3))
    incident, said = tell(incident, [late(run, 60 + run, RESOLVED) for run in (1, 2)])
    assert [m.state for m in said] == [CLEARING, RESOLVED]
    assert said[-1].children == ()
    assert said[-1].unit_count == 0
    assert [share.party for share in said[-1].parties] == ["P1", "P2", "P3"]
    assert said[-1].reason == "Border CNHGS: delays there are over, or as usual."


def test_if_nobody_is_late_any_more_it_ends_by_time_alone() -> None:
    incident, _ = tell(None, [*queue(), *(late(run, 10 + run, RESOLVED) for run in (1, 2, 3))])
    assert incident.state is OPEN  # more may come: three have been late within two days
    assert incidents.pass_time(incident, at(2 * DAY + 4), PLACES)
    assert incident.state is RESOLVED
    assert incidents.next_time(incident, PLACES) is not None


def test_what_is_told_again_of_a_train_does_not_begin_again() -> None:
    incident, _ = tell(None, queue())
    incident, said = tell(incident, [late(1, 60, level=2)])
    assert incident.place is not None
    assert incident.place.runs[child(1)].began == at(1)
    assert said[-1].state is CLEARING


def test_who_begins_to_be_late_while_it_clears_is_not_explained() -> None:
    incident, _ = tell(None, queue())
    incidents.pass_time(incident, at(2 * DAY + 4), PLACES)
    incident, said = tell(incident, [late(9, 2 * DAY + 5)])
    assert not said
    message = incidents.message(incident, late=False)
    assert child(9) not in message.children
    assert [share.party for share in message.parties] == ["P1", "P2", "P3"]


def test_the_same_signals_say_the_same_whether_time_was_looked_at_or_not() -> None:
    told = [*queue(), late(4, 60.0), late(1, 61, RESOLVED), late(2, 62, RESOLVED)]
    one, said = tell(None, told)
    other: Gathered | None = None
    looked: list[Incident] = []
    for alert in told:
        if other is not None and incidents.pass_time(other, alert.as_of, PLACES):
            looked.append(incidents.message(other, late=False))
        other, more = tell(other, [alert])
        looked += more
    assert one == other
    assert {m.revision: m for m in looked} | {m.revision: m for m in said} == {
        m.revision: m for m in looked
    }


@pytest.mark.parametrize("seed", range(5))
def test_in_any_order_within_its_time_the_same_runs_are_explained(seed: int) -> None:
    told = [late(run, run, unit=f"U{run}-{n}") for run in range(1, 6) for n in range(4)]
    in_order, _ = tell(None, told)
    Random(seed).shuffle(told)
    shuffled, _ = tell(None, told + told[:7])
    one, other = (incidents.message(i, late=False) for i in (in_order, shuffled))
    assert one.children == other.children
    assert one.affected == other.affected
    assert one.parties == other.parties


def test_what_comes_again_changes_nothing() -> None:
    incident, said = tell(None, [*queue(), *queue()])
    assert [m.revision for m in said] == [1]
    assert incident.revision == 1


@pytest.mark.parametrize("stop", range(1, 8))
def test_it_goes_on_from_what_was_stored(stop: int) -> None:
    told = [*queue(), late(4, 6, level=3), late(1, 61, RESOLVED), late(2, 62, RESOLVED)]
    whole, said = tell(None, told)
    first, before = tell(None, told[:stop])
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(first), type=Gathered)
    restored, after = tell(stored, told[stop:])
    assert restored == whole
    assert before + after == said


def test_a_train_that_moves_to_another_place_is_not_late_by_this_one_any_more() -> None:
    incident, _ = tell(None, [*queue(4), late(4, 9, RESOLVED)])
    assert incidents.message(incident, late=False).children == (child(1), child(2), child(3))


def test_a_unit_that_goes_by_another_train_counts_for_that_one() -> None:
    incident, _ = tell(None, queue(4))
    incident, _ = tell(incident, [late(5, 9, unit="U4")])
    assert incidents.message(incident, late=False).children == tuple(map(child, (1, 2, 3, 5)))


def test_of_what_is_over_nothing_is_kept() -> None:
    incident, _ = tell(None, usual_trains(60, 4))
    assert len(incident.members) <= 9
    assert incident.place is not None
    assert len(incident.place.runs) <= 9


def test_closed_by_hand_it_opens_only_by_what_begins_after_that() -> None:
    incident, _ = tell(None, queue())
    order = AlertCommand(
        command_id="c",
        order=Order.CLOSE,
        incident_id=incidents.incident_id(KEY),
        dedup_key=KEY,
        by="ann",
        issued_time=at(5),
    )
    assert incidents.command(incident, order)
    assert incidents.message(incident, late=False).state is RESOLVED
    incident, said = tell(incident, [late(4, 6), late(5, 7)])
    assert not said
    incident, said = tell(incident, [late(6, 8)])
    assert said[-1].children == (child(4), child(5), child(6))


def test_it_is_forgotten_when_nothing_was_heard_of_it_for_long() -> None:
    incident, _ = tell(None, queue(2))
    assert incidents.next_time(incident, PLACES) == at(2) + incidents.KEEP


def of_run(run: int, **values: Any) -> Incident:
    """The incident of a train itself."""
    alert = late(run, 3.0)
    own = msgspec.structs.replace(
        alert, key=child(run), cause=Cause.RUN, subject=f"T{run}", run_key=None, parent=KEY
    )
    incident = incidents.gathered(own)
    incidents.take(incident, msgspec.structs.replace(own, **values))
    return incidents.message(incident, late=False)


def test_while_a_place_stands_its_trains_are_no_messages() -> None:
    incident, [opened] = tell(None, queue())
    train = of_run(2)
    assert train.parent == KEY
    assert explains(opened, train)
    assert explains(opened, of_run(9))  # its own signal is on the way
    assert notice(None, train, explained=True) is None
    incidents.pass_time(incident, at(2 * DAY + 4), PLACES)
    clearing = incidents.message(incident, late=False)
    assert explains(clearing, train)
    assert not explains(clearing, of_run(9))
    incident, said = tell(incident, [late(run, 60 + run, RESOLVED) for run in (1, 2)])
    assert not explains(said[-1], train)
    assert explained_no_more(said[0], said[-1]) == (child(2), child(3))
    assert notice(None, train) is Notice.OPENED
    assert not explains(None, train)


def test_a_train_has_the_place_of_most_of_its_units() -> None:
    incident = incidents.gathered(late(1, 1, key=child(1), run_key=None))
    for n, parent in enumerate((KEY, KEY, None)):
        incidents.take(
            incident, late(1, 1, key=child(1), run_key=None, unit=f"W{n}", parent=parent)
        )
    assert incidents.message(incident, late=False).parent == KEY


WORDS = st.tuples(
    st.integers(1, 6),  # the train,
    st.integers(1, 8),  # the wagon,
    st.floats(-3, 30),  # hours since the word before
    st.sampled_from([OPEN, OPEN, CLEARING, RESOLVED]),
    st.integers(1, 3),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(WORDS, max_size=60), st.booleans())
def test_whatever_is_told_each_revision_is_whole(
    words: list[tuple[int, int, float, AlertState, int]], close: bool
) -> None:
    incident, hours, revision = tell(None, [])[0], 0.0, 0
    for number, (run, unit, later, state, level) in enumerate(words, 10**6):
        hours += later
        word = late(run, hours, state, level, unit=f"U{unit}", revision=number)
        said = incidents.take(incident, word, PLACES)
        if incidents.pass_time(incident, at(hours + 5), PLACES) or said:
            message = incidents.message(incident, late=False)
            assert message.revision > revision
            revision = message.revision
            standing = message.state is not RESOLVED
            assert (len(message.children) >= 2 or message.state is OPEN) == standing
            assert {u.parties[0] for u in message.affected} <= {s.party for s in message.parties}
            assert message.unit_count == len({u.unit_id for u in message.affected})
        if close and number % 7 == 0:
            order = AlertCommand(
                command_id=str(number),
                order=Order.CLOSE,
                incident_id=incidents.incident_id(KEY),
                dedup_key=KEY,
                by="ann",
                issued_time=at(hours),
            )
            if incidents.command(incident, order):
                revision += 1
                assert incident.state is RESOLVED
        place = incident.place
        assert place is not None
        kept = [name for run in place.runs.values() for name in run.members]
        assert sorted(kept) == sorted(incident.members)
        tallies = sum(sum(run.tally.values()) for run in place.runs.values())
        assert tallies == sum(member.standing for member in incident.members.values())
