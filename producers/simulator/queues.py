"""Queues at borders, locks and berths: one state each, that all runs share.

What waits there is kept as work: the time it would take to clear everything ahead of a newcomer.
Foreign traffic adds to it, closures add much at once, our own runs add theirs, and time takes it
away. So a run waits by what is ahead of it, and a bad week is bad for everybody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from corridor.codes import Mode
from producers.simulator.causes import Cause, Causes
from producers.simulator.chance import DAY, HOUR, pareto
from producers.simulator.policy import Waiting

SLOT = 6 * HOUR
"""Foreign traffic is drawn for so long at once."""
_SHAPE = 2.0


@dataclass
class Backlog:
    """How much work there is at a time."""

    time: float
    work: float
    next_slot: float


class Queue:
    """One place's queue."""

    def __init__(
        self,
        kind: str,
        node_id: str,
        policy: Waiting,
        rng: Random,
        begins: float,
        factor: Callable[[float], float],
        parent: Callable[[float], str | None],
    ) -> None:
        """Starts empty.

        Args:
            kind: The kind of cause that a long wait is.
            node_id: Where.
            policy: Its numbers.
            rng: Its own stream.
            begins: The world's first moment.
            factor: Season and regime: how much longer everything takes at a time.
            parent: The cause behind an incident that begins at a time, if there is one.
        """
        self.kind = kind
        self.node_id = node_id
        self._policy = policy
        self._rng = rng
        self._factor = factor
        self._parent = parent
        self._now = Backlog(begins, 0.0, begins)
        self._episode: Cause | None = None

    def enter(self, time: float, mode: Mode, causes: Causes) -> tuple[float, Cause | None]:
        """A run joins: how long it waits, and the incident that makes it, if it is one.

        Times must not go back from call to call.
        """
        self._advance(self._now, time, self._rng)
        wait = self._now.work
        self._now.work += self._policy.job_hours[mode] * HOUR * self._factor(time)
        return wait, self._judge(time, wait, causes)

    def handling(self, time: float) -> float:
        """Median seconds of what is done with a run once it is its turn."""
        return self._policy.handling_hours * HOUR * self._factor(time)

    def state(self, time: float) -> Backlog:
        """The queue as it is now, to look ahead from."""
        self._advance(self._now, time, self._rng)
        return Backlog(self._now.time, self._now.work, self._now.next_slot)

    def foresee(self, state: Backlog, time: float, rng: Random) -> float:
        """The wait at a later time, in one possible future."""
        future = Backlog(state.time, state.work, state.next_slot)
        self._advance(future, max(time, state.time), rng)
        return future.work

    def _judge(self, time: float, wait: float, causes: Causes) -> Cause | None:
        limit = self._policy.episode_hours * HOUR
        if self._episode is not None and wait < limit / 2:
            self._episode.ends = time
            self._episode = None
        elif self._episode is None and wait >= limit:
            name = f"{self.node_id}-{int(time)}"
            self._episode = causes.open(
                self.kind, self.node_id, time, name=name, parent=self._parent(time)
            )
        return self._episode

    def _advance(self, at: Backlog, time: float, rng: Random) -> None:
        while at.next_slot <= time:
            at.work = max(0.0, at.work - (at.next_slot - at.time)) + self._load(at.next_slot, rng)
            at.time = at.next_slot
            at.next_slot += SLOT
        at.work = max(0.0, at.work - (time - at.time))
        at.time = time

    def _load(self, time: float, rng: Random) -> float:
        """What comes in one slot, at its beginning."""
        policy = self._policy
        work = SLOT * policy.load * rng.gammavariate(_SHAPE, 1 / _SHAPE) * self._factor(time)
        if rng.random() < SLOT / (policy.closure_days * DAY):
            low, shape, high = policy.closure_hours
            work += pareto(rng, low, shape, high) * HOUR
        return work
