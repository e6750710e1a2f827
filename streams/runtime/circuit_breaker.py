"""Fails fast while the store does not answer, so that a step loses no time to it; asks in the background meanwhile.

Whatever a store raises, this module raises as one of our own errors, so that no record is blamed for it.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from schemas.errors import SopError, Unavailable
from streams.runtime.backoff import Backoff
from streams.runtime.ports import Changes, Checkpoint, Store
from streams.runtime.retries import FIRST_WAIT_S, WAIT_S_MAX

Found = TypeVar("Found")

logger = logging.getLogger("sop.store")


class CircuitBreaker:
    """A store whose reads raise `Unavailable` at once while it is away (see `streams.runtime.ports.Store`).

    The log calls it `name`. Claims and writes always reach the store: who makes them repeats them anyway.
    """

    def __init__(self, store: Store, *, name: str) -> None:
        self._store = store
        self._name = name
        self._error: Unavailable | None = None
        """What the store answered last, if it is away."""
        self._probing: asyncio.Task[None] | None = None

    async def claim(self) -> Checkpoint | None:
        """Become the owner and return the last checkpoint."""
        return await _answer_of(self._store.claim)

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist."""
        return await self._read(lambda: self._store.load(keys))

    async def save(self, checkpoint: Checkpoint, changes: Changes) -> None:
        """Write all in one atomic step."""
        await _answer_of(lambda: self._store.save(checkpoint, changes))

    async def due(self, until: int, limit: int) -> list[str]:
        """Return ids of cases that are due, the earliest first."""
        return await self._read(lambda: self._store.due(until, limit))

    async def expired(self, until: int, limit: int) -> list[str]:
        """Return keys that have expired, the earliest first."""
        return await self._read(lambda: self._store.expired(until, limit))

    async def scan(self, cursor: int) -> tuple[int, list[str]]:
        """Return the keys of some blobs, and the cursor to go on with."""
        return await self._read(lambda: self._store.scan(cursor))

    async def _read(self, call: Callable[[], Awaitable[Found]]) -> Found:
        if self._error is not None:
            raise self._error
        try:
            return await _answer_of(call)
        except Unavailable as error:
            logger.warning("%s: what only the store has waits: %s", self._name, error)
            self._error = error
            self._probing = asyncio.create_task(self._probe(), name="store probe")
            raise

    async def _probe(self) -> None:
        """Ask the store until it answers."""
        backoff = Backoff(FIRST_WAIT_S, WAIT_S_MAX)
        while self._error is not None:
            await backoff.wait()
            try:
                await _answer_of(lambda: self._store.due(0, 1))
            except Unavailable as error:
                self._error = error
            except SopError:  # the next read raises it, where it ends the task
                self._error = None
            else:
                self._error = None
                logger.warning("%s: the store answered after %.1f s", self._name, backoff.waited_s)


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
