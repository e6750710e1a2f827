"""`python -m bench`: runs all benchmarks and writes the results as JSON and as a page."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psutil

from bench.contestants import BARE, FULL, LIGHT, OURS
from bench.flat import run_flat
from bench.growth import run_growth
from bench.jobs import FullJob, LightJob
from bench.latency import run_latencies
from bench.replaying import run_replays
from bench.report import write_page
from bench.rounds import Row, run_rounds
from bench.scale import run_scale
from bench.scaling import run_scaling
from bench.services import Services, run_services

PARTS: Final = ("light", "full", "latency", "replay", "growth", "scaling", "scale", "flat")
PACED: Final = (BARE, OURS, "transactional loop", "Quix Streams", "Kafka Streams, RocksDB, exactly once")


class Workload:
    """How much to run: everything, or with `quick` a little of everything."""

    def __init__(self, *, quick: bool, rounds: int | None, minutes: float | None) -> None:
        self.rounds = rounds or (1 if quick else 5)
        self.light_events = 200_000 if quick else 2_000_000
        self.full_jobs = 300 if quick else 4_000
        self.rates = (5_000,) if quick else (5_000, 20_000)
        self.paced_s = 5.0 if quick else 15.0
        self.cases = (1_000,) if quick else (1_000, 10_000, 100_000, 1_000_000)
        self.facts = (3, 30) if quick else (3, 30, 300)
        self.partitions = (1, 4) if quick else (1, 2, 4, 8, 16)
        self.workers = (1, 2) if quick else (1, 2, 3, 4)
        self.open_cases = (1_000,) if quick else (1_000, 10_000, 100_000, 1_000_000)
        self.minutes = minutes or (1.0 if quick else 10.0)


def main() -> None:
    """Run the selected parts and write their results."""
    options = _options()
    workload = Workload(quick=options.quick, rounds=options.rounds, minutes=options.minutes)
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = options.only.split(",") if options.only else PARTS
    file = options.out / "performance.json"
    rows = _kept_rows(file, chosen, quick=options.quick)
    with run_services() as services:
        parts = _parts(workload, services)
        for part in chosen:
            rows += parts[part]()
            results = {"machine": _machine(), "quick": options.quick, "rows": rows}
            file.write_text(json.dumps(results, indent=1) + "\n")
    write_page(options.out)


def _parts(workload: Workload, services: Services) -> dict[str, Callable[[], list[Row]]]:
    brokers, redis_url, rounds = services.brokers, services.redis_url, workload.rounds
    paced = [each for each in LIGHT if each.name in PACED]
    return {
        "light": lambda: run_rounds(
            LightJob(brokers, workload.light_events, redis_url), LIGHT, services, workload.rounds
        ),
        "full": lambda: run_rounds(FullJob(brokers, workload.full_jobs, redis_url), FULL, services, rounds),
        "latency": lambda: run_latencies(paced, services, workload.rates, workload.rounds, workload.paced_s),
        "replay": lambda: run_replays(workload.full_jobs, workload.rounds),
        "growth": lambda: run_growth(workload.cases, workload.facts, redis_url),
        "scaling": lambda: run_scaling(services, workload.light_events // 4, workload.partitions, workload.workers),
        "scale": lambda: run_scale(services, workload.open_cases),
        "flat": lambda: run_flat(services, workload.minutes),
    }


def _kept_rows(file: Path, chosen: Sequence[str], *, quick: bool) -> list[Row]:
    """Return the rows of an earlier run on this machine for the parts that are not run now."""
    if not file.exists():
        return []
    results = json.loads(file.read_text())
    if (results["quick"], results["machine"]) != (quick, _machine()):
        return []
    return [row for row in results["rows"] if row["job"] not in chosen]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run a little of everything, as a trial")
    parser.add_argument("--only", metavar="PARTS", help=f"run only these: {','.join(PARTS)}")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often to run each")
    parser.add_argument("--minutes", type=float, metavar="M", help="how long to watch memory (flat)")
    parser.add_argument("--out", type=Path, default=Path("docs"), metavar="DIR", help="where to write the results")
    return parser.parse_args()


def _machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


if __name__ == "__main__":
    main()
