"""Fills a file system."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIECES = (1 << 20, 1 << 12, 1)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Keep the file system of a folder full within the block."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as out:
        for piece in PIECES:
            try:
                while True:
                    out.write(b"x" * piece)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    try:
        yield
    finally:
        file.unlink()
