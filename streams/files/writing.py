"""Writes lines to a file, atomically, compressed as its name says; `-` is standard output."""

import errno
import os
import re
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import zstandard

from schemas.errors import UsageError
from streams.files.reading import STANDARD, STDIN_FILENO

STDOUT_FILENO: Final = 1

_DESCRIPTOR: Final = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})")
"""The path of a file that this process has open."""

WriteLine = Callable[[bytes], object]
"""Writes a line, given without its line end."""


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Plain:
    """Does not compress."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


@contextmanager
def line_writer(name: str, sources: Iterable[str] = ()) -> Iterator[WriteLine]:
    """Give a function that writes lines to a file, which appears when the block ends without an exception.

    Symbolic links are followed, and a replaced file passes its mode and owner on. Devices, pipes, terminals, and files
    that this process has open are written directly. Raises `UsageError`, naming the file, if it cannot be written or is
    one of the `sources`, and `BrokenPipeError` when the reader is gone.
    """
    try:
        _refuse_sources(name, sources)
        with _opened(name) as file:
            compressor = _compressor(name)
            yield lambda line: file.write(compressor.compress(line + b"\n"))
            file.write(compressor.flush())
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"{output_name(name)}: cannot be written: {error.strerror or error}") from error


def output_name(name: str) -> str:
    """Return the name of an output for a message."""
    return "standard output" if name == STANDARD else name or "''"


def _compressor(name: str) -> _Compressor:
    """Return the compressor for a file name; the same content gives the same bytes on every run."""
    if name.lower().endswith(".gz"):
        return zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    if name.lower().endswith(".zst"):
        return zstandard.ZstdCompressor(write_checksum=True).compressobj()
    return _Plain()


def _refuse_sources(name: str, sources: Iterable[str]) -> None:
    descriptor = _descriptor(name)
    target = _status(name) if descriptor is None else os.fstat(descriptor)
    if target is None or not stat.S_ISREG(target.st_mode):
        return
    for source in sources:
        with suppress(OSError):  # reading it will fail with a message of its own
            other = os.fstat(STDIN_FILENO) if source == STANDARD else Path(source).stat()
            if os.path.samestat(target, other):
                raise UsageError(f"{output_name(name)}: cannot be written: it is the input {source}")


def _status(name: str) -> os.stat_result | None:
    """Return the status of a file, None if it does not exist."""
    try:
        return Path(name).stat()
    except FileNotFoundError:
        return None


def _descriptor(name: str) -> int | None:
    """Return the descriptor that a name stands for, if it is a file that this process has open."""
    if name == STANDARD:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed")
        return STDOUT_FILENO
    _status(name)  # raises for circular links
    path = Path(name)
    while (found := _DESCRIPTOR.fullmatch(str(path))) is None and path.is_symlink():
        path = path.parent / path.readlink()
    return None if found is None else int(found[1])


def _opened(name: str) -> AbstractContextManager[BinaryIO]:
    descriptor, status = _descriptor(name), _status(name)
    if descriptor is not None:
        # opening it again would overwrite a file from its beginning
        return open(os.dup(descriptor), "wb")  # noqa: PTH123 - a descriptor has no path
    if status is not None and not stat.S_ISREG(status.st_mode):
        return Path(name).open("wb")
    return _replacing(name, status)


@contextmanager
def _replacing(name: str, status: os.stat_result | None) -> Iterator[BinaryIO]:
    """Give a temporary file that is renamed to `name` when the block ends without an exception."""
    if name.endswith(os.sep):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    target = Path(os.path.realpath(name))
    if status is not None:
        os.close(os.open(target, os.O_WRONLY))  # a file that may not be written may not be replaced
    # A file in a folder, not a NamedTemporaryFile, gets the default mode of new files.
    with _temporary_folder(target, exists=status is not None) as folder:
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


def _temporary_folder(target: Path, *, exists: bool) -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder beside the target.

    Raises OSError; if the target `exists`, the message says that it is the surrounding folder that accepts no file.
    """
    try:
        return tempfile.TemporaryDirectory(prefix=".sop-", dir=target.parent, ignore_cleanup_errors=True)
    except OSError as error:
        if not exists:
            raise
        raise OSError(error.errno, f"no file can be made in {target.parent}: {error.strerror}") from error
