"""Repeats what cannot be done without the store, for a limited time: it may soon answer again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from schemas.errors import Unavailable
from streams.runtime.backoff import Backoff
from streams.runtime.health import Health

FIRST_WAIT_S: Final = 0.1
WAIT_S_MAX: Final = 2.0

Found = TypeVar("Found")


class Retries:
    """Repeats calls for up to `limit_s` seconds each; `health` shows the watchdog that this is no stall."""

    def __init__(self, health: Health, limit_s: float) -> None:
        self._health = health
        self._limit_s = limit_s

    async def until_answered(self, call: Callable[[], Awaitable[Found]]) -> Found:
        """Return what a call returns once it does not raise `Unavailable`; raises that after the limit."""
        backoff = Backoff(FIRST_WAIT_S, WAIT_S_MAX)
        while True:
            try:
                return await call()
            except Unavailable as error:
                if backoff.waited_s > self._limit_s:
                    raise Unavailable(f"{error}; waited for {self._limit_s:g} s") from error
            await backoff.wait()
            self._health.progress += 1
