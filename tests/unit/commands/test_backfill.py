"""History that is played beside live traffic leaves it alone, and comes out as by itself."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from bench.directly import simulated
from commands.rehearsal import Rehearsal
from corridor.models import LegEstimate, LegOutcome
from producers.replay.record import Record
from producers.simulator.simulate import Parameters

Said = list[LegEstimate | LegOutcome]


@pytest.fixture(scope="module")
def live() -> list[Record]:
    return simulated(Parameters("CKG-AIR", 25, 5, date(2026, 1, 5), 8, ping_factor=0.0))


@pytest.fixture(scope="module")
def old() -> list[Record]:
    """Two years before."""
    return simulated(Parameters("CKG-AIR", 25, 6, date(2024, 1, 5), 8, ping_factor=0.0))


@pytest.fixture(scope="module")
def beside(live: list[Record], old: list[Record]) -> Said:
    """History is told within a second of the live traffic: known to us only now."""
    first, rest = live[: len(live) // 2], live[len(live) // 2 :]
    now = first[-1].available
    told = [record._replace(available=now + n * 1000) for n, record in enumerate(old)]
    mixed = sorted([*first, *told, *rest], key=lambda record: record.available)
    return said(mixed)


def said(records: Iterable[Record]) -> Said:
    heard: Said = []
    rehearsal = Rehearsal(lambda output, time: heard.append(output))
    for record in records:
        rehearsal.play(record)
    return heard


def outcomes(said: Said, year: int) -> dict[str, Any]:
    """The last of each leg planned in a year, but for when it was told and what was learned."""
    return {
        o.outcome_id: o.model_dump(exclude={"predictions", "late", "as_of", "updated_time"})
        for o in said
        if isinstance(o, LegOutcome) and o.planned_departure.year == year
    }


def test_outcomes_of_live_traffic_do_not_depend_on_it(live: list[Record], beside: Said) -> None:
    assert outcomes(beside, 2026) == outcomes(said(live), 2026)


def test_history_ends_as_it_would_by_itself(old: list[Record], beside: Said) -> None:
    alone = outcomes(said(old), 2024)
    assert outcomes(beside, 2024) == alone
    assert len(alone) > 30


def test_what_is_said_of_history_is_as_of_then(beside: Said) -> None:
    assert {said.as_of.year for said in beside if said.planned_departure.year == 2024} == {2024}
