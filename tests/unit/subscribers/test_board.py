"""The log and what stands."""

from corridor.codes import AlertState
from corridor.models import Incident
from sinks.subscribers.board import Board
from tests.unit.subscribers.samples import incident

ACME = frozenset({"acme"})


def filled(*incidents: Incident, log_bytes: int = 10**9, partitions: int = 2) -> Board:
    """A board that has read these, in turn from each partition."""
    board = Board(partitions, log_bytes=log_bytes)
    for number, one in enumerate(incidents):
        board.take(number % partitions, number // partitions, 0, one.to_json())
    return board


def test_of_an_incident_the_highest_revision_holds() -> None:
    board = filled(incident(revision=2), incident(revision=1), partitions=1)
    standing = board.standing(incident().incident_id)
    assert standing is not None
    assert standing.incident.revision == 2


def test_a_late_revision_is_what_stands_but_no_news() -> None:
    board = filled(incident(revision=1), incident(revision=2, late=True), partitions=1)
    standing = board.standing(incident().incident_id)
    assert standing is not None
    assert (standing.incident.revision, standing.news) == (2, 1)


def test_what_comes_back_late_is_no_news_though_it_was_news_once() -> None:
    over = incident(revision=2, state=AlertState.RESOLVED)
    board = filled(incident(), over, incident(revision=3, late=True), partitions=1)
    standing = board.standing(incident().incident_id)
    assert standing is not None
    assert (standing.incident.revision, standing.news) == (3, 0)


def test_what_is_over_is_still_shown() -> None:
    board = filled(incident(), incident(revision=2, state=AlertState.RESOLVED), partitions=1)
    assert board.ids(ACME) == {incident().incident_id}
    assert [entry.incident.revision for entry in board.revisions(incident().incident_id)] == [1, 2]


def test_a_place_leads_to_all_that_came_after_it_in_any_partition() -> None:
    board = filled(*(incident(f"G{n}") for n in range(10)))
    number = board.place({0: 1, 1: 4})
    assert number is not None
    entries = [
        entry for entry in board.since(number) if entry.offset >= {0: 1, 1: 4}[entry.partition]
    ]
    assert {(e.partition, e.offset) for e in entries} == {(0, 1), (0, 2), (0, 3), (0, 4), (1, 4)}


def test_a_place_that_has_left_the_log_or_is_of_another_topic_is_none() -> None:
    size = len(incident("G0").to_json())
    board = filled(*(incident(f"G{n}") for n in range(10)), log_bytes=4 * size)
    assert board.place({0: 5, 1: 5}) == 10
    assert board.place({0: 0, 1: 0}) is None
    assert board.place({0: 6, 1: 5}) is None
    assert len(list(board.since(board.begin))) == 4
    assert list(board.since(0)) == []


def test_a_view_is_of_the_party_that_asks() -> None:
    board = filled(incident(units={"acme": ["U1"], "other": ["U2"]}), partitions=1)
    standing = board.standing(incident().incident_id)
    assert standing is not None
    for party, unit in (("acme", "U1"), ("other", "U2")):
        view = board.view(standing, party, frozenset({party}))
        assert view is not None
        assert [one.unit_id for one in view.affected] == [unit]
