"""What a party may see of an incident: what touches its own units, and nothing of others'."""

from collections.abc import Callable

from corridor.codes import AlertState, Level
from corridor.models import Affected, Handling, Incident, PartyShare, Why

LEVELS = tuple(Level)
"""Ascending."""


def rank(level: Level) -> int:
    """How bad a level is; the least is 0."""
    return LEVELS.index(level)


def concerns(incident: Incident, names: frozenset[str]) -> bool:
    """Whether it touches, or has touched, units of who has these names."""
    return any(share.party in names for share in incident.parties)


def seen(
    incident: Incident, party: str, names: frozenset[str], visible: Callable[[str], bool]
) -> Incident | None:
    """The incident as a party sees it; None: it does not concern the party.

    What is told of the whole (counts, the worst, the sentence, the reasons) is told of the party's
    own units. Of an incident that lists only a part of its units (`MOST_AFFECTED`), those of the
    party that are not listed are counted. Where none of its units is left, it is over for the
    party.

    Args:
        incident: A revision.
        party: The party's id: what it is called in what it sees.
        names: Its id and its other names.
        visible: Whether the party sees the incident with this `dedup_key`.
    """
    if not concerns(incident, names):
        return None
    own = tuple(unit for unit in incident.affected if not names.isdisjoint(unit.parties))
    shares = [share for share in incident.parties if share.party in names]
    alone = len(shares) == len(incident.parties) and len(own) == len(incident.affected)
    units, shipments = _counts(incident, own, shares)
    over = incident.state is AlertState.RESOLVED or units == 0
    changes: dict[str, object] = {
        "parties": (PartyShare(party=party, units=units, shipments=shipments),),
        "parent": incident.parent if incident.parent and visible(incident.parent) else None,
        "children": tuple(key for key in incident.children if visible(key)),
        "handling": _handling(incident, party, names),
        "unit_count": units,
        "shipment_count": shipments,
        "affected": tuple(_without_others(unit, party) for unit in own),
    }
    if over and incident.state is not AlertState.RESOLVED:
        changes |= {
            "state": AlertState.RESOLVED,
            "resolved_time": incident.as_of,
            "level": Level.MINOR,
            "flags": (),
        }
    if not alone:
        changes |= {
            "caused_by": "withheld",
            "why": _why(incident, own),
            "reason": _reason(incident, own, units, over=over),
        }
        if own:
            changes["level"] = max((unit.level for unit in own), key=rank)
    return incident.model_copy(update=changes)


def _counts(
    incident: Incident, own: tuple[Affected, ...], shares: list[PartyShare]
) -> tuple[int, int]:
    units = {unit.unit_id for unit in own}
    if len({unit.unit_id for unit in incident.affected}) >= incident.unit_count:
        return len(units), len({unit.shipment_id for unit in own})
    # two names of one party may share units: then the sum is too large, but not too small
    return (
        min(incident.unit_count, sum(share.units for share in shares)),
        min(incident.shipment_count, sum(share.shipments for share in shares)),
    )


def _without_others(unit: Affected, party: str) -> Affected:
    return unit.model_copy(update={"parties": (party,)})


def _handling(incident: Incident, party: str, names: frozenset[str]) -> tuple[Handling, ...]:
    """What its own people and the operator did; the operator's people have no names for it."""
    return tuple(
        handling if handling.party is not None else handling.model_copy(update={"by": "operator"})
        for handling in incident.handling
        if handling.party is None or handling.party in names or handling.party == party
    )


def _why(incident: Incident, own: tuple[Affected, ...]) -> Why:
    why = incident.why
    if own and own[0] == incident.affected[0]:
        return why  # it speaks of the worst unit, which is one of its own
    worst = own[0] if own else None
    same = worst is not None and worst.level is incident.level
    return Why(
        rule=why.rule,
        threshold_seconds=why.threshold_seconds if same else None,
        value_seconds=worst.delay_seconds if worst else None,
        expected_time=worst.expected_time if worst else None,
        node_id=incident.node_id,
        caused_by="withheld",
    )


def _reason(incident: Incident, own: tuple[Affected, ...], units: int, *, over: bool) -> str:
    what = str(incident.kind).replace("_", " ").lower()
    who = f"{str(incident.cause).capitalize()} {incident.subject}: {what}"
    if over:
        return f"{who} is over."
    level = max((unit.level for unit in own), key=rank) if own else incident.level
    return f"{who} ({level}, {units} of your units)."
