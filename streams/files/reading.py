"""Lines of files, plain or compressed, read with bounded memory; `-` is standard input."""

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

from schemas.codec.limits import HEAD_BYTES
from schemas.errors import UsageError

STANDARD: Final = "-"
"""The name of standard input, and of standard output."""

STDIN_FILENO: Final = 0
_CHUNK_BYTES: Final = 256 * 1024
_ZSTD_CHUNK_BYTES: Final = 512
"""No more at a time, since each four bytes can hold a block of 128 KiB."""
_AROUND: Final = len(codecs.BOM_UTF8) + len(b"\r")
"""What may surround a line without being part of it."""

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE: Final = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
_NO_LINES: Final = {
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
"""How content begins that cannot be lines of UTF-8 text, and what it is."""


Line = tuple[bytes, int]
"""A line without its end, or the beginning of one that is too long, and how many bytes all of it has."""


def read_lines(path: str, line_bytes_max: int) -> Iterator[Line]:
    """Yield the lines of a file; of one with more than `line_bytes_max` only the first `HEAD_BYTES` are kept.

    Gzip and Zstandard are known by how the file begins, whatever its name. A byte-order mark before a line is left out.
    Raises `UsageError` naming the file when it cannot be read to its end: absent, cut short, damaged, not UTF-8, or of
    another kind than its name says.
    """
    try:
        with _raw(path) as raw, io.BufferedReader(raw, _CHUNK_BYTES) as file:
            lines = _split(_chunks(path, file), line_bytes_max)
            for first in islice(lines, 1):
                _refuse_what_has_no_lines(path, first[0])
                yield first
            yield from lines
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _unreadable(path, reason) from error


def input_name(path: str) -> str:
    """Return what a message calls an input."""
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
    """Yield the unpacked content of a file, in pieces that are not too large."""
    head = file.peek(len(_ZSTD))
    is_gzip, is_zstd = head.startswith(_GZIP), head.startswith((_ZSTD, *_ZSTD_SKIPPABLE))
    for suffix, kind, is_kind in ((".gz", "gzip", is_gzip), (".zst", "Zstandard", is_zstd)):
        if path.lower().endswith(suffix) and not is_kind:
            raise _unreadable(path, f"not {kind} data, as its name says")
    if is_gzip:
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            yield from iter(partial(unpacked.read1, _CHUNK_BYTES), b"")
    elif is_zstd:
        yield from _unpacked_zstd(iter(partial(file.read1, _ZSTD_CHUNK_BYTES), b""))
    else:
        yield from iter(partial(file.read1, _CHUNK_BYTES), b"")


def _unpacked_zstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what Zstandard frames hold, one after the other. The library's readers take a cut frame for a whole one."""
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
    """Yield the content of each line and how many bytes it has; no more is kept of a line than has to be."""
    begun, size = bytearray(), 0
    for chunk in chunks:
        *ended, last = chunk.split(b"\n")
        for piece in ended:
            if size:
                yield _line(bytes(begun + piece), size + len(piece), line_bytes_max)
                begun, size = bytearray(), 0
            else:
                yield _line(piece, len(piece), line_bytes_max)
        begun += last
        size += len(last)
        if size > line_bytes_max + _AROUND:
            del begun[HEAD_BYTES:]
    if size:
        yield _line(bytes(begun), size, line_bytes_max)


def _line(kept: bytes, size: int, line_bytes_max: int) -> Line:
    if size <= line_bytes_max + _AROUND:  # all of it is there
        kept = kept.removeprefix(codecs.BOM_UTF8).rstrip(b"\r")
        size = len(kept)
    return (kept, size) if size <= line_bytes_max else (kept[:HEAD_BYTES], size)


def _refuse_what_has_no_lines(path: str, content: bytes) -> None:
    for begin, kind in _NO_LINES.items():
        if content.startswith(begin):
            raise _unreadable(path, f"it holds {kind}, not lines of UTF-8 text")
