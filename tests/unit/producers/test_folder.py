"""The drop folder, on a publisher without Kafka; also when it is killed at any of its steps."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from corridor.parties import add
from corridor.settings import Settings
from producers import folder as folders
from producers.folder import Folder, FolderError
from tests.unit.producers.push.fakes import FakePublisher
from tests.unit.samples import EVENT

IOT = "tracking.iot"
OWN = EVENT | {"source": "acme"}


class Inbox:
    """A folder with a gateway that can be started again."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "inbox"
        self.kafka = FakePublisher()
        self.settings = Settings(data=directory / "data")

    def drop(self, name: str, content: bytes, at: int | None = None) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if at is not None:
            os.utime(path, (at, at))
        return path

    def take(self) -> bool:
        with self.opened() as folder:
            return folder.once(threading.Event())

    def opened(self) -> Folder:
        return Folder(self.settings, self.path, look_seconds=0)

    def files(self) -> set[str]:
        found = (path for path in self.path.rglob("*") if path.is_file())
        return {str(path.relative_to(self.path)) for path in found} - {".lock"}

    def ids(self) -> list[str]:
        return [json.loads(value)["event_id"] for _, value in self.kafka.topic(IOT)]


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    inbox = Inbox(tmp_path)
    monkeypatch.setattr(folders, "Publisher", lambda settings: inbox.kafka)
    return inbox


def lines(*ids: str, **changes: Any) -> bytes:
    return b"".join(json.dumps(OWN | {"event_id": id} | changes).encode() + b"\n" for id in ids)


# what becomes of files -------------------------------------------------------------------------


def test_a_file_is_published_and_then_done(inbox: Inbox) -> None:
    inbox.drop("acme/event/a.json", lines("1", "2"))
    assert inbox.take()
    assert inbox.ids() == ["1", "2"]
    assert inbox.files() == {"acme/done/event/a.json"}


@pytest.mark.parametrize("place", ["acme/any/a.json", "acme/a.json", "acme/any/deep/a.json"])
def test_a_file_may_be_recognised(inbox: Inbox, place: str) -> None:
    inbox.drop(place, lines("1"))
    inbox.take()
    assert inbox.ids() == ["1"]
    assert inbox.files() == {"acme/done/any/a.json"}


def test_what_is_bad_is_told_beside_the_file_and_kept(inbox: Inbox) -> None:
    inbox.drop("acme/event/a.json", lines("1") + lines("2", code="NOPE"))
    inbox.take()
    assert inbox.ids() == ["1"]
    assert len(inbox.kafka.dead_letters) == 1
    rejected = {"acme/rejected/event/a.json", "acme/rejected/event/a.json.reason.txt"}
    assert inbox.files() == rejected
    reason = (inbox.path / "acme/rejected/event/a.json.reason.txt").read_text()
    assert "accepted: 1; not accepted: 1" in reason
    assert "UNKNOWN_CODE  line 2: code: code NOPE is not one of event_type IOT" in reason


@pytest.mark.parametrize(
    ("place", "words"),
    [("acme/any/a.bin", "looks like no format"), ("acme/telex/a.bin", "no format is named telex")],
)
def test_a_file_that_nobody_can_read_is_rejected_and_kept(
    inbox: Inbox, place: str, words: str
) -> None:
    inbox.drop(place, bytes(range(256)))
    inbox.take()
    [letter] = inbox.kafka.dead_letters
    assert json.loads(letter)["origin"]["file"] == place
    [told] = [name for name in inbox.files() if name.endswith(".reason.txt")]
    assert words in (inbox.path / told).read_text()


@pytest.mark.parametrize("name", [".a.json", "a.json.part", "a.tmp", "A.TMP", "a.filepart", "a~"])
def test_a_file_whose_name_is_not_final_is_left(inbox: Inbox, name: str) -> None:
    inbox.drop(f"acme/event/{name}", lines("1"))
    inbox.take()
    assert inbox.files() == {f"acme/event/{name}"}


def test_a_file_that_grows_is_left_until_it_stays_the_same(inbox: Inbox) -> None:
    path = inbox.drop("acme/event/a.json", lines("1"), at=1000)
    with inbox.opened() as folder:
        assert folder.look() == []
        with path.open("ab") as file:
            file.write(lines("2"))
        assert folder.look() == []
        assert [file.path for file in folder.look()] == [path]


def test_a_file_that_changes_while_it_is_read_is_read_again(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = inbox.drop("acme/event/a.json", lines("1"))
    confirm = inbox.kafka.flush

    def flush() -> None:
        confirm()
        if inbox.ids() == ["1"]:
            path.write_bytes(lines("1", "2"))

    monkeypatch.setattr(inbox.kafka, "flush", flush)
    inbox.take()
    assert inbox.files() == {"acme/event/a.json"}
    inbox.take()
    assert inbox.ids() == ["1", "1", "2"]
    assert inbox.files() == {"acme/done/event/a.json"}


def test_a_name_that_comes_twice_keeps_both(inbox: Inbox) -> None:
    for id in ("1", "2", "3"):
        inbox.drop("acme/event/a.tar.json", lines(id))
        inbox.take()
    assert inbox.files() == {
        f"acme/done/event/{name}" for name in ("a.tar.json", "a.2.tar.json", "a.3.tar.json")
    }


def test_files_are_taken_in_the_order_in_which_they_were_written(inbox: Inbox) -> None:
    inbox.drop("acme/event/a.json", lines("2"), at=2000)
    inbox.drop("acme/event/b.json", lines("1"), at=1000)
    inbox.take()
    assert inbox.ids() == ["1", "2"]


def test_a_link_is_not_followed(inbox: Inbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_bytes(lines("1"))
    inbox.path.joinpath("acme/event").mkdir(parents=True)
    inbox.path.joinpath("acme/event/a.json").symlink_to(secret)
    inbox.path.joinpath("acme/link").symlink_to(tmp_path)
    inbox.take()
    assert inbox.ids() == []


def test_a_large_file_of_lines_is_read_in_pieces(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "PIECE_BYTES", 1000)
    monkeypatch.setattr(folders, "WHOLE_BYTES", 2000)
    ids = [str(n) for n in range(50)]
    inbox.drop("acme/event/a.json", lines(*ids) + b"{\n")
    inbox.take()
    assert inbox.ids() == ids
    reason = (inbox.path / "acme/rejected/event/a.json.reason.txt").read_text()
    assert "line 2: not JSON" in reason
    assert "(line 1 is line 50 of the file)" in reason


def test_a_file_that_is_too_large_and_cannot_be_cut_is_rejected_whole(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "PIECE_BYTES", 1000)
    monkeypatch.setattr(folders, "WHOLE_BYTES", 2000)
    inbox.drop("acme/event/a.json", json.dumps([OWN] * 50, indent=1).encode())
    inbox.take()
    assert inbox.ids() == []
    assert "acme/rejected/event/a.json" in inbox.files()


# who -------------------------------------------------------------------------------------------


def test_a_party_speaks_in_its_own_name_only(inbox: Inbox) -> None:
    inbox.drop("acme/event/a.json", lines("1", source="other"))
    inbox.take()
    assert inbox.ids() == []
    assert "acme/rejected/event/a.json" in inbox.files()


def test_a_known_party_speaks_by_its_other_names_and_uses_its_formats(inbox: Inbox) -> None:
    file = inbox.settings.data / "parties.json"
    add(file, "acme", datetime.now(UTC), aliases=("ACMU",), formats=("event",))
    inbox.drop("acme/event/a.json", lines("1", source="ACMU"))
    inbox.drop("acme/itinerary/b.json", b"{}")
    inbox.take()
    assert inbox.ids() == ["1"]
    assert "acme/rejected/itinerary/b.json" in inbox.files()


def test_a_folder_has_one_gateway(inbox: Inbox) -> None:
    with inbox.opened(), pytest.raises(FolderError, match="another gateway"):
        inbox.opened()


# when something fails --------------------------------------------------------------------------


def test_files_wait_while_kafka_is_away(inbox: Inbox) -> None:
    inbox.drop("acme/event/a.json", lines("1"))
    inbox.kafka.fail()
    assert not inbox.take()
    assert inbox.files() == {"acme/event/a.json"}
    inbox.kafka.fault = None
    assert inbox.take()
    assert inbox.files() == {"acme/done/event/a.json"}


def test_a_file_that_cannot_be_moved_does_not_hold_up_the_others(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.drop("acme/event/a.json", lines("1"), at=1000)
    inbox.drop("acme/event/b.json", lines("2"), at=2000)
    rename = os.rename

    def refusing(source: Path, target: Path) -> None:
        if Path(source).name == "a.json":
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refusing)
    inbox.take()
    assert inbox.files() == {"acme/event/a.json", "acme/done/event/b.json"}


class Killed(BaseException):
    """What nothing catches, as nothing catches kill -9."""


STEPS: tuple[tuple[Any, str], ...] = (
    (os, "open"),
    (os, "pread"),
    (os, "fsync"),
    (os, "rename"),
    (FakePublisher, "publish"),
    (FakePublisher, "flush"),
)


def killing(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[None]:
    """Kills before the given one of all calls that leave the process."""
    left = step

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, guarded(getattr(owner, name)))
        yield


@pytest.mark.parametrize("step", range(40))
def test_killed_at_any_step_it_loses_nothing(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    inbox.drop("acme/event/good.json", lines("1", "2"), at=1000)
    inbox.drop("acme/event/bad.json", lines("3") + b"{", at=2000)
    for _ in killing(monkeypatch, step):
        try:
            inbox.take()
        except Killed:
            inbox.kafka.pending = []  # what was not confirmed is lost with the process
    inbox.take()
    assert set(inbox.ids()) == {"1", "2", "3"}
    left = {name for name in inbox.files() if "/." not in name}
    assert {"acme/done/event/good.json", "acme/rejected/event/bad.json"} <= left | {
        name.replace("bad.2.json", "bad.json") for name in left
    }
    moved = {name for name in left if not name.endswith(".reason.txt")}
    assert len(moved) == 2
    for name in moved:
        if name.startswith("acme/rejected"):
            assert f"{name}.reason.txt" in left


def test_a_stop_leaves_the_rest_for_later(inbox: Inbox) -> None:
    inbox.drop("acme/event/a.json", lines("1"))
    stopping = threading.Event()
    stopping.set()
    with inbox.opened() as folder:
        assert folder.once(stopping)
    assert inbox.files() == {"acme/event/a.json"}
