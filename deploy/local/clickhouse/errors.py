"""Errors as ClickHouse names them: a code, a name, a message."""

from __future__ import annotations

import re
from enum import IntEnum
from http import HTTPStatus


class Code(IntEnum):
    """The error codes that this server raises itself; the engine brings its own."""

    NO_SUCH_COLUMN_IN_TABLE = 16
    CANNOT_READ_ALL_DATA = 33
    BAD_ARGUMENTS = 36
    CHECKSUM_DOESNT_MATCH = 40
    INCORRECT_DATA = 117
    NOT_IMPLEMENTED = 48
    UNKNOWN_TYPE = 50
    UNKNOWN_TABLE = 60
    SYNTAX_ERROR = 62
    UNKNOWN_FORMAT = 73
    UNKNOWN_DATABASE = 81
    UNKNOWN_COMPRESSION_METHOD = 89
    UNKNOWN_PACKET_FROM_CLIENT = 99
    UNEXPECTED_PACKET_FROM_CLIENT = 101
    UNKNOWN_SETTING = 115
    TOO_LARGE_STRING_SIZE = 131
    READONLY = 164
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    NOT_ENOUGH_SPACE = 243
    SOCKET_TIMEOUT = 209
    INVALID_SESSION_TIMEOUT = 374
    SESSION_IS_LOCKED = 373
    SESSION_NOT_FOUND = 372
    INTO_OUTFILE_NOT_ALLOWED = 358
    CANNOT_DECOMPRESS = 271
    QUERY_WAS_CANCELLED = 394
    AUTHENTICATION_FAILED = 516
    UNKNOWN_EXCEPTION = 1002


class ServerError(Exception):
    """An error that a client sees, in ClickHouse's own terms."""

    def __init__(self, code: int, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.code = int(code)
        self.name = name or _name_of(code)
        self.message = message

    def text(self, version: str) -> str:
        """The whole line as ClickHouse writes it into HTTP bodies and logs."""
        return (
            f"Code: {self.code}. DB::Exception: {self.message} "
            f"({self.name}) (version {version} (chdb))"
        )


class ProtocolError(Exception):
    """What a client sent cannot be understood; its connection ends, nothing else does."""


_ENGINE_TEXT = re.compile(
    r"Code: (?P<code>\d+)\. DB::Exception: (?P<message>.*?)"
    r"\s*(?:\((?P<name>[A-Z0-9_]+)\))?(?: \(version [^)]*\)\.?)?\s*\Z",
    re.DOTALL,
)

# How inserts reach the engine is our affair: clients sent data, not a file.
_SPOOL_NOTES = re.compile(
    r": \(in file/uri [^)]*\)|: While executing File: data for INSERT was parsed from file"
)


def from_engine(error: BaseException | str) -> ServerError:
    """Turns the engine's text into the error that it describes.

    The engine may wrap an error in itself; the innermost one is what a real server reports.
    """
    text = _SPOOL_NOTES.sub("", str(error).strip())
    found = _ENGINE_TEXT.search(text)
    if found is None:
        return ServerError(Code.UNKNOWN_EXCEPTION, text)
    code, message, name = int(found["code"]), found["message"], found["name"]
    while (inner := _ENGINE_TEXT.match(message)) is not None and int(inner["code"]) == code:
        message, name = inner["message"], inner["name"] or name
    return ServerError(code, message, name or _name_of(code))


def _name_of(code: int) -> str:
    try:
        return Code(code).name
    except ValueError:
        return "UNKNOWN_EXCEPTION"


_HTTP_STATUS: dict[int, HTTPStatus] = {
    code: status
    for status, codes in {
        HTTPStatus.UNAUTHORIZED: (194,),
        HTTPStatus.FORBIDDEN: (192, 193, 516),
        # What cannot be parsed, or is no valid syntax tree, or is no valid argument.
        HTTPStatus.BAD_REQUEST: (
            *(6, 25, 26, 27, 38, 41, 72, 376, 675, 676),
            *(15, 34, 36, 44, 53, 62, 117, 167, 168, 223, 321, 427, 456, 457),
        ),
        # What is named and not there.
        HTTPStatus.NOT_FOUND: (46, 47, 50, 56, 60, 63, 64, 73, 78, 81, 115, 139, 336),
        HTTPStatus.REQUEST_TIMEOUT: (159,),
        HTTPStatus.LENGTH_REQUIRED: (381,),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (307,),
        HTTPStatus.NOT_IMPLEMENTED: (48,),
        HTTPStatus.SERVICE_UNAVAILABLE: (76, 209, 439),
    }.items()
    for code in codes
}


def http_status(code: int) -> HTTPStatus:
    """The HTTP status which ClickHouse answers for an error code."""
    return _HTTP_STATUS.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
