"""Writes the page about all recorded runs: `python -m tests.faults docs/faults.jsonl docs/faults.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.runs import read_runs, render_page

if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(render_page(read_runs(source)), encoding="utf-8")
