"""Record batches for kafka-python, filled at the speed of bytes.

`KafkaProducer.send` costs some 20 µs a message: a future, a lock and three callbacks for each, and
varints one byte at a time. Here a record is one `bytes.join` and delivery is told per batch;
waiting, sending, retrying and sequence numbers stay kafka-python's. This leans on its inner
classes as they are in the version that the lock file pins; `tests/unit/producers/test_batches.py`
holds the bytes against those that the library itself writes.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from kafka.producer.producer_batch import ProducerBatch
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.structs import TopicPartition

Headers = Sequence[tuple[str, bytes]]

LZ4 = 3
_MAGIC = 2
_RECORD_OVERHEAD = 64


def varint(value: int) -> bytes:
    """A non-negative number as Kafka's zigzag varint."""
    value <<= 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(0x80 | (value & 0x7F))
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_VARINTS = [varint(value) for value in range(8192)]


def _varint(value: int) -> bytes:
    return _VARINTS[value] if value < 8192 else varint(value)


def _encode_headers(headers: Headers) -> bytes:
    parts = [_varint(len(headers))]
    for name, value in headers:
        encoded = name.encode()
        parts += (_varint(len(encoded)), encoded, _varint(len(value)), value)
    return b"".join(parts)


class Records(MemoryRecordsBuilder):  # type: ignore[misc]
    """The records of one batch; closed by the library when it sends them."""

    def __init__(self, capacity: int, compression: int = LZ4) -> None:
        super().__init__(_MAGIC, compression, capacity)
        self._next_offset: int
        self._last_timestamp = 0

    def add(self, key: bytes, value: bytes, headers: Headers, timestamp: int) -> bool:
        """Takes one more record; False when it is full or closed. An empty one takes any."""
        if self._closed:
            return False
        builder = self._builder
        buffer = builder._buffer
        offset: int = self._next_offset
        if not offset:
            builder._first_timestamp = self._last_timestamp = timestamp
        elif len(buffer) + len(key) + len(value) + _RECORD_OVERHEAD > self._batch_size:
            return False
        elif timestamp > self._last_timestamp:
            self._last_timestamp = timestamp
        delta = _varint(self._last_timestamp - builder._first_timestamp)
        position = _varint(offset)
        key_length = _varint(len(key))
        value_length = _varint(len(value))
        tail = _encode_headers(headers) if headers else b"\0"
        length = _varint(
            1
            + len(delta)
            + len(position)
            + len(key_length)
            + len(key)
            + len(value_length)
            + len(value)
            + len(tail)
        )
        buffer += b"".join(
            (length, b"\0", delta, position, key_length, key, value_length, value, tail)
        )
        self._next_offset = offset + 1
        return True

    def close(self) -> None:
        if not self._closed:
            builder = self._builder
            builder._num_records = self._next_offset
            builder._last_offset = max(0, self._next_offset - 1)
            builder._max_timestamp = self._last_timestamp
        super().close()


class Batch(ProducerBatch):  # type: ignore[misc]
    """A batch for one partition that says once how its records fared."""

    def __init__(
        self,
        partition: TopicPartition,
        records: Records,
        reserved: int,
        settled: Callable[["Batch", int, Exception | None], None],
    ) -> None:
        """Makes an empty batch.

        Args:
            partition: Where it goes.
            records: Holds its records.
            reserved: Bytes of memory that it stands for.
            settled: Told, on the sender's thread, how many records were confirmed or failed.
        """
        super().__init__(partition, records)
        self.reserved = reserved
        self.settled = 0
        self._tell = settled
        self._pieces: dict[Any, int] = {}
        self.produce_future.add_callback(lambda result: self._settle(self.record_count, result))

    def _settle(
        self, count: int, result: tuple[int, int, Callable[[int], Exception] | None]
    ) -> None:
        _, _, error = result
        self._tell(self, count, error(0) if error is not None else None)

    # When the broker finds a batch too large, kafka-python makes smaller ones of it and rebinds
    # the future of each record to the batch that it is now in. Ours are all the same: the batch.

    @property
    def _record_futures(self) -> list["Batch"]:
        return [self] * self.record_count

    @_record_futures.setter
    def _record_futures(self, _: list[Any]) -> None:
        pass

    def rebind(self, future: Any, index: int) -> None:
        """Called for each record of a batch that was split, with the smaller batch's future."""
        if future not in self._pieces:
            self._pieces[future] = 0
            future.add_callback(lambda result: self._settle(self._pieces[future], result))
        self._pieces[future] += 1


def murmur2(data: bytes) -> int:
    """Kafka's hash of a key, as Java and kafka-python compute it; 3 times as fast as the latter."""
    hashed = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for word in struct.unpack_from(f"<{whole >> 2}I", data):
        word = word * 0x5BD1E995 & 0xFFFFFFFF
        word = (word ^ word >> 24) * 0x5BD1E995
        hashed = (hashed * 0x5BD1E995 ^ word) & 0xFFFFFFFF
    if rest := data[whole:]:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * 0x5BD1E995 & 0xFFFFFFFF
    hashed = (hashed ^ hashed >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return hashed ^ hashed >> 15
