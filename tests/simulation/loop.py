"""An event loop whose time passes only by waiting: seconds of sleeping cost nothing, and every run is the same."""

from __future__ import annotations

import asyncio
import selectors


class StuckError(Exception):
    """Everybody waits for somebody and nothing is scheduled."""


class _VirtualWaiting(selectors.SelectSelector):
    """Instead of waiting for sockets, lets time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StuckError("nothing is scheduled any more")
        self.now_s += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines in virtual time, from 0 on; threads and sockets do not work in it."""

    def __init__(self) -> None:
        self._waiting = _VirtualWaiting()
        super().__init__(self._waiting)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._waiting.now_s
