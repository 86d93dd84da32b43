"""Reads and writes replay files: `docs/replay-files.md`."""

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Self

import msgspec

from corridor.models import DeadLetter
from producers.replay.lines import LONGEST, parse
from producers.replay.ordering import Sorter
from producers.replay.record import Record, to_line, to_micros

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_AnyTime = Annotated[datetime, msgspec.Meta(tz=True)]


class ReplayFileError(Exception):
    """The file as a whole cannot be read; says which and why."""


@dataclass(frozen=True)
class Overview:
    """What a first look at a file says."""

    lines: int
    """Lines that are not blank."""
    in_order: bool
    """Whether they are in order of availability as they stand."""


class _Times(msgspec.Struct):
    """The little of a line that its place in the order depends on."""

    kind: str = ""
    available_time: _AnyTime | None = None
    event_time: _AnyTime | None = None
    issued_time: _AnyTime | None = None


_times = msgspec.json.Decoder(_Times)


def look(path: Path) -> Overview:
    """Counts the lines of a file and checks their order.

    Raises:
        ReplayFileError: the file cannot be read.
    """
    lines = 0
    in_order = True
    last = None
    for number, raw in _lines(path):
        lines += 1
        if in_order:
            available = _available(raw, path, number)
            if available is not None:
                in_order = last is None or available >= last
                last = available
    return Overview(lines, in_order)


def read(
    path: Path, overview: Overview, sorter: Sorter | None = None
) -> Iterator[Record | DeadLetter]:
    """The messages of a file in order of availability, and its bad lines as they are met.

    A file that is in order is streamed; another one is sorted, outside memory if need be.

    Args:
        path: The file, gzipped or not.
        overview: What `look` said of it.
        sorter: Does the sorting, where it is needed.

    Raises:
        ReplayFileError: the file cannot be read, or changed since `look`.
    """
    items = (parse(raw, path.name, number) for number, raw in _lines(path))
    if overview.in_order:
        yield from _checked(items, path)
        return
    sorter = sorter or Sorter()
    for item in items:
        if isinstance(item, Record):
            sorter.add(item)
        else:
            yield item
    yield from sorter.sorted()


class ReplayWriter:
    """Writes a replay file, gzipped if its name ends in `.gz`; whole, or not at all."""

    def __init__(self, path: Path) -> None:
        """Starts the file.

        Raises:
            OSError: the file cannot be written.
        """
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        raw = self._part.open("wb")
        self._files: list[IO[bytes] | gzip.GzipFile] = [raw]
        if path.suffix == ".gz":
            # neither name nor time inside, so that equal contents are equal files
            self._files.append(gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0))
        self._write = self._files[-1].write

    def write(self, record: Record) -> None:
        """Adds one line."""
        self._write(to_line(record))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in reversed(self._files):
            file.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink()


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank; of one that is too long, its beginning."""
    if path.exists() and not path.is_file():
        raise ReplayFileError(f"{path}: is not a file; a replay reads it twice")
    number = 0
    try:
        with _open(path) as file:
            while raw := file.readline(LONGEST + 2):
                number += 1
                if len(raw) > LONGEST + 1 and not raw.endswith(b"\n"):
                    while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                        pass
                if number == 1:
                    raw = raw.removeprefix(_BYTE_ORDER_MARK)
                if raw := raw.strip():
                    yield number, raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReplayFileError(f"{path}: damaged gzip after line {number}: {error}") from error
    except OSError as error:
        raise ReplayFileError(f"{path}: {error.strerror or error}") from error


def _open(path: Path) -> IO[bytes]:
    file = path.open("rb")
    if file.read(2) == _GZIP:
        file.close()
        return io.BufferedReader(gzip.GzipFile(path), 1 << 18)
    file.seek(0)
    return file


def _available(raw: bytes, path: Path, number: int) -> int | None:
    """When a line became known; None for a bad one."""
    try:
        times = _times.decode(raw)
        own_time = times.event_time if times.kind == "event" else times.issued_time
        time = times.available_time or own_time
        if time is not None:
            return to_micros(time)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # not a usual one, but it may be good all the same
    item = parse(raw, path.name, number)
    return item.available if isinstance(item, Record) else None


def _checked(items: Iterator[Record | DeadLetter], path: Path) -> Iterator[Record | DeadLetter]:
    last = None
    for item in items:
        if isinstance(item, Record):
            # the first look rounds where the models cut, hence one microsecond
            if last is not None and item.available < last - 1:
                raise ReplayFileError(f"{path}: changed while it was read")
            last = item.available
        yield item
