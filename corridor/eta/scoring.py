"""What was said of runs, held against what came of them, on a fixed grid of moments.

A statement counts from when it could be made, not from the time that it speaks of. A run on a leg
counts once per moment, however often it was spoken of and however many units it carried: the first
of them to have an outcome speaks for all. Later legs count once per run and onward plan, and
connections per unit, since each can miss its own.

Whoever has an outcome can still be corrected for a while: then the last word counts. After that,
what was scored is written away and what was said is forgotten, so that memory follows the units
under way and not the length of a history.
"""

import io
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import blake2b
from math import isnan, nan
from struct import Struct
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from corridor.codes import Ending, Mode, Stage
from corridor.eta.distribution import LEVELS, MEDIAN, probability
from corridor.eta.peers import HierarchicalMean, Peer, TransitKalman, Trip
from corridor.eta.query import DAY
from corridor.lateness import LATE_BY
from corridor.models import LegEstimate, LegOutcome
from corridor.tracking.update import KEEP

BEFORE = {"before_2h": 120.0, "before_30min": 30.0}
PROGRESS = {"progress_25": 0.25, "progress_50": 0.5, "progress_75": 0.75, "progress_90": 0.9}
POINTS = ("before_2h", "before_30min", "departure", *PROGRESS, "downstream")
CONNECTION_LEAD = 720.0
"""Minutes before a service closes at which it is asked whether its connection will be missed."""

PEERS: dict[str, Callable[[], Peer]] = {
    "hierarchical_mean": HierarchicalMean,
    "transit_kalman": TransitKalman,
}
MODES = tuple(Mode)

Table = NDArray[np.void]
"""Rows of one of the types below."""

SCORED = np.dtype(
    [
        ("run", "<u8"),  # `run_key`
        ("day", "<i4"),  # of the planned departure, since 1970
        ("mode", "u1"),  # of `MODES`
        ("late", "?"),
        ("leg", "<i4"),  # of `Scores.legs`
        ("carrier", "<i4"),  # of `Scores.carriers`
        ("delay", "<f4"),  # known at that moment
        ("late_probability", "<f4"),
        ("quantiles", "<f4", (len(LEVELS),)),  # less the arrival; the median is always there
        # by how much the arrival was later than:
        ("timetable", "<f4"),
        ("persistence", "<f4"),  # the timetable plus the known delay, whatever lies between
        ("slack_aware", "<f4"),  # the same, with the slack between legs used up first
        *((name, "<f4") for name in PEERS),
    ]
)
"""One run at one moment; minutes."""

FOLLOWED = np.dtype(
    [
        ("day", "<i4"),
        ("mode", "u1"),
        ("late", "?"),
        ("updates", "<i4"),  # statements that moved the ETA
        ("reversals", "<i4"),  # that turned the other way than the one before
        ("away", "<i4"),  # that moved away from the arrival
        ("moved", "<f4"),  # all together
        ("net", "<f4"),  # from the first to the last
        ("lead", "<f4"),  # from being called late to being late; NaN: not called
    ]
)
"""All that was said of one run; minutes."""

CONNECTED = np.dtype(
    [("day", "<i4"), ("mode", "u1"), ("missed", "?"), ("missed_probability", "<f4")]
)
"""One unit's connection, `CONNECTION_LEAD` before it closed."""

_STATEMENT = np.dtype(
    [
        ("heard", "<f8"),
        ("stage", "<f8"),
        ("quantiles", "<f8", (len(LEVELS),)),
        ("departure", "<f8"),  # planned
        ("arrival", "<f8"),  # planned
        ("delay", "<f8"),  # once it has departed
        ("peers", "<f8", (len(PEERS),)),
        ("missed", "<f8"),
        ("run", "<f8"),  # of `_Leg.runs`
    ]
)
"""What was said, as it is kept: minutes since 1970; NaN where nothing was said."""
_ENDED_AS = np.dtype(
    [
        ("run", "<u8"),
        ("day", "<i4"),
        ("mode", "<i4"),
        ("leg", "<i4"),
        ("carrier", "<i4"),
        ("arrival", "<f8"),
        ("delay", "<f8"),  # of the first leg, for a later one; else NaN
        ("carried", "<f8"),  # what that makes of the arrival; else NaN
        ("statement", _STATEMENT),
    ]
)
"""A row of `SCORED` before it is worked out."""

_WIDTH = _STATEMENT.itemsize // 8
_PLACE = {name: field[1] // 8 for name, field in (_STATEMENT.fields or {}).items()}
_HEARD, _STAGE, _DEPARTURE, _ARRIVAL = (
    _PLACE[n] for n in ("heard", "stage", "departure", "arrival")
)
_MISSED, _RUN, _MEDIAN = _PLACE["missed"], _PLACE["run"], _PLACE["quantiles"] + MEDIAN
_OUTCOME = Struct("<Qiiiiddd")
_FOLLOWED = Struct("<iB?iiifff")
_CONNECTED = Struct("<iB?f")
assert _OUTCOME.size + _STATEMENT.itemsize == _ENDED_AS.itemsize
assert _FOLLOWED.size == FOLLOWED.itemsize
assert _CONNECTED.size == CONNECTED.itemsize

_OPEN = (Stage.PLANNED, Stage.OVERDUE, Stage.EN_ROUTE)
_STAGE_NUMBER = {stage: float(number) for number, stage in enumerate(_OPEN)}
_EN_ROUTE = _STAGE_NUMBER[Stage.EN_ROUTE]
_ENDED = float(len(_OPEN))
_NOTHING = (nan,) * len(LEVELS)

_SWEEP_EACH = 20_000
_KEEP = KEEP.total_seconds() / 60
MOST_JOURNEYS = 500_000
"""Journeys that are followed at once; beyond, what was said of the oldest is final."""

Statement: TypeAlias = "array[float]"


def run_key(run: str, leg_id: str) -> int:
    """Names a run on a leg in tables."""
    return int.from_bytes(blake2b(f"{run}\0{leg_id}".encode(), digest_size=8).digest(), "little")


class _Leg:
    """What was said of one unit's leg, and what came of it."""

    __slots__ = ("cancelled", "claims", "ended", "rows", "runs", "said", "silent", "taught")

    def __init__(self) -> None:
        self.said = array("d")
        self.runs: list[str] = []
        """That it was to go by; a statement names one of them."""
        self.rows: list[tuple[str, bytes]] = []
        """Scored by the last word, not yet final."""
        self.claims: list[tuple[str, ...]] = []
        """What it speaks for."""
        self.cancelled: set[str] = set()
        self.ended = False
        self.silent = False
        """Others speak for it."""
        self.taught = False

    def statement(self, index: int) -> Statement:
        return self.said[index * _WIDTH : (index + 1) * _WIDTH]

    def statements(self) -> Iterator[Statement]:
        return map(self.statement, range(len(self.said) // _WIDTH))

    def known(self, time: float) -> "Statement | None":
        """What was said last by then."""
        index = bisect_right(self.said[_HEARD::_WIDTH], time)
        return self.statement(index - 1) if index else None

    def run(self, statement: Statement) -> str:
        return self.runs[int(statement[_RUN])]

    def add(self, values: tuple[float, ...], run: str) -> None:
        if not self.runs or self.runs[-1] != run:
            self.runs.append(run)
        before = self.said[-_WIDTH] if self.said else -1.0
        self.said.extend(values)
        self.said.append(len(self.runs) - 1)
        if values[0] < before:  # what speaks of the future could be made only then
            ordered = sorted(self.statements(), key=lambda statement: statement[_HEARD])
            self.said = array("d", (value for statement in ordered for value in statement))


class _Journey:
    """A unit with one shipment."""

    __slots__ = ("began", "closes", "last", "legs")

    def __init__(self) -> None:
        self.legs: dict[int, _Leg] = {}
        self.began: tuple[float, float, int, str] | None = None
        """Its first departure: when it was heard, how late it was, of which leg and run."""
        self.closes: dict[tuple[int, float], float] = {}
        """By leg and planned departure, when the service closes."""
        self.last = 0.0
        """When it was last spoken of, or is planned to end."""

    @property
    def final_from(self) -> float:
        """When nothing can be corrected any more; as long as the tracker keeps a journey."""
        ended = all(leg.ended for leg in self.legs.values())
        return self.last + (_KEEP if ended else 10 * _KEEP)


class Scores:
    """What a scorer has come to."""

    def __init__(self, files: dict[str, IO[bytes]], legs: list[str], carriers: list[str]) -> None:
        self._files = files
        self.legs = legs
        self.carriers = carriers

    def point(self, name: str) -> Table:
        """The runs that were scored at one moment; rows of `SCORED`."""
        return _worked_out(self._table(name, _ENDED_AS))

    def followed(self) -> Table:
        """Rows of `FOLLOWED`."""
        return self._table("followed", FOLLOWED)

    def connections(self) -> Table:
        """Rows of `CONNECTED`."""
        return self._table("connections", CONNECTED)

    def _table(self, name: str, dtype: "np.dtype[np.void]") -> Table:
        file = self._files.get(name)
        if file is None:
            return np.zeros(0, dtype)
        file.seek(0)
        return np.frombuffer(file.read(), dtype)


class Scorer:
    """Collects statements and outcomes of one replay."""

    def __init__(
        self, since: datetime | None = None, spool: Callable[[], IO[bytes]] = io.BytesIO
    ) -> None:
        """Starts empty.

        Args:
            since: Only runs planned to depart on this day or later are scored.
            spool: Makes a file for what is final.
        """
        self._first_day = 0 if since is None else int(_minutes(since) // DAY)
        self._journeys: dict[tuple[str, str], _Journey] = {}
        self._speakers: dict[tuple[str, ...], _Leg] = {}
        self._peers = [make() for make in PEERS.values()]
        self._legs: dict[str, int] = {}
        self._carriers: dict[str, int] = {}
        self._files: dict[str, IO[bytes]] = defaultdict(spool)
        self._heard = 0

    def plan(
        self, unit_id: str, shipment_id: str, sequence: int, departure: datetime, cutoff: datetime
    ) -> None:
        """Takes until when a unit has to be there for a planned departure."""
        journey = self._journey((unit_id, shipment_id))
        journey.closes[sequence, _minutes(departure)] = _minutes(cutoff)

    def hear(self, output: LegEstimate | LegOutcome, heard: datetime) -> None:
        """Takes what was said.

        Args:
            output: The statement.
            heard: When it could be made at the earliest.
        """
        now = _minutes(heard)
        key = (output.unit_id, output.shipment_id)
        journey = self._journeys.get(key) or self._journey(key)
        leg = journey.legs.get(output.sequence)
        if leg is None:
            leg = journey.legs[output.sequence] = _Leg()
        journey.last = max(journey.last, now)
        if isinstance(output, LegOutcome):
            self._outcome(journey, leg, output, now)
        elif not leg.silent:
            self._estimate(journey, leg, output, now)
        self._heard += 1
        if self._heard % _SWEEP_EACH == 0:
            self.let_go(heard)

    def let_go(self, now: datetime) -> None:
        """Writes away what can no longer be corrected."""
        reached = _minutes(now)
        final = [key for key, journey in self._journeys.items() if journey.final_from < reached]
        for key in final:
            self._finish(self._journeys.pop(key))
        while len(self._journeys) > MOST_JOURNEYS:
            self._finish(self._journeys.pop(next(iter(self._journeys))))

    @property
    def followed_journeys(self) -> int:
        """Journeys of which something can still be scored."""
        return len(self._journeys)

    def scores(self) -> Scores:
        """What all this came to; nothing is heard afterwards."""
        for journey in self._journeys.values():
            self._finish(journey)
        self._journeys.clear()
        return Scores(self._files, list(self._legs), list(self._carriers))

    def _journey(self, key: tuple[str, str]) -> _Journey:
        return self._journeys.setdefault(key, _Journey())

    # what was said -------------------------------------------------------------------------------

    def _estimate(self, journey: _Journey, leg: _Leg, said: LegEstimate, now: float) -> None:
        departure, arrival = _minutes(said.planned_departure), _minutes(said.planned_arrival)
        if arrival > journey.last:
            journey.last = arrival
        run = said.run_id or ""
        if said.stage not in _STAGE_NUMBER or said.eta_p50 is None:
            nothing = (now, _ENDED, *_NOTHING, departure, arrival, nan, nan, nan, nan)
            leg.add(nothing, run)
            return
        delay = nan
        if said.actual_departure is not None:
            delay = _minutes(said.actual_departure) - departure
            if journey.began is None and said.stage is Stage.EN_ROUTE:
                journey.began = (now, delay, said.sequence, run)
        if departure < self._first_day * DAY:
            return  # it only teaches
        if said.eta_p05 is None:
            quantiles: tuple[float, ...] = (*_NOTHING[:3], _minutes(said.eta_p50), *_NOTHING[:3])
        else:
            quantiles = _quantiles(said)
        trip = Trip(said.mode, said.leg_id, said.carrier_id, said.service_id, delay == delay)
        naive = arrival + delay if trip.departed else arrival
        first, second = (naive + peer.error(trip, now) for peer in self._peers)
        missed = getattr(said, "missed_probability", None)
        values = (
            *(now, _STAGE_NUMBER[said.stage], *quantiles, departure, arrival, delay),
            *(first, second, nan if missed is None else missed),
        )
        leg.add(values, run)

    # what came of it -----------------------------------------------------------------------------

    def _outcome(self, journey: _Journey, leg: _Leg, outcome: LegOutcome, now: float) -> None:
        leg.rows.clear()  # of a corrected outcome, the last word counts
        leg.ended = not outcome.retracted
        if outcome.ending is Ending.CANCELLED and outcome.run_id is not None:
            leg.cancelled.add(outcome.run_id)
        arrived, departed = outcome.actual_arrival, outcome.actual_departure
        if outcome.retracted or outcome.ending is not Ending.ARRIVED:
            return
        if arrived is None or departed is None or leg.silent:
            return
        departure, arrival = _minutes(departed), _minutes(arrived)
        run = outcome.run_id or f"{outcome.unit_id} {outcome.shipment_id} {outcome.sequence}"
        speaks = self._claims(leg, (run, outcome.leg_id))
        if speaks and not leg.taught:
            leg.taught = True
            self._teach(outcome, departure, arrival, now)
        if leg.said:
            leg.rows += self._connections(journey, leg, outcome, departure)
            head = self._head(outcome, run)
            if speaks:
                for point, statement in self._moments(leg, outcome, departure, arrival):
                    row = _OUTCOME.pack(*head, arrival, nan, nan) + statement.tobytes()
                    leg.rows.append((point, row))
                leg.rows.append(("followed", _followed(leg, outcome, arrival)))
            self._downstream(journey, leg, outcome, departure, arrival, run, head)
        if not leg.claims:
            leg.silent = True
            leg.said, leg.runs = array("d"), []

    def _claims(self, leg: _Leg, name: tuple[str, ...]) -> bool:
        """Whether this unit's leg speaks for a run; who asks first does."""
        speaker = self._speakers.setdefault(name, leg)
        if speaker is leg and name not in leg.claims:
            leg.claims.append(name)
        return speaker is leg

    def _teach(self, outcome: LegOutcome, departure: float, arrival: float, now: float) -> None:
        error = arrival - _minutes(outcome.planned_arrival)
        delay = departure - _minutes(outcome.planned_departure)
        for departed, value in ((False, error), (True, error - delay)):
            trip = Trip(
                outcome.mode, outcome.leg_id, outcome.carrier_id, outcome.service_id, departed
            )
            for peer in self._peers:
                peer.learn(trip, value, now)

    @staticmethod
    def _moments(
        leg: _Leg, outcome: LegOutcome, departure: float, arrival: float
    ) -> Iterator[tuple[str, Statement]]:
        planned = _minutes(outcome.planned_departure)
        duration = _minutes(outcome.planned_arrival) - planned
        for point, lead in BEFORE.items():
            statement = leg.known(planned - lead)
            if statement is not None and planned - lead < departure:
                yield point, statement
        run = outcome.run_id or ""
        # not that of a run which left without it
        under_way = (s for s in leg.statements() if s[_STAGE] == _EN_ROUTE and leg.run(s) == run)
        first = next(under_way, None)
        if first is not None and first[_HEARD] < arrival:
            yield "departure", first
        for point, share in PROGRESS.items():
            moment = departure + share * duration
            statement = leg.known(moment) if moment < arrival else None
            if statement is not None and statement[_STAGE] == _EN_ROUTE:
                yield point, statement

    def _downstream(
        self,
        journey: _Journey,
        leg: _Leg,
        outcome: LegOutcome,
        departure: float,
        arrival: float,
        run: str,
        head: tuple[int, int, int, int, int],
    ) -> None:
        """A later leg, as it was seen when the first one departed."""
        if journey.began is None or journey.began[0] >= departure:
            return
        moment, delay, sequence, first_run = journey.began
        statement = leg.known(moment)
        if statement is None or statement[_STAGE] == _EN_ROUTE or sequence >= outcome.sequence:
            return
        first_run = first_run or f"{outcome.unit_id} {outcome.shipment_id} {sequence}"
        if not self._claims(leg, (first_run, leg.run(statement), run, outcome.leg_id)):
            return
        carried = _carried(journey, moment, delay, sequence, outcome.sequence)
        row = _OUTCOME.pack(*head, arrival, delay, carried) + statement.tobytes()
        leg.rows.append(("downstream", row))

    @staticmethod
    def _connections(
        journey: _Journey, leg: _Leg, outcome: LegOutcome, departure: float
    ) -> Iterator[tuple[str, bytes]]:
        """Each departure that it was to leave by, unless that was cancelled."""
        plans = {(s[_DEPARTURE], leg.run(s)) for s in leg.statements() if s[_MISSED] == s[_MISSED]}
        for planned, run in sorted(plans):
            closes = journey.closes.get((outcome.sequence, planned), planned)
            statement = leg.known(closes - CONNECTION_LEAD)
            if statement is None or isnan(statement[_MISSED]) or run in leg.cancelled:
                continue
            if (statement[_DEPARTURE], leg.run(statement)) != (planned, run):
                continue
            if run and outcome.run_id:
                other = run != outcome.run_id
            else:
                other = _minutes(outcome.planned_departure) > planned
            mode = MODES.index(outcome.mode)
            missed = other and departure > planned
            row = _CONNECTED.pack(int(planned // DAY), mode, missed, statement[_MISSED])
            yield "connections", row

    def _head(self, outcome: LegOutcome, run: str) -> tuple[int, int, int, int, int]:
        """What all rows of an outcome begin with."""
        return (
            run_key(run, outcome.leg_id),
            int(_minutes(outcome.planned_departure) // DAY),
            MODES.index(outcome.mode),
            self._legs.setdefault(outcome.leg_id, len(self._legs)),
            self._carriers.setdefault(outcome.carrier_id or "", len(self._carriers)),
        )

    def _finish(self, journey: _Journey) -> None:
        for leg in journey.legs.values():
            for name, row in leg.rows:
                self._files[name].write(row)
            for claim in leg.claims:
                del self._speakers[claim]


def _worked_out(ended: Table) -> Table:
    """Rows of `SCORED` from what was said and what came of it."""
    ended = ended[~np.isnan(ended["statement"]["quantiles"][:, MEDIAN])]
    found = np.zeros(len(ended), SCORED)
    for name in ("run", "day", "mode", "leg", "carrier"):
        found[name] = ended[name]
    said, arrival, first_delay = ended["statement"], ended["arrival"], ended["delay"]
    planned = said["arrival"]
    delay = np.nan_to_num(np.where(np.isnan(first_delay), said["delay"], first_delay), nan=0.0)
    threshold = planned + np.array([LATE_BY[mode] for mode in MODES])[ended["mode"]]
    found["late"] = arrival >= threshold
    found["delay"] = delay
    found["late_probability"] = 1 - _probabilities(said["quantiles"], threshold)
    found["quantiles"] = said["quantiles"] - arrival[:, None]
    found["timetable"] = arrival - planned
    found["persistence"] = arrival - planned - delay
    carried = ended["carried"]
    found["slack_aware"] = arrival - np.where(np.isnan(carried), planned + delay, carried)
    for number, name in enumerate(PEERS):
        found[name] = arrival - said["peers"][:, number]
    return found


def _probabilities(quantiles: NDArray[np.float64], values: NDArray[np.float64]) -> Any:
    """`corridor.eta.distribution.probability` by row; 0 or 1 where only a median was said."""
    found = (quantiles[:, MEDIAN] < values).astype(float)
    for row in np.flatnonzero(~np.isnan(quantiles[:, 0])):
        found[row] = probability(quantiles[row].tolist(), values[row])
    return found


def _carried(journey: _Journey, moment: float, delay: float, first: int, last: int) -> float:
    """When a later leg arrives if each leg waits for the one before it, and none catches up."""
    reached = nan
    for sequence in sorted(journey.legs):
        statement = journey.legs[sequence].known(moment)
        if statement is None or not first <= sequence <= last:
            continue
        late = delay if sequence == first else max(reached - statement[_DEPARTURE], 0.0)
        reached = statement[_ARRIVAL] + (0.0 if isnan(late) else late)
    return reached


def _followed(leg: _Leg, outcome: LegOutcome, arrival: float) -> bytes:
    """How steady the ETA was, and when it first said that the run would be late."""
    updates = reversals = away = 0
    moved = before = last_step = 0.0
    first = lead = nan
    late_by = LATE_BY[outcome.mode]
    late = False
    for statement in leg.statements():
        median = statement[_MEDIAN]
        if isnan(median) or statement[_HEARD] >= arrival:
            continue
        threshold = statement[_ARRIVAL] + late_by
        late = arrival >= threshold
        if isnan(lead) and median >= threshold:
            lead = threshold - statement[_HEARD]
        if isnan(first):
            first = before = median
        elif step := median - before:
            updates += 1
            moved += abs(step)
            reversals += step * last_step < 0
            away += abs(median - arrival) > abs(before - arrival)
            before, last_step = median, step
    net = 0.0 if isnan(first) else abs(before - first)
    day, mode = int(_minutes(outcome.planned_departure) // DAY), MODES.index(outcome.mode)
    return _FOLLOWED.pack(day, mode, late, updates, reversals, away, moved, net, lead)


def _minutes(time: datetime) -> float:
    return time.timestamp() / 60


def _quantiles(said: Any) -> tuple[float, ...]:
    return (
        said.eta_p05.timestamp() / 60,
        said.eta_p10.timestamp() / 60,
        said.eta_p25.timestamp() / 60,
        said.eta_p50.timestamp() / 60,
        said.eta_p75.timestamp() / 60,
        said.eta_p90.timestamp() / 60,
        said.eta_p95.timestamp() / 60,
    )
