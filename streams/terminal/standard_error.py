"""Keeps a closed or full standard error from failing a command."""

import io
import os
import sys
from typing import Any, Final

STDERR_FILENO: Final = 2


class _Diagnostics(io.FileIO):
    """A file that silently drops what cannot be written: messages must not fail a command."""

    def write(self, data: Any, /) -> int:
        """Write bytes and return how many; dropped bytes count as written."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare_standard_error() -> None:
    """Replace `sys.stderr` by a file that drops what it cannot write.

    A closed standard error becomes the null device; otherwise the next file that is opened would get its descriptor.
    """
    encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
    if sys.stderr is None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, STDERR_FILENO)
        if null != STDERR_FILENO:
            os.close(null)
    raw = _Diagnostics(STDERR_FILENO, "w", closefd=False)
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=True)
