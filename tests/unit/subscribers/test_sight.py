"""What a party sees of an incident."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import AlertState, Cause, Level, Order
from corridor.models import Handling, Incident, Why
from sinks.subscribers.sight import seen
from tests.unit.subscribers.samples import NOW, incident

ACME = frozenset({"acme", "ACME-CODE"})


def see(it: Incident, names: frozenset[str] = ACME) -> Incident | None:
    return seen(it, "acme", names, lambda key: False)


def test_who_has_no_units_in_it_does_not_see_it() -> None:
    assert see(incident(units={"other": ["U1"]})) is None


def test_units_are_seen_by_any_name_of_the_party() -> None:
    view = see(incident(units={"ACME-CODE": ["U1"], "acme": ["U2"], "other": ["U3"]}))
    assert view is not None
    assert [unit.unit_id for unit in view.affected] == ["U1", "U2"]
    assert view.unit_count == 2
    assert [share.party for share in view.parties] == ["acme"]


OWN = st.lists(st.sampled_from(["A1", "A2", "A3"]), min_size=1, unique=True)
OTHERS = st.lists(st.sampled_from(["B1", "B2", "B3", "B4"]), unique=True)


@given(own=OWN, first=OTHERS, second=OTHERS, level=st.sampled_from(Level))
def test_what_others_have_in_it_changes_nothing_that_is_seen(
    own: Sequence[str], first: Sequence[str], second: Sequence[str], level: Level
) -> None:
    def view(others: Sequence[str]) -> Incident | None:
        # somebody else is always there, and is always worst off
        it = incident(units={"other": ["B0", *others], "acme": own})
        worst = tuple(
            unit.model_copy(update={"level": level, "delay_seconds": 9e5})
            if "other" in unit.parties
            else unit
            for unit in it.affected
        )
        why = it.why.model_copy(update={"value_seconds": 9e5, "caused_by": f"other/{others}"})
        return see(it.model_copy(update={"affected": worst, "why": why}))

    assert view(first) == view(second)


def test_it_is_over_for_a_party_whose_units_have_left_it() -> None:
    view = see(incident(units={"other": ["U1"]}, was=["acme"], level=Level.CRITICAL))
    assert view is not None
    assert view.state is AlertState.RESOLVED
    assert view.unit_count == 0
    assert view.level is Level.MINOR


def test_of_units_that_are_not_listed_the_number_is_told() -> None:
    it = incident(units={"acme": ["U1", "U2"], "other": ["U3"]})
    view = see(it.model_copy(update={"affected": it.affected[:1]}))
    assert view is not None
    assert view.unit_count == 2


def test_what_others_did_about_it_is_not_seen_and_the_operator_has_no_name() -> None:
    handling = tuple(
        Handling(order=Order.ACK, party=party, by=by, since=NOW)
        for party, by in (("acme", "Li"), ("other", "Wang"), (None, "Zhao"))
    )
    view = see(incident(handling=handling))
    assert view is not None
    assert [one.by for one in view.handling] == ["Li", "operator"]


def test_a_parent_is_named_only_to_who_sees_it() -> None:
    it = incident(parent="DELAY/NODE/X", children=("DELAY/UNIT/SECRET",))
    view = see(it)
    assert view is not None
    assert (view.parent, view.children) == (None, ())
    view = seen(it, "acme", ACME, lambda key: key == "DELAY/NODE/X")
    assert view is not None
    assert view.parent == "DELAY/NODE/X"


def test_who_is_alone_in_it_sees_why() -> None:
    why = Why(rule="DELAY.RAIL", probability=0.9, caused_by="rail/e1")
    view = see(incident(why=why, cause=Cause.RUN))
    assert view is not None
    assert view.why == why
    assert view.reason == incident().reason


def test_of_a_place_a_party_sees_its_own_units_and_the_delays_that_it_has_part_in() -> None:
    it = incident(
        "CNHGS",
        units={"acme": ["U1"], "other": ["V1", "V2"]},
        cause=Cause.BORDER,
        children=("DELAY/RUN/G1", "DELAY/RUN/G2"),
        reason="Border CNHGS: 2 trains late, most of it gained there (MAJOR, 3 units).",
    )
    view = seen(it, "acme", ACME, lambda key: key.endswith("G1"))
    assert view is not None
    assert view.children == ("DELAY/RUN/G1",)
    assert [unit.unit_id for unit in view.affected] == ["U1"]
    assert [share.party for share in view.parties] == ["acme"]
    assert view.reason == "Border CNHGS: delay (MAJOR, 1 of your units)."
