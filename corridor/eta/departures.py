"""How late runs have been leaving, and how late those are that should have left and have not.

Who has not left yet says more of the hour than who has: that nobody leaves a closed airport is no
news of anybody. So runs are counted from their planned departure on. The lateness of what was
planned lately, at time t, with h = exp(-(t - planned departure) / tau), is

    (sum h lateness of those that left + sum h (t - planned departure) of those that wait) / sum h

in scales (`Query.scale`), and each sum needs only itself to go on.
"""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec
import numpy as np

from corridor.eta import kernels
from corridor.eta.cells import Cells
from corridor.eta.component import Composite, Floats, encode
from corridor.eta.query import DAY, HOUR, Query
from corridor.eta.table import Table

PRIOR = 0.5
"""How late a run leaves of which nothing is known, scales."""
GROUPS = ("all", "from", "to", "carrier", "carrier-from")
"""Whose runs are looked at together."""
_PARENTS = np.array((-1, 0, 0, 0, 1))
_STRENGTH = 2.0
"""So many runs outweigh those of the parent."""
_MEMORIES = (45.0, 120.0)
"""How long a planned departure says something of others, minutes in the air."""
READ = 1 + len(_MEMORIES)
"""Numbers per group: how many wait, and the lateness by memory."""
_LATENESS_CUT = 30.0
"""Scales; whoever is later says nothing of others."""
_GIVE_UP = 8 * HOUR
"""Minutes in the air after which nobody waits for a departure any more: it was not told."""
_FADED = 10.0

_decode = msgspec.msgpack.Decoder(dict[str, Query]).decode


class Waiting:
    """The runs whose planned departure has passed. Only the learner needs them: no deltas."""

    def __init__(self) -> None:
        self.runs: OrderedDict[str, Query] = OrderedDict()

    def snapshot(self) -> bytes:
        return encode(self.runs)

    def load(self, data: bytes) -> None:
        self.runs = OrderedDict(_decode(data))

    def delta(self) -> None:
        return None

    def apply(self, data: bytes) -> None:
        raise ValueError("waiting runs are told by snapshots only")


class Departures(Composite):
    """Of one mode; see above."""

    def __init__(self, pace: float) -> None:
        """Starts with nothing.

        Args:
            pace: How much slower than in the air the state of the network changes.
        """
        self._left = Cells(
            (_MEMORIES[0] * pace, 4 * HOUR * pace, 30 * DAY),
            (-1, 0, 0, 0),
            (10, 2, 2, 2),
            (PRIOR, PRIOR, PRIOR),
        )
        self._rates: Floats = 1 / (np.array(_MEMORIES) * pace)
        self._planned = Table(1 + 5 * len(_MEMORIES), _FADED * max(_MEMORIES) * pace)
        self._waiting = Waiting()
        self._give_up = _GIVE_UP * pace
        super().__init__({"left": self._left, "planned": self._planned, "waiting": self._waiting})

    def late(self, query: Query, now: float) -> tuple[Floats, Floats]:
        """How late runs have left: means and weights, each (all, from, to, leg) x (now, lately,
        usually), in scales.
        """
        return self._left.read(query.places(), now)

    def lateness(self, query: Query, now: float) -> Floats:
        """(groups, `READ`): how many runs wait, and how late what was planned lately is."""
        found: Floats = np.empty((len(GROUPS), READ))
        places = self._planned.find(_keys(query))
        kernels.lateness(
            self._planned.rows, places, _PARENTS, _STRENGTH, PRIOR, self._rates, now, found
        )
        return found

    def due(self, run: str, query: Query, now: float) -> None:
        """Notes that the planned departure of a run has passed, and it has not left."""
        if run in self._waiting.runs:
            return
        self._waiting.runs[run] = query.lasting()
        self._count(query, now, waiting=1.0)
        while self._waiting.runs:
            oldest, waiting = next(iter(self._waiting.runs.items()))
            if waiting.departure > now - self._give_up:
                break
            self.ended(oldest, now)

    def left(self, run: str, query: Query, now: float) -> None:
        """Takes a run that has left `query.delay` late."""
        self.ended(run, now)
        late = query.delay / query.scale
        self._left.add(query.places(), np.full(3, late), now)
        self._count(query, now, late=min(late, _LATENESS_CUT))

    def ended(self, run: str, now: float) -> None:
        """Notes that nobody waits for a run any more."""
        waiting = self._waiting.runs.pop(run, None)
        if waiting is not None:
            self._count(waiting, now, waiting=-1.0)

    def _count(self, query: Query, now: float, waiting: float = 0.0, late: float = 0.0) -> None:
        places = self._planned.claim(_keys(query), now)
        kernels.count_departure(
            self._planned.rows,
            places,
            self._rates,
            query.departure,
            query.scale,
            waiting,
            late,
            now,
        )


def _keys(query: Query) -> Sequence[str]:
    carrier = query.carrier_id or ""
    return (
        "",
        f"from {query.from_node}",
        f"to {query.to_node}",
        f"carrier {carrier}",
        f"carrier-from {carrier} {query.from_node}",
    )
