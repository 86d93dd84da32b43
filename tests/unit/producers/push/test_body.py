"""Bodies are bounded in bytes, in memory and in time."""

import asyncio
import gzip
import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.push import body
from producers.push.body import Room
from producers.push.refusals import Refusal


async def chunked(message: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(message), size):
        yield message[start : start + size]


async def stalling() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


def read(
    chunks: AsyncIterator[bytes],
    *,
    room: Room | None = None,
    encoding: str | None = None,
    limit: int = 10_000,
) -> bytes:
    async def run() -> bytes:
        with (room or Room(1, 1_000_000)).entered() as share:
            return await body.read(
                chunks, length=None, encoding=encoding, limit=limit, seconds=0.01, share=share
            )

    return asyncio.run(run())


@given(st.binary(max_size=2000), st.integers(1, 300), st.booleans())
def test_a_body_is_the_same_however_it_comes(message: bytes, size: int, packed: bool) -> None:
    sent = gzip.compress(message) if packed else message
    assert read(chunked(sent, size), encoding="gzip" if packed else None) == message


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]), st.integers(1, 50))
def test_any_bytes_are_expanded_or_refused(message: bytes, encoding: str, size: int) -> None:
    status = 200
    try:
        read(chunked(message, size), encoding=encoding)
    except Refusal as refusal:
        status = refusal.status
    assert status in (200, 400, 413)


def test_a_sender_that_stops_is_not_waited_for() -> None:
    with pytest.raises(Refusal) as caught:
        read(stalling())
    assert caught.value.status == 408


def test_bodies_together_hold_no_more_than_there_is_room_for() -> None:
    with pytest.raises(Refusal) as caught:
        read(chunked(b"x" * 101, 10), room=Room(10, 100))
    assert caught.value.status == 503


def test_room_is_given_back() -> None:
    room = Room(1, 100)
    for _ in range(3):
        read(chunked(b"x" * 100, 10), room=room)
    assert (room.requests, room.size) == (0, 0)


def test_there_is_room_for_so_many_requests() -> None:
    room = Room(1, 100)
    with room.entered(), pytest.raises(Refusal) as caught, room.entered():
        pass
    assert caught.value.status == 503
    assert "Retry-After" in caught.value.headers


def test_a_bomb_is_not_expanded_further_than_the_limit() -> None:
    room = Room(1, 1_000_000)
    with pytest.raises(Refusal) as caught:
        read(chunked(gzip.compress(bytes(100_000_000)), 1000), room=room, encoding="gzip")
    assert caught.value.status == 413


def test_reading_on_ends() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield os.urandom(1000)

    asyncio.run(body.drain(endless(), 10_000))
    asyncio.run(body.drain(stalling(), 10_000, seconds=0.01))
