"""Teaches a model by lessons, one after the other: the same lessons make the same model."""

from collections import OrderedDict
from datetime import timedelta

import msgspec

from corridor.eta.dwell import Visit, bounds
from corridor.eta.lessons import Lesson, Stay, What
from corridor.eta.model import Model
from corridor.eta.query import EPOCH, Phase, Query
from corridor.eta.services import by_timetable

MOST_REMEMBERED = 100_000
"""Runs under way, and stays, that are remembered so that each teaches once."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[str], list[str]]).decode


class Learner:
    """The only one that changes a model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._under_way: OrderedDict[str, None] = OrderedDict()
        self._stays: OrderedDict[str, None] = OrderedDict()

    def hear(self, lesson: Lesson) -> None:
        """Takes a lesson; each unit of a run tells the same, and it teaches once."""
        run, what = lesson.run, lesson.what
        if what is What.PLANNED:
            self._planned(lesson)
        elif what is What.EXPECTED:
            if run not in self._under_way:
                self.model.ask(run, _query(lesson, Phase.BEFORE), lesson.at)
        elif what is What.DEPARTED:
            self._departed(lesson)
        elif what is What.ARRIVED:
            self._arrived(lesson)
        else:
            self._under_way.pop(run, None)
            self.model.ended(run, lesson.at)

    def _planned(self, lesson: Lesson) -> None:
        if lesson.service_id is not None:
            self.model.habits.planned(
                lesson.service_id,
                lesson.leg_id,
                lesson.planned_departure,
                lesson.cutoff,
                lesson.run,
                lesson.at,
            )

    def _departed(self, lesson: Lesson) -> None:
        run = lesson.run
        if run not in self._under_way and not self.model.taught(run):
            _note(self._under_way, run)
            query = _query(lesson, Phase.UNDER_WAY)
            self.model.ask(run, query, lesson.at)
            self.model.departed(run, query, lesson.at)
        if lesson.stay is not None:
            self._stayed(lesson, lesson.stay)

    def _stayed(self, lesson: Lesson, stay: Stay) -> None:
        assert lesson.time is not None
        name = f"{stay.run} {lesson.run}"
        if name in self._stays:
            return
        _note(self._stays, name)
        scheduled = not stay.through and by_timetable(lesson.mode, lesson.service_id, lesson.cutoff)
        closed = lesson.planned_departure
        if lesson.cutoff is not None and not stay.through:
            closed = lesson.cutoff
        found = bounds(stay.arrival, lesson.time, closed, scheduled=scheduled, missed=stay.missed)
        if found is not None:
            visit = Visit(lesson.from_node, stay.mode, lesson.mode, stay.through, stay.gap)
            self.model.habits.stayed(visit, *found, lesson.at)

    def _arrived(self, lesson: Lesson) -> None:
        assert lesson.time is not None
        run = lesson.run
        self._under_way.pop(run, None)
        if not self.model.taught(run):
            self.model.arrived(run, lesson.time, lesson.at)
            self.model.habits.told(lesson.mode, lesson.stated, lesson.time)
            self.model.habits.silent(lesson.gaps)
        at = EPOCH + timedelta(minutes=lesson.at)
        self.model.learned_until = max(at, self.model.learned_until or at)

    # state ---------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """What it remembers beside the model."""
        return _encode((list(self._under_way), list(self._stays)))

    def load(self, snapshot: bytes) -> None:
        """Goes on from a snapshot."""
        under_way, stays = _decode(snapshot)
        self._under_way = OrderedDict.fromkeys(under_way)
        self._stays = OrderedDict.fromkeys(stays)


def _query(lesson: Lesson, phase: Phase) -> Query:
    return Query(
        lesson.mode,
        phase,
        lesson.leg_id,
        lesson.from_node,
        lesson.to_node,
        lesson.service_id,
        lesson.carrier_id,
        lesson.planned_departure,
        lesson.planned_arrival,
        lesson.delay,
    )


def _note(table: OrderedDict[str, None], name: str) -> None:
    table[name] = None
    if len(table) > MOST_REMEMBERED:
        table.popitem(last=False)
