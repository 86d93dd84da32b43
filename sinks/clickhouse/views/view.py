"""What a view is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """One plain view; `select` names tables as `{database}.table`."""

    name: str
    about: str
    select: str
