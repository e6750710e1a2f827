"""When which case is to be looked at again without a new fact."""

from __future__ import annotations

import heapq
from typing import Final

SLACK: Final = 1_000
"""So many instants more than hold may be in the heap, since they are taken out when their time comes."""


class Wakes:
    """At most one instant (microseconds) for each case."""

    def __init__(self) -> None:
        """Begin with none."""
        self._at: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        """Return how many cases an instant is set for."""
        return len(self._at)

    def set(self, case_id: str, at: int | None) -> None:
        """Set when to wake a case, or that nothing wakes it."""
        if at is None:
            self._at.pop(case_id, None)
        elif self._at.get(case_id) != at:
            self._at[case_id] = at
            heapq.heappush(self._heap, (at, case_id))
        if len(self._heap) > 2 * len(self._at) + SLACK:
            self._heap = [(at, case_id) for case_id, at in self._at.items()]
            heapq.heapify(self._heap)

    def at(self, case_id: str) -> int | None:
        """Return when a case is to be woken."""
        return self._at.get(case_id)

    def next(self) -> int | None:
        """Return the earliest instant that is set."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: int, limit: int | None = None) -> list[str]:
        """Remove and return the cases whose instant is at or before now, the earliest first, up to a limit."""
        found: list[str] = []
        while len(found) != limit and (at := self.next()) is not None and at <= now:
            case_id = heapq.heappop(self._heap)[1]
            del self._at[case_id]
            found.append(case_id)
        return found
