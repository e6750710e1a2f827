"""An event loop in virtual time: sleeping takes no real time, and every run is the same."""

from __future__ import annotations

import asyncio
import selectors


class StuckError(Exception):
    """Every coroutine waits and nothing is scheduled."""


class _VirtualWaiting(selectors.SelectSelector):
    """Advances the time instead of waiting for sockets."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StuckError("nothing is scheduled")
        self.now_s += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines in virtual time, from 0; threads and sockets do not work in it."""

    def __init__(self) -> None:
        self._waiting = _VirtualWaiting()
        super().__init__(self._waiting)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._waiting.now_s
