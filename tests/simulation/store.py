"""A checkpoint store that can be slow, not answer, and fall back to an earlier state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy
from typing import TypeVar

from schemas.errors import Unavailable
from streams.memory.store import MemoryState, MemoryStore
from streams.runtime.ports import Changes, Checkpoint
from tests.simulation.kafka import Pause

KEPT_MAX = 4

T = TypeVar("T")


class SimulatedRedis:
    """The state of one partition number, and some of its earlier states."""

    def __init__(self) -> None:
        self.state = MemoryState()
        self.losses = 0
        """How often it has fallen back to an earlier state."""
        self._earlier: list[MemoryState] = [MemoryState()]

    def keep(self) -> None:
        """Keep the present state, to fall back to later."""
        self._earlier = [self._earlier[0], *self._earlier[1:][-KEPT_MAX:], deepcopy(self.state)]

    def lose(self, back: int) -> None:
        """Fall back by some saves; the owner notices, as it would by the sequence number of its writes."""
        earlier = deepcopy(self._earlier[max(len(self._earlier) - 1 - back, 0)])
        self.state.checkpoint, self.state.blobs = earlier.checkpoint, earlier.blobs
        self.state.deadlines, self.state.expiries = earlier.deadlines, earlier.expiries
        self.state.epoch += 1
        self.losses += 1


class SimulatedStore:
    """One owner's view (see `streams.runtime.ports.Store`); `fails` raises for a call that is not answered."""

    def __init__(self, redis: SimulatedRedis, pause: Pause, fails: Pause) -> None:
        self._redis = redis
        self._store = MemoryStore(redis.state)
        self._pause = pause
        self._fails = fails
        self.claimed: Checkpoint | None = None
        """The checkpoint with which the owner begins."""

    async def claim(self) -> Checkpoint | None:
        """Become the owner."""
        await self._pause()
        found = self.claimed = deepcopy(await self._store.claim())
        await self._pause()
        return found

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist."""
        return await self._found(lambda: self._store.load(keys))

    async def save(self, checkpoint: Checkpoint, changes: Changes) -> None:
        """Write all in one step; the answer may be lost."""
        await self._pause()
        await self._fails()
        await self._store.save(checkpoint, changes)
        self._redis.keep()
        await self._fails()
        await self._pause()

    async def due(self, until: int, limit: int) -> list[str]:
        """Return ids of cases that are due."""
        return await self._found(lambda: self._store.due(until, limit))

    async def expired(self, until: int, limit: int) -> list[str]:
        """Return keys that have expired."""
        return await self._found(lambda: self._store.expired(until, limit))

    async def scan(self, cursor: int) -> tuple[int, list[str]]:
        """Return the keys of all blobs."""
        return await self._found(lambda: self._store.scan(cursor))

    async def _found(self, look: Callable[[], Awaitable[T]]) -> T:
        await self._pause()
        await self._fails()
        found = await look()
        await self._pause()
        return found


def unavailable() -> Unavailable:
    """Return the error of a call that is not answered."""
    return Unavailable("Redis: no answer")
