"""When a subscriber is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor.codes import AlertState, Level, Order
from corridor.models import Handling, Incident, QuietHours, Subscription
from sinks.subscribers.grouping import Told, due, loud_from, told
from tests.unit.subscribers.samples import NOW, incident, subscription

LATER = NOW + timedelta(hours=1)
GROUPED = subscription(group_seconds=300, repeat_seconds=86_400)


def when(
    it: Incident | None,
    before: Told | None = None,
    now: datetime = LATER,
    by: Subscription = GROUPED,
    **more: Any,
) -> datetime | None:
    return due(by, it, before, now, **{"news": it.revision if it else 0} | more)


FIRST = told(incident(), None, NOW)


def test_what_stands_is_told_at_once() -> None:
    assert when(incident()) == LATER


def test_what_was_over_or_clearing_before_it_was_told_is_not_told() -> None:
    assert when(incident(state=AlertState.CLEARING)) is None
    assert when(incident(state=AlertState.RESOLVED)) is None


def test_what_is_known_is_not_told_again_before_the_repeat_interval() -> None:
    assert when(incident(), FIRST) == NOW + timedelta(days=1)
    assert when(incident(), FIRST, by=subscription(repeat_seconds=0)) is None


@pytest.mark.parametrize(
    "change",
    [{"level": Level.CRITICAL}, {"delay": 12_000.0}, {"state": AlertState.RESOLVED}],
)
def test_a_change_worth_telling_waits_for_the_group_interval(change: dict[str, Any]) -> None:
    soon = NOW + timedelta(seconds=10)
    assert when(incident(revision=2, **change), FIRST, soon) == NOW + timedelta(seconds=300)
    assert when(incident(revision=2, **change), FIRST) == LATER


@pytest.mark.parametrize(
    "change",
    [
        {"delay": 8_000.0},
        {"delay": 600.0},
        {"level": Level.MINOR},
        {"state": AlertState.CLEARING},
        {"units": {"acme": ["U1", "U2"]}},
    ],
)
def test_a_change_not_worth_telling_is_left_to_the_reminder(change: dict[str, Any]) -> None:
    assert when(incident(revision=2, **change), FIRST) == NOW + timedelta(days=1)


def test_late_revisions_never_notify_but_who_was_told_hears_of_the_end() -> None:
    late = incident(revision=2, level=Level.CRITICAL, late=True)
    assert when(late, news=0) is None
    assert when(late, FIRST, news=1) == NOW + timedelta(days=1)
    over = incident(revision=2, state=AlertState.RESOLVED, late=True)
    assert when(over, news=1) is None
    assert when(over, FIRST, news=1) == LATER


def test_news_that_waited_is_told_even_if_something_late_came_after_it() -> None:
    assert when(incident(revision=2, late=True), news=1) == LATER


def handled(order: Order, until: datetime | None = None) -> tuple[Handling, ...]:
    return (Handling(order=order, party="acme", by="Li", since=NOW, until=until),)


def test_an_acknowledged_incident_is_not_repeated_but_worse_is_told() -> None:
    assert when(incident(handling=handled(Order.ACK)), FIRST) is None
    worse = incident(revision=2, level=Level.CRITICAL, handling=handled(Order.ACK))
    assert when(worse, FIRST) == LATER


def test_a_silenced_incident_is_told_when_the_silence_ends() -> None:
    until = LATER + timedelta(hours=2)
    assert when(incident(handling=handled(Order.SILENCE, until))) == until
    assert when(incident(handling=handled(Order.SILENCE))) is None
    over = incident(revision=2, state=AlertState.RESOLVED, handling=handled(Order.SILENCE))
    assert when(over, FIRST) == LATER


def test_what_another_incident_explains_is_not_told_but_its_end_is() -> None:
    assert when(incident(), explained=True) is None
    assert when(incident(revision=2, level=Level.CRITICAL), FIRST, explained=True) is None
    over = incident(revision=2, state=AlertState.RESOLVED)
    assert when(over, FIRST, explained=True) == LATER


def test_what_comes_back_is_news() -> None:
    over = told(incident(revision=2, state=AlertState.RESOLVED), FIRST, NOW)
    assert when(incident(revision=3), over) == LATER
    assert when(incident(revision=2), over) is None


def test_a_reminder_is_counted() -> None:
    again = told(incident(), FIRST, LATER)
    assert again.reminder == 1
    assert told(incident(revision=2), again, LATER).reminder == 0


NIGHT = QuietHours(begins="22:00", ends="07:00", time_zone="Asia/Shanghai")


def test_in_quiet_hours_only_what_is_critical_is_told() -> None:
    by = subscription(quiet_hours=NIGHT)
    midnight = datetime(2026, 3, 4, 16, tzinfo=UTC)
    assert when(incident(), None, midnight, by) == datetime(2026, 3, 4, 23, tzinfo=UTC)
    assert when(incident(level=Level.CRITICAL), None, midnight, by) == midnight
    noon = datetime(2026, 3, 4, 4, tzinfo=UTC)
    assert when(incident(), None, noon, by) == noon


CLOCKS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))


@given(
    begins=CLOCKS,
    ends=CLOCKS,
    at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin"]),
)
def test_quiet_hours_end_within_a_day_and_are_over_then(
    begins: str, ends: str, at: datetime, zone: str
) -> None:
    quiet = QuietHours(begins=begins, ends=ends, time_zone=zone)
    loud = loud_from(quiet, at)
    assert at <= loud <= at + timedelta(hours=25)
    assert loud_from(quiet, loud) == loud
