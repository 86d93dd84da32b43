"""kill -9 at seeded random points of a run."""

import random
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from bench.fresh_stack import FreshStack
from tests.support import wait_until

FIRST, LAST = 0.05, 0.9
LOOK_SECONDS = 0.1


class Kill(NamedTuple):
    """One process, killed when a share of all rows has landed."""

    share: float
    victim: str

    def __str__(self) -> str:
        return f"{self.victim} at {self.share:.1%}"


def plan(seed: int, victims: Iterable[str], times: int) -> list[Kill]:
    """Random points of progress, not of time: the same on a fast machine and on a slow one."""
    dice = random.Random(seed)
    return sorted(
        Kill(dice.uniform(FIRST, LAST), victim) for victim in victims for _ in range(times)
    )


def carry_out(
    kills: Iterable[Kill], stack: FreshStack, total: int, seconds: float
) -> Iterator[str]:
    """Kills each victim in its turn, though others may still be down; tells each death.

    Args:
        kills: In ascending order of their shares.
        stack: Runs, and is being filled.
        total: Rows that an undisturbed run ends with.
        seconds: How long the next kill may take to come due.
    """
    began = time.monotonic()
    landed = 0

    def due(share: float) -> bool:
        nonlocal landed
        rows = stack.rows()  # None while ClickHouse is down
        landed = max(landed, sum(rows.values())) if rows else landed
        return landed >= share * total

    def strike(victim: str) -> bool:
        process = stack.process(victim)  # None while it starts again after its last death
        if process is not None:
            process.kill()
        return process is not None

    for kill in kills:
        now, hit = partial(due, kill.share), partial(strike, kill.victim)
        wait_until(now, seconds, interval=LOOK_SECONDS, what=f"{kill} comes due")
        wait_until(hit, seconds, interval=LOOK_SECONDS, what=f"{kill.victim} is there to be killed")
        yield f"{time.monotonic() - began:5.1f} s: {kill} ({landed:,} rows landed)"
