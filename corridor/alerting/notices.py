"""Which revisions of an incident are worth a message."""

from enum import StrEnum

from corridor.alerting import places
from corridor.alerting.rules import LEVELS
from corridor.alerting.watch import MATERIAL_SECONDS, MOVING
from corridor.codes import PLACES, AlertState
from corridor.models import Incident

MOVED_SHARE = 0.5
"""Told again when it is expected later by so much of what was told, and by its threshold."""


class Notice(StrEnum):
    """Why a message is worth it."""

    OPENED = "OPENED"
    WORSE = "WORSE"
    MOVED = "MOVED"
    RESOLVED = "RESOLVED"


def explains(parent: Incident | None, incident: Incident) -> bool:
    """Whether the incident that is named as another one's `parent` stands, and explains it.

    A place explains every delay (or cancellation) there while it is unusual; after that, those
    that it lists.
    """
    if parent is None or parent.state is AlertState.RESOLVED:
        return False
    if parent.kind not in places.KINDS or parent.cause not in PLACES:
        return True
    return parent.state is AlertState.OPEN or incident.dedup_key in parent.children


def explained_no_more(before: Incident, now: Incident) -> tuple[str, ...]:
    """The incidents that one has explained, and does not any more: they may be told now."""
    left = () if now.state is AlertState.RESOLVED else frozenset(now.children)
    return tuple(key for key in before.children if key not in left)


def notice(told: Incident | None, now: Incident, *, explained: bool = False) -> Notice | None:
    """Whether somebody who was last told `told` should hear of `now`, and why.

    What only corrects history is told nobody. What a standing incident explains (`explained`) is
    no message of its own, for those who hear of that one; the end of what was told always is.
    """
    if now.late:
        return None
    known = told is not None and told.state is not AlertState.RESOLVED
    if now.state is AlertState.RESOLVED:
        return Notice.RESOLVED if known else None
    if explained:
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
