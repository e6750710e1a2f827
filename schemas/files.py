"""Reads small files that a setting or a command names: policies, passwords, certificates."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

SMALL_FILE_BYTES_MAX: Final = 1 << 20


def read_small_file(path: str | Path) -> bytes:
    """Return the content of a regular file.

    Raises ValueError with the reason if it cannot be read, is longer than `SMALL_FILE_BYTES_MAX`, or is not a regular
    file, since a device or a pipe may never end.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ValueError("is a directory")
        if not stat.S_ISREG(mode):
            raise ValueError("is not a regular file")
        with path.open("rb") as file:
            content = file.read(SMALL_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    if len(content) > SMALL_FILE_BYTES_MAX:
        raise ValueError(f"is longer than {SMALL_FILE_BYTES_MAX} bytes")
    return content


def read_small_text(path: str | Path) -> str:
    """Return the text of a small file in UTF-8; raises ValueError like `read_small_file`."""
    content = read_small_file(path)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
