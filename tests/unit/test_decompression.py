"""Every codec is decompressed in bounded pieces, however its producer framed the content."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import cramjam
import pytest
import zstandard
from aiokafka.codec import snappy_encode

from streams.kafka.decompression import SNAPPY_BLOCK_BYTES_MAX, open_decompressed

MIB = 1024 * 1024
NOISE = b"".join(sha256(b"%d" % number).digest() for number in range(10_000))
"""Bytes that do not compress."""
CONTENT = NOISE + b"a" * (9 * MIB) + NOISE
LZ4_BLOCKS_OF_4_MIB = bytes.fromhex("04224d18607073")


def zstd(content: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(content)


def lz4(content: bytes, **options: bool) -> bytes:
    compressor = cramjam.lz4.Compressor(level=1, block_linked=False, **options)
    compressor.compress(content)
    return bytes(compressor.finish())


def lz4_in_large_blocks(content: bytes) -> bytes:
    """Return a frame of 4 MiB blocks without checksums, which cramjam cannot write."""
    frame = LZ4_BLOCKS_OF_4_MIB
    for at in range(0, len(content), 4 * MIB):
        block = bytes(cramjam.lz4.compress_block(content[at : at + 4 * MIB], store_size=False))
        frame += len(block).to_bytes(4, "little") + block
    return frame + bytes(4)


@pytest.mark.parametrize(
    ("codec", "compress"),
    [
        pytest.param(0, bytes, id="none"),
        pytest.param(1, gzip.compress, id="gzip"),
        pytest.param(1, lambda content: gzip.compress(content[:MIB]) + gzip.compress(content[MIB:]), id="gzip members"),
        pytest.param(2, snappy_encode, id="snappy in blocks"),
        pytest.param(2, lambda content: bytes(cramjam.snappy.compress_raw(content)), id="snappy"),
        pytest.param(3, lz4, id="lz4"),
        pytest.param(3, lambda content: lz4(content, content_checksum=True), id="lz4 with checksum"),
        pytest.param(3, lambda content: lz4(content[:MIB]) + lz4(content[MIB:]), id="lz4 frames"),
        pytest.param(3, lz4_in_large_blocks, id="lz4 in large blocks"),
        pytest.param(4, zstd, id="zstd"),
        pytest.param(4, lambda content: zstd(content, write_content_size=False, write_checksum=True), id="zstd stream"),
        pytest.param(4, lambda content: zstd(content[:MIB]) + zstd(content[MIB:]), id="zstd frames"),
    ],
)
def test_each_read_returns_as_many_bytes_as_requested(codec: int, compress: Callable[[bytes], bytes]) -> None:
    content = open_decompressed(codec, memoryview(compress(CONTENT)), zstandard.ZstdDecompressor())
    pieces = list(iter(lambda: content.read(MIB), b""))
    assert {len(piece) for piece in pieces[:-1]} == {MIB}
    assert b"".join(pieces) == CONTENT


def test_an_unknown_codec_is_reported() -> None:
    with pytest.raises(ValueError, match="its codec has the number 5"):
        open_decompressed(5, memoryview(b""), zstandard.ZstdDecompressor())


def test_the_content_is_larger_than_the_snappy_blocks_that_are_kept() -> None:
    assert len(CONTENT) > 2 * SNAPPY_BLOCK_BYTES_MAX
