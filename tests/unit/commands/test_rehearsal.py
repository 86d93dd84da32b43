"""The leak canary: nothing that is said at a moment depends on what became known after it."""

import random
from collections.abc import Callable
from datetime import date, datetime

import pytest

from commands.rehearsal import Rehearsal
from corridor.codes import Ending
from corridor.eta.learner import Learner
from corridor.models import LegEstimate, LegOutcome
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


class Leaking(Rehearsal):
    """Learns every arrival when its plan becomes known."""

    def __init__(self, listener: Callable[..., None], truth: dict[str, LegOutcome]) -> None:
        super().__init__(listener)
        self.truth = truth

    def play(self, record: Record) -> None:
        for unit, outcome in self.truth.items():
            if record.is_itinerary and record.key.decode() == unit:
                self._learner.hear(outcome)
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
    outcomes: dict[str, LegOutcome] = {}

    def keep(output: LegEstimate | LegOutcome, heard: datetime) -> None:
        if isinstance(output, LegOutcome) and output.ending is Ending.ARRIVED:
            outcomes[output.unit_id] = output

    rehearsal = Rehearsal(keep)
    for record in records:
        rehearsal.play(record)

    def leaking(listener: Callable[..., None]) -> Rehearsal:
        return Leaking(listener, outcomes)

    # what a leaking build says upon a record depends on records that come after it
    early = dict(list(outcomes.items())[: len(outcomes) // 2])
    assert isinstance(rehearsal._learner, Learner)
    assert said(records, leaking) != said(records, lambda listener: Leaking(listener, early))
