"""The sample events of `sop up`: a simulated city day that began some hours ago and catches up with the present."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from schemas.policy.model import HOUR
from streams.demo.feed import ScheduledEvent
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import deliveries

BEGAN_AGO: Final = 13 * HOUR
"""How long before the present the simulated day began; the clock of the day starts at midnight."""

HEAD_START: Final = 10 * HOUR
"""What happened until this hour of the day goes out in a hurry, so that there is something to decide from the start."""

REPORT_INTERVAL_S: Final = 60


def sample_options(*, jobs: int, seed: int) -> SimulatorOptions:
    """Return what day to simulate; raises `UsageError` for a value out of range."""
    return SimulatorOptions(jobs=jobs, seed=seed, report_interval_s=REPORT_INTERVAL_S)


def sample_events(options: SimulatorOptions, *, now: int) -> Iterator[ScheduledEvent]:
    """Yield the events of a day as it looks at `now` (microseconds), in their order of arrival.

    No event is to be sent before the instant at which it arrives.
    """
    began_at = now - BEGAN_AGO
    for delivery in deliveries(replace(options, start_at=began_at)):
        arrive_at = delivery.arrive_at
        yield ScheduledEvent(delivery.line, not_before=arrive_at, paced=arrive_at > began_at + HEAD_START)
