"""Decompresses the content of a record batch in bounded pieces, because a few kilobytes can expand to gigabytes.

aiokafka's own functions return the whole content at once.
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
"""A larger block is not kept decompressed. Producers usually write blocks of 32 or 64 KiB."""
LZ4_MAGIC: Final = b"\x04\x22\x4d\x18"
LZ4_IS_STORED: Final = 1 << 31


class DecompressedStream(Protocol):
    """The decompressed content of a record batch."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, fewer only at the end; raises whatever the codec's library raises."""


def open_decompressed(codec: int, data: memoryview, zstd: zstandard.ZstdDecompressor) -> DecompressedStream:
    """Return the content of data compressed with a codec, by Kafka's number for it (0: none).

    `zstd` serves one stream at a time: a stream is invalid once it has opened the next.
    """
    if codec == 1:
        return gzip.GzipFile(fileobj=io.BytesIO(data))
    if codec == 2:
        return _Blocks(_snappy(data))
    if codec == 3:
        return _Blocks(_lz4(data))
    if codec == 4:  # refuses windows of more than 128 MiB, as brokers do
        return zstd.stream_reader(data, read_across_frames=True)
    if codec:
        raise ValueError(f"its codec has the number {codec}")
    return io.BytesIO(data)


class _Blocks:
    """A stream over decompressed blocks."""

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
    """Yield the content of snappy data: a single raw block, or xerial's framing of blocks with their lengths."""
    if not _detect_xerial_stream(data):
        yield from _snappy_block(data)
        return
    at = SNAPPY_HEADER_BYTES
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4 + length
        yield from _snappy_block(data[at - length : at])


def _snappy_block(block: memoryview) -> Iterator[memoryview]:
    """Yield the content of a block in parts. Snappy decompresses only whole blocks, so each part does it again."""
    size = cramjam.snappy.decompress_raw_len(block)
    for at in range(0, size, SNAPPY_BLOCK_BYTES_MAX):
        yield memoryview(cramjam.snappy.decompress_raw(block))[at : at + SNAPPY_BLOCK_BYTES_MAX]


def _lz4(data: memoryview) -> Iterator[memoryview]:
    """Yield the content of LZ4 frames block by block; cramjam decompresses only whole frames.

    Kafka requires independent blocks. Checksums are not verified, since the record batch has its own.
    """
    at = 0
    while at < len(data):
        if bytes(data[at : at + 4]) != LZ4_MAGIC:
            raise ValueError("it is not an LZ4 frame")
        flags, kind = data[at + 4], data[at + 5]
        has_checks, has_size, has_check, has_dictionary = (flags >> bit & 1 for bit in (4, 3, 2, 0))
        at += 7 + 8 * has_size + 4 * has_dictionary
        decompressed = bytearray(1 << (8 + 2 * (kind >> 4 & 7)))
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
                size = cramjam.lz4.decompress_block_into(block, decompressed, len(decompressed))
                yield memoryview(bytes(memoryview(decompressed)[:size]))
        at += 4 * has_check
