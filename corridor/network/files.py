"""The files that the geography is read from: ours, and those that a user adds.

TOML, with any of the tables `[[nodes]]`, `[[legs]]` and `[[corridors]]`; `docs/network.md` has the
format. An entry that cannot be read is a problem in words and is left out; the others are read.
"""

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from corridor.codes import Mode

Hours = tuple[float, float]
"""Median and 90th percentile."""


class NodeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of `[[nodes]]`; see `corridor.network.gazetteer.Node`."""

    id: str
    name: str
    kind: str
    time_zone: str
    position: tuple[float, float]
    country: str | None = None
    place: str | None = None
    inside_km: float | None = None
    approach_km: float | None = None
    gauges: tuple[int, ...] = ()
    gauge_change: bool = False
    codes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()


class LegEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of `[[legs]]`; see `corridor.network.corridors.Leg`."""

    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    mode: Mode
    km: float
    hours: Hours
    back_hours: Hours | None = None
    one_way: bool = False
    id: str | None = None
    gauge: int | None = None
    note: str = ""

    @property
    def key(self) -> tuple[frozenset[str], Mode]:
        """What it and its way back have in common."""
        return frozenset((self.start, self.end)), self.mode


class RouteEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of `[[corridors.routes]]`; see `corridor.network.corridors.Route`."""

    id: str
    title: str
    path: str
    back: str | None = None
    back_title: str | None = None
    dwell: dict[str, Hours] = {}


class CorridorEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of `[[corridors]]`; see `corridor.network.corridors.Corridor`."""

    id: str
    title: str
    note: str = ""
    dwell: dict[str, Hours] = {}
    routes: list[RouteEntry] = []


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with the geography."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass
class Entries:
    """What one or more files say."""

    nodes: list[NodeEntry] = field(default_factory=list)
    legs: list[LegEntry] = field(default_factory=list)
    corridors: list[CorridorEntry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def __add__(self, other: "Entries") -> "Entries":
        return Entries(
            self.nodes + other.nodes,
            self.legs + other.legs,
            self.corridors + other.corridors,
            self.problems + other.problems,
        )

    def replaced_by(self, other: "Entries") -> "Entries":
        """Both; what the other defines again counts instead of ours."""
        nodes = {node.id for node in other.nodes}
        legs = {leg.key for leg in other.legs}
        corridors = {corridor.id for corridor in other.corridors}
        kept = Entries(
            [node for node in self.nodes if node.id not in nodes],
            [leg for leg in self.legs if leg.key not in legs],
            [corridor for corridor in self.corridors if corridor.id not in corridors],
            self.problems,
        )
        return kept + other


T = TypeVar("T")

_added: list[Path] = []
_caches: list[Callable[[], None]] = []


def remembered(size: int | None) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Caches what follows from the files, until `use` changes them."""

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        cached = lru_cache(maxsize=size)(function)
        _caches.append(cached.cache_clear)
        return cached

    return decorate


def use(*paths: Path) -> None:
    """Adds a user's own files or folders to ours; to be called before anything is asked.

    What they define again, by id, replaces ours.

    Raises:
        OSError: one cannot be read.
        ValueError: one has entries that cannot be read.
    """
    for path in paths:
        faults = read(path).problems
        if faults:
            raise ValueError("; ".join(map(str, faults)))
    _added[:] = paths
    for clear in _caches:
        clear()


@remembered(None)
def known() -> Entries:
    """Ours, and what was added by `use`."""
    entries = ours()
    for path in _added:
        entries = entries.replaced_by(read(path))
    return entries


def ours() -> Entries:
    """What comes with the package."""
    folder = resources.files("corridor.network") / "data"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return _joined(parse(file.read_bytes(), file.name) for file in files)


def read(path: Path) -> Entries:
    """What a file says, or all `.toml` files of a folder.

    Raises:
        OSError: it cannot be read.
    """
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    return _joined(parse(file.read_bytes(), file.name) for file in files)


def parse(text: bytes, name: str) -> Entries:
    """What the text of a file says; never raises.

    Args:
        text: TOML.
        name: What the file is called in a problem.
    """
    entries = Entries()
    try:
        document = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:  # also not UTF-8
        entries.problems.append(Problem(name, f"is not TOML: {error}"))
        return entries
    known = {"nodes", "legs", "corridors"}
    entries.problems += [
        Problem(name, f"has a table {key!r}, which is none of nodes, legs, corridors")
        for key in document
        if key not in known
    ]
    entries.nodes += _table(document, "nodes", NodeEntry, name, entries.problems)
    entries.legs += _table(document, "legs", LegEntry, name, entries.problems)
    entries.corridors += _table(document, "corridors", CorridorEntry, name, entries.problems)
    return entries


def _joined(parts: Iterable[Entries]) -> Entries:
    return sum(parts, Entries())


def _table(
    document: dict[str, Any], key: str, kind: type[T], name: str, problems: list[Problem]
) -> list[T]:
    rows = document.get(key, [])
    if not isinstance(rows, list):
        problems.append(Problem(name, f"{key} must be tables: write [[{key}]]"))
        return []
    entries = []
    for number, row in enumerate(rows, 1):
        try:
            entries.append(msgspec.convert(row, kind))
        except msgspec.ValidationError as error:
            problems.append(Problem(f"{name}, {_called(key, row, number)}", str(error)))
    return entries


def _called(key: str, row: Any, number: int) -> str:
    """What a row that cannot be read is called: by its id where it has one."""
    singular = key[:-1]
    if isinstance(row, dict):
        if isinstance(row.get("id"), str):
            return f"{singular} {row['id']}"
        if key == "legs":
            return f"leg {row.get('from')}-{row.get('to')}.{row.get('mode')}"
    return f"{singular} number {number}"
