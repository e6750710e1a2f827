"""Waits between two tries, longer each time."""

from __future__ import annotations

import asyncio


class Backoff:
    """Waits `first_s` seconds before the second try, then twice as long each time, at most `longest_s`."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._now_s = asyncio.get_running_loop().time
        self._began_s = self._now_s()
        self._pause_s, self._longest_s = first_s, longest_s

    @property
    def waited_s(self) -> float:
        """How many seconds have passed since the first try."""
        return self._now_s() - self._began_s

    async def wait(self) -> None:
        """Wait until the next try."""
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, self._longest_s)
