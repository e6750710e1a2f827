"""What a process with a sink answers over HTTP: whether it lives and is ready, and its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from streams.metrics.server import LIVE_PATH, READY_PATH, call_in_loop

UNANSWERED: Final = "the event loop does not answer"


class SinkEndpoints:
    """The answers of a process that runs in `loop`.

    `not_ready` says why it does not do its work, empty if it does; `collect` returns its metrics, besides memory and
    CPU time. Both are called in the loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        not_ready: Callable[[], str],
        collect: Callable[[], Iterable[Metric]] = tuple,
    ) -> None:
        self._loop, self._not_ready, self._collect = loop, not_ready, collect
        self.checks: Mapping[str, Callable[[], Awaitable[str]]] = {LIVE_PATH: self.not_live, READY_PATH: self.not_ready}
        """The checks of an orchestrator, by path."""

    async def metrics(self) -> bytes:
        """Return the metrics in Prometheus's text format; raises as `call_in_loop` does."""
        found, _ = await call_in_loop(self._loop, lambda: list(self._collect()))
        registry = CollectorRegistry()
        registry.register(_Collected(found))
        ProcessCollector(registry=registry)
        return generate_latest(registry)

    async def not_live(self) -> str:
        """Return why the process should be replaced; empty if it should not."""
        try:
            await call_in_loop(self._loop, bool)
        except (TimeoutError, RuntimeError):
            return UNANSWERED
        return ""

    async def not_ready(self) -> str:
        """Return why it does not do its work; empty if it does."""
        try:
            reason, _ = await call_in_loop(self._loop, self._not_ready)
        except (TimeoutError, RuntimeError):
            return UNANSWERED
        return reason


class _Collected(Collector):
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found
