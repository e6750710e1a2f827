"""Checkpoints in this process's memory: for running without Redis, and for tests.

A worker without Redis recovers from Kafka after a restart; within one process the state outlives a rebalance.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.errors import StoreLost
from streams.ports import Saved

SLACK: Final = 1_000
"""So many deadlines more than hold may be in the heap."""


@dataclass(slots=True)
class MemoryState:
    """What the owners of one partition number share, one after another."""

    epoch: int = 0
    saved: Saved | None = None
    blobs: dict[str, bytes] = field(default_factory=dict)
    deadlines: dict[str, int] = field(default_factory=dict)
    soonest: list[tuple[int, str]] = field(init=False)
    """A heap of the deadlines, with some that no longer hold."""

    def __post_init__(self) -> None:
        """Put the deadlines into the heap."""
        self.order()

    def order(self) -> None:
        """Make the heap anew, of the deadlines that hold."""
        self.soonest = [(due, case_id) for case_id, due in self.deadlines.items()]
        heapq.heapify(self.soonest)


class MemoryStore:
    """One owner's view of the checkpoints of a partition number (see `streams.ports.Store`)."""

    def __init__(self, state: MemoryState) -> None:
        """Take the state, which outlives its owners."""
        self._state = state
        self._epoch = -1

    async def claim(self) -> Saved | None:
        """Become the owner and return where the state stands."""
        self._state.epoch += 1
        self._epoch = self._state.epoch
        return self._state.saved

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist."""
        self._check()
        return {key: self._state.blobs[key] for key in keys if key in self._state.blobs}

    async def save(self, saved: Saved, blobs: Mapping[str, bytes], deadlines: Mapping[str, int | None]) -> None:
        """Write all at once."""
        self._check()
        self._state.blobs.update(blobs)
        for case_id, due in deadlines.items():
            if due is None:
                self._state.deadlines.pop(case_id, None)
            elif self._state.deadlines.get(case_id) != due:
                self._state.deadlines[case_id] = due
                heapq.heappush(self._state.soonest, (due, case_id))
        if len(self._state.soonest) > 2 * len(self._state.deadlines) + SLACK:
            self._state.order()
        self._state.saved = saved

    async def due(self, until: int, limit: int) -> list[str]:
        """Return ids of cases that are due, the earliest first."""
        self._check()
        soonest, found = self._state.soonest, dict[str, int]()
        while soonest and soonest[0][0] <= until and len(found) < limit:
            due, case_id = heapq.heappop(soonest)
            if self._state.deadlines.get(case_id) == due:
                found[case_id] = due
        for case_id, due in found.items():
            heapq.heappush(soonest, (due, case_id))
        return list(found)

    def _check(self) -> None:
        if self._state.epoch != self._epoch:
            raise StoreLost(f"another owner has claimed the state (epoch {self._state.epoch}, mine {self._epoch})")
