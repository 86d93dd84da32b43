"""ClickHouse's compressed frames: a CityHash128, a method, two sizes and the bytes."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from deploy.local.clickhouse.errors import Code, ServerError
from deploy.local.clickhouse.wire import Window

LZ4 = 0x82
ZSTD = 0x90
NONE = 0x02

HEADER = 9
CHECKSUM = 16
MAX_FRAME = 1 << 30
"""ClickHouse's own limit on both sizes of a frame."""

MAX_LZ4_RATIO = 256
"""LZ4 cannot do better: whatever claims more is not worth its memory."""

FRAME = 1 << 20
"""How much a frame holds at most when we write: as much as a real server puts in."""

# These modules bring no types; this is the only place that knows them.
_lz4: Any = import_module("lz4.block")
_zstd: Any = import_module("zstd")
_cityhash: Any = import_module("clickhouse_cityhash.cityhash")


def _hash(data: bytes) -> bytes:
    value: int = _cityhash.CityHash128(data)
    # The high half comes first, each half with its lowest byte first.
    return struct.pack("<QQ", value >> 64, value & 0xFFFF_FFFF_FFFF_FFFF)


def frames(data: bytes | memoryview, method: int = LZ4) -> Iterator[bytes]:
    """Cuts data into compressed frames."""
    view = memoryview(data)
    for start in range(0, len(view), FRAME):
        piece = bytes(view[start : start + FRAME])
        if method == LZ4:
            body: bytes = _lz4.compress(piece, store_size=False)
        elif method == ZSTD:
            body = _zstd.compress(piece, 1)
        else:
            body = piece
        frame = struct.pack("<BII", method, HEADER + len(body), len(piece)) + body
        yield _hash(frame) + frame


def compress(data: bytes | memoryview, method: int = LZ4) -> bytes:
    """All frames of the data, one behind the other."""
    return b"".join(frames(data, method))


def frame_size(head: bytes) -> int:
    """How long a frame is, checksum included, from its first 25 bytes."""
    method, compressed, size = struct.unpack_from("<BII", head, CHECKSUM)
    if method not in (LZ4, ZSTD, NONE):
        raise ServerError(
            Code.UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method: 0x{method:02x}."
        )
    if not HEADER <= compressed <= MAX_FRAME or size > MAX_FRAME:
        raise ServerError(
            Code.TOO_LARGE_STRING_SIZE,
            f"Too large compressed block: {compressed} bytes, {size} uncompressed.",
        )
    if method == LZ4 and size > MAX_LZ4_RATIO * compressed:
        raise ServerError(Code.CANNOT_DECOMPRESS, "Cannot decompress: a frame claims too much.")
    return CHECKSUM + int(compressed)


def open_frame(frame: bytes) -> bytes:
    """Verifies a whole frame and returns its content."""
    if _hash(frame[CHECKSUM:]) != frame[:CHECKSUM]:
        raise ServerError(
            Code.CHECKSUM_DOESNT_MATCH, "Checksum doesn't match: corrupted data in a frame."
        )
    method, _, size = struct.unpack_from("<BII", frame, CHECKSUM)
    body = frame[CHECKSUM + HEADER :]
    try:
        if method == LZ4:
            content: bytes = _lz4.decompress(body, uncompressed_size=size)
        elif method == ZSTD:
            content = _zstd.decompress(body)
        else:
            content = body
    except Exception as error:
        raise ServerError(Code.CANNOT_DECOMPRESS, f"Cannot decompress: {error}.") from error
    if len(content) != size:
        raise ServerError(
            Code.CANNOT_DECOMPRESS, f"Cannot decompress: {len(content)} bytes instead of {size}."
        )
    return content


class FrameWindow:
    """A window onto what lies inside compressed frames of another window."""

    def __init__(self, source: Window) -> None:
        self.data = bytearray()
        self.position = 0
        self._source = source

    async def need(self, count: int) -> None:
        """Opens frames until enough is there."""
        while len(self.data) - self.position < count:
            frame = await read_frame(self._source)
            if len(frame) > FRAME:
                self.data += await asyncio.to_thread(open_frame, frame)
            else:
                self.data += open_frame(frame)


async def read_frame(source: Window) -> bytes:
    """Reads one whole frame, still compressed."""
    await source.need(CHECKSUM + HEADER)
    start = source.position
    size = frame_size(bytes(source.data[start : start + CHECKSUM + HEADER]))
    await source.need(size)
    source.position = start + size
    return bytes(source.data[start : start + size])
