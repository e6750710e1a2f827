"""The instants at which cases are evaluated again without a new fact."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Final

SLACK: Final = 1_000
"""How many outdated instants the heap may have: they are removed only when they are due."""


class TimerQueue(Mapping[str, int]):
    """At most one instant (microseconds) for each case, by case id."""

    def __init__(self, timers: Mapping[str, int] | None = None) -> None:
        self._at = dict(timers or {})
        self._order()

    def __len__(self) -> int:
        """Return how many cases have an instant."""
        return len(self._at)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the cases that have an instant."""
        return iter(self._at)

    def __getitem__(self, case_id: str) -> int:
        """Return the instant of a case; raises KeyError if it has none."""
        return self._at[case_id]

    def set(self, case_id: str, at: int | None) -> None:
        """Set the instant of a case; None removes it."""
        if at is None:
            self._at.pop(case_id, None)
        elif self._at.get(case_id) != at:
            self._at[case_id] = at
            heapq.heappush(self._heap, (at, case_id))
        if len(self._heap) > 2 * len(self._at) + SLACK:
            self._order()

    def next(self) -> int | None:
        """Return the earliest instant; None if there is none."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: int, limit: int | None = None) -> dict[str, int]:
        """Remove and return up to `limit` cases with an instant at or before now, the earliest first."""
        found: dict[str, int] = {}
        while len(found) != limit and (at := self.next()) is not None and at <= now:
            case_id = heapq.heappop(self._heap)[1]
            del self._at[case_id]
            found[case_id] = at
        return found

    def _order(self) -> None:
        """Rebuild the heap without outdated instants."""
        self._heap = [(at, case_id) for case_id, at in self._at.items()]
        heapq.heapify(self._heap)
