"""Inflates what a record batch holds a bounded piece at a time: some kilobytes can hold gigabytes.

aiokafka's own functions return the whole.
"""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterator
from typing import Final, Protocol

import cramjam
import zstandard
from aiokafka.codec import _detect_xerial_stream

SNAPPY_HEADER_BYTES: Final = 16
SNAPPY_BLOCK_BYTES_MAX: Final = 4 * 1024 * 1024
"""A block that holds more is not kept inflated. All usual ones hold 32 or 64 KiB."""
LZ4_MAGIC: Final = b"\x04\x22\x4d\x18"
LZ4_IS_STORED: Final = 1 << 31


class DecompressedStream(Protocol):
    """What is left of a compressed content."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, fewer at the end only; raises whatever the codec's library does."""


def open_decompressed(codec: int, data: memoryview, zstd: zstandard.ZstdDecompressor) -> DecompressedStream:
    """Return the content of compressed data, by the number that Kafka gives a codec; 0 is none.

    Content of Zstandard is read by means of `zstd`, until this asks it for another one.
    """
    if codec == 1:
        return gzip.GzipFile(fileobj=io.BytesIO(data))
    if codec == 2:
        return _Blocks(_snappy(data))
    if codec == 3:
        return _Blocks(_lz4(data))
    if codec == 4:  # a window of more than 128 MiB is refused, by brokers too
        return zstd.stream_reader(data, read_across_frames=True)
    if codec:
        raise ValueError(f"its codec has the number {codec}")
    return io.BytesIO(data)


class _Blocks:
    """Content that comes in blocks."""

    def __init__(self, blocks: Iterator[memoryview]) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        parts: list[memoryview] = []
        while size:
            if not self._left:
                if (block := next(self._blocks, None)) is None:
                    break
                self._left = block
            parts.append(self._left[:size])
            self._left = self._left[size:]
            size -= len(parts[-1])
        return b"".join(parts)


def _snappy(data: memoryview) -> Iterator[memoryview]:
    """Yield what snappy blocks hold: either one block is all there is, or each has its length before it."""
    if not _detect_xerial_stream(data):
        yield from _snappy_block(data)
        return
    at = SNAPPY_HEADER_BYTES
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4 + length
        yield from _snappy_block(data[at - length : at])


def _snappy_block(block: memoryview) -> Iterator[memoryview]:
    """Yield what a block holds. It can be inflated as a whole only, so a large one is inflated for each part anew."""
    size = cramjam.snappy.decompress_raw_len(block)
    for at in range(0, size, SNAPPY_BLOCK_BYTES_MAX):
        yield memoryview(cramjam.snappy.decompress_raw(block))[at : at + SNAPPY_BLOCK_BYTES_MAX]


def _lz4(data: memoryview) -> Iterator[memoryview]:
    """Yield what the blocks of LZ4 frames hold: cramjam inflates frames as a whole only.

    Kafka takes only blocks that do not need others. Checksums are left alone: the record batch has one.
    """
    at = 0
    while at < len(data):
        if bytes(data[at : at + 4]) != LZ4_MAGIC:
            raise ValueError("no LZ4 frame begins where one should")
        flags, kind = data[at + 4], data[at + 5]
        has_checks, has_size, has_check, has_dictionary = (flags >> bit & 1 for bit in (4, 3, 2, 0))
        at += 7 + 8 * has_size + 4 * has_dictionary
        inflated = bytearray(1 << (8 + 2 * (kind >> 4 & 7)))
        while True:
            (length,) = struct.unpack_from("<I", data, at)
            at += 4
            if not length:
                break
            block = data[at : at + (length & ~LZ4_IS_STORED)]
            at += len(block) + 4 * has_checks
            if length & LZ4_IS_STORED:
                yield block
            else:
                size = cramjam.lz4.decompress_block_into(block, inflated, len(inflated))
                yield memoryview(bytes(memoryview(inflated)[:size]))
        at += 4 * has_check
