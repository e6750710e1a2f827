"""Checkpoints in the memory of the process: for running without Redis, and for tests.

The state outlives a rebalance within the process. After a restart the worker recovers from Kafka.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.errors import StoreLost
from streams.runtime.ports import Changes, Checkpoint
from streams.runtime.timers import TimerQueue


@dataclass(slots=True)
class MemoryState:
    """The checkpoints of one partition number, which its successive owners share."""

    epoch: int = 0
    checkpoint: Checkpoint | None = None
    blobs: dict[str, bytes] = field(default_factory=dict)
    deadlines: TimerQueue = field(default_factory=TimerQueue)
    expiries: TimerQueue = field(default_factory=TimerQueue)


class MemoryStore:
    """One owner's access to the checkpoints of a partition number (see `streams.runtime.ports.Store`)."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state
        self._epoch = -1

    async def claim(self) -> Checkpoint | None:
        """Become the owner; return the last checkpoint, None if there is none."""
        self._state.epoch += 1
        self._epoch = self._state.epoch
        return self._state.checkpoint

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist."""
        self._check()
        return {key: self._state.blobs[key] for key in keys if key in self._state.blobs}

    async def save(self, checkpoint: Checkpoint, changes: Changes) -> None:
        """Write all in one step."""
        self._check()
        state = self._state
        for case_id, due in changes.deadlines.items():
            state.deadlines.set(case_id, due)
        for key, expires_at in changes.expiries.items():
            state.expiries.set(key, expires_at)
        for key, blob in changes.blobs.items():
            if blob is None:
                state.blobs.pop(key, None)
                state.expiries.set(key, None)
            else:
                state.blobs[key] = blob
        state.checkpoint = checkpoint

    async def clear(self, checkpoint: Checkpoint) -> None:
        """Save a checkpoint and delete everything else."""
        await self.save(checkpoint, Changes())
        self._state.blobs.clear()
        self._state.deadlines, self._state.expiries = TimerQueue(), TimerQueue()

    async def due(self, until: int, limit: int) -> list[str]:
        """Return the ids of cases that are due, the earliest first."""
        self._check()
        return _at_or_before(self._state.deadlines, until, limit)

    async def expired(self, until: int, limit: int) -> list[str]:
        """Return the keys that have expired, the earliest first."""
        self._check()
        return _at_or_before(self._state.expiries, until, limit)

    async def scan(self, cursor: int) -> tuple[int, list[str]]:
        """Return the keys of all blobs at once."""
        assert cursor == 0, "the first answer has everything"
        self._check()
        return 0, list(self._state.blobs)

    def _check(self) -> None:
        if self._state.epoch != self._epoch:
            raise StoreLost(
                f"another owner has claimed the state: it is at epoch {self._state.epoch}, this owner at {self._epoch}"
            )


def _at_or_before(instants: TimerQueue, until: int, limit: int) -> list[str]:
    found = instants.due(until, limit)
    for name, at in found.items():  # `due` removes them
        instants.set(name, at)
    return list(found)
