"""What `sop policy diff --out` has written to a folder: the differences that the page of policies shows."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from schemas.errors import UsageError
from streams.what_if.difference import DifferenceSummary, PolicyDifference

T = TypeVar("T", bound=DifferenceSummary)

SETTING: Final = "SOP_CONSOLE_POLICY_DIFFS"
FILES_MAX: Final = 50
"""Most files that are listed, the latest ones."""
BYTES_MAX: Final = 64 * 1024 * 1024
"""A longer file is not read."""


@dataclass(frozen=True, slots=True)
class DifferenceFile:
    """A file of the folder, when it was written (microseconds), and what it says, or why that cannot be read."""

    name: str
    written_at: int
    summary: DifferenceSummary | None
    problem: str = ""


class DifferenceFolder:
    """The files `*.json` of a folder; an empty path is no folder. Raises `UsageError` if there is none of that name."""

    def __init__(self, path: str) -> None:
        self._folder = Path(path) if path else None
        if self._folder is not None and not self._folder.is_dir():
            raise UsageError(f"{SETTING}: {path}: no folder")

    @property
    def is_given(self) -> bool:
        """Whether there is a folder."""
        return self._folder is not None

    def files(self) -> Sequence[DifferenceFile]:
        """Return the latest files, the last one first."""
        found = sorted(self._paths(), key=lambda path: (_modified_ns(path), path.name), reverse=True)
        return [_listed(path, _modified_ns(path)) for path in found[:FILES_MAX]]

    def difference(self, name: str) -> PolicyDifference | None:
        """Return what a file of the folder says, None if there is no such file that can be read."""
        for path in self._paths():
            if path.name == name:
                try:
                    return _read(path, PolicyDifference)
                except ValueError:
                    return None
        return None

    def _paths(self) -> Sequence[Path]:
        return [] if self._folder is None else list(self._folder.glob("*.json"))


@lru_cache(maxsize=FILES_MAX)  # a file may be large, and is replaced as a whole
def _listed(path: Path, modified_ns: int) -> DifferenceFile:
    try:
        return DifferenceFile(path.name, modified_ns // 1000, _read(path, DifferenceSummary))
    except ValueError as error:
        return DifferenceFile(path.name, modified_ns // 1000, None, str(error))


def _read(path: Path, kind: type[T]) -> T:
    """Return what a file says; raises ValueError with the reason if it cannot be read or says something else."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        if status.st_size > BYTES_MAX:
            raise ValueError(f"longer than {BYTES_MAX} bytes")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except msgspec.DecodeError as error:
        raise ValueError(f"no result of sop policy diff --out: {error}") from error


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # it has gone
        return 0
