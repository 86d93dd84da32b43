"""What goes wrong between a fact and those who should know it.

Every wrong time is corrected in the end and every false statement retracted, so that whoever
resolves identities ends with the truth. Only `loss` takes something away for good.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from corridor.codes import Reject
from producers.simulator.chance import DAY, HOUR, lognormal
from producers.simulator.statements import MISTAKEN, SPOILED, Statement


@dataclass(frozen=True)
class Level:
    """Shares of statements, unless said otherwise."""

    sigma: float
    """Of the log of each party's delay in telling."""
    duplicate: float
    late: float
    wrong: float
    false: float
    malformed: float
    silence: float
    """Share of legs on which a device falls silent for a while."""
    late_plan: float
    """Share of new plans that are told only after the run has left."""


LEVELS: dict[str, Level] = {
    "none": Level(0, 0, 0, 0, 0, 0, 0, 0),
    "normal": Level(0.6, 0.01, 0.01, 0.006, 0.003, 0.002, 0.06, 0.02),
    "harsh": Level(1.0, 0.06, 0.06, 0.04, 0.02, 0.02, 0.3, 0.15),
}

FACTS = frozenset({"DEPARTED", "ARRIVED", "DISCHARGED", "GATED_IN"})
"""Codes that may be said by mistake, and taken back."""
TIMED = FACTS | {"LOADED", "GATED_OUT", "CUSTOMS_RELEASED"}
"""Codes whose time may be wrong at first."""
_FAR = 50 * 365.25 * DAY
_NOWHERE = "ZZZZZ"


class Told(NamedTuple):
    """A message."""

    available: float
    statement: Statement
    fault: Reject | None = None
    """Why it cannot be used, if it cannot."""


def messages(
    level: Level, loss: float, statement: Statement, delay: float, rng: Random
) -> Iterator[Told]:
    """What is heard of one statement, and when.

    Args:
        level: How bad it is.
        loss: Share of statements that are never heard.
        statement: The truth.
        delay: Median seconds in which the party tells.
        rng: Of the subject's tellers.
    """
    made = statement.time + lognormal(rng, delay, level.sigma)
    # drawn one after the other whatever happens, so that a rate changes nothing else
    chances = [rng.random() for _ in range(6)]
    lost, duplicate, late, wrong, false, malformed = chances
    available = made + lognormal(rng, delay / 4, level.sigma)
    if lost < loss:
        return
    if late < level.late:
        available += min(lognormal(rng, 9 * HOUR, 0.9), 4 * DAY)
    said = statement.but(updated=made)
    actual = statement.classifier == "ACTUAL"
    if actual and wrong < level.wrong and statement.code in TIMED:
        off = rng.choice((8.0, -8.0, rng.uniform(0.5, 12), -rng.uniform(0.5, 12)))
        yield Told(available, said.but(time=statement.time + off * HOUR))
        mended = made + rng.uniform(0.5, 30) * HOUR
        said = said.but(updated=mended)
        # now and then the correction overtakes what it corrects
        available = mended + delay / 4 if rng.random() < 0.9 else available - delay / 8
    if actual and false < level.false and statement.code in FACTS:
        yield from _taken_back(said, rng)
    yield Told(available, said)
    if duplicate < level.duplicate:
        yield Told(available + rng.expovariate(1 / (2 * HOUR)), said)
    if malformed < level.malformed:
        bad = _spoiled(said, rng)
        if bad is not None:
            yield Told(available + rng.uniform(0, 600), *bad)


def _taken_back(said: Statement, rng: Random) -> Iterator[Told]:
    """The same fact, told too early about the wrong unit or run, and retracted."""
    early = said.time - rng.uniform(1, 10) * HOUR
    made = early + rng.uniform(60, 600)
    mistake = said.but(name=f"{said.name}{MISTAKEN}", time=early, updated=made)
    yield Told(made + 60, mistake)
    # at the latest when it really happens, somebody sees that it had not
    mended = made + rng.uniform(0.1, 0.9) * (said.time - made)
    yield Told(mended + 60, mistake.but(updated=mended, retracted=True))


def _spoiled(said: Statement, rng: Random) -> tuple[Statement, Reject] | None:
    """A message that cannot be used, beside the good one."""
    bad = said.but(name=f"{said.name}{SPOILED}")
    faults: list[tuple[Statement, Reject]] = []
    if said.classifier == "ACTUAL":
        faults.append((bad.but(time=said.time + _FAR), Reject.FUTURE))
    if said.node_id is not None and said.mode != "RAIL":  # railways report from anywhere
        faults.append((bad.but(node_id=_NOWHERE), Reject.UNKNOWN_NODE))
    if said.latitude is not None:
        faults.append((bad.but(latitude=said.latitude + 180), Reject.IMPOSSIBLE_POSITION))
    if said.unit_id is not None and len(said.unit_id) == 11 and said.unit_id[3] == "U":
        digit = (int(said.unit_id[10]) + rng.randint(1, 9)) % 10
        faults.append((bad.but(unit_id=f"{said.unit_id[:10]}{digit}"), Reject.BAD_CHECK_DIGIT))
    return rng.choice(faults) if faults else None
