"""The sample events of `sop up`: a simulated city day that began some hours ago and catches up with the present."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from schemas.policy import HOUR
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import deliveries
from streams.up.feed import Line

BEGAN_AGO: Final = 14 * HOUR
"""How long before the present the simulated day began; the clock of the day starts at midnight."""

HEAD_START: Final = 10 * HOUR
"""What happened until this hour of the day goes out in a hurry, so that there is something to decide from the start."""

REPORT_INTERVAL_S: Final = 60


def sample_lines(*, jobs: int, seed: int, first_number: int, now: int) -> Iterator[Line]:
    """Yield the events of a day as it looks at `now` (microseconds), in their order of arrival.

    None is to be sent before the instant at which it arrives. Raises `UsageError` for options out of range.
    """
    began_at = now - BEGAN_AGO
    options = SimulatorOptions(
        jobs=jobs, seed=seed, first_number=first_number, start_at=began_at, report_interval_s=REPORT_INTERVAL_S
    )
    for delivery in deliveries(options):
        arrive_at = delivery.arrive_at
        yield Line(delivery.line, not_before=arrive_at, paced=arrive_at > began_at + HEAD_START)
