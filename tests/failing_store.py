"""A store whose calls can fail before they do anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streams.memory.store import MemoryState, MemoryStore
from streams.runtime.ports import Changes, Checkpoint


class FailingStore(MemoryStore):
    """A store in memory whose every call begins with `before`, which raises if the call is to fail."""

    def __init__(self, state: MemoryState, before: Callable[[], None]) -> None:
        super().__init__(state)
        self._before = before

    async def claim(self) -> Checkpoint | None:
        self._before()
        return await super().claim()

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        self._before()
        return await super().load(keys)

    async def save(self, checkpoint: Checkpoint, changes: Changes) -> None:
        self._before()
        await super().save(checkpoint, changes)

    async def due(self, until: int, limit: int) -> list[str]:
        self._before()
        return await super().due(until, limit)

    async def expired(self, until: int, limit: int) -> list[str]:
        self._before()
        return await super().expired(until, limit)

    async def scan(self, cursor: int) -> tuple[int, list[str]]:
        self._before()
        return await super().scan(cursor)
