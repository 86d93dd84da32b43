"""The leak canary: nothing that is said at a moment depends on what became known after it."""

import random
from collections.abc import Callable
from datetime import date, datetime

import msgspec
import pytest

from commands.rehearsal import Rehearsal
from corridor.eta.lessons import Lesson, What
from corridor.models import LegEstimate
from producers.replay.ordering import Sorter
from producers.replay.record import Record
from producers.simulator.simulate import Parameters, Replay, simulate

Statement = tuple[datetime, bytes]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    sorter = Sorter()
    parameters = Parameters("CKG-AIR", 60, 5, date(2026, 1, 5), 12, ping_factor=0.0)
    simulate(parameters, Replay(sorter), lambda line: None)
    return list(sorter.sorted())


def said(
    records: list[Record], make: Callable[..., Rehearsal] = Rehearsal
) -> list[list[Statement]]:
    """What was said upon each record."""
    statements: list[list[Statement]] = []
    rehearsal = make(lambda output, heard: statements[-1].append((heard, output.to_json())))
    for record in records:
        statements.append([])
        rehearsal.play(record)
    return statements


class Listening(Rehearsal):
    """Keeps what taught."""

    def __init__(self, listener: Callable[..., None]) -> None:
        super().__init__(listener)
        self.arrivals: dict[str, Lesson] = {}

    def _learn(self, lesson: Lesson) -> None:
        if lesson.what is What.ARRIVED:
            self.arrivals[lesson.run.split()[0]] = lesson
        super()._learn(lesson)


class Leaking(Rehearsal):
    """Learns every arrival when its plan becomes known."""

    def __init__(self, listener: Callable[..., None], truth: dict[str, Lesson]) -> None:
        super().__init__(listener)
        self.truth = truth

    def play(self, record: Record) -> None:
        if record.is_itinerary:
            for run, lesson in self.truth.items():
                if run.encode() in record.value:
                    self._learn(msgspec.structs.replace(lesson, what=What.EXPECTED, time=None))
                    self._learn(lesson)
        super().play(record)


def test_cutting_the_history_changes_nothing_that_was_said_before(records: list[Record]) -> None:
    whole = said(records)
    dice = random.Random(1)
    for _ in range(4):
        cut = dice.randrange(len(records) // 4, len(records))
        assert said(records[:cut]) == whole[:cut]


def test_something_was_learned(records: list[Record]) -> None:
    estimates = [
        LegEstimate.model_validate_json(json)
        for statements in said(records)
        for _, json in statements
        if b"estimate_id" in json
    ]
    learned = [estimate for estimate in estimates if estimate.eta_p05 is not None]
    assert len(learned) > 20


def test_a_build_that_sees_labels_early_is_caught(records: list[Record]) -> None:
    listening = Listening(lambda output, heard: None)
    for record in records:
        listening.play(record)
    truth = listening.arrivals
    assert len(truth) > 20

    # what a leaking build says upon a record depends on records that come after it
    early = dict(list(truth.items())[: len(truth) // 2])
    assert said(records, lambda listener: Leaking(listener, truth)) != said(
        records, lambda listener: Leaking(listener, early)
    )
