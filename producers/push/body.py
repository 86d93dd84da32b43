"""Reads a request's body within bounds: of bytes, also when it is compressed, and of time."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from producers.push.refusals import Refusal, not_now

# zlib's window bits: a gzip header, a zlib header
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
ENCODINGS = "gzip, deflate"


class Room:
    """How much all requests together may hold: requests, and bytes of bodies."""

    def __init__(self, requests: int, size: int) -> None:
        self._requests = requests
        self._size = size
        self.requests = 0
        self.size = 0

    @contextmanager
    def entered(self) -> Iterator["Share"]:
        """Room for one request.

        Raises:
            Refusal: there is none now.
        """
        if self.requests >= self._requests:
            raise not_now(f"{self.requests} messages are being taken already")
        share = Share(self)
        self.requests += 1
        try:
            yield share
        finally:
            self.requests -= 1
            self.size -= share.size

    def grow(self, size: int) -> None:
        """Takes more bytes.

        Raises:
            Refusal: there is no room for them now.
        """
        if self.size + size > self._size:
            raise not_now("the messages being taken use all the memory there is for them")
        self.size += size


class Share:
    """What one request has of the room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def grow(self, size: int) -> None:
        """Takes more bytes, until the request ends."""
        self._room.grow(size)
        self.size += size


async def read(
    chunks: AsyncIterator[bytes],
    *,
    length: str | None,
    encoding: str | None,
    limit: int,
    seconds: float,
    share: Share,
) -> bytes:
    """The whole body, expanded.

    Args:
        chunks: As they come.
        length: The header Content-Length.
        encoding: The header Content-Encoding.
        limit: The most bytes, compressed and expanded.
        seconds: How long the sender may take.
        share: Where the memory comes from.

    Raises:
        Refusal: 400, 408, 413, 415 or 503.
    """
    if length is not None and length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    expand = _expander(encoding, limit)
    body = bytearray()
    received = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in chunks:
                received += len(chunk)
                if received > limit:
                    raise _too_large(limit)
                part = expand(chunk)
                if len(body) + len(part) > limit:
                    raise _too_large(limit)
                share.grow(len(part))
                body += part
    except TimeoutError:
        detail = f"the body has not come within {seconds:.0f} seconds"
        raise Refusal(408, detail, headers={"Connection": "close"}) from None
    expand(b"")
    return bytes(body)


def _expander(encoding: str | None, limit: int) -> Callable[[bytes], bytes]:
    """What expands chunk after chunk; an empty chunk is the end."""
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return lambda chunk: chunk
    if name not in _WINDOWS:
        detail = f"Content-Encoding {name[:40]} is not one of: {ENCODINGS}"
        raise Refusal(415, detail, headers={"Accept-Encoding": ENCODINGS})
    inflater = zlib.decompressobj(_WINDOWS[name])
    begun = False

    def expand(chunk: bytes) -> bytes:
        nonlocal inflater, begun
        if not chunk:
            if not inflater.eof:
                raise Refusal(400, f"the {name} body is cut off")
            return b""
        if not begun:
            begun = True
            if name == "deflate" and not _has_zlib_header(chunk):
                inflater = zlib.decompressobj(-15)  # what some call deflate is without a header
        try:
            part = inflater.decompress(chunk, limit + 1)
        except zlib.error as error:
            raise Refusal(400, f"the body is not {name}: {error}") from None
        if inflater.unconsumed_tail:
            raise _too_large(limit)
        if inflater.unused_data:
            raise Refusal(400, f"something follows the {name} body")
        return part

    return expand


def _has_zlib_header(start: bytes) -> bool:
    return len(start) < 2 or (start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0)


def _too_large(limit: int) -> Refusal:
    detail = f"a message may have {limit:,} bytes, expanded; send it in parts"
    return Refusal(413, detail, headers={"Connection": "close"})


async def drain(chunks: AsyncIterator[bytes], limit: int, seconds: float = 2.0) -> None:
    """Reads on for a while, so that a sender who is still sending gets to see the answer."""
    try:
        async with asyncio.timeout(seconds):
            async for chunk in chunks:
                limit -= len(chunk)
                if limit < 0:
                    return
    except TimeoutError:
        return
