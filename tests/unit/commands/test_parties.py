"""`corridor parties`: a token is shown once, and can be taken away."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commands.main import app
from corridor.parties import Parties


class Command:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, *arguments: str) -> Result:
        env = {"CORRIDOR_PARTIES": str(self.file), "COLUMNS": "200"}
        return CliRunner().invoke(app, ["parties", *arguments], env=env)

    def may(self, token: str) -> bool:
        return Parties(self.file).authenticate(token, datetime.now(UTC)) is not None


@pytest.fixture
def parties(tmp_path: Path) -> Command:
    return Command(tmp_path / "parties.json")


def test_the_token_alone_is_on_standard_output(parties: Command) -> None:
    token = parties("add", "acme", "--name", "ACMU").stdout.strip()
    assert parties.may(token)
    assert token not in parties("list").output


def test_a_party_is_listed_with_its_names_formats_and_tokens(parties: Command) -> None:
    token = parties("add", "acme", "--name", "ACMU", "--format", "event", "--days", "30").stdout
    listed = parties("list").output
    for said in ("acme", "ACMU", "event", token.split("_")[1], "until"):
        assert said in listed


def test_a_token_is_taken_away_and_then_the_party(parties: Command) -> None:
    old, new = (parties("add", "acme").stdout.strip() for _ in range(2))
    assert parties("remove", "acme", "--token", old.split("_")[1]).exit_code == 0
    assert (parties.may(old), parties.may(new)) == (False, True)
    assert parties("remove", "acme").exit_code == 0
    assert not parties.may(new)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "a b"], "id:"),
        (["add", "acme", "--format", "telex"], "no format is named telex"),
        (["remove", "nobody"], "no party nobody"),
    ],
)
def test_what_cannot_be_done_is_said(parties: Command, arguments: list[str], words: str) -> None:
    result = parties(*arguments)
    assert result.exit_code == 1
    assert words in result.output
