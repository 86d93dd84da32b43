"""HTTP content encodings, and ClickHouse's own frames in HTTP bodies, piece by piece."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from deploy.local.clickhouse import compression
from deploy.local.clickhouse.errors import Code, ServerError

PIECE = 1 << 20
"""No decoder returns more at once, whatever a small input claims to hold."""


def _zstd_module() -> Any:
    """The standard library's zstd, or its twin for older Pythons; None where neither is."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return import_module(name)
    return None


# No types come with these.
_lz4_frame: Any = import_module("lz4.frame")
_zstd: Any = _zstd_module()
_DAMAGE: tuple[type[Exception], ...] = (zlib.error, RuntimeError, EOFError)
if _zstd is not None:
    _DAMAGE = (*_DAMAGE, _zstd.ZstdError)
_OFFERED = ("zstd", "lz4", "gzip", "deflate") if _zstd else ("lz4", "gzip", "deflate")


class Decoder(ABC):
    """Turns encoded pieces into plain ones."""

    @abstractmethod
    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the piece decodes to."""

    @abstractmethod
    def end(self) -> None:
        """Raises unless the encoded data was complete."""


class _Plain(Decoder):
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def end(self) -> None:
        return


class _Zlib(Decoder):
    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(47)  # gzip or zlib, told by its head

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if piece := self._inflater.decompress(data, PIECE):
                yield piece
            data = self._inflater.unconsumed_tail
            if self._inflater.eof and self._inflater.unused_data:
                data = self._inflater.unused_data
                self._inflater = zlib.decompressobj(47)

    def end(self) -> None:
        if not self._inflater.eof:
            raise _incomplete()


class _Framed(Decoder):
    """lz4 frames and zstd share an interface, the standard library's for decompressors."""

    def __init__(self, make: Any) -> None:
        self._make = make
        self._decompressor: Any = make()
        self._empty = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data or not self._decompressor.needs_input:
            self._empty = False
            piece = self._decompressor.decompress(data, PIECE)
            data = b""
            if piece:
                yield piece
            if self._decompressor.eof:
                data = self._decompressor.unused_data or b""
                if not data:
                    return
                self._decompressor = self._make()

    def end(self) -> None:
        if not (self._empty or self._decompressor.eof):
            raise _incomplete()


class _ClickHouseFrames(Decoder):
    """`decompress=1`: the frames of the native protocol."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._data += data
        head = compression.CHECKSUM + compression.HEADER
        while len(self._data) >= head:
            size = compression.frame_size(bytes(self._data[:head]))
            if len(self._data) < size:
                return
            yield compression.open_frame(bytes(self._data[:size]))
            del self._data[:size]

    def end(self) -> None:
        if self._data:
            raise _incomplete()


def _incomplete() -> ServerError:
    return ServerError(Code.CANNOT_DECOMPRESS, "Cannot decompress: the data ends too early.")


def decoder(encoding: str, frames: bool) -> Decoder:
    """The decoder for a Content-Encoding, or for `decompress=1`."""
    if frames:
        return _ClickHouseFrames()
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip" | "deflate":
            return _Zlib()
        case "lz4":
            return _Framed(_lz4_frame.LZ4FrameDecompressor)
        case "zstd" if _zstd is not None:
            return _Framed(_zstd.ZstdDecompressor)
    raise ServerError(Code.UNKNOWN_COMPRESSION_METHOD, f"Unknown content encoding {encoding!r}.")


async def decoded(source: AsyncIterator[bytes], using: Decoder) -> AsyncIterator[bytes]:
    """The plain pieces of an encoded stream."""
    try:
        async for data in source:
            for piece in using.feed(data):
                yield piece
    except _DAMAGE as error:
        raise ServerError(Code.CANNOT_DECOMPRESS, f"Cannot decompress: {error}.") from error
    using.end()


class Encoder:
    """Encodes a result piece by piece."""

    content_encoding: str | None = None

    def feed(self, data: bytes) -> bytes:
        """The encoded bytes that are ready."""
        return data

    def flush(self) -> bytes:
        """The end of the encoded data."""
        return b""


class _ZlibEncoder(Encoder):
    def __init__(self, name: str) -> None:
        self.content_encoding = name
        self._deflater = zlib.compressobj(3, zlib.DEFLATED, 31 if name == "gzip" else 15)

    def feed(self, data: bytes) -> bytes:
        return self._deflater.compress(data)

    def flush(self) -> bytes:
        return self._deflater.flush()


class _Lz4Encoder(Encoder):
    content_encoding = "lz4"

    def __init__(self) -> None:
        self._compressor: Any = _lz4_frame.LZ4FrameCompressor()
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        begin = b"" if self._begun else bytes(self._compressor.begin())
        self._begun = True
        return begin + bytes(self._compressor.compress(data))

    def flush(self) -> bytes:
        begin = b"" if self._begun else bytes(self._compressor.begin())
        return begin + bytes(self._compressor.flush())


class _ZstdEncoder(Encoder):
    content_encoding = "zstd"

    def __init__(self) -> None:
        self._compressor: Any = _zstd.ZstdCompressor(level=1)

    def feed(self, data: bytes) -> bytes:
        return bytes(self._compressor.compress(data))

    def flush(self) -> bytes:
        return bytes(self._compressor.flush())


class _FramesEncoder(Encoder):
    """`compress=1`: the frames of the native protocol."""

    def feed(self, data: bytes) -> bytes:
        return compression.compress(data)


def encoder(accepted: str, enabled: bool, frames: bool) -> Encoder:
    """The encoder that a client accepts, when it also enabled compression."""
    if frames:
        return _FramesEncoder()
    if enabled:
        names = {part.split(";")[0].strip().lower() for part in accepted.split(",")}
        for name in _OFFERED:
            if name in names:
                return _encoder_named(name)
    return Encoder()


def _encoder_named(name: str) -> Encoder:
    match name:
        case "zstd":
            return _ZstdEncoder()
        case "lz4":
            return _Lz4Encoder()
        case _:
            return _ZlibEncoder(name)
