"""Reads lines of files, plain or compressed, with bounded memory; `-` is standard input."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Final

import zstandard

from schemas.codec.limits import TRUNCATED_BYTES
from schemas.errors import UsageError

STANDARD: Final = "-"
"""Stands for standard input, or standard output."""

STDIN_FILENO: Final = 0
_CHUNK_BYTES: Final = 256 * 1024
_ZSTD_CHUNK_BYTES: Final = 512
"""Small, because every four bytes can expand to a block of 128 KiB."""
_MARGIN_BYTES: Final = len(codecs.BOM_UTF8) + len(b"\r")
"""A byte-order mark and a carriage return, which are not part of a line."""

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE: Final = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
_OTHER_FORMATS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
    codecs.BOM_UTF32_BE: "UTF-32",
    b"{\0": "UTF-16",
    b"\0{": "UTF-16",
    b"\0\0\0{": "UTF-32",
    _GZIP: "gzip data once more",
    _ZSTD: "Zstandard data once more",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ": "xz data",
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "Parquet",
}
"""Formats that are not lines of UTF-8 text, by their first bytes."""


Line = tuple[bytes, int]
"""A line without its line end, or the beginning of one that is too long, and its full size in bytes."""


def read_lines(path: str, line_bytes_max: int) -> Iterator[Line]:
    """Yield the lines of a file; a line longer than `line_bytes_max` is truncated to its first `TRUNCATED_BYTES`.

    Gzip and Zstandard are recognised by the content. A byte-order mark before a line is dropped. Raises `UsageError`,
    naming the file, if it cannot be read to its end: absent, truncated, damaged, not UTF-8, or of another format than
    its name says.
    """
    try:
        with _raw(path) as raw, io.BufferedReader(raw, _CHUNK_BYTES) as file:
            lines = _split(_chunks(path, file), line_bytes_max)
            for first, size in islice(lines, 1):
                for start, kind in _OTHER_FORMATS.items():
                    if first.startswith(start):
                        raise _unreadable(path, f"it holds {kind}, not lines of UTF-8 text")
                yield first, size
            yield from lines
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _unreadable(path, reason) from error


def input_name(path: str) -> str:
    """Return the name of an input for a message."""
    return "standard input" if path == STANDARD else path or "''"


def _unreadable(path: str, reason: str) -> UsageError:
    return UsageError(f"{input_name(path)}: cannot be read: {reason}")


def _raw(path: str) -> io.FileIO:
    if path != STANDARD:
        return io.FileIO(path)
    if sys.stdin is None:
        raise _unreadable(path, "it is closed")
    return io.FileIO(STDIN_FILENO, closefd=False)


def _chunks(path: str, file: io.BufferedReader[io.FileIO]) -> Iterator[bytes]:
    """Yield the decompressed content of a file in chunks."""
    head = file.peek(len(_ZSTD))
    is_gzip, is_zstd = head.startswith(_GZIP), head.startswith((_ZSTD, *_ZSTD_SKIPPABLE))
    for suffix, kind, is_kind in ((".gz", "gzip", is_gzip), (".zst", "Zstandard", is_zstd)):
        if path.lower().endswith(suffix) and not is_kind:
            raise _unreadable(path, f"not {kind} data, as its name says")
    if is_gzip:
        with gzip.GzipFile(fileobj=file, mode="rb") as decompressed:
            yield from iter(partial(decompressed.read1, _CHUNK_BYTES), b"")
    elif is_zstd:
        yield from _decompressed_zstd(iter(partial(file.read1, _ZSTD_CHUNK_BYTES), b""))
    else:
        yield from iter(partial(file.read1, _CHUNK_BYTES), b"")


def _decompressed_zstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of consecutive Zstandard frames; the library's own readers do not notice a truncated frame."""
    decompressor = zstandard.ZstdDecompressor()
    frame = None
    for chunk in chunks:
        left = chunk
        while left:
            frame = frame or decompressor.decompressobj()
            yield frame.decompress(left)
            left = frame.unused_data
            if frame.eof:
                frame = None
    if frame is not None:
        raise EOFError("it ends in the middle of a frame")


def _split(chunks: Iterable[bytes], line_bytes_max: int) -> Iterator[Line]:
    """Yield each line and its size; a line that is too long is truncated while it is read."""
    buffered, size = bytearray(), 0
    for chunk in chunks:
        *ended, last = chunk.split(b"\n")
        for piece in ended:
            if size:
                yield _line(bytes(buffered + piece), size + len(piece), line_bytes_max)
                buffered, size = bytearray(), 0
            else:
                yield _line(piece, len(piece), line_bytes_max)
        buffered += last
        size += len(last)
        if size > line_bytes_max + _MARGIN_BYTES:
            del buffered[TRUNCATED_BYTES:]
    if size:
        yield _line(bytes(buffered), size, line_bytes_max)


def _line(kept: bytes, size: int, line_bytes_max: int) -> Line:
    if size <= line_bytes_max + _MARGIN_BYTES:  # complete
        kept = kept.removeprefix(codecs.BOM_UTF8).rstrip(b"\r")
        size = len(kept)
    return (kept, size) if size <= line_bytes_max else (kept[:TRUNCATED_BYTES], size)
