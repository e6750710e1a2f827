"""Runs many seeds: `python -m tests.simulation --seeds 1000 --start 1`."""

from __future__ import annotations

import logging
import sys
import time
from argparse import ArgumentParser

from tests.simulation.run import run_seed


def main() -> int:
    """Run the seeds asked for; print what each failing one showed, and how fast it went."""
    parser = ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--start", type=int, default=1, help="the first one")
    asked = parser.parse_args()
    logging.disable()
    began = time.monotonic()
    failed = fates = said = aside = left = late = stops = lost = again = unseen = 0
    for seed in range(asked.start, asked.start + asked.seeds):
        outcome = run_seed(seed)
        fates += outcome.fates
        said += outcome.said
        aside += outcome.aside
        left += outcome.left
        late += outcome.refused_late
        stops += outcome.stops
        lost += outcome.lost
        again += outcome.created_again
        unseen += outcome.said_unseen
        if outcome.violations:
            failed += 1
            sys.stdout.write("\n  ".join([f"seed {seed}:", *outcome.violations]) + "\n")
            sys.stdout.flush()
    per_minute = asked.seeds / (time.monotonic() - began) * 60
    told = f"{failed} failed, {fates} fates met, {said} records said, {aside} cases set aside, "
    told += f"{left} no longer kept, {late} facts that came too late for one, "
    told += f"{again} topics created again, {stops} stops for these and for expired records, "
    told += f"{lost} cases that lost some, {unseen} messages lost before they were read back"
    sys.stdout.write(f"{asked.seeds} seeds, {told}, {per_minute:.0f} a minute\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
