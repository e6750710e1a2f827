"""Waits for a store that does not answer: a task cannot go on without state, and the store may soon answer again.

Whatever a store raises, this module raises as one of our own errors, so that no record is blamed for it.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from schemas.errors import SopError, Unavailable
from streams.runtime.health import Health
from streams.runtime.ports import Changes, Checkpoint, Store

FIRST_WAIT_S: Final = 0.1
WAIT_S_MAX: Final = 2.0

Found = TypeVar("Found")

logger = logging.getLogger("sop.store")


class RetryingStore:
    """A store whose reads are repeated for up to `retry_s` seconds (see `streams.runtime.ports.Store`).

    The log calls it `name`; `health` shows the watchdog that waiting is no stall. Writes are not repeated here: they
    run concurrently with the steps, and the checkpointer repeats them.
    """

    def __init__(self, store: Store, health: Health, *, name: str, retry_s: float) -> None:
        self._store = store
        self._health = health
        self._name = name
        self._retry_s = retry_s

    async def claim(self) -> Checkpoint | None:
        """Become the owner and return the last checkpoint."""
        return await self._retry(self._store.claim)

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist."""
        return await self._retry(lambda: self._store.load(keys))

    async def save(self, checkpoint: Checkpoint, changes: Changes) -> None:
        """Write all in one atomic step."""
        await _answer_of(lambda: self._store.save(checkpoint, changes))

    async def due(self, until: int, limit: int) -> list[str]:
        """Return ids of cases that are due, the earliest first."""
        return await self._retry(lambda: self._store.due(until, limit))

    async def expired(self, until: int, limit: int) -> list[str]:
        """Return keys that have expired, the earliest first."""
        return await self._retry(lambda: self._store.expired(until, limit))

    async def _retry(self, call: Callable[[], Awaitable[Found]]) -> Found:
        try:
            return await _answer_of(call)
        except Unavailable as error:
            logger.warning("%s: waiting: %s", self._name, error)
        clock = asyncio.get_running_loop().time
        began, wait_s = clock(), FIRST_WAIT_S
        while True:
            await asyncio.sleep(wait_s)
            self._health.progress += 1
            try:
                found = await _answer_of(call)
            except Unavailable as error:
                if clock() - began > self._retry_s:
                    raise Unavailable(f"{error}; waited for {self._retry_s:g} s") from error
                wait_s = min(2 * wait_s, WAIT_S_MAX)
            else:
                logger.warning("%s: the store answered after %.1f s", self._name, clock() - began)
                return found


async def _answer_of(call: Callable[[], Awaitable[Found]]) -> Found:
    """Return the answer of a store; raises `Unavailable` for any error that is not ours."""
    try:
        return await call()
    except SopError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        # without the error's own text, which may quote the state
        raise Unavailable(f"the store: {type(error).__name__} ({frame.filename}:{frame.lineno})") from error
