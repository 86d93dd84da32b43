"""Which revisions of an incident are worth a message."""

from enum import StrEnum

from corridor.alerting.rules import LEVELS
from corridor.alerting.watch import MATERIAL_SECONDS, MOVING
from corridor.codes import AlertState
from corridor.models import Incident

MOVED_SHARE = 0.5
"""Told again when it is expected later by so much of what was told, and by its threshold."""


class Notice(StrEnum):
    """Why a message is worth it."""

    OPENED = "OPENED"
    WORSE = "WORSE"
    MOVED = "MOVED"
    RESOLVED = "RESOLVED"


def notice(told: Incident | None, now: Incident) -> Notice | None:
    """Whether somebody who was last told `told` should hear of `now`, and why.

    What only corrects history is told nobody. What a standing incident explains is no message of
    its own, for those who hear of that one; the end of what was told always is.
    """
    if now.late:
        return None
    known = told is not None and told.state is not AlertState.RESOLVED
    if now.state is AlertState.RESOLVED:
        return Notice.RESOLVED if known else None
    if now.parent is not None:
        return None
    if told is None or not known:
        return Notice.OPENED if now.state is AlertState.OPEN else None
    if LEVELS.index(now.level) > LEVELS.index(told.level):
        return Notice.WORSE
    return Notice.MOVED if moved(told.why.value_seconds, now) else None


def moved(before: float | None, now: Incident) -> bool:
    """Whether it is so much later than the seconds that were told that it is worth a message."""
    value = now.why.value_seconds
    if before is None or value is None or now.kind not in MOVING:
        return False
    least = max(now.why.threshold_seconds or MATERIAL_SECONDS, MOVED_SHARE * abs(before))
    return value - before > least
