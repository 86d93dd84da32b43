"""The way of a leg, as far as its ends are known: what positions are measured along."""

from functools import lru_cache

from corridor.codes import Mode
from corridor.eta.progress import Path, path
from corridor.network import corridors
from corridor.network.gazetteer import node
from corridor.tracking.unit import PlannedLeg


def way_of(leg: PlannedLeg) -> Path | None:
    """None where the gazetteer does not have one of its ends."""
    planned = (leg.planned_arrival - leg.planned_departure).total_seconds() / 60
    return _way(leg.mode, leg.leg_id, leg.from_node, leg.to_node, round(planned))


@lru_cache(maxsize=10_000)
def _way(mode: Mode, leg_id: str, from_node: str, to_node: str, planned: int) -> Path | None:
    origin, destination = node(from_node), node(to_node)
    if origin is None or destination is None:
        return None
    declared = corridors.leg(leg_id)
    return path(
        mode,
        (origin.latitude, origin.longitude),
        (destination.latitude, destination.longitude),
        length_km=None if declared is None else declared.distance_km,
        minutes=planned,
    )
