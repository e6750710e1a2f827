"""Standard error as a command may find it: closed, or a file that takes no more."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, Final

STDERR_FILENO: Final = 2


class _Diagnostics(io.FileIO):
    """A file for what is told on the way: what it does not take is lost, for it changes nothing that a command did."""

    def write(self, data: Any, /) -> int:
        """Write bytes and return how many, all of them where they are lost."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare_standard_error() -> None:
    """Let no text for standard error fail a command.

    Where it is closed it becomes the null device. Otherwise text for it would go to standard output, and the next file
    that is opened would get its number.
    """
    encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
    if sys.stderr is None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, STDERR_FILENO)
        if null != STDERR_FILENO:
            os.close(null)
    raw = _Diagnostics(STDERR_FILENO, "w", closefd=False)
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=True)
