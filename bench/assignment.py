"""What a runtime is told to do, and how it says what it did; each runs in a process of its own."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

MARK: Final = b"RESULT "
WARM_SHARE: Final = 0.1
"""Start-up and the first tenth of the events are left out of rates."""


class Assignment(Struct, frozen=True):
    """Where the events are, where the decisions go, and how many events there are."""

    brokers: str
    events: str
    decisions: str
    group: str
    count: int
    redis_url: str = ""
    linger_ms: int = 20


class Outcome(Struct, frozen=True):
    """What one run measured, from a tenth of the events to the last; `tail` is the second half alone."""

    count: int
    decisions: int
    rate: float
    """Events a second."""
    tail_rate: float
    cpu_s: float
    """CPU seconds of the process (user and system) per million events."""
    rss_mb: float
    """Peak resident memory."""


def assigned() -> Assignment:
    """Return the assignment that this process was started with."""
    return msgspec.json.decode(sys.argv[1], type=Assignment)


class Meter:
    """Counts the events of one process and measures the run."""

    def __init__(self, count: int) -> None:
        """Take how many events there are."""
        self.decisions = 0
        self.done = False
        self._count = count
        self._seen = 0
        self._marks = [int(count * WARM_SHARE), count // 2, count]
        self._measured: list[tuple[int, float, float]] = []

    def add(self, events: int, decisions: int = 0) -> bool:
        """Count events and decisions; tell whether it was the last of all."""
        self._seen += events
        self.decisions += decisions
        while len(self._measured) < len(self._marks) and self._seen >= self._marks[len(self._measured)]:
            self._measured.append((self._seen, time.perf_counter(), cpu_s()))
        self.done = len(self._measured) == len(self._marks)
        return self.done

    def report(self) -> None:
        """Print the outcome as one line, past whatever a runtime does to standard output."""
        (warm, warm_at, warm_cpu), (half, half_at, _), (end, end_at, end_cpu) = self._measured
        outcome = Outcome(
            count=self._seen,
            decisions=self.decisions,
            rate=(end - warm) / (end_at - warm_at),
            tail_rate=(end - half) / (end_at - half_at),
            cpu_s=(end_cpu - warm_cpu) / (end - warm) * 1e6,
            rss_mb=peak_mb(),
        )
        os.write(1, MARK + msgspec.json.encode(outcome) + b"\n")


def cpu_s() -> float:
    """Return the CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """Return the peak resident memory of this process in megabytes, not what its parent had when it was forked."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
