"""Waits for a store that does not answer: state is needed to go on, and soon it may answer again.

Whatever a store raises is its own fault, and nobody's whose state was asked for: here the last of it becomes an error
of the project's, about which no record is blamed.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from schemas.errors import SopError, Unavailable
from streams.runtime.ports import Checkpoint, Store
from streams.runtime.watchdog import Health

FIRST_WAIT_S: Final = 0.1
WAIT_S_MAX: Final = 2.0

Found = TypeVar("Found")

logger = logging.getLogger("sop.store")


class RetryingStore:
    """A store of which what is read is asked for again and again (see `streams.runtime.ports.Store`).

    A write goes through as it is: it runs beside the steps and is repeated by who began it.
    """

    def __init__(self, store: Store, health: Health, *, name: str, patience_s: float) -> None:
        """Take the store, who is to know that waiting is no standstill, a name for the log, and when it is enough."""
        self._store = store
        self._health = health
        self._name = name
        self._patience_s = patience_s

    async def claim(self) -> Checkpoint | None:
        """Become the owner and return where the state stands."""
        return await self._patiently(self._store.claim)

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist."""
        return await self._patiently(lambda: self._store.load(keys))

    async def save(
        self,
        checkpoint: Checkpoint,
        blobs: Mapping[str, bytes | None],
        deadlines: Mapping[str, int | None],
        expiries: Mapping[str, int | None] = {},
    ) -> None:
        """Write all at once."""
        await _answered(lambda: self._store.save(checkpoint, blobs, deadlines, expiries))

    async def due(self, until: int, limit: int) -> list[str]:
        """Return ids of cases that are due, the earliest first."""
        return await self._patiently(lambda: self._store.due(until, limit))

    async def expired(self, until: int, limit: int) -> list[str]:
        """Return keys that have expired, the earliest first."""
        return await self._patiently(lambda: self._store.expired(until, limit))

    async def _patiently(self, call: Callable[[], Awaitable[Found]]) -> Found:
        try:
            return await _answered(call)
        except Unavailable as error:
            logger.warning("%s: waiting: %s", self._name, error)
        clock = asyncio.get_running_loop().time
        began, wait_s = clock(), FIRST_WAIT_S
        while True:
            await asyncio.sleep(wait_s)
            self._health.moves += 1
            try:
                found = await _answered(call)
            except Unavailable as error:
                if clock() - began > self._patience_s:
                    raise Unavailable(f"{error}; waited for {self._patience_s:g} s") from error
                wait_s = min(2 * wait_s, WAIT_S_MAX)
            else:
                logger.warning("%s: answered after %.1f s", self._name, clock() - began)
                return found


async def _answered(call: Callable[[], Awaitable[Found]]) -> Found:
    """Return what a store returns; raises `Unavailable` for whatever else it raises than an error of the project's."""
    try:
        return await call()
    except SopError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        # not the error's own words: they may be the state's
        raise Unavailable(f"the store: {type(error).__name__} ({frame.filename}:{frame.lineno})") from error
