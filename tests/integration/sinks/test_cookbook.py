"""Every answer of the cookbook is what the messages say by another way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.cookbook.answers import ANSWERS
from bench.cookbook.questions import QUESTIONS, Question
from tests.integration.sinks.history import Landed, landed
from tests.support import ROOT, ClickHouse

pytestmark = pytest.mark.stack

PAGE = Path(ROOT, "docs", "sql.md")


@pytest.fixture(scope="module")
def told_and_landed(clickhouse: ClickHouse) -> Iterator[Landed]:
    history = landed(clickhouse)
    yield history
    history.client.execute(f"DROP DATABASE {history.name}")


def rounded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The statements round to one decimal, or to two."""
    return tuple(
        pytest.approx(value, abs=0.0501, nan_ok=True) if isinstance(value, float) else value
        for value in row
    )


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_the_answer_is_what_the_messages_say(told_and_landed: Landed, question: Question) -> None:
    rows = told_and_landed.query(question.sql)
    expected = ANSWERS[question.name](told_and_landed.told)
    assert rows == [rounded(row) for row in expected]
    assert rows, "a question without an answer shows nothing"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_the_page_shows_the_statement_that_is_tested(question: Question) -> None:
    assert f"```sql\n{question.sql}\n```" in PAGE.read_text(encoding="utf-8"), (
        "run python -m bench.cookbook"
    )


def test_there_is_an_answer_to_every_question() -> None:
    assert [question.name for question in QUESTIONS] == list(ANSWERS)
    assert len(QUESTIONS) == 20
