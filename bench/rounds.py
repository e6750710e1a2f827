"""Paired runs: each round runs every contestant once, so that a busy minute affects all of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import psutil

from bench import kafka
from bench.contestants import Contestant
from bench.jobs import Job
from bench.run_spec import RESULT_PREFIX, RunResult
from bench.services import Services

BUSY_PERCENT_MAX: Final = 12.0
IDLE_WAIT_S_MAX: Final = 60.0
RUN_S_MAX: Final = 180.0

Row = dict[str, Any]


def run_rounds(job: Job, contestants: Sequence[Contestant], services: Services, rounds: int) -> list[Row]:
    """Run every contestant once per round; return a row for each run, and one for each contestant that cannot run."""
    rows: list[Row] = []
    present = []
    for contestant in contestants:
        reason = contestant.missing() or ("no redis-server" if contestant.redis and not services.redis_url else None)
        if reason is None:
            present.append(contestant)
        else:
            rows.append({"job": job.name, "name": contestant.name, "skipped": reason})
            print_row(rows[-1])
    for number in range(rounds):
        for contestant in present:
            row = {"job": job.name, "name": contestant.name, "round": number}
            rows.append(row | run_one(job, contestant, services))
            print_row(rows[-1])
    return rows


def run_one(job: Job, contestant: Contestant, services: Services) -> Row:
    """Run a contestant on its share of the events; return its result and the number of committed messages."""
    spec = job.begin(contestant, kafka.run_tag())
    waited_s = wait_until_idle()
    broker = psutil.Process(services.broker_pid)
    broker_s, others_s, began = cpu_s(broker), _busy_s(), time.monotonic()
    process = subprocess.Popen(contestant.command(spec), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(timeout=RUN_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    wall_s = time.monotonic() - began
    row: Row = {"waited_s": waited_s, "wall_s": wall_s, "broker_cpu_s": cpu_s(broker) - broker_s}
    row["machine_cores"] = (_busy_s() - others_s) / wall_s
    line = next((line for line in out.splitlines() if line.startswith(RESULT_PREFIX)), None)
    if line is None:
        row["error"] = err.decode(errors="replace")[-600:] or f"exit {process.returncode}"
    else:
        row |= msgspec.to_builtins(msgspec.json.decode(line.removeprefix(RESULT_PREFIX), type=RunResult))
    row["committed"] = job.end(spec)
    return row


def wait_until_idle() -> float:
    """Wait until the machine is nearly idle, for a minute at most; return the seconds waited."""
    began = time.monotonic()
    while psutil.cpu_percent(1.0) > BUSY_PERCENT_MAX and time.monotonic() - began < IDLE_WAIT_S_MAX:
        pass
    return round(time.monotonic() - began, 1)


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU seconds that a process has used."""
    used = process.cpu_times()
    return float(used.user + used.system)


def print_row(row: Row) -> None:
    """Print a row to standard error."""
    shown = {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}
    print(shown, file=sys.stderr, flush=True)


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)
