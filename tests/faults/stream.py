"""Simulated days with a known outcome, fed to a bench in the background at a controlled pace."""

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
from tests.e2e.harness import Bench
from tests.e2e.verifier import Outcome, outcome
from tests.zygote import SOP

START_AT = 1_736_101_800_000_000  # 2025-01-06T00:00:00+05:30: every deadline has passed
EVENTS_PER_JOB = 60
REPLAY_S = 1_200.0


@dataclass(frozen=True)
class EventStream:
    """A file of events in order of arrival, and their number."""

    file: Path
    events: int

    def lines(self) -> Iterator[bytes]:
        with self.file.open("rb") as lines:
            for line in lines:
                yield line.rstrip(b"\n")

    def replay(self) -> Outcome:
        """Return the outcome of replaying the stream up to now."""
        out = self.file.with_suffix(".out")
        until = datetime.now(UTC).isoformat()  # noqa: TID251 - the live clock
        done = subprocess.run(
            [SOP, "replay", self.file, "--out", out, "--until", until],
            capture_output=True,
            text=True,
            timeout=REPLAY_S,
            check=False,
        )
        assert done.returncode == 0 or "was accepted" in done.stderr, done.stderr
        with out.open("rb") as lines:
            return outcome(map(json.loads, lines))


def make_stream(events: int, seed: int, file: Path) -> EventStream:
    """Simulate about this many events, with late, repeated and malformed ones."""
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
    return EventStream(file, count)


class Feeder:
    """Feeds a stream in a thread, as far as `allow` permits; on exit feeds the rest and waits for acknowledgements."""

    def __init__(self, bench: Bench, stream: EventStream) -> None:
        self._bench = bench
        self._lines = stream.lines()
        self._permits = threading.Semaphore(0)
        self._is_unlimited = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._feed, name="feeder")

    def allow(self, events: int) -> None:
        """Permit this many more events."""
        if events > 0:
            self._permits.release(events)

    def allow_all(self) -> None:
        """Permit the rest of the stream."""
        self._is_unlimited = True
        self._permits.release()

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
        except BaseException as error:  # noqa: BLE001 - raised again in __exit__
            self._error = error

    def _allowed(self) -> Iterator[bytes]:
        while True:
            if not self._is_unlimited:
                self._permits.acquire()
            line = next(self._lines, None)
            if line is None:
                return
            yield line
