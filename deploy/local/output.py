"""Files of a data directory, and a process's output into one that does not grow without end."""

import asyncio
import codecs
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import BinaryIO

from deploy.local.errors import StackError

_FILE_BYTES = 10 * 1024 * 1024
_OLDER_FILES = 3
_CHUNK_BYTES = 64 * 1024


def open_to_append(path: Path, data: Path) -> BinaryIO:
    """Opens a file of a data directory, which is made if need be.

    Raises:
        StackError: the directory cannot be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
    except OSError as error:
        raise StackError(f"{data} cannot be used: {error.strerror or error}") from error


def rotating_file(path: Path) -> RotatingFileHandler:
    """The file; older ones beside it end in `.1`, `.2` …"""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        path, maxBytes=_FILE_BYTES, backupCount=_OLDER_FILES, encoding="utf-8"
    )
    handler.terminator = ""  # what comes has its own line ends
    return handler


async def pump(stream: asyncio.StreamReader, path: Path) -> None:
    """Copies until the stream ends.

    A full disk loses output but never blocks the process: the handler reports and goes on.
    """
    handler = rotating_file(path)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    try:
        while chunk := await stream.read(_CHUNK_BYTES):
            text = decoder.decode(chunk)
            handler.emit(logging.LogRecord(path.stem, logging.INFO, "", 0, text, None, None))
    finally:
        handler.close()


def last_lines(path: Path, count: int) -> list[str]:
    """The end of a file; nothing if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 16 * 1024))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
