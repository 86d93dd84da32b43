"""From alerts of single units to incidents."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.alerting import incidents
from corridor.alerting.alarm import Reading
from corridor.alerting.alerts import Alert
from corridor.alerting.incidents import Gathered
from corridor.alerting.notices import Notice, notice
from corridor.codes import AlertKind, AlertState, Cause, Level, Mode, Order
from corridor.models import MOST_AFFECTED, AlertCommand, Incident
from tests.unit.corridor.journeys import at

OPEN, CLEARING, RESOLVED = AlertState.OPEN, AlertState.CLEARING, AlertState.RESOLVED
KEY = "DELAY/RUN/R/L"


def alert(
    unit: str = "U1",
    revision: int = 1,
    state: AlertState = OPEN,
    level: int = 1,
    value: float = 4000,
    **values: Any,
) -> Alert:
    known: dict[str, Any] = {
        "as_of": at(revision),
        "reading": Reading(
            level,
            level,
            "DELAY.RAIL",
            "s/e",
            probability=0.8,
            value=value,
            thresholds=(3600.0,) * 3,
        ),
        "parties": ("A",),
        "leg_id": "L",
    }
    return Alert(
        key=KEY,
        kind=AlertKind.DELAY,
        cause=Cause.RUN,
        subject="R",
        unit_id=unit,
        shipment_id=f"S-{unit}",
        sequence=1,
        revision=revision,
        state=state,
        level=level,
        corridor_id="C",
        mode=Mode.RAIL,
        from_node="A",
        to_node="B",
        **(known | values),
    )


def gathered(*alerts: Alert) -> Gathered:
    incident = incidents.gathered(alerts[0])
    for one in alerts:
        incidents.take(incident, one)
    return incident


def said(*alerts: Alert) -> Incident:
    message = incidents.message(gathered(*alerts), late=False)
    return Incident.model_validate_json(message.to_json())


def test_a_train_of_fifty_wagons_is_one_incident() -> None:
    message = said(*(alert(f"U{n:02}", n + 1, parties=("A", f"P{n % 5}")) for n in range(50)))
    assert (message.unit_count, message.shipment_count) == (50, 50)
    assert message.dedup_key == KEY
    assert {p.party: p.units for p in message.parties}["P0"] == 10
    assert message.reason == (
        "Run R is expected 1 h 7 min late, at an unknown time, 80% sure (MINOR, 50 units)."
    )


def test_it_is_as_bad_as_its_worst_unit_which_comes_first() -> None:
    message = said(alert("U1", level=1), alert("U2", level=3, value=9e4), alert("U3", level=2))
    assert message.level is Level.CRITICAL
    assert [a.unit_id for a in message.affected] == ["U2", "U3", "U1"]
    assert message.why.value_seconds == 9e4


def test_it_shrinks_and_is_over_with_its_last_unit() -> None:
    incident = gathered(alert("U1"), alert("U2"))
    incidents.take(incident, alert("U1", 2, RESOLVED))
    shrunk = incidents.message(incident, late=False)
    assert (shrunk.state, shrunk.unit_count) == (OPEN, 1)
    incidents.take(incident, alert("U2", 3, RESOLVED))
    over = incidents.message(incident, late=False)
    assert (over.state, over.unit_count, over.resolved_time) == (RESOLVED, 0, at(3))
    assert [p.party for p in over.parties] == ["A"]  # who was told hears of the end


def test_it_clears_only_when_all_its_units_do() -> None:
    assert said(alert("U1", state=CLEARING), alert("U2")).state is OPEN
    assert said(alert("U1", state=CLEARING), alert("U2", state=CLEARING)).state is CLEARING


def test_what_comes_again_changes_nothing() -> None:
    incident = gathered(alert("U1", 5))
    before = incidents.message(incident, late=False)
    assert not incidents.take(incident, alert("U1", 5))
    assert not incidents.take(incident, alert("U1", 4, RESOLVED))
    assert incidents.message(incident, late=False) == before


def test_the_end_of_what_never_was_is_nothing() -> None:
    incident = incidents.gathered(alert())
    assert not incidents.take(incident, alert(state=RESOLVED))
    assert incident.revision == 0


def test_of_more_units_than_it_lists_it_counts_all() -> None:
    message = said(*(alert(f"U{n:04}") for n in range(MOST_AFFECTED + 20)))
    assert len(message.affected) == MOST_AFFECTED
    assert message.unit_count == MOST_AFFECTED + 20
    assert message.parties[0].units == MOST_AFFECTED + 20


def test_it_has_a_parent_only_while_one_explains_all_its_units() -> None:
    assert said(alert("U1", parent="P"), alert("U2", parent="P")).parent == "P"
    assert said(alert("U1", parent="P"), alert("U2")).parent is None


def order(what: Order, name: str = "c1", **values: Any) -> AlertCommand:
    known: dict[str, Any] = {"by": "ann", "issued_time": at(9), "party": "A"}
    return AlertCommand(
        command_id=name,
        order=what,
        incident_id=incidents.incident_id(KEY),
        dedup_key=KEY,
        **(known | values),
    )


def test_an_order_holds_until_it_is_undone_or_the_incident_is_over() -> None:
    incident = gathered(alert())
    assert incidents.command(incident, order(Order.ACK))
    assert not incidents.command(incident, order(Order.ACK))  # comes twice
    incidents.command(incident, order(Order.SILENCE, "c2", until=at(30)))
    handling = incidents.message(incident, late=False).handling
    assert [(h.order, h.party, h.until) for h in handling] == [
        (Order.ACK, "A", None),
        (Order.SILENCE, "A", at(30)),
    ]
    incidents.command(incident, order(Order.UNACK, "c3"))
    assert [h.order for h in incidents.message(incident, late=False).handling] == [Order.SILENCE]
    incidents.take(incident, alert("U1", 2, RESOLVED))
    assert not incidents.message(incident, late=False).handling


def test_only_the_operator_closes_and_what_is_told_anew_stands_again() -> None:
    incident = gathered(alert("U1"), alert("U2"))
    assert not incidents.command(incident, order(Order.CLOSE))
    assert incidents.command(incident, order(Order.CLOSE, "c2", party=None))
    assert incident.state is RESOLVED
    incidents.take(incident, alert("U1", 8, level=2))
    assert (incident.state, incident.level) == (OPEN, 2)


@st.composite
def histories(draw: st.DrawFn) -> list[Alert]:
    """What three units say, each in its own order, in some common order."""
    told: list[list[Alert]] = []
    for unit in ("U1", "U2", "U3"):
        words = draw(
            st.lists(
                st.tuples(st.sampled_from([OPEN, CLEARING, RESOLVED]), st.integers(1, 3)),
                max_size=5,
            )
        )
        told.append([alert(unit, n, s, level) for n, (s, level) in enumerate(words, 1)])
    mixed: list[Alert] = []
    while any(told):
        which = draw(st.sampled_from([words for words in told if words]))
        mixed.append(which.pop(0))
    return mixed


def final(alerts: list[Alert]) -> dict[str, Any] | None:
    if not alerts:
        return None
    incident = gathered(*alerts)
    if incident.revision == 0:
        return None
    message = incidents.message(incident, late=False).model_dump()
    standing = message["state"] is not RESOLVED
    order_free = ("incident_id", "dedup_key", "state", "unit_count", "shipment_count", "affected")
    return {n: message[n] for n in order_free} | {"level": message["level"] if standing else None}


@settings(deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_in_any_order_and_with_repeats_the_incident_is_the_same(
    told: list[Alert], dice: Random
) -> None:
    shuffled = told + dice.sample(told, len(told) // 2)
    dice.shuffle(shuffled)
    one, other = final(told), final(shuffled)
    # an opening that was overtaken by its end before it came has never been
    assert one == other or {(found or {}).get("state", RESOLVED) for found in (one, other)} == {
        RESOLVED
    }


@settings(deadline=None)
@given(histories())
def test_a_revision_names_one_content_and_ascends(told: list[Alert]) -> None:
    if not told:
        return
    incident, last = incidents.gathered(told[0]), 0
    for one in told:
        changed = incidents.take(incident, one)
        assert incident.revision == last + changed
        last = incident.revision


@settings(deadline=None)
@given(histories(), st.lists(st.booleans(), min_size=15, max_size=15))
def test_nobody_is_told_twice_that_it_opened_and_a_late_word_tells_nobody(
    told: list[Alert], late: list[bool]
) -> None:
    if not told:
        return
    incident, known, stands = incidents.gathered(told[0]), None, False
    for one, is_late in zip(told, late, strict=False):
        if not incidents.take(incident, one):
            continue
        message = incidents.message(incident, late=is_late)
        why = notice(known, message)
        if is_late:
            assert why is None
        if why is Notice.OPENED:
            assert not stands
            stands = True
        if why is Notice.RESOLVED:
            assert stands
            stands = False
        if why is not None:
            known = message


@pytest.mark.parametrize(
    ("state", "parent", "expected"),
    [
        (OPEN, None, Notice.OPENED),
        (OPEN, "P", None),
        (CLEARING, None, None),
        (RESOLVED, None, None),
    ],
)
def test_a_first_word_is_a_message_only_of_what_stands_by_itself(
    state: AlertState, parent: str | None, expected: Notice | None
) -> None:
    incident = gathered(alert(parent=parent))
    if state is not OPEN:
        incidents.take(incident, alert("U1", 2, state))
    message = incidents.message(incident, late=False)
    assert notice(None, message, explained=message.parent is not None) is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"level": 2}, Notice.WORSE),
        ({"value": 4000 + 2 * 3600}, Notice.MOVED),
        ({"value": 4000 + 1800}, None),
        ({"value": 100.0}, None),
        ({"state": CLEARING}, None),
        ({"state": RESOLVED}, Notice.RESOLVED),
    ],
)
def test_a_later_word_is_a_message_only_if_it_matters(
    change: dict[str, Any], expected: Notice | None
) -> None:
    incident = gathered(alert())
    told = incidents.message(incident, late=False)
    incidents.take(incident, alert("U1", 2, **change))
    assert notice(told, incidents.message(incident, late=False)) is expected


def test_it_is_remembered_for_as_long_as_its_key_may_be_named_again() -> None:
    incident = gathered(alert())
    assert incidents.release_time(incident) is None
    incidents.take(incident, alert("U1", 2, RESOLVED))
    assert incidents.release_time(incident) == at(2) + timedelta(days=400)
