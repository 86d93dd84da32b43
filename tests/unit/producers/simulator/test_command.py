"""`corridor simulate`."""

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands import simulate
from commands.main import app
from producers import formats
from producers.replay.file import look


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["simulate", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def small() -> tuple[str, ...]:
    return ("--corridor", "ILSTC", "--shipments", "12", "--seed", "3")


def test_a_file_is_in_order_with_the_truth_beside_it(
    tmp_path: Path, small: tuple[str, ...]
) -> None:
    code, said = run(*small, "--output", str(tmp_path / "history.jsonl.gz"))
    assert code == 0
    assert "12 shipments" in said
    assert look(tmp_path / "history.jsonl.gz").in_order
    rows = (tmp_path / "history.truth.jsonl").read_text().splitlines()
    assert json.loads(rows[0])["shipments"] == 12


def test_the_same_seed_writes_the_same_file(tmp_path: Path, small: tuple[str, ...]) -> None:
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        run(*small, "--output", str(tmp_path / name))
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()


def test_the_truth_goes_where_it_is_asked_for(tmp_path: Path, small: tuple[str, ...]) -> None:
    truth = tmp_path / "truth.jsonl.gz"
    run(*small, "--output", str(tmp_path / "history.jsonl"), "--truth", str(truth))
    with gzip.open(truth) as file:
        assert json.loads(file.readline())["kind"] == "simulation"


def test_messages_lie_as_in_a_drop_folder(tmp_path: Path, small: tuple[str, ...]) -> None:
    code, _ = run(*small, "--messages", str(tmp_path / "inbox"))
    assert code == 0
    files = [path for path in (tmp_path / "inbox").rglob("*") if path.is_file()]
    assert files
    assert {path.parent.name for path in files} <= set(formats.BY_NAME)
    assert {len(path.relative_to(tmp_path / "inbox").parts) for path in files} == {3}
    by_name = sorted(files, key=lambda path: path.name[:16])
    assert [p.stat().st_mtime for p in by_name] == sorted(p.stat().st_mtime for p in files)


def test_an_unknown_corridor_ends_with_one_sentence(tmp_path: Path) -> None:
    code, said = run("--corridor", "NOWHERE", "--output", str(tmp_path / "x.jsonl"))
    assert code == 1
    assert "there is no corridor NOWHERE" in said
    assert list(tmp_path.iterdir()) == []


def test_no_positions_are_told_if_none_are_wanted(tmp_path: Path, small: tuple[str, ...]) -> None:
    run(*small, "--output", str(tmp_path / "history.jsonl"), "--positions", "0")
    assert '"BREADCRUMB"' not in (tmp_path / "history.jsonl").read_text()


def test_without_a_file_it_is_published_like_a_replay(
    small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[tuple[bool, float | None]] = []

    def replay(sources: list[str], *, speed: float | None) -> None:
        played.extend((look(Path(source)).in_order, speed) for source in sources)

    monkeypatch.setattr(simulate, "replay", replay)
    assert run(*small, "--speed", "3600")[0] == 0
    assert played == [(True, 3600.0)]
