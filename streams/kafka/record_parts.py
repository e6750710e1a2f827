"""Reads the records of a batch in parts, so that a large batch is never in memory as a whole.

A usual batch is one part, read by aiokafka. A larger one is split into runs of whole records, and aiokafka reads each
run as a batch of its own. A record that is too large is read here, and only the beginnings of its key and value are
kept.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from typing import Any, Final, NamedTuple

import zstandard
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import decode_varint_py

from schemas.codec.limits import TRUNCATED_BYTES, RecordSizes
from streams.kafka.connection import MESSAGE_BYTES_MAX
from streams.kafka.decompression import DecompressedStream, open_decompressed
from streams.kafka.record_batches import MAGIC_AT, SMALLEST, Record, records_of

PART_BYTES: Final = 1024 * 1024
"""How many bytes aiokafka reads at once: tiny records and headers take up to 32 times as much memory when read."""
RECORD_BYTES_MAX: Final = MESSAGE_BYTES_MAX
"""A larger record is truncated, and so is one with more than `PART_BYTES` of headers."""

MAGIC: Final = 2
HEADER_BYTES: Final = SMALLEST[MAGIC]
ATTRIBUTES_AT: Final = 21
TIMESTAMPS_AT: Final = 27
COUNT_AT: Final = 57
CODEC: Final = 0x07
IS_APPEND_TIME: Final = 0x08
VARINT_BYTES_MAX: Final = 10


class Part(NamedTuple):
    """Consecutive records of a batch and the bytes read for them; no records while a large one is being skipped."""

    records: list[Record]
    size: int
    is_last: bool = False


def read_in_parts(batch: Any, raw: memoryview, zstd: zstandard.ZstdDecompressor) -> Iterator[Part]:
    """Yield the records of an aiokafka batch with the bytes `raw` in parts; `zstd` is in use until the last part.

    Raises whatever aiokafka and its libraries raise for malformed records.
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
            raise ValueError("it holds more data than its records")
        yield part._replace(is_last=not left)


def _next_part(header: _Header, content: _Content, left: int) -> Generator[Part, None, tuple[int, Part]]:
    """Return how many records come next, and their part; yields empty parts while it skips bytes before that."""
    content.fill(PART_BYTES)
    count, end, first = _whole_records(content.data, left)
    if not first:
        raise ValueError("it holds fewer records than it says")
    if count:
        return count, Part(header.records(count, content.read(end)), end)
    if first <= RECORD_BYTES_MAX:
        content.fill(first)
        if first - _headers_at(content.data) <= PART_BYTES:
            return 1, Part(header.records(1, content.read(first)), first)
    return 1, Part([(yield from _truncated_record(header, content))], 0)


def _whole_records(data: bytes, count_max: int) -> tuple[int, int, int]:
    """Return how many records, at most `count_max`, are complete, where they end, and the size of the first."""
    count = end = first = 0
    while count < count_max:
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
    """Return the position of a record's headers."""
    at: int
    _, at = decode_varint_py(data, 0)
    at += 1
    for _ in ("timestamp", "offset"):
        _, at = decode_varint_py(data, at)
    for _ in ("key", "value"):
        size, at = decode_varint_py(data, at)
        at += max(size, 0)
    return at


def _truncated_record(header: _Header, content: _Content) -> Generator[Part, None, Record]:
    """Return the next record, truncated; yields empty parts while it skips the rest of it."""
    end = content.varint() + content.position
    content.read(1)
    timestamp, offset = content.varint(), content.varint()
    sizes, heads = [], []
    for _ in ("key", "value"):
        size = content.varint()
        sizes.append(max(size, 0))
        heads.append(None if size < 0 else content.read(min(size, TRUNCATED_BYTES)))
        yield from content.skip(size - TRUNCATED_BYTES)
    headers_size = end - content.position
    if headers_size < 0:
        raise ValueError("a record is longer than it says")
    yield from content.skip(headers_size)
    (key_size, value_size), (key, value) = sizes, heads
    original_sizes = RecordSizes(value_size, key_size, headers_size)
    return Record(*header.absolute(offset, timestamp), key, value, (), original_sizes)


class _Header:
    """The header of a batch."""

    def __init__(self, raw: memoryview) -> None:
        self._bytes = bytearray(raw[:HEADER_BYTES])
        (self._attributes,) = struct.unpack_from(">h", raw, ATTRIBUTES_AT)
        (self.count,) = struct.unpack_from(">i", raw, COUNT_AT)
        struct.pack_into(">h", self._bytes, ATTRIBUTES_AT, self._attributes & ~CODEC)

    def records(self, count: int, data: bytes) -> list[Record]:
        """Return `count` records of the batch from their uncompressed data."""
        struct.pack_into(">i", self._bytes, COUNT_AT, count)
        raw = self._bytes + data
        return records_of(DefaultRecordBatch(raw), memoryview(raw))

    def absolute(self, offset: int, timestamp: int) -> tuple[int, int, int]:
        """Return the absolute offset, timestamp and timestamp type of a record with relative ones."""
        (base,) = struct.unpack_from(">q", self._bytes)
        first, latest = struct.unpack_from(">qq", self._bytes, TIMESTAMPS_AT)
        is_append_time = bool(self._attributes & IS_APPEND_TIME)
        return base + offset, latest if is_append_time else first + timestamp, int(is_append_time)


class _Content:
    """The decompressed content of a batch, and the position up to which it is read."""

    def __init__(self, source: DecompressedStream) -> None:
        self._source = source
        self.data = b""
        """Bytes that are decompressed and not read yet."""
        self.position = 0
        """How many bytes were read before them."""

    def fill(self, size: int) -> None:
        """Decompress until `size` bytes are available, or to the end."""
        if (missing := size - len(self.data)) > 0:
            self.data += self._source.read(missing)

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; raises ValueError if fewer are left."""
        self.fill(size)
        if not 0 <= size <= len(self.data):
            raise ValueError("it ends within a record")
        read, self.data = self.data[:size], self.data[size:]
        self.position += size
        return read

    def varint(self) -> int:
        """Return the next variable-length integer."""
        self.fill(VARINT_BYTES_MAX)
        value: int
        value, size = decode_varint_py(self.data, 0)
        self.read(size)
        return value

    def skip(self, size: int) -> Iterator[Part]:
        """Skip `size` bytes, none if it is negative; yields an empty part for each piece skipped."""
        while size > 0:
            size -= (done := len(self.read(min(size, PART_BYTES))))
            yield Part([], done)
