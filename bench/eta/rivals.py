"""Models of other libraries, asked at the same moments, taught by the same outcomes, scored alike.

Those of river learn online. Those of scikit-learn are trained once, at the first moment that is
scored, on everything that was known by then: what an offline team would have on that day.
"""

import heapq
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.eta.surroundings import CATEGORIES, Features, Surroundings
from corridor.codes import Ending, Stage
from corridor.eta.distribution import LEVELS, MEDIAN
from corridor.eta.scoring import BEFORE, Scorer, Scores
from corridor.models import LegEstimate, LegOutcome

DEPARTURE = "departure"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = tuple(f"eta_p{round(level * 100):02d}" for level in LEVELS)

_MOST = 1440.0
"""Minutes; a model that has diverged says no more."""

Said = tuple[float, ...]
"""By how many minutes a run will be later than timetable plus delay: the median, or all levels."""


def run_of(said: LegEstimate | LegOutcome) -> str:
    """Names a run on a leg; a unit that travels alone is its own run."""
    run = said.run_id or f"{said.unit_id} {said.shipment_id} {said.sequence}"
    return f"{run} {said.leg_id}"


class Rival(Protocol):
    """One model."""

    name: str
    points: tuple[str, ...]
    """The moments at which it is asked."""
    together: int
    """How many statements it may be asked for at once: 1, if it learns in between."""

    def begin(self, point: str) -> None:
        """It will be asked from now on."""

    def say(self, point: str, features: list[Features]) -> list[Said]: ...

    def learn(self, point: str, features: Features, error: float) -> None: ...


class Asked(NamedTuple):
    """What was known of a run at one moment."""

    said: LegEstimate
    features: Features
    naive: float
    """Timetable plus delay, minutes since 1970."""


class Speaker:
    """Lets one rival speak to a scorer of its own."""

    def __init__(self, rival: Rival, since: datetime) -> None:
        self.rival = rival
        self._scorer = Scorer(since, tempfile.TemporaryFile)
        self._held: list[tuple[LegOutcome | Asked, str, datetime]] = []

    def ask(self, point: str, asked: Asked, heard: datetime) -> None:
        """Takes the question at one moment."""
        self.rival.begin(point)
        self._held.append((asked, point, heard))
        if len(self._held) >= self.rival.together:
            self._speak()

    def outcome(self, outcome: LegOutcome, heard: datetime) -> None:
        """Takes what came of a run."""
        if self._held:
            self._held.append((outcome, "", heard))
        else:
            self._scorer.hear(outcome, heard)

    def scores(self) -> Scores:
        """What it came to."""
        self._speak()
        return self._scorer.scores()

    def _speak(self) -> None:
        asked: dict[str, list[Features]] = {}
        for item, point, _ in self._held:
            if isinstance(item, Asked):
                asked.setdefault(point, []).append(item.features)
        answers = {point: iter(self.rival.say(point, all_)) for point, all_ in asked.items()}
        for item, point, heard in self._held:
            if isinstance(item, Asked):
                self._scorer.hear(_statement(item, next(answers[point])), heard)
            else:
                self._scorer.hear(item, heard)
        self._held.clear()


def _statement(asked: Asked, errors: Said) -> LegEstimate:
    etas = [EPOCH + timedelta(minutes=asked.naive + error) for error in errors]
    values: dict[str, Any] = dict.fromkeys(_FIELDS)
    if len(etas) == len(LEVELS):
        values |= zip(_FIELDS, etas, strict=True)
    else:
        values["eta_p50"] = etas[0]
    return asked.said.model_copy(update=values)


class Rivals:
    """Listens to a replay, and lets the rivals speak at the moments of the grid."""

    def __init__(self, rivals: list[Rival], since: datetime) -> None:
        """Starts empty.

        Args:
            rivals: The models.
            since: Only runs planned to depart from then on are scored; before, they only learn.
        """
        self._since = since
        self._speakers = [Speaker(rival, since) for rival in rivals]
        self._surroundings = Surroundings()
        self._due: list[tuple[float, int, str, LegEstimate]] = []
        self._asked: OrderedDict[str, dict[str, Asked]] = OrderedDict()
        self._planned: dict[str, datetime] = {}
        self._number = 0

    def hear(self, output: LegEstimate | LegOutcome, heard: datetime) -> None:
        """Takes what was said by us; only whether and when something happened is read of it."""
        now = heard.timestamp() / 60
        while self._due and self._due[0][0] <= now:
            due, _, point, said = heapq.heappop(self._due)
            run = run_of(said)
            if self._planned.get(run) == said.planned_departure:
                self._ask(point, run, said, due)
        run = run_of(output)
        if isinstance(output, LegOutcome):
            self._outcome(run, output, heard)
        elif output.stage is Stage.PLANNED:
            self._plan(run, output, now)
        elif output.stage is Stage.EN_ROUTE and output.actual_departure is not None:
            self._planned.pop(run, None)
            if DEPARTURE not in self._asked.get(run, {}):
                self._ask(DEPARTURE, run, output, now)
                delay = (output.actual_departure - output.planned_departure).total_seconds() / 60
                self._surroundings.departed(output, delay, now)

    def scores(self) -> dict[str, Scores]:
        """By the names of the rivals."""
        return {speaker.rival.name: speaker.scores() for speaker in self._speakers}

    def _plan(self, run: str, said: LegEstimate, now: float) -> None:
        if self._planned.get(run) == said.planned_departure:
            return
        self._planned[run] = said.planned_departure
        for point, lead in BEFORE.items():
            due = said.planned_departure.timestamp() / 60 - lead
            if due > now:
                self._number += 1
                heapq.heappush(self._due, (due, self._number, point, said))

    def _ask(self, point: str, run: str, said: LegEstimate, now: float) -> None:
        departure = said.planned_departure.timestamp() / 60
        arrival = said.planned_arrival.timestamp() / 60
        features = self._surroundings.features(said, departure, arrival, now)
        asked = Asked(said, features, arrival + features.static[0])
        self._asked.setdefault(run, {})[point] = asked
        if said.planned_departure < self._since:
            return
        for speaker in self._speakers:
            if point in speaker.rival.points:
                speaker.ask(point, asked, EPOCH + timedelta(minutes=now))

    def _outcome(self, run: str, outcome: LegOutcome, heard: datetime) -> None:
        asked = self._asked.pop(run, {})
        self._planned.pop(run, None)
        if outcome.planned_departure >= self._since:
            for speaker in self._speakers:
                speaker.outcome(outcome, heard)
        if outcome.ending is not Ending.ARRIVED or outcome.retracted:
            return
        if outcome.actual_arrival is None or not asked:
            return
        arrival = outcome.actual_arrival.timestamp() / 60
        for point, (_, features, naive) in asked.items():
            for speaker in self._speakers:
                if point in speaker.rival.points:
                    speaker.rival.learn(point, features, arrival - naive)
        if DEPARTURE in asked:
            said, _, naive = asked[DEPARTURE]
            departure = said.planned_departure.timestamp() / 60
            planned = said.planned_arrival.timestamp() / 60
            now = heard.timestamp() / 60
            self._surroundings.arrived(said, departure, planned, arrival - naive, now)


# river -------------------------------------------------------------------------------------------


class River:
    """A regressor of river behind a standard scaler, with or without the state of the network."""

    points: tuple[str, ...] = (DEPARTURE,)
    together = 1

    def __init__(self, name: str, make: Callable[[], Any], live: bool) -> None:
        from river import preprocessing

        self.name = name
        self._live = live
        self._scaler: Any = preprocessing.StandardScaler()
        self._model = make()

    def begin(self, point: str) -> None:
        """It has been learning all along."""

    def say(self, point: str, features: list[Features]) -> list[Said]:
        said = (float(self._model.predict_one(self._inputs(each))) for each in features)
        return [(min(max(error, -_MOST), _MOST),) for error in said]

    def learn(self, point: str, features: Features, error: float) -> None:
        self._scaler.learn_one(self._numbers(features))
        self._model.learn_one(self._inputs(features), error)

    def _inputs(self, features: Features) -> dict[str, float]:
        scaled: dict[str, float] = self._scaler.transform_one(self._numbers(features))
        return scaled | self._categories(features)

    def _numbers(self, features: Features) -> dict[str, float]:
        values = features.static + (features.live if self._live else ())
        return {str(number): value for number, value in enumerate(values)}

    @staticmethod
    def _categories(features: Features) -> dict[str, float]:
        pairs = zip(CATEGORIES, features.names, strict=True)
        return {f"{kind} {name}": 1.0 for kind, name in pairs}


def river_rivals() -> list[Rival]:
    """The online learners of river that fit."""
    from river import linear_model, optim, tree

    def linear() -> Any:
        # with its defaults, squared loss at a rate of 0.01, it diverges on days like these
        return linear_model.LinearRegression(optim.SGD(0.003), loss=optim.losses.Huber(20.0))

    return [
        River("river linear", linear, live=False),
        River("river linear + network", linear, live=True),
        River(
            "river HoeffdingAdaptiveTree + network",
            lambda: tree.HoeffdingAdaptiveTreeRegressor(seed=1),
            live=True,
        ),
    ]


# scikit-learn ------------------------------------------------------------------------------------


class Boosting:
    """Histogram gradient boosting, fitted once: when it is first asked."""

    together = 5_000

    def __init__(self, name: str, points: tuple[str, ...], live: bool, levels: Said) -> None:
        self.name = name
        self.points = points
        self._live = live
        self._levels = levels
        self._examples: dict[str, tuple[list[NDArray[np.float32]], list[float]]] = {
            point: ([], []) for point in points
        }
        self._codes: dict[str, dict[str, int]] = {kind: {} for kind in CATEGORIES}
        self._fitted: dict[str, list[Any]] = {}

    def begin(self, point: str) -> None:
        if point not in self._fitted:
            self._fitted[point] = self._fit(point)

    def say(self, point: str, features: list[Features]) -> list[Said]:
        rows = np.array([self._row(each) for each in features])
        said = np.array([model.predict(rows) for model in self._fitted[point]])
        return [tuple(column) for column in np.sort(said, axis=0).T.tolist()]

    def learn(self, point: str, features: Features, error: float) -> None:
        if point not in self._fitted:
            rows, errors = self._examples[point]
            rows.append(self._row(features))
            errors.append(error)

    def _fit(self, point: str) -> list[Any]:
        from sklearn.ensemble import HistGradientBoostingRegressor

        rows, errors = self._examples.pop(point)
        x, y = np.array(rows), np.array(errors)
        models = []
        for level in self._levels:
            model = HistGradientBoostingRegressor(
                loss="quantile",
                quantile=level,
                max_iter=200,
                learning_rate=0.08,
                categorical_features=list(range(len(CATEGORIES))),
                random_state=1,
            )
            models.append(model.fit(x, y))
        return models

    def _row(self, features: Features) -> NDArray[np.float32]:
        codes = [
            min(self._codes[kind].setdefault(name, len(self._codes[kind])), 254)
            for kind, name in zip(CATEGORIES, features.names, strict=True)
        ]
        live = features.live if self._live else ()
        return np.array((*codes, *features.static, *live), np.float32)


def boosting_rivals() -> list[Rival]:
    """Trained offline until the first scored day; never again."""
    early = tuple(BEFORE)
    return [
        Boosting("HistGradientBoosting, offline", (DEPARTURE,), False, (LEVELS[MEDIAN],)),
        Boosting("HistGradientBoosting + network, offline", (DEPARTURE,), True, LEVELS),
        Boosting(
            "HistGradientBoosting + network before departure, offline",
            early,
            True,
            (LEVELS[MEDIAN],),
        ),
    ]
