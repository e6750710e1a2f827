"""Record batches that are small when compressed and large when decompressed."""

from __future__ import annotations

import asyncio
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import zstandard
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c, encode_varint
from confluent_kafka.admin import AdminClient

from streams.kafka.record_batches import record_batch
from tests.e2e.harness import Bench

MIB: Final = 1024 * 1024
GZIP, ZSTD = 1, 4
_CRC_AT, _CHECKED_FROM = 17, 21
Record = tuple[bytes, bytes, int, Sequence[tuple[bytes, int]]]
"""Key, beginning of the value, size of the value, names of headers and the sizes of their values."""


def number(value: int) -> bytes:
    """Return a number as record batches encode it."""
    written = bytearray()
    encode_varint(value, written.append)
    return bytes(written)


def filled(head: bytes, size: int) -> Iterator[bytes]:
    """Yield `size` bytes in pieces: the head, then blanks, which may follow JSON."""
    yield head
    for at in range(len(head), size, MIB):
        yield b" " * min(MIB, size - at)


def packed(records: Sequence[Record], codec: int) -> bytes:
    """Return a compressed record batch."""
    if codec == ZSTD:
        compressor: Any = zstandard.ZstdCompressor().compressobj()
    else:
        compressor = zlib.compressobj(wbits=31)
    data = b"".join(compressor.compress(piece) for piece in _unpacked(records)) + compressor.flush()
    now = time.time_ns() // 1_000_000  # noqa: TID251 - records have the current time
    after_length = struct.pack(">ibIhiqqqhii", -1, 2, 0, codec, len(records) - 1, now, now, -1, -1, -1, len(records))
    batch = bytearray(struct.pack(">qi", 0, len(after_length) + len(data)) + after_length + data)
    struct.pack_into(">I", batch, _CRC_AT, calc_crc32c(bytes(batch[_CHECKED_FROM:])))
    return bytes(batch)


def _unpacked(records: Iterable[Record]) -> Iterator[bytes]:
    for offset, (key, head, size, headers) in enumerate(records):
        before = b"\0" + number(0) + number(offset) + number(len(key)) + key + number(size)
        after = [(number(len(name)) + name + number(length), length) for name, length in headers]
        rest = len(number(len(headers))) + sum(len(begin) + length for begin, length in after)
        yield number(len(before) + size + rest) + before
        yield from filled(head, size)
        yield number(len(headers))
        for begin, length in after:
            yield from filled(begin, len(begin) + length)


def produce(bench: Bench, topic: str, partition: int, batches: Sequence[bytes]) -> None:
    """Write record batches unchanged."""

    async def send() -> None:
        await asyncio.to_thread(
            AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0}).list_topics, timeout=60
        )
        producer = AIOKafkaProducer(bootstrap_servers=bench.brokers, max_request_size=8 * MIB)
        await producer.start()
        try:
            for data in batches:
                batch = record_batch(b"", b"", ())
                batch._buffer = bytearray(data)
                await (await producer.send_batch(batch, bench.prefix + topic, partition=partition))
        finally:
            await producer.stop()

    asyncio.run(send())
