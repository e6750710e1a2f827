"""Runs many seeds: `python -m tests.simulation --seeds 1000 --start 1`."""

from __future__ import annotations

import logging
import sys
import time
from argparse import ArgumentParser

from tests.simulation.run import Outcome, run_seed


def main() -> int:
    """Run the given seeds; print the violations of each, then totals and the rate."""
    parser = ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--start", type=int, default=1, help="the first seed")
    arguments = parser.parse_args()
    logging.disable()
    began = time.monotonic()
    outcomes: list[Outcome] = []
    for seed in range(arguments.start, arguments.start + arguments.seeds):
        outcomes.append(run_seed(seed))
        if violations := outcomes[-1].violations:
            sys.stdout.write("\n  ".join([f"seed {seed}:", *violations]) + "\n")
            sys.stdout.flush()
    failed = sum(bool(each.violations) for each in outcomes)
    per_minute = arguments.seeds / (time.monotonic() - began) * 60
    sys.stdout.write(
        f"{arguments.seeds} seeds, {failed} failed, {sum(each.faults for each in outcomes)} faults injected, "
        f"{sum(each.outputs for each in outcomes)} outputs, {sum(each.quarantined for each in outcomes)} cases "
        f"quarantined, {sum(each.departed for each in outcomes)} cases departed, "
        f"{sum(each.refused_late for each in outcomes)} facts refused for a departed case, "
        f"{sum(each.reopened for each in outcomes)} cases reopened, "
        f"{sum(each.recreated for each in outcomes)} topics created again, "
        f"{sum(each.stops for each in outcomes)} stops for these and for expired records, "
        f"{sum(each.cases_with_losses for each in outcomes)} cases with lost records, "
        f"{sum(each.lost_outputs for each in outcomes)} outputs lost before they were read back, "
        f"{per_minute:.0f} seeds a minute\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
