"""Whether the place is at fault: far more runs than usual have begun to be late there.

What is usual is learned from the place's own signals, in event time: how many runs begin to be
late there, as a mean that fades. So where some are always late, that alone is no incident. While
an incident stands nothing is learned, for as long as the mean looks back: what is unusual becomes
usual only by lasting. Of a place that was first heard of lately nobody knows what is usual: it has
no incident yet.

OPEN: it is unusual, and who is late there is so because of the place. CLEARING: it is not any
more, but some of those are still late. RESOLVED: fewer than two are.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import exp, sqrt

import msgspec

from corridor.alerting.rules import Places
from corridor.codes import AlertKind, AlertState

KINDS = frozenset({AlertKind.DELAY, AlertKind.CANCELLED})
"""What many runs have at once by one place: a queue, a strike, snow."""
Z = 3.0
"""Unusual: so many standard deviations beyond the usual, as chance alone makes them."""
LEAST = 2
"""Fewer runs have nothing in common."""
KNOWN_AFTER = timedelta(days=7)
"""From so long after a place was first heard of, it is known what is usual there."""


class LateRun(msgspec.Struct, array_like=True):
    """A run that is late by a place, or was lately. Fields may be appended, never moved."""

    began: datetime
    members: dict[str, None] = {}
    """Of the incident: its units there, also those that are over."""
    tally: dict[str, int] = {}
    """How many of them have each state and level that stands."""
    explained: bool = False
    """By the incident that stands, or stood last."""
    learned: bool = False
    """Counted for what is usual, which lately does not belong to."""


class Place(msgspec.Struct, array_like=True):
    """What is known of a place. Fields may be appended, never moved."""

    runs: dict[str, LateRun] = {}
    """By the `dedup_key` of the incident of each."""
    begun: float = 0.0
    """How many runs began to be late here, those of long ago faded;"""
    seconds: float = 0.0
    """in how long a time, faded alike."""
    first: datetime | None = None
    """When it was first heard of."""
    as_of: datetime | None = None
    """How far time has come here."""
    since: datetime | None = None
    """When the incident began that stands."""

    def late(self) -> Iterator[tuple[str, LateRun]]:
        """The runs that are late now because of the place."""
        return ((key, run) for key, run in self.runs.items() if run.explained and run.tally)


def usual(place: Place, rules: Places) -> float:
    """How many runs begin to be late here within the rules' time, as a rule."""
    if not place.seconds:
        return 0.0
    return place.begun * rules.within.total_seconds() / place.seconds


def lately(place: Place, rules: Places) -> int:
    """How many have begun to be late, as of now."""
    assert place.as_of is not None
    since = place.as_of - rules.within
    return sum(run.began > since for run in place.runs.values())


def pass_time(place: Place, now: datetime, rules: Places) -> None:
    """Lets the place come to a time; one that is past already changes nothing."""
    before = place.as_of
    if before is None or now <= before:
        place.as_of = before or now
        place.first = place.first or now
        return
    place.as_of = now
    if place.since is not None:
        before = max(before, min(now, place.since + rules.usual))
    span = rules.usual.total_seconds()
    kept = exp(-(now - before).total_seconds() / span)
    place.begun *= kept
    place.seconds = place.seconds * kept + span * (1 - kept)
    for run in place.runs.values():
        if not run.learned and run.began <= now - rules.within:
            run.learned = True
            place.begun += place.since is None or now >= place.since + rules.usual


def begin(place: Place, key: str, time: datetime, rules: Places) -> LateRun:
    """The run with this key, which is late by the place from this time on, or was already."""
    assert place.as_of is not None
    run = place.runs.get(key)
    if run is None or not (run.tally or run.began > place.as_of - rules.within):
        run = place.runs[key] = LateRun(time, {} if run is None else run.members)
    return run


def judge(place: Place, state: AlertState | None, rules: Places) -> AlertState | None:
    """The state that its incident comes to, from the one that it had; who is explained by it."""
    assert place.as_of is not None
    assert place.first is not None
    found, common = lately(place, rules), usual(place, rules)
    known = place.as_of >= place.first + KNOWN_AFTER
    if known and found >= max(rules.runs, common + Z * sqrt(common)):
        state = AlertState.OPEN
    elif state is AlertState.OPEN and (found < LEAST or found <= common):
        state = AlertState.CLEARING
    if state is AlertState.OPEN:
        place.since = place.since or place.as_of
        for run in place.runs.values():
            run.explained = run.explained or run.began > place.as_of - rules.within
    if state is AlertState.CLEARING and sum(1 for _ in place.late()) < LEAST:
        state = AlertState.RESOLVED
    if state is not AlertState.OPEN and state is not AlertState.CLEARING:
        place.since = None
        for run in place.runs.values():
            run.explained = False
    return state


def next_look(place: Place, state: AlertState | None, rules: Places) -> datetime | None:
    """When time alone may change its incident."""
    if state is not AlertState.OPEN or place.as_of is None:
        return None
    ends = (run.began + rules.within for run in place.runs.values())
    return min((end for end in ends if end > place.as_of), default=None)


def close(place: Place) -> None:
    """Ends what stands: nobody is late any more, or was lately."""
    place.since = None
    for run in place.runs.values():
        run.began, run.tally = datetime.min.replace(tzinfo=UTC), {}
        run.explained, run.learned = False, True


def forgotten(place: Place, rules: Places) -> list[str]:
    """Lets go of the runs that are over, and not of late; their members."""
    assert place.as_of is not None
    since = place.as_of - rules.within
    gone = [key for key, run in place.runs.items() if not run.tally and run.began <= since]
    return [member for key in gone for member in place.runs.pop(key).members]
