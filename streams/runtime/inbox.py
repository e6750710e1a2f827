"""The batches that wait for a task's next step, and when that step is due.

Tasks of one process take their turns at different times of an interval. They start together and would otherwise stay
in step, and of four transactions at once each takes four times as long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from streams.runtime.ports import TP, Incoming

LOOK_EVERY_S: Final = 0.1
"""How long a step waits for records: after that, a deadline may have passed."""
SPREAD: Final = 0.618
"""The distance of neighbouring tasks, as a fraction of an interval; the golden ratio spreads any number evenly."""


class _Waiting(NamedTuple):
    tp: TP
    records: Sequence[Incoming]
    on_taken: Callable[[], None]


class Inbox:
    """The batches of partition `number`; steps with records begin `spacing_s` seconds apart.

    The consumer limits how many wait: it fetches no more of a partition until `on_taken` was called often enough.
    """

    def __init__(self, number: int, spacing_s: float) -> None:
        self._number = number
        self._spacing_s = spacing_s
        self._next_turn_s = 0.0
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        """Return how many batches wait."""
        return len(self._waiting)

    def put(self, tp: TP, records: Sequence[Incoming], on_taken: Callable[[], None]) -> None:
        """Add a batch of one partition; `on_taken` is called when a step takes it."""
        self._waiting.append(_Waiting(tp, records, on_taken))
        self._arrived.set()

    async def take(self, records_max: int) -> list[tuple[TP, Sequence[Incoming]]]:
        """Return waiting batches until they have `records_max` records or more together.

        Waits for this task's turn, or returns nothing when no batch arrives in time.
        """
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._arrived.wait()
        except TimeoutError:
            return []
        now_s = asyncio.get_running_loop().time
        if (rest_s := self._next_turn_s - now_s()) > 0:
            await asyncio.sleep(rest_s)
        batches: list[tuple[TP, Sequence[Incoming]]] = []
        count = 0
        while count < records_max and self._waiting:
            tp, records, on_taken = self._waiting.popleft()
            batches.append((tp, records))
            count += len(records)
            on_taken()
        if not self._waiting:
            self._arrived.clear()
        self._next_turn_s = next_turn(now_s(), self._spacing_s, self._number)
        return batches


def phase(number: int) -> float:
    """Return where in an interval the turn of a partition number lies, from 0 to 1."""
    return number * SPREAD % 1


def next_turn(now: float, interval: float, number: int) -> float:
    """Return the next turn of a partition number, at least half an interval from now (all in seconds)."""
    if interval <= 0:
        return now
    offset = phase(number) * interval
    return ((now + interval / 2 - offset) // interval + 1) * interval + offset
