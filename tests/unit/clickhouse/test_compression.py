"""Frames and content encodings, and what is wrong with bad ones."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.clickhouse import compression
from deploy.local.clickhouse.encodings import PIECE, decoded, decoder, encoder
from deploy.local.clickhouse.errors import ServerError

METHODS = [compression.LZ4, compression.ZSTD, compression.NONE]


@pytest.mark.parametrize("method", METHODS)
@given(data=st.binary(min_size=1, max_size=2000))
def test_a_frame_holds_what_was_put_in(method: int, data: bytes) -> None:
    assert compression.open_frame(compression.compress(data, method)) == data


def test_large_data_goes_into_frames_of_a_megabyte() -> None:
    sizes = [len(compression.open_frame(f)) for f in compression.frames(bytes(2_500_000))]
    assert sizes == [1 << 20, 1 << 20, 2_500_000 - (2 << 20)]


@pytest.mark.parametrize("position", [0, 15, 16, 30])
def test_a_changed_byte_is_noticed(position: int) -> None:
    frame = bytearray(compression.compress(b"unit-1" * 100))
    frame[position] ^= 1
    with pytest.raises(ServerError) as caught:
        compression.open_frame(bytes(frame))
    assert caught.value.code == 40


def test_an_unknown_method_is_error_89() -> None:
    frame = bytearray(compression.compress(b"x"))
    frame[compression.CHECKSUM] = 0x77
    with pytest.raises(ServerError) as caught:
        compression.frame_size(bytes(frame))
    assert caught.value.code == 89


def test_a_frame_that_claims_too_much_is_refused() -> None:
    frame = bytearray(compression.compress(b"x"))
    frame[compression.CHECKSUM + 5 : compression.CHECKSUM + 9] = b"\xff\xff\xff\x3f"
    with pytest.raises(ServerError):
        compression.frame_size(bytes(frame))


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def decode_all(data: bytes, encoding: str, *, frames: bool = False, size: int = 100) -> bytes:
    out = bytearray()
    async for piece in decoded(pieces(data, size), decoder(encoding, frames)):
        out += piece
    return bytes(out)


def zstd(data: bytes) -> bytes:
    encode = encoder("zstd", True, False)
    return encode.feed(data) + encode.flush()


PLAIN = b"".join(b"%d,unit\n" % i for i in range(5000))
ENCODED = {
    "": PLAIN,
    "gzip": gzip.compress(PLAIN),
    "deflate": zlib.compress(PLAIN),
    "lz4": lz4.frame.compress(PLAIN),
    "zstd": zstd(PLAIN),
}


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
@pytest.mark.parametrize("encoding", ENCODED)
def test_an_encoding_is_decoded_in_any_pieces(encoding: str, size: int) -> None:
    assert asyncio.run(decode_all(ENCODED[encoding], encoding, size=size)) == PLAIN


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd"])
def test_members_behind_each_other_are_decoded(encoding: str) -> None:
    assert asyncio.run(decode_all(ENCODED[encoding] * 2, encoding)) == PLAIN * 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "lz4", "zstd"])
def test_an_encoding_that_ends_early_is_error_271(encoding: str) -> None:
    with pytest.raises(ServerError) as caught:
        asyncio.run(decode_all(ENCODED[encoding][:-8], encoding))
    assert caught.value.code == 271


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd"])
def test_garbage_is_error_271(encoding: str) -> None:
    with pytest.raises(ServerError) as caught:
        asyncio.run(decode_all(b"no such thing" * 10, encoding))
    assert caught.value.code == 271


def test_an_unknown_encoding_is_error_89() -> None:
    with pytest.raises(ServerError) as caught:
        decoder("snappy", False)
    assert caught.value.code == 89


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd"])
def test_a_small_bomb_is_opened_piece_by_piece(encoding: str) -> None:
    encode = encoder(encoding, True, False)
    bomb = encode.feed(bytes(20 << 20)) + encode.flush()
    assert max(len(piece) for piece in decoder(encoding, False).feed(bomb)) <= PIECE


def test_clickhouse_frames_are_decoded_in_any_pieces() -> None:
    assert asyncio.run(decode_all(compression.compress(PLAIN), "", frames=True, size=7)) == PLAIN


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [("gzip", "gzip"), ("deflate, gzip;q=0.5", "gzip"), ("lz4, zstd", "zstd"), ("br", None)],
)
def test_the_best_accepted_encoding_is_chosen(accepted: str, chosen: str | None) -> None:
    assert encoder(accepted, True, False).content_encoding == chosen
