"""The rules alone: `sop replay` of a simulated day, on one core and on all cores."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.rounds import Row, print_row
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate


def run_replays(jobs: int, rounds: int) -> list[Row]:
    """Return a row for each run: events per second of the whole command, including reading and writing."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-replay-") as folder:
        recorded = Path(folder) / "day.jsonl"
        lines = list(simulate(SimulatorOptions(jobs=jobs)))
        recorded.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))
        for number in range(rounds):
            for processes in dict.fromkeys((1, os.cpu_count() or 1)):
                command = [sys.executable, "-m", "sop", "replay", str(recorded)]
                command += ["--out", os.devnull if os.name == "nt" else str(Path(folder) / "out.jsonl")]
                began = time.perf_counter()
                subprocess.run([*command, "--jobs", str(processes)], check=True, capture_output=True)
                rate = len(lines) / (time.perf_counter() - began)
                rows.append(
                    {
                        "job": "replay",
                        "name": f"sop replay, {processes} processes",
                        "round": number,
                        "count": len(lines),
                        "rate": rate,
                    }
                )
                print_row(rows[-1])
    return rows
