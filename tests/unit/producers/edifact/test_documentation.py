import json
import re
from pathlib import Path

import pytest

from producers.edifact.cusres import DECISIONS
from producers.edifact.statuses import REC_24, X12
from tests.unit.producers.edifact.messages import events

PAGE = (Path(__file__).parents[4] / "docs/formats/edifact.md").read_text()


@pytest.mark.parametrize(("code", "status"), [*REC_24.items(), *X12.items()])
def test_the_page_has_every_status(code: str, status: tuple[str, ...]) -> None:
    assert f"| {code} | {status[0]} | {status[1]} |" in PAGE


@pytest.mark.parametrize(("code", "decision"), DECISIONS.items())
def test_the_page_has_every_decision(code: str, decision: tuple[str, ...]) -> None:
    assert f"| {code} | {decision[0]} |" in PAGE


def test_the_example_gives_the_event_that_the_page_shows() -> None:
    text, shown = re.findall(r"```(?:json)?\n(.*?)```", PAGE, re.DOTALL)

    assert [json.loads(found.to_json()) for found in events(text)] == [json.loads(shown)]
