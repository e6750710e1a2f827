"""Clocks of workers that a test puts ahead or back, has jump and stand still while they run."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.process.clock import SystemClock

SOURCE = Path(__file__).with_name("skew.c")
SECOND_NS = 1_000_000_000
_NUMBERS = struct.Struct("=qq")


def compiled(folder: Path) -> Path:
    """Return the library that a worker is preloaded with; without a C compiler the test is skipped, in CI it fails."""
    compiler = shutil.which("cc")
    if compiler is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no cc on the PATH")
        pytest.skip("no cc on the PATH")
    library = folder / "skew.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True, timeout=60)
    return library


@dataclass(frozen=True)
class Skew:
    """How a clock goes: ahead of the machine's, on from an instant (seconds since the epoch), or not at all."""

    ahead_s: float = 0.0
    from_s: int | None = None
    still: bool = False


class WorkerClock:
    """The wall clock of all processes started with `environment`."""

    def __init__(self, library: Path, file: Path) -> None:
        """Take the compiled library, and a file of this clock's own, to be made."""
        file.write_bytes(bytes(_NUMBERS.size))
        self.environment = {"LD_PRELOAD": str(library), "SKEW_FILE": str(file)}
        with file.open("r+b") as opened:
            self._numbers = mmap.mmap(opened.fileno(), _NUMBERS.size)

    def put(self, skew: Skew) -> None:
        """Have it go otherwise from now on."""
        now_ns = SystemClock().now_us() * 1000
        still_ns = now_ns if skew.still else 0
        offset_ns = int(skew.ahead_s * SECOND_NS) if skew.from_s is None else skew.from_s * SECOND_NS - now_ns
        _NUMBERS.pack_into(self._numbers, 0, offset_ns, still_ns)
