"""The sample events of `sop up`: a simulated day that began some hours ago and catches up with the present."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from schemas.policy.model import HOUR
from streams.demo.feed import ScheduledEvent
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import deliveries

STARTED_AGO: Final = 13 * HOUR
"""How long before the present the simulated day began, at its midnight."""

HEAD_START: Final = 10 * HOUR
"""Events up to this hour of the day are sent unpaced, so that there are decisions from the start."""

REPORT_INTERVAL_S: Final = 60


def sample_options(*, jobs: int, seed: int) -> SimulatorOptions:
    """Return the options of the simulated day; raises `UsageError` for a value out of range."""
    return SimulatorOptions(jobs=jobs, seed=seed, report_interval_s=REPORT_INTERVAL_S)


def sample_events(options: SimulatorOptions, *, now: int) -> Iterator[ScheduledEvent]:
    """Yield the events of the day as of `now` (microseconds) in their order of arrival, each not before it arrives."""
    start_at = now - STARTED_AGO
    for delivery in deliveries(replace(options, start_at=start_at)):
        arrive_at = delivery.arrive_at
        yield ScheduledEvent(delivery.line, not_before=arrive_at, paced=arrive_at > start_at + HEAD_START)
