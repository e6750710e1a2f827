"""The record of runs, one JSON line each, and the page that is generated from it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Run = Mapping[str, Any]

COLUMNS = ("lost", "wrong", "conflicting", "stale", "duplicate", "misplaced", "unaccounted")

RANDOM_FAULTS = ("F1", "F2", "F3", "F24", "F25", "F26", "F27")
"""Faults at random times, so that their number allows an estimate for others of the kind."""

HEAD = """\
# Fault tests and their results

Each row is a run of `make faults` with real worker processes, a real Apache Kafka and a real Redis. `sop replay` gives
the expected outcome of the input. The test reads the topics from their start with a different client, and compares.
`make faults SEED=...` repeats a run. This page is generated from `docs/faults.jsonl`; every run adds its lines there,
failed ones too, for the code of that time. A run that broke off before the comparison leaves no line. Recovery is the
time from a fault to the first step of a new owner, for each partition affected. It is not measured if the next fault
came earlier, or if the affected worker owned no partition.

The columns count problems; - means that the test does not check for them: *lost* (in the expected outcome only),
*wrong* (different content, or not in the expected outcome), *conflicting* (one id with two bodies), *stale* (a chain of
revisions that forks, goes back, or was decided from less input than before), *duplicate* (emitted twice, for a reader
of committed records), *misplaced* (wrong topic or key), *unaccounted* (input partitions with records that are not
counted as applied, duplicate, dead-lettered or forwarded). If n randomly timed faults caused no problem, the share of
such faults that cause one is below 3/n (95 % confidence).

"""


TAIL = """
## Faults that other tests cover

| fault | where |
| --- | --- |
| F5 a transaction that Kafka reports as ended but leaves open | `tests/faults/test_hanging.py`, F22 |
| F11 the dead-letter topic rejects records too | the rows F8 about dead-letters |
| F18 a blocked event loop | the hanging record of `tests/e2e/test_poison.py`, `tests/unit/test_watchdog.py` |
| F19 checkpoints, outputs and internal records of an earlier version | `tests/unit/test_kept.py` |
| F22 simulation | `python -m tests.simulation --seeds 10000` |
"""


@dataclass(frozen=True)
class RunRecorder:
    """Appends runs to a file; without a file it only prints them."""

    file: Path | None

    @classmethod
    def from_environment(cls) -> RunRecorder:
        """Return the recorder for the file that FAULTS_RECORD names."""
        named = os.environ.get("FAULTS_RECORD")
        return cls(Path(named) if named else None)

    def add(self, run: Run) -> None:
        """Print a run, and append it to the file."""
        line = json.dumps(run, ensure_ascii=False)
        sys.stdout.write(line + "\n")
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def read_runs(file: Path) -> list[Run]:
    """Return the recorded runs in their order."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def render_page(found: Iterable[Run]) -> str:
    """Return the page about the runs, ordered by fault."""
    ordered = sorted(found, key=lambda run: str(run["fault"]))
    names = ("fault", "seed", "faults", "events", *COLUMNS, "3/n", "measurements")
    return HEAD + _line(names) + _line(["---"] * len(names)) + "".join(_row(run) for run in ordered) + TAIL


def _row(run: Run) -> str:
    faults = int(run["faults"])
    found = [run["found"].get(column, "-") for column in COLUMNS]
    is_drawn = str(run["fault"]).split()[0] in RANDOM_FAULTS
    bound = f"{3 / faults:.2%}" if is_drawn and faults > 3 and not any(run["found"].values()) else ""
    metrics = ", ".join(f"{name} {value}" for name, value in run["figures"].items())
    cells = [run["fault"], run["seed"], faults, run["events"], *found, bound, metrics]
    return _line(cells)


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"
