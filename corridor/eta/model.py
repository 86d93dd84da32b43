"""All that is learned of how long runs take: one predictor per mode and phase.

The learner alone changes a model: `departed`, `ask` and `arrived`. Whoever predicts reads it.
"""

from collections import OrderedDict
from datetime import datetime

from corridor.codes import Mode
from corridor.eta.distribution import Quantiles
from corridor.eta.predictor import PACE, Departures, Facts, Predictor
from corridor.eta.query import Phase, Query

NAME = "online-1"
MOST_OPEN = 200_000
"""Runs whose outcome is awaited; beyond, the oldest are given up."""
MOST_FACTS = 6
"""Predictions of one run that teach."""


class Model:
    """See above. Times are minutes since 1970."""

    def __init__(self) -> None:
        self._predictors: dict[tuple[Mode, Phase], Predictor] = {}
        self._departures: dict[Mode, Departures] = {}
        self._open: OrderedDict[str, list[Facts]] = OrderedDict()
        self._taught: OrderedDict[str, None] = OrderedDict()
        self._last: tuple[tuple[Query, float, int], Facts] | None = None
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
        predictor = self._predictors.get((query.mode, query.phase))
        if predictor is None or not predictor.learned:
            return None
        return predictor.quantiles(self._facts(predictor, query, now))

    def departed(self, query: Query, now: float) -> None:
        """Notes that a run has left, `query.delay` late."""
        self._departed(query.mode).add(query, now)

    def ask(self, run: str, query: Query, now: float) -> None:
        """Notes what is known of a run now, so that its outcome can teach.

        Args:
            run: Names the run on its leg; however many units it carries, it teaches once.
            query: What would be asked of it.
            now: When.
        """
        if run in self._taught:
            return
        facts = self._open.setdefault(run, [])
        if len(facts) < MOST_FACTS:
            predictor = self._predictor(query.mode, query.phase)
            predictor.meet(asked := self._facts(predictor, query, now))
            facts.append(asked)
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)

    def arrived(self, run: str, arrival: float, now: float) -> None:
        """Learns from what was known of a run, and what came of it."""
        asked = self._open.pop(run, None)
        if asked is None:
            return
        for facts in asked:
            query = facts.query
            self._predictor(query.mode, query.phase).learn(facts, arrival, now)
        self._taught[run] = None
        if len(self._taught) > MOST_OPEN:
            self._taught.popitem(last=False)
        self.learned += 1

    def ended(self, run: str) -> None:
        """Forgets a run that was cancelled or diverted: it says nothing of how long runs take."""
        self._open.pop(run, None)

    def _facts(self, predictor: Predictor, query: Query, now: float) -> Facts:
        """What there is to go by now; asked for twice, where whoever predicts also learns."""
        key = (query, now, self.learned)
        if self._last is None or self._last[0] != key:
            facts = predictor.facts(query, self._departed(query.mode), now)
            self._last = (key, facts)
        return self._last[1]

    def _predictor(self, mode: Mode, phase: Phase) -> Predictor:
        found = self._predictors.get((mode, phase))
        if found is None:
            found = self._predictors[mode, phase] = Predictor(mode)
        return found

    def _departed(self, mode: Mode) -> Departures:
        found = self._departures.get(mode)
        if found is None:
            found = self._departures[mode] = Departures(PACE[mode])
        return found
