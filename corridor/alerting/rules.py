"""The rules: when something is an alert, and how bad it is. Data, in `rules.yaml`.

`CORRIDOR_ALERT_RULES` names a file to take in the place of the packaged one.
"""

import re
from datetime import timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from corridor.codes import AlertKind, Level, Mode

LEVELS = tuple(Level)
"""Ascending; level 1 is the first, 0 is none."""

ANY = "ANY"

LEAST_SECONDS = 10.0
"""No span of a level is shorter: it would be a probability at the wrong place."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


class RulesError(Exception):
    """The rules cannot be used; one line for each fault."""


def _span(value: Any) -> Any:
    if isinstance(value, str):
        found = _SPAN.fullmatch(value.strip())
        if found is None:
            raise ValueError("a span is a number and s, m, h or d, like 15m")
        return timedelta(**{_UNITS[found[2]]: float(found[1])})
    if isinstance(value, int | float):
        raise ValueError("a span needs a unit, like 15m")
    return value


Span = Annotated[timedelta, BeforeValidator(_span)]
Share = Annotated[float, Field(ge=0, le=1)]
Thresholds = tuple[float | None, ...]
"""Per level: seconds, or a probability; None: never."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _by_level(value: Any) -> Any:
    """Spans as seconds; numbers, which are probabilities, as they are."""
    if not isinstance(value, dict):
        raise ValueError("levels are like {MINOR: 1h, MAJOR: 6h}")
    found: dict[str, Any] = {}
    for level, bound in value.items():
        seconds = _span(bound) if isinstance(bound, str) else bound
        found[level] = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    return found


_Levels = Annotated[dict[Level, Annotated[float, Field(ge=0)]], BeforeValidator(_by_level)]


class _Written(_Strict):
    """A rule as it is written, whole or in part."""

    levels: dict[Mode | Annotated[str, Field(pattern="^ANY$")], _Levels] = {}
    opens_at: Share | None = None
    clears_at: Share | None = None
    for_: Span | None = Field(None, alias="for")
    keep_firing_for: Span | None = None

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for mode, levels in self.levels.items():
            bounds = [levels[level] for level in LEVELS if level in levels]
            if bounds != sorted(bounds):
                raise ValueError(f"levels of {mode} must ascend")
        opens, clears = self.opens_at, self.clears_at
        if opens is not None and clears is not None and clears > opens:
            raise ValueError("clears_at must not be above opens_at")
        return self


class _Override(_Written):
    corridor_id: str | None = None
    party: str | None = None
    kind: AlertKind


class _Flapping(_Strict):
    opens: int = Field(ge=2)
    within: Span


class Places(_Strict):
    """When the delays at one place have one cause in common: the place."""

    runs: int = Field(ge=2)
    """So many runs at least,"""
    within: Span
    """that have begun to be late within so long;"""
    usual: Span
    """and far more than there usually were, in so long."""

    @model_validator(mode="after")
    def _longer(self) -> Self:
        if not timedelta() < self.within < self.usual:
            raise ValueError("usual must be longer than within, and within longer than nothing")
        return self


PLACES = Places(runs=3, within=timedelta(days=2), usual=timedelta(days=30))
"""Of rules that do not say it."""


class _File(_Strict):
    rules: dict[AlertKind, _Written]
    flapping: _Flapping
    places: Places = PLACES
    news: Span
    overrides: tuple[_Override, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = [kind for kind in AlertKind if kind not in self.rules]
        if missing:
            raise ValueError(f"no rule for {', '.join(missing)}")
        for kind, rule in self.rules.items():
            if not rule.levels:
                raise ValueError(f"{kind} has no levels")
        for kind, written in (*self.rules.items(), *((o.kind, o) for o in self.overrides)):
            bounds = [bound for levels in written.levels.values() for bound in levels.values()]
            if kind is AlertKind.MISSED_CONNECTION:
                if any(bound > 1 for bound in bounds):
                    raise ValueError(f"levels of {kind} are probabilities, like 0.5")
            elif any(0 < bound < LEAST_SECONDS for bound in bounds):
                raise ValueError(f"levels of {kind} are spans, like 15m")
        return self


class Rule(NamedTuple):
    """What holds for one kind, mode, corridor and set of parties."""

    name: str
    thresholds: Thresholds
    opens_at: float
    clears_at: float
    hold: timedelta
    """How long it has to hold before it opens."""
    keep: timedelta
    """How long it has to be over before it is resolved."""


class Rules:
    """All rules."""

    def __init__(self, written: _File) -> None:
        self._written = written
        self.flapping_opens = written.flapping.opens
        self.flapping_within = written.flapping.within
        self.places = written.places
        self.news = written.news
        self._known: dict[tuple[AlertKind, Mode | None, str, tuple[str, ...]], Rule] = {}
        self._parties = {over.party for over in written.overrides if over.party is not None}

    def rule(
        self,
        kind: AlertKind,
        mode: Mode | None,
        corridor_id: str = "",
        parties: tuple[str, ...] = (),
    ) -> Rule:
        """The rule for a unit: the general one, then what is excepted for its corridor and
        parties."""
        concerned = tuple(p for p in parties if p in self._parties) if self._parties else ()
        key = (kind, mode, corridor_id, concerned)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._resolve(*key)
        return found

    def _resolve(
        self, kind: AlertKind, mode: Mode | None, corridor_id: str, parties: tuple[str, ...]
    ) -> Rule:
        name = f"{kind}.{mode or ANY}"
        found: dict[str, Any] = {
            "opens_at": 0.5,
            "clears_at": 0.5,
            "for_": timedelta(),
            "keep_firing_for": timedelta(),
        }
        levels: dict[Level, float] = {}
        for rule in (self._written.rules[kind], *self._written.overrides):
            if isinstance(rule, _Override):
                if (
                    rule.kind is not kind
                    or rule.corridor_id not in (None, corridor_id)
                    or (rule.party is not None and rule.party not in parties)
                ):
                    continue
                name += f"@{rule.party or rule.corridor_id or ANY}"
            of_mode = None if mode is None else rule.levels.get(mode)
            levels = of_mode or rule.levels.get(ANY) or levels
            found |= {n: v for n in found if (v := getattr(rule, n)) is not None}
        return Rule(
            name,
            tuple(levels.get(level) for level in LEVELS),
            found["opens_at"],
            found["clears_at"],
            found["for_"],
            found["keep_firing_for"],
        )


def parse(text: str) -> Rules:
    """Rules from YAML.

    Raises:
        RulesError: with one line for each fault.
    """
    try:
        return Rules(_File.model_validate(yaml.safe_load(text)))
    except yaml.YAMLError as error:
        raise RulesError(str(error)) from None
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, fault['loc'])) or 'rules'}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise RulesError("\n".join(lines)) from None


def read(path: Path | None) -> Rules:
    """Rules from a file, or the packaged ones.

    Raises:
        RulesError: the file cannot be read, or used.
    """
    if path is None:
        return packaged()
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RulesError(f"{path}: {error.strerror}") from None
    except RulesError as error:
        raise RulesError(f"{path}: {error}") from None


@cache
def packaged() -> Rules:
    """The rules that come with the package."""
    return parse(resources.files("corridor.alerting").joinpath("rules.yaml").read_text("utf-8"))
