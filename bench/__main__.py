"""`python -m bench`: runs everything, writes the results as JSON and the page made from them."""

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
from bench.services import Services, started

PARTS: Final = ("light", "full", "latency", "replay", "growth", "scaling", "scale", "flat")
PACED: Final = (BARE, OURS, "transactional loop", "Quix Streams", "Kafka Streams, RocksDB, exactly once")


class Scale:
    """How much is run: all of it, or a little of everything to try it."""

    def __init__(self, *, quick: bool, rounds: int | None, minutes: float | None) -> None:
        """Take whether it is a trial, and the number of rounds and the minutes of watching where these are given."""
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
    """Run the parts asked for and write what they measured."""
    options = _options()
    scale = Scale(quick=options.quick, rounds=options.rounds, minutes=options.minutes)
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = options.only.split(",") if options.only else PARTS
    file = options.out / "performance.json"
    rows = _kept(file, chosen, quick=options.quick)
    with started() as services:
        parts = _parts(scale, services)
        for part in chosen:
            rows += parts[part]()
            results = {"machine": _machine(), "quick": options.quick, "rows": rows}
            file.write_text(json.dumps(results, indent=1) + "\n")
    write_page(options.out)


def _parts(scale: Scale, services: Services) -> dict[str, Callable[[], list[Row]]]:
    brokers, redis_url = services.brokers, services.redis_url
    paced = [each for each in LIGHT if each.name in PACED]
    return {
        "light": lambda: run_rounds(LightJob(brokers, scale.light_events, redis_url), LIGHT, services, scale.rounds),
        "full": lambda: run_rounds(FullJob(brokers, scale.full_jobs, redis_url), FULL, services, scale.rounds),
        "latency": lambda: run_latencies(paced, services, scale.rates, scale.rounds, scale.paced_s),
        "replay": lambda: run_replays(scale.full_jobs, scale.rounds),
        "growth": lambda: run_growth(scale.cases, scale.facts, redis_url),
        "scaling": lambda: run_scaling(services, scale.light_events // 4, scale.partitions, scale.workers),
        "scale": lambda: run_scale(services, scale.open_cases),
        "flat": lambda: run_flat(services, scale.minutes),
    }


def _kept(file: Path, chosen: Sequence[str], *, quick: bool) -> list[Row]:
    """Return what an earlier run on this machine measured of the parts that are not run now."""
    if not file.exists():
        return []
    results = json.loads(file.read_text())
    if (results["quick"], results["machine"]) != (quick, _machine()):
        return []
    return [row for row in results["rows"] if row["job"] not in chosen]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a little of everything, to try it")
    parser.add_argument("--only", metavar="PARTS", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each runs")
    parser.add_argument("--minutes", type=float, metavar="M", help="for how long memory is watched (flat)")
    parser.add_argument("--out", type=Path, default=Path("docs"), metavar="DIR", help="where the results go")
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
