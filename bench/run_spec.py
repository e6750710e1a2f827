"""The input and the result of one run; each runtime runs in a process of its own."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

RESULT_PREFIX: Final = b"RESULT "
WARM_SHARE: Final = 0.1
"""Rates leave out start-up and the first tenth of the events."""


class RunSpec(Struct, frozen=True):
    """What to run: topics of events and decisions, consumer group, number of events, Redis."""

    brokers: str
    events: str
    decisions: str
    group: str
    count: int
    redis_url: str = ""
    linger_ms: int = 20


class RunResult(Struct, frozen=True):
    """What one run measured between a tenth of the events and the last; `tail_rate` in the second half alone."""

    count: int
    decisions: int
    rate: float
    """Events per second."""
    tail_rate: float
    cpu_s: float
    """CPU seconds of the process (user and system) per million events."""
    rss_mb: float
    """Peak resident memory."""


def read_spec() -> RunSpec:
    """Return the run specification from the command line of this process."""
    return msgspec.json.decode(sys.argv[1], type=RunSpec)


class Meter:
    """Counts the events of one process and measures the run; `count` is the number of all events."""

    def __init__(self, count: int) -> None:
        self.decisions = 0
        self.done = False
        self._count = count
        self._seen = 0
        self._marks = [int(count * WARM_SHARE), count // 2, count]
        self._measured: list[tuple[int, float, float]] = []

    def add(self, events: int, decisions: int = 0) -> bool:
        """Count events and decisions; return True after the last event."""
        self._seen += events
        self.decisions += decisions
        while len(self._measured) < len(self._marks) and self._seen >= self._marks[len(self._measured)]:
            self._measured.append((self._seen, time.perf_counter(), cpu_s()))
        self.done = len(self._measured) == len(self._marks)
        return self.done

    def report(self) -> None:
        """Write the result as one line to file descriptor 1, in case a runtime has replaced standard output."""
        (warm, warm_at, warm_cpu), (half, half_at, _), (end, end_at, end_cpu) = self._measured
        result = RunResult(
            count=self._seen,
            decisions=self.decisions,
            rate=(end - warm) / (end_at - warm_at),
            tail_rate=(end - half) / (end_at - half_at),
            cpu_s=(end_cpu - warm_cpu) / (end - warm) * 1e6,
            rss_mb=peak_mb(),
        )
        os.write(1, RESULT_PREFIX + msgspec.json.encode(result) + b"\n")


def cpu_s() -> float:
    """Return the CPU seconds that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """Return the peak resident memory of this process in megabytes, without the peak of its parent before a fork."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
