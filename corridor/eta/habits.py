"""What is learned beside how long runs take: stays at nodes, the services that leave there, what
the word of others is worth, and how often they speak.

The learner alone changes it. Times are minutes since 1970.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from corridor.codes import Mode
from corridor.eta import dwell, experts, services, signal
from corridor.eta.distribution import Quantiles
from corridor.eta.downstream import Slot
from corridor.eta.dwell import Dwells, Visit
from corridor.eta.experts import Combined, Pool, Statement
from corridor.eta.services import Services
from corridor.eta.signal import Kind, Rhythm


class State(msgspec.Struct, array_like=True):
    """All of it, or what has changed of it. Fields may be appended, never moved."""

    dwells: Dwells
    services: Services
    pool: Pool
    rhythms: dict[str, Rhythm]


_T = TypeVar("_T")
_APART = "\n"
"""Between a service and its leg, both of which may hold anything else."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode
_decode_all = msgspec.msgpack.Decoder(tuple[State, State]).decode


class Habits:
    """See above."""

    def __init__(self) -> None:
        self._state = State(Dwells({}), Services({}), Pool({}), {})
        self._changed = State(Dwells({}), Services({}), Pool({}), {})
        self._on_leg: dict[str, dict[str, None]] = {}
        """Names of the services of each leg, in the order in which they came; of no state of its
        own."""
        self.changes = 0
        """Answers are good while it stays the same."""

    # what is learned -----------------------------------------------------------------------------

    def planned(
        self,
        service_id: str,
        leg_id: str,
        departure: float,
        cutoff: float | None,
        run: str,
        at: float,
    ) -> None:
        """Takes in that a run of a service is planned on a leg."""
        state, name = self._state.services, f"{service_id}{_APART}{leg_id}"
        self._on_leg.setdefault(leg_id, {})[name] = None
        if services.plan(state, name, departure, cutoff, run, at):
            self.changes += 1
            self._changed.services.services[name] = state.services[name]

    def stayed(self, visit: Visit, low: float, high: float, at: float) -> None:
        """Takes in a stay; see `dwell.learn`."""
        self.changes += 1
        cells = self._state.dwells.cells
        dwell.learn(self._state.dwells, visit, low, high, at)
        self._changed.dwells.cells |= {key: cells[key] for key in visit.cells() if key in cells}

    def told(self, mode: Mode, stated: Iterable[Statement], arrival: float) -> None:
        """Takes what was said of a leg, now that the arrival is known."""
        self.changes += 1
        pool = self._state.pool
        for said in stated:
            experts.learn(pool, mode, (said,), arrival)
            for key in experts.keys(said.source, mode, said.lead):
                self._changed.pool.experts[key] = pool.experts[key]

    def silent(self, gaps: Iterable[tuple[str, Kind, float]]) -> None:
        """Takes for how long sources were silent."""
        self.changes += 1
        for source, kind, gap in gaps:
            rhythm = self._state.rhythms.get(source)
            if rhythm is None:
                rhythm = self._state.rhythms[source] = signal.rhythm(kind)
            signal.learn(rhythm, gap)
            self._changed.rhythms[source] = rhythm

    # what it is good for -------------------------------------------------------------------------

    def dwell(self, visit: Visit) -> Quantiles:
        """Minutes from an arrival until it could go on."""
        return dwell.dwell(self._state.dwells, visit)

    def following(self, leg_id: str, after: float) -> tuple[Slot, ...] | None:
        """The next departures of any service on a leg; None if nobody knows."""
        known = self._state.services.services
        return services.following((known[name] for name in self._on_leg.get(leg_id, ())), after)

    def combined(
        self, mode: Mode, quantiles: Quantiles, stated: Iterable[Statement], now: float
    ) -> Combined:
        """Quantiles, minutes from `now`, after hearing what others say."""
        return experts.combine(self._state.pool, mode, quantiles, stated, now)

    def rhythm(self, source: str, kind: Kind) -> Rhythm:
        """How often a source speaks."""
        return self._state.rhythms.get(source) or signal.rhythm(kind)

    # state ---------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything, including what the next delta will say."""
        return _encode((self._state, self._changed))

    def load(self, snapshot: bytes) -> None:
        """Goes on from a snapshot."""
        state, changed = self._state, self._changed = _decode_all(snapshot)
        # what the next delta says is what will be known by then, as it was before the snapshot
        _share(changed.dwells.cells, state.dwells.cells)
        _share(changed.services.services, state.services.services)
        _share(changed.pool.experts, state.pool.experts)
        _share(changed.rhythms, state.rhythms)
        self._on_leg = {}
        self._index(state.services)
        self.changes += 1

    def delta(self) -> bytes | None:
        """What has changed since the last call; None: nothing."""
        changed = self._changed
        if not (
            changed.dwells.cells
            or changed.services.services
            or changed.pool.experts
            or changed.rhythms
        ):
            return None
        self._changed = State(Dwells({}), Services({}), Pool({}), {})
        return _encode(changed)

    def apply(self, delta: bytes) -> None:
        """Takes a delta; twice is as good as once."""
        self.changes += 1
        new = _decode(delta)
        self._state.dwells.cells |= new.dwells.cells
        self._state.services.services |= new.services.services
        self._state.pool.experts |= new.pool.experts
        self._state.rhythms |= new.rhythms
        self._index(new.services)

    def _index(self, found: Services) -> None:
        for name in found.services:
            self._on_leg.setdefault(name.partition(_APART)[2], {})[name] = None


def _share(changed: dict[str, _T], known: dict[str, _T]) -> None:
    changed.update((key, known[key]) for key in changed.keys() & known.keys())
