"""One condition on one unit: OK, PENDING, OPEN, CLEARING, RESOLVED.

               holds                 for so long, or a fact
    OK ───────────────▶ PENDING ───────────────────────────▶ OPEN(level) ◀─┐
                            │ does not                           │ over    │ holds again
                            ▼                                    ▼         │
                           OK             RESOLVED ◀───────── CLEARING ────┘
                                                 for so long

It rises at once and falls only through CLEARING. Time is event time, and only what is read moves
it, with one exception: what has to last for a while is due at a time that is known (`due`). What
is not heard of any more is STALE: nothing about it falls.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from corridor.alerting.rules import LEVELS, Rule, Rules
from corridor.codes import AlertFlag, AlertKind, AlertState, Cause


class Reading(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How a condition stands, in numbers. Fields may be appended, never moved."""

    on: int
    """The highest level that may open; 0: none."""
    keep: int
    """The highest level that still holds: at least `on`."""
    rule: str
    caused_by: str
    fact: bool = False
    """It has happened: it opens at once."""
    final: bool = False
    """Nothing more will come of it: the leg has ended."""
    fresh: bool = True
    """Somebody is heard; if not, nothing falls."""
    since: datetime | None = None
    """When it began to hold."""
    ladder: tuple[datetime | None, ...] = ()
    """When each level is reached by time alone, if nothing else is read."""
    probability: float | None = None
    opens_at: float | None = None
    clears_at: float | None = None
    thresholds: tuple[float | None, ...] = ()
    """Per level."""
    value: float | None = None
    """What is held against them."""
    planned: datetime | None = None
    expected: datetime | None = None
    node_id: str | None = None
    evidence: str | None = None
    model_version: str | None = None

    def climbed(self, now: datetime) -> int:
        """The level that time alone has brought it to."""
        return max(
            (n for n, at in enumerate(self.ladder, 1) if at is not None and at <= now), default=0
        )

    def next_step(self, now: datetime) -> datetime | None:
        """When time alone brings it to another level."""
        return min((at for at in self.ladder if at is not None and at > now), default=None)


class Said(NamedTuple):
    """What was told of an alarm."""

    state: AlertState
    level: int
    flags: tuple[AlertFlag, ...]
    parent: str | None
    value: float | None


class Alarm(msgspec.Struct, array_like=True):
    """The state of one condition on one unit. Fields may be appended, never moved."""

    kind: AlertKind
    shipment_id: str
    sequence: int
    """The leg."""
    leg_id: str
    cause: Cause
    subject: str
    key: str
    """Of the incident that it belongs to."""
    state: AlertState | None = None
    level: int = 0
    turned: datetime | None = None
    """When it began to hold, or to be over: PENDING and CLEARING last from then on."""
    due: datetime | None = None
    """When time alone changes it."""
    falls_to: int = 0
    """CLEARING: the level that is left, if any."""
    openings: list[datetime] = []
    """When it opened lately."""
    flapping: bool = False
    stale: bool = False
    reading: Reading | None = None
    """The last one."""
    said: Said | None = None
    """As last told."""

    @property
    def standing(self) -> bool:
        """Whether there is something to tell of."""
        return self.state in (AlertState.OPEN, AlertState.CLEARING)

    @property
    def flags(self) -> tuple[AlertFlag, ...]:
        return (AlertFlag.STALE,) * self.stale + (AlertFlag.FLAPPING,) * self.flapping


def judge(alarm: Alarm, reading: Reading, rule: Rule, rules: Rules, now: datetime) -> None:
    """Takes a reading, at a time not before the last one."""
    alarm.reading = reading
    alarm.stale = not reading.fresh and (alarm.standing or alarm.state is AlertState.PENDING)
    _turn(alarm, rule, rules, now)


def pass_time(alarm: Alarm, rule: Rule, rules: Rules, now: datetime) -> None:
    """Lets it come to a time, with nothing read since."""
    if alarm.reading is not None:
        _turn(alarm, rule, rules, now)


def end(alarm: Alarm) -> None:
    """It concerns nobody any more, which is certain: it is over at once."""
    alarm.due = None
    if alarm.standing:
        alarm.state, alarm.turned = AlertState.RESOLVED, None
        alarm.flapping = alarm.stale = False
    elif alarm.state is AlertState.PENDING:
        alarm.state = alarm.turned = None


def _turn(alarm: Alarm, rule: Rule, rules: Rules, now: datetime) -> None:
    reading = alarm.reading
    assert reading is not None
    climbed = reading.climbed(now)
    fact = reading.fact or climbed > 0
    on, keep = max(reading.on, climbed), max(reading.keep, climbed)
    if not alarm.standing:
        _begin(alarm, on, keep, fact, rule, rules, now)
    elif on > alarm.level:
        alarm.level, alarm.state, alarm.turned = on, AlertState.OPEN, None
    if alarm.standing:
        _hold_or_clear(alarm, reading, keep, rule, rules, now)
    _set_due(alarm, reading, rule, rules, now)


def _begin(
    alarm: Alarm, on: int, keep: int, fact: bool, rule: Rule, rules: Rules, now: datetime
) -> None:
    pending = alarm.state is AlertState.PENDING
    reading = alarm.reading
    assert reading is not None
    waits = reading.next_step(now) is not None and not reading.final  # time alone may open it
    if keep == 0 and not waits:
        if pending:
            alarm.state = AlertState.RESOLVED if alarm.openings else None
        alarm.turned = None
        return
    if on == 0:
        alarm.turned = alarm.turned if keep else None
        alarm.state = AlertState.PENDING if waits or pending else alarm.state
        return
    if not pending or alarm.turned is None:
        alarm.turned = now
    if fact or now >= alarm.turned + rule.hold:
        alarm.state, alarm.level, alarm.turned = AlertState.OPEN, on, None
        recent = [at for at in alarm.openings if at > now - rules.flapping_within]
        alarm.openings = [*recent, now]
        alarm.flapping = len(alarm.openings) >= rules.flapping_opens
    else:
        alarm.state = AlertState.PENDING


def _hold_or_clear(
    alarm: Alarm, reading: Reading, keep: int, rule: Rule, rules: Rules, now: datetime
) -> None:
    if reading.final and keep == 0:
        end(alarm)
        return
    left = 0 if reading.final else keep
    if left >= alarm.level:
        alarm.state, alarm.turned = AlertState.OPEN, None
        return
    if alarm.stale:
        return  # no data resolves nothing
    if alarm.state is AlertState.OPEN:
        alarm.state, alarm.turned = AlertState.CLEARING, now
    alarm.falls_to = left
    assert alarm.turned is not None
    if now >= alarm.turned + _keep(alarm, rule, rules):
        alarm.turned = None
        if left:
            alarm.state, alarm.level = AlertState.OPEN, left
        else:
            alarm.state, alarm.flapping = AlertState.RESOLVED, False


def _keep(alarm: Alarm, rule: Rule, rules: Rules) -> timedelta:
    return max(rule.keep, rules.flapping_within) if alarm.flapping else rule.keep


def _set_due(alarm: Alarm, reading: Reading, rule: Rule, rules: Rules, now: datetime) -> None:
    dues = []
    step = reading.next_step(now)
    if step is not None and not reading.final:
        dues.append(step)
    if alarm.turned is not None:
        if alarm.state is AlertState.PENDING and reading.on:
            dues.append(alarm.turned + rule.hold)
        elif alarm.state is AlertState.CLEARING and not alarm.stale:
            dues.append(alarm.turned + _keep(alarm, rule, rules))
    alarm.due = min((due for due in dues if due > now), default=None)


def level_name(level: int) -> str:
    """MINOR, MAJOR or CRITICAL."""
    return LEVELS[level - 1]
