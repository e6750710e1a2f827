"""What a worker answers over HTTP: its metrics, whether it lives, and whether it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streams.metrics import catalogue
from streams.metrics.collector import TaskSnapshot, exposition, output_samples, task_samples
from streams.metrics.server import LIVE_PATH, READY_PATH, call_in_loop
from streams.policies.source import PolicySource
from streams.process.clock import SystemClock
from streams.processor.output_counts import OutputCounts

UNANSWERED: Final = "the worker's event loop does not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEndpoints:
    """The answers of a worker whose work runs in `loop`.

    `snapshots` returns one for each partition number that the worker has, None before it was assigned any number or
    none; it is called in the loop. `refusal` returns why the worker is no member of its group, and `is_watched` whether
    the watchdog runs.
    """

    loop: asyncio.AbstractEventLoop
    snapshots: Callable[[], Sequence[TaskSnapshot] | None]
    counts: OutputCounts
    policies: PolicySource
    refusal: Callable[[], str | None]
    is_watched: Callable[[], bool]

    @property
    def checks(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """The checks of an orchestrator, by path."""
        return {LIVE_PATH: self.not_live, READY_PATH: self.not_ready}

    async def metrics(self) -> bytes:
        """Return the metrics in Prometheus's text format, all collected at one moment in the event loop.

        Raises as `call_in_loop` does.
        """

        def read() -> list[catalogue.Sample]:
            now = SystemClock().now_us()
            tasks = [sample for each in self.snapshots() or () for sample in task_samples(each, now)]
            refused = (catalogue.POLICIES_REFUSED, (), self.policies.known.refused)
            return [*tasks, *output_samples(self.counts), refused]

        found, delay_s = await call_in_loop(self.loop, read)
        return exposition([*found, (catalogue.LOOP_DELAY, (), delay_s)])

    async def not_live(self) -> str:
        """Return why the process should be replaced; empty if it should not.

        The watchdog ends a process that makes no progress, with a reason in the log. So it is enough that it runs.
        """
        return "" if self.is_watched() else "the watchdog does not run"

    async def not_ready(self) -> str:
        """Return why the worker does not decide yet; empty if it does, or waits for partitions as a spare."""
        if refusal := self.refusal():
            return refusal
        try:
            found, _ = await call_in_loop(self.loop, self.snapshots)
        except (TimeoutError, RuntimeError):
            return UNANSWERED
        if found is None:
            return "no partitions are assigned yet"
        recovering = [str(each.number) for each in found if not each.is_ready]
        return f"recovering: partitions {', '.join(recovering)}" if recovering else ""
