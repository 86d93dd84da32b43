"""The state machine of one condition on one unit."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from corridor.alerting import alarm as machine
from corridor.alerting.alarm import Alarm, Reading
from corridor.alerting.rules import Rule, packaged
from corridor.codes import AlertKind, AlertState, Cause

START = datetime(2026, 3, 1, tzinfo=UTC)
RULES = packaged()
RULE = Rule("R", (3600.0, 7200.0, 10800.0), 0.7, 0.3, timedelta(minutes=30), timedelta(hours=1))


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def new() -> Alarm:
    return Alarm(AlertKind.DELAY, "S", 1, "L", Cause.RUN, "R", "DELAY/RUN/R/L")


def reading(on: int, keep: int | None = None, **values: object) -> Reading:
    return Reading(on, on if keep is None else keep, "R", "test", **values)  # type: ignore[arg-type]


class Told:
    """An alarm, and the states that it went through."""

    def __init__(self) -> None:
        self.alarm = new()
        self.states: list[AlertState | None] = []

    def read(self, minutes: float, on: int, keep: int | None = None, **values: object) -> None:
        machine.judge(self.alarm, reading(on, keep, **values), RULE, RULES, at(minutes))
        self._note()

    def wait(self, minutes: float) -> None:
        while self.alarm.due is not None and self.alarm.due <= at(minutes):
            machine.pass_time(self.alarm, RULE, RULES, self.alarm.due)
            self._note()

    def _note(self) -> None:
        if not self.states or self.states[-1] is not self.alarm.state:
            self.states.append(self.alarm.state)

    @property
    def state(self) -> tuple[AlertState | None, int]:
        return self.alarm.state, self.alarm.level


def test_what_is_likely_opens_only_when_it_has_lasted() -> None:
    told = Told()
    told.read(0, 1)
    assert told.alarm.state is AlertState.PENDING
    told.wait(29)
    assert told.alarm.state is AlertState.PENDING
    told.wait(30)
    assert told.state == (AlertState.OPEN, 1)


def test_what_passes_before_it_has_lasted_is_never_told() -> None:
    told = Told()
    told.read(0, 1)
    told.read(20, 0)
    told.wait(600)
    assert AlertState.OPEN not in told.states


def test_between_the_two_thresholds_nothing_changes() -> None:
    told = Told()
    told.read(0, 1, fact=True)
    told.read(10, 0, keep=1)
    told.wait(6000)
    assert told.state == (AlertState.OPEN, 1)


def test_a_fact_opens_at_once() -> None:
    told = Told()
    told.read(0, 2, fact=True)
    assert told.state == (AlertState.OPEN, 2)


def test_it_rises_at_once_and_falls_only_when_that_has_lasted() -> None:
    told = Told()
    told.read(0, 1, fact=True)
    told.read(1, 3)
    assert told.state == (AlertState.OPEN, 3)
    told.read(2, 1)
    assert told.state == (AlertState.CLEARING, 3)
    told.wait(61)
    assert told.state == (AlertState.CLEARING, 3)
    told.wait(62)
    assert told.state == (AlertState.OPEN, 1)


def test_what_holds_again_while_it_clears_was_never_over() -> None:
    told = Told()
    told.read(0, 1, fact=True)
    told.read(10, 0)
    told.read(20, 1)
    told.wait(6000)
    assert told.states == [AlertState.OPEN, AlertState.CLEARING, AlertState.OPEN]


def test_no_data_resolves_nothing() -> None:
    told = Told()
    told.read(0, 1, fact=True)
    told.read(10, 0, fresh=False)
    told.wait(100_000)
    assert told.state == (AlertState.OPEN, 1)
    assert told.alarm.stale


def test_what_was_clearing_when_it_was_heard_of_last_does_not_resolve() -> None:
    told = Told()
    told.read(0, 1, fact=True)
    told.read(10, 0)
    told.read(20, 0, fresh=False)
    told.wait(100_000)
    assert told.state == (AlertState.CLEARING, 1)


def test_the_end_of_the_leg_without_a_reason_resolves_at_once() -> None:
    told = Told()
    told.read(0, 2, fact=True)
    told.read(10, 0, final=True)
    assert told.alarm.state is AlertState.RESOLVED


def test_a_leg_that_ended_late_stands_for_a_while_and_is_over() -> None:
    told = Told()
    told.read(0, 2, fact=True, final=True)
    assert told.state == (AlertState.CLEARING, 2)
    told.wait(60)
    assert told.alarm.state is AlertState.RESOLVED


def test_what_lasts_gets_worse_by_time_alone() -> None:
    told = Told()
    told.read(0, 0, fact=True, ladder=(at(60), at(120), None))
    assert told.alarm.state is AlertState.PENDING
    told.wait(60)
    assert told.state == (AlertState.OPEN, 1)
    told.wait(120)
    assert told.state == (AlertState.OPEN, 2)
    assert told.alarm.due is None


def test_what_comes_and_goes_is_held_until_it_has_been_quiet() -> None:
    told = Told()
    for number in range(3):
        told.read(number * 100, 1, fact=True)
        told.read(number * 100 + 10, 0)
        told.wait(number * 100 + 80)
    assert told.alarm.flapping
    assert told.alarm.state is AlertState.CLEARING
    told.wait(210 + 24 * 60 - 1)
    assert told.alarm.state is AlertState.CLEARING
    told.wait(210 + 24 * 60)
    assert told.state == (AlertState.RESOLVED, 1)
    assert not told.alarm.flapping


steps = st.lists(
    st.tuples(
        st.integers(0, 600),
        st.integers(0, 3),
        st.integers(0, 3),
        st.booleans(),
        st.booleans(),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(steps)
def test_between_two_openings_there_is_always_an_end(
    steps: list[tuple[int, int, int, bool, bool]],
) -> None:
    told, now = Told(), 0
    for passed, on, keep, fact, fresh in steps:
        now += passed
        told.wait(now)
        told.read(now, on, max(on, keep), fact=fact, fresh=fresh)
    told.wait(now + 100_000)
    last: AlertState | None = None
    for state in told.states:
        if last is AlertState.RESOLVED or last is None:
            assert state is not AlertState.CLEARING
        if last in (AlertState.OPEN, AlertState.CLEARING):
            assert state in (AlertState.OPEN, AlertState.CLEARING, AlertState.RESOLVED)
        last = state


@settings(deadline=None)
@given(steps)
def test_whatever_is_read_time_comes_to_rest(
    steps: list[tuple[int, int, int, bool, bool]],
) -> None:
    told, now = Told(), 0
    for passed, on, keep, fact, fresh in steps:
        now += passed
        told.wait(now)
        told.read(now, on, max(on, keep), fact=fact, fresh=fresh)
        due = told.alarm.due
        assert due is None or due > at(now)
    told.wait(now + 100_000)
    assert told.alarm.due is None


@settings(deadline=None)
@given(steps, st.integers(0, 600))
def test_silence_never_lowers_what_stands(
    steps: list[tuple[int, int, int, bool, bool]], later: int
) -> None:
    told, now = Told(), 0
    for passed, on, keep, fact, fresh in steps:
        now += passed
        told.wait(now)
        told.read(now, on, max(on, keep), fact=fact, fresh=fresh)
    if not told.alarm.standing:
        return
    level = told.alarm.level
    told.read(now + later, 0, 0, fresh=False)
    told.wait(now + 100_000)
    assert told.alarm.standing
    assert told.alarm.level == level
