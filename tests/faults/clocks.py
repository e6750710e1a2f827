"""Wall clocks of running workers that a test moves forward or back, lets jump, or stops."""

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


def compile_library(folder: Path) -> Path:
    """Compile the library that workers preload. Without a C compiler the test is skipped, or fails in CI."""
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
    """How a clock differs from the machine's: an offset, a new start (seconds since the epoch), or stopped."""

    ahead_s: float = 0.0
    start_s: int | None = None
    is_stopped: bool = False


class WorkerClock:
    """The wall clock of all processes started with `environment`.

    `library` is the compiled one; `file` is created, and shares the clock's state with the processes.
    """

    def __init__(self, library: Path, file: Path) -> None:
        file.write_bytes(bytes(_NUMBERS.size))
        self.environment = {"LD_PRELOAD": str(library), "SKEW_FILE": str(file)}
        with file.open("r+b") as opened:
            self._numbers = mmap.mmap(opened.fileno(), _NUMBERS.size)

    def apply(self, skew: Skew) -> None:
        """Change the clock from now on."""
        now_ns = SystemClock().now_us() * 1000
        stopped_ns = now_ns if skew.is_stopped else 0
        offset_ns = int(skew.ahead_s * SECOND_NS) if skew.start_s is None else skew.start_s * SECOND_NS - now_ns
        _NUMBERS.pack_into(self._numbers, 0, offset_ns, stopped_ns)
