"""Which incidents a subscription is about."""

from collections.abc import Iterable

from corridor.codes import AlertState, Level
from corridor.models import Affected, Filters, Incident, Override, Subscription
from sinks.subscribers.sight import rank


def meant(subscription: Subscription, incident: Incident, *, told: bool) -> Incident | None:
    """The incident for a subscription; None: it is not about it.

    Whoever was told of an incident that is not meant any more (its units have left it, it is not
    bad enough) hears that it is over.

    Args:
        subscription: Which.
        incident: As its party sees it.
        told: The subscriber was told that it stands.
    """
    judgement = judged(subscription.overrides, incident)
    if judgement is not None and fits(subscription.filters, judgement):
        return judgement
    if not told:
        return None
    return incident.model_copy(
        update={
            "state": AlertState.RESOLVED,
            "resolved_time": incident.resolved_time or incident.as_of,
            "affected": (),
        }
    )


def fits(filters: Filters, incident: Incident) -> bool:
    """Whether an incident, as its reader sees it, is meant.

    One that is over lists no units and has no level any more: only what it still says is judged.
    """
    if not (
        _has(filters.kinds, [incident.kind]) and _has(filters.corridor_ids, [incident.corridor_id])
    ):
        return False
    if not _has(filters.node_ids, [incident.node_id, incident.why.node_id]):
        return False
    if incident.state is AlertState.RESOLVED and not incident.affected:
        return True
    legs = [incident.leg_id, *(unit.leg_id for unit in incident.affected)]
    return (
        _has(filters.leg_ids, legs)
        and _has(filters.unit_ids, (unit.unit_id for unit in incident.affected))
        and _has(filters.shipment_ids, (unit.shipment_id for unit in incident.affected))
        and rank(incident.level) >= rank(filters.level)
    )


def _has(wanted: Iterable[object], values: Iterable[object]) -> bool:
    wanted = set(wanted)
    return not wanted or not wanted.isdisjoint(values)


def judged(overrides: Iterable[Override], incident: Incident) -> Incident | None:
    """The incident by what a subscriber calls bad enough; None: nothing in it is.

    An override moves the levels of what the rules have opened. What they have not opened, it
    cannot open.
    """
    override = next(
        (
            one
            for one in overrides
            if one.kind is incident.kind and one.mode in (None, incident.mode)
        ),
        None,
    )
    if override is None or not incident.affected:
        return incident
    left = tuple(
        unit.model_copy(update={"level": level})
        for unit in incident.affected
        if (level := _level(override, unit)) is not None
    )
    if not left:
        return None
    worst = max((unit.level for unit in left), key=rank)
    return incident.model_copy(update={"affected": left, "level": worst})


def _level(override: Override, unit: Affected) -> Level | None:
    value = unit.delay_seconds
    if value is None:
        return unit.level
    level = unit.level
    if override.critical_seconds is not None:
        if value >= override.critical_seconds:
            return Level.CRITICAL
        level = min(level, Level.MAJOR, key=rank)
    if override.major_seconds is not None:
        if value >= override.major_seconds:
            return max(level, Level.MAJOR, key=rank)
        level = Level.MINOR
    if override.minor_seconds is not None and value < override.minor_seconds:
        return None
    return level
