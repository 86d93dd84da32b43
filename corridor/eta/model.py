"""All that is learned of how long runs take: one predictor per mode and horizon.

The learner alone changes a model: `departed`, `ask` and `arrived`. Whoever predicts has read a
snapshot and the deltas after it; see `corridor.eta.component`.
"""

from collections import OrderedDict
from datetime import datetime
from hashlib import blake2b

import msgspec

from corridor.codes import Mode
from corridor.eta.component import Composite, Family, encode
from corridor.eta.departures import Departures
from corridor.eta.distribution import Quantiles
from corridor.eta.habits import Habits
from corridor.eta.predictor import PACE, Facts, Predictor
from corridor.eta.query import Horizon, Query

NAME = "online-5"
"""Changes with the shape of what is learned: no model is made of another one's snapshot."""
MOST_OPEN = 200_000
"""Runs whose outcome is awaited; beyond, the oldest are given up."""
MOST_FACTS = 8
"""Predictions of one run that teach, apart from that at its departure."""
_INSTEAD = {
    Horizon.AHEAD: (Horizon.AHEAD, Horizon.TODAY, Horizon.SOON),
    Horizon.TODAY: (Horizon.TODAY, Horizon.SOON, Horizon.AHEAD),
    Horizon.SOON: (Horizon.SOON, Horizon.TODAY, Horizon.AHEAD),
    Horizon.OVERDUE: (Horizon.OVERDUE, Horizon.SOON, Horizon.TODAY, Horizon.AHEAD),
    Horizon.UNDER_WAY: (Horizon.UNDER_WAY,),
}
"""Who is asked, in this order, until somebody has learned something."""


class OtherModel(ValueError):
    """What was read is the state of another kind of model."""


class State(msgspec.Struct, array_like=True, frozen=True):
    """A snapshot or a delta, as it is written."""

    name: str
    learned: int
    learned_until: datetime | None
    parts: bytes


decode = msgspec.msgpack.Decoder(State).decode
"""Whoever wants to know only how far a snapshot or a delta has come."""


class Model(Composite):
    """See above. Times are minutes since 1970."""

    def __init__(self) -> None:
        self._predictors = Family(_predictor)
        self._departures = Family(_departures)
        self._open = Open()
        self.habits = Habits()
        # whatever else is learned: one more line, and it is published and restored
        super().__init__(
            {
                "predictors": self._predictors,
                "departures": self._departures,
                "open": self._open,
                "habits": self.habits,
            }
        )
        self.changes = 0
        """How often what answers stand on may have changed here; not part of its state."""
        self.learned = 0
        """How many runs have taught it."""
        self.learned_until: datetime | None = None
        """The event time of the last outcome in it."""

    @property
    def version(self) -> str:
        """Names this state of the model."""
        return f"{NAME}.{self.learned}"

    def predict(self, query: Query, now: float) -> Quantiles | None:
        """When the run arrives; None while nothing is known of its mode in this phase."""
        for horizon in _INSTEAD[query.horizon(now)]:
            name = _name(query, horizon)
            if name in self._predictors and (predictor := self._predictors[name]).learned:
                return predictor.quantiles(query, self._departures.look(query.mode), now)
        return None

    def departed(self, run: str, query: Query, now: float) -> None:
        """Notes that a run has left, `query.delay` late."""
        self._departures[query.mode].left(run, query, now)
        self.changes += 1

    def ask(self, run: str, query: Query, now: float) -> None:
        """Notes what is known of a run now, so that its outcome can teach.

        Whoever is asked for after its planned departure, and has not left, is known to wait: that
        says something of others, so it is worth a question at the planned departure itself.

        Args:
            run: Names the run on its leg; however many units it carries, it teaches once.
            query: What would be asked of it.
            now: When.
        """
        departures, horizon = self._departures[query.mode], query.horizon(now)
        if self._open.wants(run, query, horizon):
            predictor = self._predictors[_name(query, horizon)]
            self._open.add(run, predictor.meet(query.lasting(), horizon, departures, now))
            self.changes += 1
        if horizon is Horizon.OVERDUE and not self.taught(run):
            departures.due(run, query, now)
            self.changes += 1

    def taught(self, run: str) -> bool:
        """Whether the outcome of a run has been learned."""
        return self._open.taught(run)

    def arrived(self, run: str, arrival: float, now: float) -> None:
        """Learns from what was known of a run, and what came of it; once."""
        if self.taught(run):
            return
        for facts in self._open.close(run):
            self._predictors[_name(facts.query, facts.horizon)].learn(facts, arrival, now)
        self._waits_no_more(run, now)
        self.learned += 1

    def ended(self, run: str, now: float) -> None:
        """Forgets a run that was cancelled or diverted: it says nothing of how long runs take."""
        self._open.forget(run)
        self._waits_no_more(run, now)

    def _waits_no_more(self, run: str, now: float) -> None:
        for departures in self._departures.values():
            departures.ended(run, now)
        self.changes += 1

    def snapshot(self) -> bytes:
        return self._state(super().snapshot())

    def load(self, data: bytes) -> None:
        super().load(self._take(data))

    def delta(self) -> bytes | None:
        parts = super().delta()
        return None if parts is None else self._state(parts)

    def apply(self, data: bytes) -> None:
        super().apply(self._take(data))

    def _state(self, parts: bytes) -> bytes:
        return encode(State(NAME, self.learned, self.learned_until, parts))

    def _take(self, data: bytes) -> bytes:
        state = decode(data)
        if state.name != NAME:
            raise OtherModel(f"the model is {state.name}, not {NAME}")
        self.learned, self.learned_until = state.learned, state.learned_until
        self.changes += 1
        return state.parts


class Open:
    """The runs whose outcome is awaited, and those that have taught: a run teaches once.

    Of the latter it keeps digests, of half of `MOST_OPEN` at least. Only the learner needs any of
    this, so there are no deltas.
    """

    def __init__(self) -> None:
        self._runs: OrderedDict[str, list[Facts]] = OrderedDict()
        self._taught: set[bytes] = set()
        self._taught_before: set[bytes] = set()

    def wants(self, run: str, query: Query, horizon: Horizon) -> bool:
        """Whether what is known of a run now would teach: once per horizon, and of one that is
        overdue whenever it has become more so.
        """
        asked = self._runs.get(run)
        if asked is None:
            return not self.taught(run)
        same = (facts.query.delay for facts in asked if facts.horizon is horizon)
        if horizon is Horizon.OVERDUE:
            return query.delay > max(same, default=-1.0) and len(asked) < MOST_FACTS
        return next(same, None) is None

    def taught(self, run: str) -> bool:
        """Whether it has been closed."""
        digest = _digest(run)
        return digest in self._taught or digest in self._taught_before

    def add(self, run: str, facts: Facts) -> None:
        """Keeps what is known of a run."""
        self._runs.setdefault(run, []).append(facts)
        if len(self._runs) > MOST_OPEN:
            self._runs.popitem(last=False)

    def close(self, run: str) -> list[Facts]:
        """What was known of a run that has come to its end."""
        self._taught.add(_digest(run))
        if 2 * len(self._taught) >= MOST_OPEN:
            self._taught, self._taught_before = set(), self._taught
        return self._runs.pop(run, [])

    def forget(self, run: str) -> None:
        """Gives a run up."""
        self._runs.pop(run, None)

    def snapshot(self) -> bytes:
        taught = [b"".join(sorted(digests)) for digests in (self._taught, self._taught_before)]
        return encode((self._runs, taught))

    def load(self, data: bytes) -> None:
        runs, taught = _decode_open(data)
        self._runs = OrderedDict(runs)
        self._taught, self._taught_before = (
            {digests[at : at + _DIGEST] for at in range(0, len(digests), _DIGEST)}
            for digests in taught
        )

    def delta(self) -> None:
        return None

    def apply(self, data: bytes) -> None:
        raise OtherModel("open runs are told by snapshots only")


_DIGEST = 8
_decode_open = msgspec.msgpack.Decoder(tuple[dict[str, list[Facts]], tuple[bytes, bytes]]).decode


def _digest(run: str) -> bytes:
    return blake2b(run.encode(), digest_size=_DIGEST).digest()


def _name(query: Query, horizon: Horizon) -> str:
    return f"{query.mode} {horizon}"


def _predictor(name: str) -> Predictor:
    return Predictor(Mode(name.split()[0]))


def _departures(mode: str) -> Departures:
    return Departures(PACE[Mode(mode)])
