"""`corridor formats` and `corridor decode`: what a person sees, and what a script reads."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commands.main import app
from producers.adapter import Format
from producers.formats import FORMATS
from tests.unit.samples import EVENT, ITINERARY

SOURCED = EVENT | {"source": "acme"}


def corridor(*arguments: str, width: int = 120) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": str(width)})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "message.json"


def test_every_format_is_listed() -> None:
    listed = corridor("formats").output
    assert all(format.name in listed and format.title in listed for format in FORMATS)


def test_a_message_is_shown_as_what_it_would_become(file: Path) -> None:
    file.write_text(json.dumps(EVENT))
    result = corridor("decode", str(file))
    assert result.exit_code == 0
    for said in ("1 accepted, 0 rejected", "SEALED", "CSQU3054383", "2026-01-01 19:04:05Z"):
        assert said.split()[0] in result.output


def test_what_is_rejected_is_shown_and_is_a_failure(file: Path) -> None:
    file.write_text(json.dumps([EVENT, EVENT | {"code": "NOPE"}]))
    result = corridor("decode", str(file))
    assert result.exit_code == 1
    assert "UNKNOWN_CODE" in result.output
    assert "[1].code" in result.output


def test_json_lines_are_for_scripts(file: Path) -> None:
    file.write_text(json.dumps([EVENT, EVENT | {"code": "NOPE"}]))
    lines = corridor("decode", str(file), "--json").stdout.splitlines()
    event, rejected = map(json.loads, lines)
    assert event["event_id"] == EVENT["event_id"]
    assert rejected["rejected"]["reason"] == "UNKNOWN_CODE"


def test_the_sender_is_the_source_of_what_names_none(file: Path) -> None:
    file.write_text(json.dumps({name: v for name, v in EVENT.items() if name != "source"}))
    [line] = corridor("decode", str(file), "--json", "--sender", "acme").stdout.splitlines()
    assert json.loads(line)["source"] == "acme"


def test_an_itinerary_is_shown_leg_by_leg(file: Path) -> None:
    file.write_text(json.dumps(ITINERARY))
    result = corridor("decode", str(file))
    assert "itinerary of CSQU3054383" in result.output
    assert "CNQZH" in result.output


def test_a_message_does_not_write_to_the_terminal(file: Path) -> None:
    file.write_text(json.dumps(EVENT | {"attributes": {"[red]x": "\x1b[2J[/]\u202e"}}))
    result = corridor("decode", str(file))
    assert result.exit_code == 0
    assert "\x1b[2J" not in result.output
    assert "[red]x \\x1b[2J[/]\\u202e" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["decode", "/nonexistent"], "No such file"),
        (["decode", __file__], "looks like no format"),
        (["decode", __file__, "--format", "telex"], "no format is named telex"),
    ],
)
def test_what_cannot_be_asked_is_a_failure_with_words(arguments: list[str], words: str) -> None:
    result = corridor(*arguments)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_any_binary_file_is_safe(tmp_path: Path, format: Format) -> None:
    file = tmp_path / "any.bin"
    file.write_bytes(bytes(range(256)) * 10)
    assert corridor("decode", str(file), "--format", format.name).exit_code == 1
