"""A simulated corridor, told with all its noise, lands as the simulator knows it to be true."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.corridors import Result, run
from bench.fresh_stack import FreshStack, fresh_stacks

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

OPTIONS = ["--shipments", "50", "--seed", "11", "--noise", "harsh"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshStack]:
    directory: Path = tmp_path_factory.mktemp("corridor")
    with fresh_stacks(directory / "stack") as [stack]:
        yield stack


@pytest.fixture(scope="module")
def result(stack: FreshStack) -> Result:
    return run(stack, "ILSTC", OPTIONS, seconds=180)


def test_every_leg_has_its_true_ending_and_times(result: Result) -> None:
    assert result.legs > 200
    assert result.differences == []


def test_only_what_was_spoiled_is_in_the_quarantine(result: Result) -> None:
    assert set(result.dead_letters) <= {"FUTURE", "IMPOSSIBLE_POSITION"}


def test_what_was_told_of_a_run_is_shown_for_each_of_its_units(
    stack: FreshStack, result: Result
) -> None:
    told = stack.query(
        "SELECT count() FROM unit_events WHERE told_of = 'run' AND code = 'DEPARTED'"
    )
    assert told[0][0] > 0


def test_a_document_reaches_the_units_under_it(stack: FreshStack, result: Result) -> None:
    [(units, under)] = stack.query(
        "SELECT (SELECT uniqExact(unit_id) FROM unit_events WHERE code = 'MTD_ISSUED'), "
        "(SELECT uniqExact(unit_id) FROM current_itineraries)"
    )
    assert units == under > 0
