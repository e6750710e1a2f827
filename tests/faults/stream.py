"""A stretch of simulated days with its known answer, fed in the background no faster than it is allowed to be."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate
from tests.e2e.harness import SOP, Bench
from tests.e2e.verifier import Outcome, outcome

START_AT = 1_736_101_800_000_000  # 2025-01-06T00:00:00+05:30: every deadline has passed
EVENTS_PER_JOB = 60
REPLAY_S = 1_200.0


@dataclass(frozen=True)
class Stream:
    """A file of events in order of arrival, and how many they are."""

    file: Path
    events: int

    def lines(self) -> Iterator[bytes]:
        with self.file.open("rb") as lines:
            for line in lines:
                yield line.rstrip(b"\n")

    def replayed(self) -> Outcome:
        """Return what a replay, with all deadlines passed that have passed by now, leaves in the end."""
        out = self.file.with_suffix(".out")
        until = datetime.now(UTC).isoformat()  # noqa: TID251 - the live clock
        told = subprocess.run(
            [SOP, "replay", self.file, "--out", out, "--until", until],
            capture_output=True,
            text=True,
            timeout=REPLAY_S,
            check=False,
        )
        assert told.returncode == 0 or "was accepted" in told.stderr, told.stderr
        with out.open("rb") as lines:
            return outcome(map(json.loads, lines))


def make_stream(events: int, seed: int, file: Path) -> Stream:
    """Simulate about so many events, with late, repeated and malformed ones."""
    options = SimulatorOptions(
        jobs=max(events // EVENTS_PER_JOB, 10),
        seed=seed,
        start_at=START_AT,
        report_interval_s=60,
        late_share=0.05,
        duplicate_share=0.03,
        malformed_share=0.003,
    )
    count = 0
    with file.open("wb") as out:
        for line in simulate(options):
            out.write(line + b"\n")
            count += 1
    return Stream(file, count)


class Feeder:
    """Feeds a stream in a thread, as far as `allow` says; leaving waits until everything allowed is acknowledged."""

    def __init__(self, bench: Bench, stream: Stream) -> None:
        self._bench = bench
        self._lines = stream.lines()
        self._left = threading.Semaphore(0)
        self._ends = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._feed, name="feeder")

    def allow(self, events: int) -> None:
        """Let so many more be fed."""
        if events > 0:
            self._left.release(events)

    def allow_all(self) -> None:
        """Let the rest be fed."""
        self._ends = True
        self._left.release()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._lines = iter(())
        self.allow_all()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _feed(self) -> None:
        try:
            self._bench.feed_lines(self._allowed())
        except BaseException as error:  # noqa: BLE001 - told where the feeding was asked for
            self._error = error

    def _allowed(self) -> Iterator[bytes]:
        while True:
            if not self._ends:
                self._left.acquire()
            line = next(self._lines, None)
            if line is None:
                return
            yield line
