"""Writes the file of this version: `python -m tests.kept`."""

from __future__ import annotations

import asyncio
import sys

from tests.kept.version import write

if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(write())}\n")
