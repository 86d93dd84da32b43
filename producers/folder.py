"""The drop folder: parties put files there, by SFTP or any other way; each becomes messages.

    INBOX/{party}/{format}/FILE       taken as that format; `any`, or no folder: recognised
    INBOX/{party}/done/{format}/      everything in it is on Kafka
    INBOX/{party}/rejected/{format}/  something could not be used; FILE.reason.txt says what and why

A file stays where it is until Kafka has all of it, and is moved by one rename. So a crash at any
moment loses nothing; at worst the file is read again, and says what is known already.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import structlog

from corridor.codes import Reject
from corridor.decoding import EDGE_PAYLOAD_KEPT, Rejected
from corridor.metrics import FILES
from corridor.parties import Parties, parties_file
from corridor.settings import Settings
from producers import formats
from producers.adapter import Format
from producers.intake import Intake, Taken
from producers.publisher import Publisher, PublishError

log = structlog.get_logger(__name__)

ANY = "any"
DONE, REJECTED = "done", "rejected"
UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload", ".swp", "~")
"""How names end that are not final; neither are those that begin with a dot."""
LOOK_SECONDS = 2.0
"""Between two looks. A file that changed from one to the next is still being written."""
WHOLE_BYTES = 64 * 1024 * 1024
"""The largest file that is read as one message."""
PIECE_BYTES = 2_000_000
"""What is read at a time of a larger one, where the format allows it."""
LINES_TRIED = 10
REASON = ".reason.txt"
FAULTS_TOLD = 1000
"""Faults that a reason file lists."""
PAUSE_SECONDS = 5.0
"""After Kafka failed."""


class FolderError(Exception):
    """The folder cannot be used; the text says why."""


class Dropped(NamedTuple):
    """A file as it was seen."""

    path: Path
    party: str
    folder: str
    """Of the format, or `any`."""
    state: tuple[int, int, int]
    """Size, time of change, inode: they stay the same when a file is complete."""


class Result(NamedTuple):
    """What became of a file."""

    format: str
    accepted: int
    faults: list[Rejected]
    """The first of them."""
    rejected: int

    def plus(self, taken: Taken, line: int) -> "Result":
        """With what a further piece gave, which began at a line."""
        faults = taken.rejected[: FAULTS_TOLD - len(self.faults)]
        if line > 1:
            told = f" (line 1 is line {line:,} of the file)"
            faults = [fault._replace(detail=fault.detail + told) for fault in faults]
        return Result(
            self.format,
            self.accepted + len(taken.accepted),
            self.faults + faults,
            self.rejected + len(taken.rejected),
        )


class Folder:
    """One inbox. Only one process at a time can have it."""

    def __init__(
        self, settings: Settings, inbox: Path, *, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """Opens the folder, and makes it where there is none.

        Args:
            settings: Where Kafka and the parties are.
            inbox: The folder.
            look_seconds: Between two looks.

        Raises:
            FolderError: it cannot be used, or another process has it.
            PartiesError: the parties cannot be read.
        """
        self._settings = settings
        self._inbox = inbox
        self._look_seconds = look_seconds
        self._parties = Parties(parties_file(settings))
        self._seen: dict[Path, tuple[int, int, int]] = {}
        self._publisher: Publisher | None = None
        self.trouble: str | None = None
        try:
            inbox.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(inbox / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise FolderError(f"{inbox}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise FolderError(f"{inbox}: another gateway takes the files of this folder") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._disconnect()
        os.close(self._lock)

    def run(self, stopping: threading.Event) -> None:
        """Looks and takes until it is to stop; a file that was begun is finished."""
        log.info("watching", folder=str(self._inbox))
        while not stopping.is_set():
            pause = self._look_seconds
            if not self.take(self.look(), stopping):
                pause = PAUSE_SECONDS
            stopping.wait(pause)

    def once(self, stopping: threading.Event) -> bool:
        """Takes what is there and complete; False if Kafka did not take all of it."""
        self.look()
        stopping.wait(self._look_seconds)
        return self.take(self.look(), stopping)

    def look(self) -> list[Dropped]:
        """The files that have not changed since the last look, the oldest first."""
        found = list(_files(self._inbox))
        complete = [file for file in found if self._seen.get(file.path) == file.state]
        self._seen = {file.path: file.state for file in found}
        return sorted(complete, key=lambda file: (file.state[1], file.path))

    def take(self, files: list[Dropped], stopping: threading.Event) -> bool:
        """Takes some files; False if Kafka failed, which leaves the rest where they are."""
        for file in files:
            if stopping.is_set():
                break
            try:
                self._take(file, stopping)
            except PublishError as error:
                self.trouble = str(error)
                log.warning("Kafka failed, files wait", error=str(error))
                self._disconnect()
                return False
            except OSError as error:
                # it is gone, or not ours to read or move: the others need not suffer
                log.warning("file left", file=str(file.path), error=str(error))
        return True

    def _take(self, file: Dropped, stopping: threading.Event) -> None:
        name = str(file.path.relative_to(self._inbox))
        with _opened(file.path) as descriptor:
            publisher = self._publisher = self._publisher or Publisher(self._settings)
            result = self._publish(Intake(publisher), file, name, descriptor, stopping)
            publisher.flush()
            self.trouble = None
            if result is None or _state(os.stat(file.path)) != file.state:
                return  # it is to be read again: the gateway stops, or the file was changed
        target = self._settle(file, result)
        FILES.labels(result.format, REJECTED if result.rejected else DONE).inc()
        log.info(
            "file taken",
            file=name,
            format=result.format,
            accepted=result.accepted,
            rejected=result.rejected,
            now=str(target.relative_to(self._inbox)),
        )

    def _publish(
        self, intake: Intake, file: Dropped, name: str, descriptor: int, stopping: threading.Event
    ) -> Result | None:
        """Publishes what a file says; None if that was broken off."""
        party = self._parties.get(file.party)
        names = party.names if party else frozenset({file.party})
        size = os.fstat(descriptor).st_size
        start = os.pread(descriptor, size if size <= WHOLE_BYTES else PIECE_BYTES, 0)
        format = _format(file.folder, start)
        if party is not None and not party.may_use(format.name):
            detail = f"{file.party} has not been granted the format {format.name}"
            format = _refusing(format.name, Rejected(Reject.UNSUPPORTED, None, detail))
        by_line = size > PIECE_BYTES and format.by_line and _is_of_lines(descriptor, format)
        if size > WHOLE_BYTES and not by_line:
            detail = f"a file of this format may have {WHOLE_BYTES:,} bytes; send it in parts"
            format = _refusing(format.name, Rejected(Reject.UNSUPPORTED, None, detail))
        result = Result(format.name, 0, [], 0)
        for line, piece in _by_line(descriptor) if by_line else _whole(descriptor):
            if stopping.is_set():
                return None
            taken = intake.take(format, piece, sender=file.party, file=name, names=names)
            result = result.plus(taken, line)
        return result

    def _settle(self, file: Dropped, result: Result) -> Path:
        """Moves a file that Kafka has; what is said about it is there first."""
        where = REJECTED if result.rejected else DONE
        folder = self._inbox / file.party / where / file.folder
        folder.mkdir(parents=True, exist_ok=True)
        target = _free(folder, file.path.name)
        if result.rejected:
            _write(target.with_name(target.name + REASON), _reason(file, result))
        os.rename(file.path, target)
        _sync(folder)
        _sync(file.path.parent)
        self._seen.pop(file.path, None)
        return target

    def _disconnect(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None


# which files, and what they are ------------------------------------------------------------------


def _files(inbox: Path) -> Iterator[Dropped]:
    """The regular files that lie where a party puts them and have their final names."""
    for party in _entries(inbox):
        if not party.is_dir(follow_symlinks=False):
            continue
        for entry in _entries(Path(party.path)):
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in (DONE, REJECTED):
                    yield from _below(Path(entry.path), party.name, entry.name)
            elif (file := _dropped(entry, party.name, ANY)) is not None:
                yield file


def _below(folder: Path, party: str, format: str) -> Iterator[Dropped]:
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path), party, format)
        elif (file := _dropped(entry, party, format)) is not None:
            yield file


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return [
                entry
                for entry in entries
                if not entry.name.startswith(".") and not entry.name.lower().endswith(UNFINISHED)
            ]
    except OSError as error:
        log.warning("folder not read", folder=str(folder), error=str(error))
        return []


def _dropped(entry: "os.DirEntry[str]", party: str, format: str) -> Dropped | None:
    # a link could lead anywhere that we may read and its maker may not
    if not entry.is_file(follow_symlinks=False):
        return None
    try:
        return Dropped(Path(entry.path), party, format, _state(entry.stat(follow_symlinks=False)))
    except FileNotFoundError:
        return None


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ino


def _format(folder: str, start: bytes) -> Format:
    """What a file is; what cannot be told is a format that refuses everything."""
    if folder == ANY:
        found = formats.recognise(start)
        detail = "it looks like no format that we read; see: corridor formats"
    else:
        found = formats.BY_NAME.get(folder)
        detail = f"no format is named {folder}; see: corridor formats"
    return found or _refusing(ANY, Rejected(Reject.UNSUPPORTED, None, detail))


def _refusing(name: str, rejected: Rejected) -> Format:
    return Format(
        name,
        rejected.detail,
        lambda message, sender: [rejected],
        None,
        "application/octet-stream",
        lambda message: False,
    )


def _whole(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """A file as one message; of one that is too large, as much as the quarantine keeps."""
    size = os.fstat(descriptor).st_size
    if size > WHOLE_BYTES:
        yield 1, os.pread(descriptor, EDGE_PAYLOAD_KEPT + 1, 0)
    else:
        yield 1, os.pread(descriptor, size, 0)


def _by_line(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """A file as messages of whole lines, each with the number of its first."""
    first = 1
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        while lines := file.readlines(PIECE_BYTES):
            yield first, b"".join(lines)
            first += len(lines)


def _is_of_lines(descriptor: int, format: Format) -> bool:
    """Whether one of the first lines can be read by itself."""
    lines = os.pread(descriptor, PIECE_BYTES, 0).splitlines()[:LINES_TRIED]
    return any(
        not isinstance(item, Rejected) for line in lines for item in format.decode(line, "anybody")
    )


# what is written ----------------------------------------------------------------------------------


def _reason(file: Dropped, result: Result) -> str:
    lines = [
        f"{file.path.name}, taken as {result.format}, from {file.party}",
        f"accepted: {result.accepted:,}; not accepted: {result.rejected:,}",
        "Mend what is named here and send the file again: what was accepted does not count twice.",
        "",
    ]
    for reason, field, detail in result.faults:
        where = f"{field}: " if field else ""
        lines.append(f"{reason}  {where}{detail}")
    if result.rejected > len(result.faults):
        lines.append(f"... and {result.rejected - len(result.faults):,} more")
    return "\n".join(lines) + "\n"


def _free(folder: Path, name: str) -> Path:
    """A path in a folder that nothing has; a name that comes twice gets a number."""
    path, number = folder / name, 1
    while path.exists() or path.with_name(path.name + REASON).exists():
        number += 1
        stem, dot, suffix = name.partition(".")
        path = folder / f"{stem}.{number}{dot}{suffix}"
    return path


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    with open(new, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(new, path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
