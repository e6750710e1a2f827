"""A disk without room."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIECES = (1 << 20, 1 << 12, 1)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Leave no room on the disk of a folder for as long as the context lasts."""
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
