"""Replay files: their order, their errors, and how much memory they take."""

import gzip
import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from corridor.models import DeadLetter
from producers.replay.file import ReplayFileError, ReplayWriter, look, read
from producers.replay.ordering import Sorter
from producers.replay.record import Record
from tests.unit import samples

START = datetime(2026, 1, 1, tzinfo=UTC)


def line(seconds: float, name: str = "", **changes: Any) -> str:
    event = samples.EVENT | {
        "kind": "event",
        "event_id": name or f"e{seconds}",
        "event_time": (START + timedelta(seconds=seconds)).isoformat(),
    }
    return json.dumps(event | changes)


def itinerary(seconds: float) -> str:
    body = samples.ITINERARY | {
        "kind": "itinerary",
        "shipment_id": f"i{seconds}",
        "issued_time": (START + timedelta(seconds=seconds)).isoformat(),
    }
    return json.dumps(body)


def write(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{text}\n" for text in lines))
    return path


def names(path: Path, sorter: Sorter | None = None) -> list[str]:
    """What a file replays, by event id or shipment id, or `!line` for a bad line."""
    found = []
    for item in read(path, look(path), sorter):
        if isinstance(item, DeadLetter):
            found.append(f"!{item.origin.line}")
        else:
            value = json.loads(item.value)
            found.append(value.get("event_id") or value["shipment_id"])
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.jsonl"


def test_a_file_in_order_is_streamed(path: Path) -> None:
    write(path, [itinerary(0), line(1), line(1, "x"), line(2)])
    assert look(path).in_order
    sorter = Sorter()
    assert names(path, sorter) == ["i0", "e1", "x", "e2"]
    assert not list(sorter.sorted())


def test_a_file_out_of_order_is_sorted_by_availability(path: Path) -> None:
    late = (START + timedelta(seconds=9)).isoformat()
    write(path, [line(3), line(1, "told late", available_time=late), itinerary(2), line(1)])
    assert not look(path).in_order
    assert names(path) == ["e1", "i2", "e3", "told late"]


def test_messages_of_one_moment_keep_the_order_of_the_file(path: Path) -> None:
    write(path, [line(5), *(line(1, f"same{n}") for n in range(50))])
    assert names(path) == [*(f"same{n}" for n in range(50)), "e5"]


def test_messages_of_one_moment_keep_their_order_over_many_spills(path: Path) -> None:
    texts = [line(n % 3, f"{n % 3}/{n:03}") for n in range(300)]
    sorter = Sorter(memory_bytes=4000, fan_in=3)
    assert names(write(path, texts), sorter) == sorted(f"{n % 3}/{n:03}" for n in range(300))
    assert sorter.spills > 9


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.permutations(range(25)), st.integers(700, 20_000), st.integers(2, 4))
def test_any_permutation_of_a_file_replays_in_the_same_order(
    path: Path, order: list[int], memory: int, fan_in: int
) -> None:
    texts = [itinerary(n) if n % 5 == 0 else line(n) for n in order]
    write(path, texts)
    expected = [f"i{n}" if n % 5 == 0 else f"e{n}" for n in range(25)]
    assert names(path, Sorter(memory, fan_in)) == expected


def test_memory_is_bounded_by_temporary_files_that_leave_no_trace(
    path: Path, tmp_path: Path
) -> None:
    numbers = list(range(2000))
    random.Random(1).shuffle(numbers)
    spool = tmp_path / "spool"
    spool.mkdir()
    sorter = Sorter(memory_bytes=50_000, directory=spool)
    held = []
    for item in read(write(path, map(line, numbers)), look(path)):
        assert isinstance(item, Record)
        sorter.add(item)
        held.append(sorter.held_bytes)
    assert max(held) <= 50_000
    assert sorter.spills > 10
    found = [record.available for record in sorter.sorted()]
    assert found == sorted(found)
    assert len(found) == 2000
    assert not list(spool.iterdir())


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_gzipped_file_is_read_whatever_its_name(path: Path, shuffled: bool) -> None:
    texts = [line(1), line(2)]
    path.write_bytes(gzip.compress("\n".join(texts[:: -1 if shuffled else 1]).encode()))
    assert names(path) == ["e1", "e2"]


def test_bad_lines_are_rejected_and_the_rest_is_replayed(path: Path) -> None:
    write(path, [line(1), "{", line(2), line(3, code="NOPE"), line(4)])
    assert names(path) == ["e1", "!2", "e2", "!4", "e4"]


def test_bad_lines_of_a_file_out_of_order_are_rejected_too(path: Path) -> None:
    write(path, [line(4), "{", line(2)])
    assert names(path) == ["!2", "e2", "e4"]


def test_a_line_without_end_is_one_bad_line(path: Path) -> None:
    write(path, [line(1), "x" * 3_000_000, line(2)])
    assert names(path) == ["e1", "!2", "e2"]


def test_blank_lines_are_nothing(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + f"{line(1)}\r\n\n  \n{line(2)}".encode())
    assert names(path) == ["e1", "e2"]
    assert look(path).lines == 2


def test_an_empty_file_replays_nothing(path: Path) -> None:
    path.touch()
    assert names(path) == []


def test_times_in_other_forms_count_in_the_order(path: Path) -> None:
    unix = START.timestamp()
    write(path, [line(3), line(0, "unix", event_time=unix + 1), line(4)])
    assert names(path) == ["unix", "e3", "e4"]


def test_times_finer_than_a_microsecond_do_not_stop_a_replay(path: Path) -> None:
    stamp = "2026-01-01T00:00:0{}Z"
    texts = [line(0, "a", event_time=stamp.format("1.0000004")), line(1, "b")]
    texts.append(line(0, "c", event_time=stamp.format("0.9999996")))
    assert sorted(names(write(path, texts))) == ["a", "b", "c"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayFileError, match=r"nope\.jsonl: No such file"):
        look(tmp_path / "nope.jsonl")


def test_a_directory_is_no_replay_file(tmp_path: Path) -> None:
    with pytest.raises(ReplayFileError, match="is not a file"):
        look(tmp_path)


def test_a_damaged_gzip_is_named_before_anything_is_replayed(path: Path) -> None:
    whole = gzip.compress("\n".join(map(line, range(1000))).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReplayFileError, match="damaged gzip after line"):
        look(path)


def test_a_file_that_changes_while_it_is_read_is_an_error(path: Path) -> None:
    overview = look(write(path, [line(1), line(2)]))
    write(path, [line(2), line(1)])
    with pytest.raises(ReplayFileError, match="changed while it was read"):
        list(read(path, overview))


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_what_is_written_replays_the_same(path: Path, tmp_path: Path, name: str) -> None:
    late = (START + timedelta(seconds=9)).isoformat()
    write(path, [line(3), itinerary(2), line(1, "late", available_time=late)])
    out = tmp_path / name
    with ReplayWriter(out) as writer:
        for item in read(path, look(path)):
            assert isinstance(item, Record)
            writer.write(item)
    assert look(out).in_order
    assert list(read(out, look(out))) == list(read(path, look(path)))


def test_a_file_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ReplayWriter(tmp_path / "out.jsonl"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert not list(tmp_path.iterdir())
