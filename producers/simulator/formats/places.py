"""How messages name our nodes."""

from functools import cache

from corridor.network import gazetteer


@cache
def locode(node_id: str) -> tuple[str, str | None]:
    """A UN/LOCODE and a facility there; one that is no part of another goes by its own id."""
    node = gazetteer.node(node_id)
    if node is None or node.place is None or not node_id.startswith(f"{node.place}-"):
        return node_id, None
    part = node_id.removeprefix(f"{node.place}-")
    return node.place, part if part in node.facilities else node_id


@cache
def airport(node_id: str) -> str:
    """The IATA code of an airport."""
    node = gazetteer.node(node_id)
    codes = node.codes if node is not None else ()
    return next((code for code in codes if len(code) == 3), node_id[2:5])


@cache
def zone(node_id: str) -> str:
    """The IANA time zone of a node."""
    node = gazetteer.node(node_id)
    return node.time_zone if node is not None else "UTC"
