"""The folder of an archive: on this machine, or in an object store that Arrow knows (S3 and the like)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from schemas.errors import Unavailable, UsageError
from streams.archive.layout import TEMPORARY, SegmentName

URL: Final = "://"


class ArchiveFolder:
    """Files of an archive at a local path or a URL such as `s3://bucket/folder`; paths within it have `/`.

    Each method raises `Unavailable` if the file system fails. Raises `UsageError` for an address that cannot be used.
    """

    def __init__(self, address: str) -> None:
        self.address: Final = address
        try:
            if URL in address:
                self.files, self.base = FileSystem.from_uri(address)
            else:
                self.files, self.base = LocalFileSystem(), os.fspath(Path(address).absolute())
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UsageError(f"{address}: {_reason(error)}") from error
        self.is_local: Final = isinstance(self.files, LocalFileSystem)

    def names(self) -> list[SegmentName]:
        """Return the names of all files of records, by topic, partition and offset."""
        found = []
        for path in self.paths():
            try:
                found.append(SegmentName.parse(path))
            except ValueError:
                continue
        return sorted(found)

    def paths(self, under: str = "") -> list[str]:
        """Return the paths of all files under a path, sorted; none if there is no such folder."""
        base = self.path(under) if under else self.base
        with self._failures(under):
            found = self.files.get_file_info(FileSelector(base, recursive=True, allow_not_found=True))
        start = len(self.base.rstrip("/")) + 1
        return sorted(each.path[start:] for each in found if each.type == FileType.File)

    def exists(self, path: str) -> bool:
        """Return whether there is a file."""
        with self._failures(path):
            return bool(self.files.get_file_info(self.path(path)).type == FileType.File)

    def read(self, path: str) -> bytes | None:
        """Return what a file contains, None if there is none."""
        if not self.exists(path):
            return None
        with self._failures(path), self.files.open_input_file(self.path(path)) as file:
            return bytes(file.read())

    def open(self, path: str) -> pa.NativeFile:
        """Open a file to be read at any place."""
        with self._failures(path):
            return self.files.open_input_file(self.path(path))

    def put(self, path: str, content: bytes | pa.Buffer) -> None:
        """Write a file, which appears as a whole or not at all, and is on the disk when this returns."""
        target = self.path(path)
        with self._failures(path):
            self.files.create_dir(os.path.dirname(target), recursive=True)  # noqa: PTH120 - not of this machine
            with self.files.open_output_stream(target + TEMPORARY) as file:
                file.write(content)
            if self.is_local:
                _sync(target + TEMPORARY)
            self.files.move(target + TEMPORARY, target)
            if self.is_local:
                _sync(os.path.dirname(target))  # noqa: PTH120 - see above

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        with self._failures(path), suppress(FileNotFoundError):
            self.files.delete_file(self.path(path))

    def path(self, path: str) -> str:
        """Return a path within the archive as one of its file system."""
        return f"{self.base.rstrip('/')}/{path}"

    @contextmanager
    def _failures(self, path: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise Unavailable(f"{self.address}: {path}{': ' if path else ''}{_reason(error)}") from error


def archive_at(address: str) -> ArchiveFolder:
    """Return the folder of an archive that has records; raises `UsageError` if none is there, `Unavailable`."""
    folder = ArchiveFolder(address)
    if not folder.names():
        raise UsageError(f"{address}: there is no archive, or it has no files yet")
    return folder


def _sync(path: str) -> None:
    """Have a file or folder of this machine written to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    """Return why a file system failed: what the operating system says if it is its error, else what Arrow says."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else " ".join(str(error).split())
