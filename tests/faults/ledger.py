"""The record of runs: one JSON line a run, failed ones included, and the page that is made of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]

COLUMNS = ("lost", "wrong", "conflicting", "stale", "duplicate", "misplaced", "unaccounted")

DRAWN = ("F1", "F2", "F3", "F24", "F25", "F26")
"""Faults that befall at moments drawn from the seed, so that their number says something about others like them."""

HEAD = """\
# What was done to the workers, and what came of it

Real worker processes, a real Apache Kafka, a real Redis; inputs whose outcome `sop replay` tells beforehand; judged
from the topics alone, read from their start by another client. `make faults SEED=...` repeats a run; this page is made
from `docs/faults.jsonl`, to which every such run adds its lines, failed ones too, about the code as it then was; a run
that broke off before it could be judged leaves none. Recovery is from a fault to the first step that somebody else says
for each partition concerned; it is not measured where the next fault follows before that, or where who was hit had no
partition.

A cell counts what was found, - where that was not looked for: *lost* (in the replay's outcome, not in the workers'),
*wrong* (another content, or more than the replay says), *conflicting* (one id, two bodies), *stale* (a chain of
revisions that forks, goes back, or has read less than before), *duplicate* (said twice, as a reader of committed
records sees it), *misplaced* (topic or key), *unaccounted* (input partitions whose records are not all applied,
duplicate, dead-lettered or forwarded).
With nothing found in n faults drawn at random, the share of such faults that break something is below 3/n (95 %).

"""


ELSEWHERE = """
## Shown by other tests, or not at all

| fault | where |
| --- | --- |
| F5 a transaction that Kafka takes for ended and leaves open | `tests/faults/test_hanging.py`, F22 |
| F11 the dead-letter topic refuses too | the rows F8 about dead-letters |
| F18 a blocked loop | the hanging record of `tests/e2e/test_poison.py`, `tests/unit/test_watchdog.py` |
| F19 checkpoints, outputs, internal records of an earlier version | `tests/unit/test_kept.py` |
| F22 simulation | `python -m tests.simulation --seeds 10000` |
"""


@dataclass(frozen=True)
class Ledger:
    """Where entries go; None: they are only printed."""

    file: Path | None

    @classmethod
    def of_this_process(cls) -> Ledger:
        """Return the ledger that the environment names."""
        named = os.environ.get("FAULTS_LEDGER")
        return cls(Path(named) if named else None)

    def add(self, entry: Entry) -> None:
        """Print an entry; append it where there is a file."""
        line = json.dumps(entry, ensure_ascii=False)
        sys.stdout.write(line + "\n")
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def entries(file: Path) -> list[Entry]:
    """Return what a ledger holds, in its order."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def page(found: Iterable[Entry]) -> str:
    """Return the page about some entries: of each fault the runs in their order."""
    ordered = sorted(found, key=lambda entry: str(entry["fault"]))
    names = ("fault", "seed", "faults", "events", *COLUMNS, "3/n", "figures")
    return HEAD + _line(names) + _line(["---"] * len(names)) + "".join(_row(entry) for entry in ordered) + ELSEWHERE


def _row(entry: Entry) -> str:
    faults = int(entry["faults"])
    found = [entry["found"].get(column, "-") for column in COLUMNS]
    is_drawn = str(entry["fault"]).split()[0] in DRAWN
    bound = f"{3 / faults:.2%}" if is_drawn and faults > 3 and not any(entry["found"].values()) else ""
    metrics = ", ".join(f"{name} {value}" for name, value in entry["figures"].items())
    cells = [entry["fault"], entry["seed"], faults, entry["events"], *found, bound, metrics]
    return _line(cells)


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"
