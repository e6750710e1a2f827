"""What the alert forwarder answers over HTTP: whether it lives and is ready, and its memory and CPU time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from streams.metrics.server import LIVE_PATH, READY_PATH, call_in_loop

UNANSWERED: Final = "the event loop does not answer"


class ForwarderEndpoints:
    """The answers of a forwarder that runs in `loop`; `has_caught_up` says whether it passes on what fires."""

    def __init__(self, loop: asyncio.AbstractEventLoop, has_caught_up: Callable[[], bool]) -> None:
        self._loop = loop
        self._has_caught_up = has_caught_up
        self.checks: Mapping[str, Callable[[], Awaitable[str]]] = {LIVE_PATH: self.not_live, READY_PATH: self.not_ready}
        """The checks of an orchestrator, by path."""

    async def metrics(self) -> bytes:
        """Return the metrics of the process in Prometheus's text format."""
        registry = CollectorRegistry()
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
        """Return why it does not pass on all that fires; empty if it does."""
        try:
            caught_up, _ = await call_in_loop(self._loop, self._has_caught_up)
        except (TimeoutError, RuntimeError):
            return UNANSWERED
        return "" if caught_up else "the topic has not been read to its end yet"
