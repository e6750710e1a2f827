"""The batches that a task was handed and that no step has taken yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from streams.runtime.ports import TP, Incoming, bytes_in_memory

BATCHES_WAITING_MAX: Final = 16
BYTES_WAITING_MAX: Final = 8 * 1024 * 1024
"""No further batch waits beside so many bytes: what waits of all partition numbers is in memory at once."""
LOOK_EVERY_S: Final = 0.1
SPREAD: Final = 0.618
"""So much of an interval lies between neighbours; by the golden ratio all numbers lie apart, however many there are."""


class _Waiting(asyncio.Queue[tuple[TP, Sequence[Incoming]]]):
    """A queue that is full by the number of its batches or by their bytes."""

    def __init__(self) -> None:
        super().__init__(BATCHES_WAITING_MAX)
        self._bytes = 0

    def full(self) -> bool:
        return super().full() or self._bytes >= BYTES_WAITING_MAX

    def _put(self, batch: tuple[TP, Sequence[Incoming]]) -> None:
        super()._put(batch)
        self._bytes += sum(map(bytes_in_memory, batch[1]))

    def _get(self) -> tuple[TP, Sequence[Incoming]]:
        batch = super()._get()
        self._bytes -= sum(map(bytes_in_memory, batch[1]))
        return batch


class Inbox:
    """A bounded queue of batches, from which a step takes what is there."""

    def __init__(self) -> None:
        """Begin with none."""
        self._queue = _Waiting()

    def __len__(self) -> int:
        """Return how many batches wait."""
        return self._queue.qsize()

    async def put(self, tp: TP, records: Sequence[Incoming]) -> None:
        """Add a batch of one partition; waits while too many are waiting."""
        await self._queue.put((tp, records))

    async def take(self, not_before: float, records_max: int) -> list[tuple[TP, Sequence[Incoming]]]:
        """Return the batches at hand, but none after those that make up `records_max` records.

        Returns no earlier than an instant of the event loop's clock (seconds), and after a while without any: something
        else may be due.
        """
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                batches = [await self._queue.get()]
        except TimeoutError:
            return []
        if (rest_s := not_before - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(rest_s)
        count = len(batches[0][1])
        while count < records_max and not self._queue.empty():
            batches.append(self._queue.get_nowait())
            count += len(batches[-1][1])
        return batches


def phase(number: int) -> float:
    """Return how far into an interval the turn of a partition number lies, as a part of it from 0 to 1."""
    return number * SPREAD % 1


def next_turn(now: float, interval: float, number: int) -> float:
    """Return the next turn of a partition number, half an interval from now at the soonest (all in seconds)."""
    if interval <= 0:
        return now
    offset = phase(number) * interval
    return ((now + interval / 2 - offset) // interval + 1) * interval + offset
