"""When a subscriber is told: few messages, none about what it knows already, none in its night.

Pure: `due` looks at what stands now and at what was told last, and says when there is something to
tell. So it does not matter how often it is asked, nor what happened in between.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from corridor.alerting.notices import moved
from corridor.codes import AlertState, Level, Order
from corridor.models import Incident, QuietHours, Subscription
from sinks.subscribers.sight import rank


class Told(msgspec.Struct, array_like=True, frozen=True):
    """What a subscriber was told of an incident last. Fields may be appended, never moved."""

    revision: int
    over: bool
    level: Level
    value: float | None
    """Seconds, of the worst unit."""
    time: float
    """Unix seconds."""
    reminder: int = 0
    """How often this revision was told before: what stands is told again."""


def told(incident: Incident, before: Told | None, now: datetime) -> Told:
    """What there is to remember once this has been told.

    Args:
        incident: As the subscriber saw it.
        before: What it was told before that.
        now: When it was told.
    """
    again = before is not None and before.revision == incident.revision
    return Told(
        revision=incident.revision,
        over=incident.state is AlertState.RESOLVED,
        level=incident.level,
        value=incident.why.value_seconds,
        time=now.timestamp(),
        reminder=before.reminder + 1 if before is not None and again else 0,
    )


def due(
    subscription: Subscription,
    incident: Incident | None,
    before: Told | None,
    now: datetime,
    *,
    news: int,
    explained: bool = False,
) -> datetime | None:
    """When to tell; not after `now`: at once; None: not before something changes.

    Args:
        subscription: Whom.
        incident: The newest revision, as `matching.meant` has it.
        before: What it was told last; None: nothing.
        now: The time.
        news: The newest revision that is not merely a correction of history (`late`).
        explained: The subscriber hears of the incident that explains this one.
    """
    was_told = before is not None and not before.over
    over = incident is None or incident.state is AlertState.RESOLVED
    if over and not was_told:
        return None  # it was over before there was a reason to tell
    if incident is not None and before is not None and incident.revision < before.revision:
        return None  # from before a restart; what was told is newer
    if incident is None:
        return None
    if before is None or before.over:
        if news <= (before.revision if before else 0) or explained:
            return None
        if incident.state is not AlertState.OPEN:
            return None  # it is going away already
        at = now
    elif over:
        at = _later(before, subscription.group_seconds)
    elif explained:
        return None
    elif (
        incident.revision > before.revision
        and news > before.revision
        and (_material(incident, before))
    ):
        at = _later(before, subscription.group_seconds)
    elif subscription.repeat_seconds and not _held(incident, Order.ACK, now):
        at = _later(before, max(subscription.repeat_seconds, subscription.group_seconds))
    else:
        return None
    at = max(at, now)
    if (silence := _silence_ends(incident, at)) is not None:
        if silence == _NEVER:
            return None
        at = silence
    level = max(incident.level, before.level if was_told and before else incident.level, key=rank)
    if subscription.quiet_hours is not None and level is not Level.CRITICAL:
        at = loud_from(subscription.quiet_hours, at)
    return at


def _later(before: Told, seconds: float) -> datetime:
    return datetime.fromtimestamp(before.time, UTC) + timedelta(seconds=min(seconds, _MOST_SECONDS))


_MOST_SECONDS = 366 * 86_400.0
_NEVER = datetime.max.replace(tzinfo=UTC)


def _material(incident: Incident, before: Told) -> bool:
    """What `alerting.notices` calls worth a message, of what stands and was told."""
    return rank(incident.level) > rank(before.level) or moved(before.value, incident)


def _held(incident: Incident, order: Order, at: datetime) -> bool:
    return any(
        one.order is order and (one.until is None or one.until > at) for one in incident.handling
    )


def _silence_ends(incident: Incident, at: datetime) -> datetime | None:
    """None: nobody has silenced it. One without an end ends with the incident."""
    over = incident.state is AlertState.RESOLVED
    ends = [
        one.until or _NEVER
        for one in incident.handling
        if one.order is Order.SILENCE and (one.until is None or one.until > at)
    ]
    ends = [end for end in ends if not (over and end == _NEVER)]
    return max(ends, default=None)


def loud_from(quiet: QuietHours, at: datetime) -> datetime:
    """The first time, from `at` on, that is not within the quiet hours."""
    local = at.astimezone(ZoneInfo(quiet.time_zone))
    begins, ends, clock = (_minutes(quiet.begins), _minutes(quiet.ends), _of_day(local))
    if begins == ends:
        return at
    within = begins <= clock < ends if begins < ends else clock >= begins or clock < ends
    if not within:
        return at
    day = local if clock < ends else local + timedelta(days=1)
    return day.replace(hour=ends // 60, minute=ends % 60, second=0, microsecond=0).astimezone(UTC)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _of_day(time: datetime) -> int:
    return time.hour * 60 + time.minute
