"""Reads the records of a batch in parts, so that a batch that holds much is never in memory as a whole.

What batches usually hold is one part, read by aiokafka. Of more than that, runs of whole records are put before
aiokafka's reader as batches of their own. Only the beginnings of the key and the value are kept of a record that is
too large; it is read here.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from typing import Any, Final, NamedTuple

import zstandard
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import decode_varint_py

from schemas.codec.limits import HEAD_BYTES
from schemas.codec.record_sizes import Sizes
from streams.kafka.connection import MESSAGE_BYTES_MAX
from streams.kafka.decompression import DecompressedStream, open_decompressed
from streams.kafka.record_batches import MAGIC_AT, SMALLEST, Record, records_of

PART_BYTES: Final = 1024 * 1024
"""How much is read by aiokafka at once: the smallest records and headers take 32 times as much memory then."""
RECORD_BYTES_MAX: Final = MESSAGE_BYTES_MAX
"""A larger record is cut, and so is one with more than `PART_BYTES` of headers."""

MAGIC: Final = 2
HEADER_BYTES: Final = SMALLEST[MAGIC]
ATTRIBUTES_AT: Final = 21
TIMESTAMPS_AT: Final = 27
COUNT_AT: Final = 57
CODEC: Final = 0x07
IS_APPEND_TIME: Final = 0x08
VARINT_BYTES_MAX: Final = 10


class Part(NamedTuple):
    """Some consecutive records of a batch, none while a large one is passed over; how many bytes were read for them."""

    records: list[Record]
    size: int
    is_last: bool = False


def read_in_parts(batch: Any, raw: memoryview, zstd: zstandard.ZstdDecompressor) -> Iterator[Part]:
    """Yield the records of a batch of aiokafka with these bytes, in parts; `zstd` is in use until the last of them.

    Raises whatever the client and its libraries raise for bytes that are no records.
    """
    codec = raw[ATTRIBUTES_AT + 1] & CODEC
    if raw[MAGIC_AT] != MAGIC or (not codec and len(raw) <= HEADER_BYTES + PART_BYTES):
        yield Part(records_of(batch, raw), len(raw), True)
        return
    header = _Header(raw)
    content = _Content(open_decompressed(codec, raw[HEADER_BYTES:], zstd))
    content.fill(PART_BYTES + 1)
    if len(content.data) <= PART_BYTES:
        yield Part(header.records(header.count, content.data), len(content.data), True)
        return
    left = header.count
    while left:
        count, part = yield from _next_part(header, content, left)
        left -= count
        content.fill(1)
        if not left and content.data:
            raise ValueError("it holds more than its records")
        yield part._replace(is_last=not left)


def _next_part(header: _Header, content: _Content, left: int) -> Generator[Part, None, tuple[int, Part]]:
    """Return the next records and how many they are; parts without records are yielded before them."""
    content.fill(PART_BYTES)
    count, end, first = _whole(content.data, left)
    if not first:
        raise ValueError("it holds fewer records than it says")
    if count:
        return count, Part(header.records(count, content.take(end)), end)
    if first <= RECORD_BYTES_MAX:
        content.fill(first)
        if first - _headers_at(content.data) <= PART_BYTES:
            return 1, Part(header.records(1, content.take(first)), first)
    return 1, Part([(yield from _cut(header, content))], 0)


def _whole(data: bytes, most: int) -> tuple[int, int, int]:
    """Return how many records, `most` or fewer, are whole in data, where they end, and how many bytes the first has."""
    count = end = first = 0
    while count < most:
        try:
            length, begin = decode_varint_py(data, end)
        except IndexError:  # the data ends within it
            break
        if length < 0:
            raise ValueError(f"a record has {length} bytes")
        first = first or begin + length
        if begin + length > len(data):
            break
        count, end = count + 1, begin + length
    return count, end, first


def _headers_at(data: bytes) -> int:
    """Return where the headers of a record begin."""
    at: int
    _, at = decode_varint_py(data, 0)
    at += 1
    for _ in ("timestamp", "offset"):
        _, at = decode_varint_py(data, at)
    for _ in ("key", "value"):
        size, at = decode_varint_py(data, at)
        at += max(size, 0)
    return at


def _cut(header: _Header, content: _Content) -> Generator[Part, None, Record]:
    """Return the next record, cut; parts without records are yielded while the rest of it is passed over."""
    end = content.varint() + content.taken
    content.take(1)
    timestamp, offset = content.varint(), content.varint()
    sizes, heads = [], []
    for _ in ("key", "value"):
        size = content.varint()
        sizes.append(max(size, 0))
        heads.append(None if size < 0 else content.take(min(size, HEAD_BYTES)))
        yield from content.skip(size - HEAD_BYTES)
    headers_size = end - content.taken
    if headers_size < 0:
        raise ValueError("a record is longer than it says")
    yield from content.skip(headers_size)
    (key_size, value_size), (key, value) = sizes, heads
    original_sizes = Sizes(value_size, key_size, headers_size)
    return Record(*header.place(offset, timestamp), key, value, (), original_sizes)


class _Header:
    """The header of a batch."""

    def __init__(self, raw: memoryview) -> None:
        self._bytes = bytearray(raw[:HEADER_BYTES])
        (self._attributes,) = struct.unpack_from(">h", raw, ATTRIBUTES_AT)
        (self.count,) = struct.unpack_from(">i", raw, COUNT_AT)
        struct.pack_into(">h", self._bytes, ATTRIBUTES_AT, self._attributes & ~CODEC)

    def records(self, count: int, data: bytes) -> list[Record]:
        """Return so many records of the batch, of which this is the data, not compressed."""
        struct.pack_into(">i", self._bytes, COUNT_AT, count)
        raw = self._bytes + data
        return records_of(DefaultRecordBatch(raw), memoryview(raw))

    def place(self, offset: int, timestamp: int) -> tuple[int, int, int]:
        """Return offset, timestamp and its type of a record that has them relative to the batch."""
        (base,) = struct.unpack_from(">q", self._bytes)
        first, latest = struct.unpack_from(">qq", self._bytes, TIMESTAMPS_AT)
        is_append_time = bool(self._attributes & IS_APPEND_TIME)
        return base + offset, latest if is_append_time else first + timestamp, int(is_append_time)


class _Content:
    """What a batch holds, from where it is read to on."""

    def __init__(self, source: DecompressedStream) -> None:
        self._source = source
        self.data = b""
        """What is inflated of it."""
        self.taken = 0
        """How many bytes lie before that."""

    def fill(self, size: int) -> None:
        """Inflate at least so many bytes, or all that is left."""
        if (missing := size - len(self.data)) > 0:
            self.data += self._source.read(missing)

    def take(self, size: int) -> bytes:
        """Return the next bytes and go on behind them; raises ValueError where there are not as many."""
        self.fill(size)
        if not 0 <= size <= len(self.data):
            raise ValueError("it ends within a record")
        taken, self.data = self.data[:size], self.data[size:]
        self.taken += size
        return taken

    def varint(self) -> int:
        """Return the next number and go on behind it."""
        self.fill(VARINT_BYTES_MAX)
        value: int
        value, size = decode_varint_py(self.data, 0)
        self.take(size)
        return value

    def skip(self, size: int) -> Iterator[Part]:
        """Go on behind so many bytes, none if it is negative; yield a part without records for each piece of them."""
        while size > 0:
            size -= (done := len(self.take(min(size, PART_BYTES))))
            yield Part([], done)
