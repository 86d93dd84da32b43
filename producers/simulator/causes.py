"""Why things are late: the true causes, with all that each of them delays."""

from collections.abc import Iterator
from dataclasses import dataclass, field

MATTERS = 600
"""Seconds below which a delay is not worth a cause."""


@dataclass
class Cause:
    """One thing that went wrong; what it delays grows while the world goes on."""

    cause_id: str
    kind: str
    where: str
    """A node, a leg, or an area."""
    begins: float
    ends: float | None = None
    parent: str | None = None
    """The cause that led to this one."""
    runs: dict[tuple[str, str], int] = field(default_factory=dict)
    """Seconds that it delays each run, by (run_id, leg_id)."""
    units: dict[tuple[str, str], int] = field(default_factory=dict)
    """Seconds that it delays each unit on a leg, by (unit_id, leg_id); not those of its run."""


class Causes:
    """All causes so far, by id."""

    def __init__(self) -> None:
        self._known: dict[str, Cause] = {}

    def open(
        self,
        kind: str,
        where: str,
        begins: float,
        *,
        name: str = "",
        ends: float | None = None,
        parent: str | None = None,
    ) -> Cause:
        """The cause of this kind and name; a new one the first time."""
        cause_id = f"{kind}/{name or where}"
        cause = self._known.get(cause_id)
        if cause is None:
            cause = self._known[cause_id] = Cause(cause_id, kind, where, begins, ends, parent)
        return cause

    def __getitem__(self, cause_id: str) -> Cause:
        return self._known[cause_id]

    def __iter__(self) -> Iterator[Cause]:
        return iter(self._known.values())
