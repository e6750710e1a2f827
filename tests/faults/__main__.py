"""Writes the page about all runs on record: `python -m tests.faults docs/faults.jsonl docs/faults.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.ledger import entries, page

if __name__ == "__main__":
    record, target = map(Path, sys.argv[1:])
    target.write_text(page(entries(record)), encoding="utf-8")
