"""Lines written to a file that is there whole or not at all, compressed as its name says; `-` is standard output."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import zstandard

from schemas.errors import UsageError
from streams.files.reading import STANDARD, STDIN_FILENO

STDOUT_FILENO: Final = 1

_DESCRIPTOR: Final = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})")
"""The path of a file that this process has open."""

WriteLine = Callable[[bytes], object]
"""Writes a line, given without its end."""


class _Packer(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Plain:
    """Packs nothing."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


@contextmanager
def line_writer(name: str, sources: Iterable[str] = ()) -> Iterator[WriteLine]:
    """Give a way to write lines to a file, which takes its place when the block ends without an exception.

    Symbolic links are followed; a file that is replaced leaves its mode and owner to the new one. What is no regular
    file (a device, a pipe, a terminal) is written through, and so is what this process has open.
    Raises `UsageError` naming the file when it cannot be written or is one of the `sources`, `BrokenPipeError` when
    nobody reads on.
    """
    try:
        _refuse_sources(name, sources)
        with _opened(name) as file:
            packer = _packer(name)
            yield lambda line: file.write(packer.compress(line + b"\n"))
            file.write(packer.flush())
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"{output_name(name)}: cannot be written: {error.strerror or error}") from error


def output_name(name: str) -> str:
    """Return what a message calls an output."""
    return "standard output" if name == STANDARD else name or "''"


def _packer(name: str) -> _Packer:
    """Return what packs by the end of a name; the same content gives the same bytes on every run."""
    if name.lower().endswith(".gz"):
        return zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    if name.lower().endswith(".zst"):
        return zstandard.ZstdCompressor(write_checksum=True).compressobj()
    return _Plain()


def _refuse_sources(name: str, sources: Iterable[str]) -> None:
    descriptor = _descriptor(name)
    mine = _status(name) if descriptor is None else os.fstat(descriptor)
    if mine is None or not stat.S_ISREG(mine.st_mode):
        return
    for source in sources:
        with suppress(OSError):  # who reads it will say so
            other = os.fstat(STDIN_FILENO) if source == STANDARD else Path(source).stat()
            if os.path.samestat(mine, other):
                raise UsageError(f"{output_name(name)}: cannot be written: it is the input {source}")


def _status(name: str) -> os.stat_result | None:
    """Return what is known of a file; None: there is none."""
    try:
        return Path(name).stat()
    except FileNotFoundError:
        return None


def _descriptor(name: str) -> int | None:
    """Return the number of the open file that a name stands for, if it is one that this process has open."""
    if name == STANDARD:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed")
        return STDOUT_FILENO
    _status(name)  # raises where links go round in circles
    path = Path(name)
    while (found := _DESCRIPTOR.fullmatch(str(path))) is None and path.is_symlink():
        path = path.parent / path.readlink()
    return None if found is None else int(found[1])


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    descriptor, status = _descriptor(name), _status(name)
    if descriptor is not None:
        # opened anew, a file would be written from its beginning again, whatever stands there
        with open(os.dup(descriptor), "wb") as file:  # noqa: PTH123 - a descriptor has no path
            yield file
    elif status is not None and not stat.S_ISREG(status.st_mode):
        with Path(name).open("wb") as file:
            yield file
    else:
        with _replacing(name, status) as file:
            yield file


@contextmanager
def _replacing(name: str, status: os.stat_result | None) -> Iterator[BinaryIO]:
    """Give a file that takes the place of another one, or of none, when all of it is written."""
    if name.endswith(os.sep):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    target = Path(os.path.realpath(name))
    if status is not None:
        os.close(os.open(target, os.O_WRONLY))  # what may not be written may not be replaced
    # In a folder, so that a new file has the mode that the system gives to new files there.
    with _folder_beside(target, exists=status is not None) as folder:
        unfinished = Path(folder) / "unfinished"
        with unfinished.open("wb") as file:
            if status is not None:
                with suppress(PermissionError):
                    os.fchown(file.fileno(), status.st_uid, status.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)


def _folder_beside(target: Path, *, exists: bool) -> tempfile.TemporaryDirectory[str]:
    """Make a folder that goes when it is left.

    Raises OSError, beside a target that `exists` with the words that it is the folder around it that takes no file.
    """
    try:
        return tempfile.TemporaryDirectory(prefix=".sop-", dir=target.parent, ignore_cleanup_errors=True)
    except OSError as error:
        if not exists:
            raise
        raise OSError(error.errno, f"no file can be made in {target.parent}: {error.strerror}") from error
