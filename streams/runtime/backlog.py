"""What lay in the inputs when an owner began: while it is being read, nothing may leave the state by the clock.

A worker that was down for days, or that begins on old topics, finds events that are older than what is kept. They
belong to cases and partners that would otherwise leave before it has come to them. A worker whose machine slept for
days begins in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from schemas.policy.model import HOUR
from streams.runtime.ports import TP, OutputLog

SLEPT_US: Final = HOUR
"""By so much the clock goes on at once only where a machine slept, or where it was set."""
IDLE_STEPS: Final = 20
"""Where nothing is read for a while, in so many steps, what is left are no records but markers of transactions."""


class Backlog:
    """The offsets after the last records that were there, by `topic-partition`."""

    def __init__(self, ends: Mapping[str, int], idle_s: float) -> None:
        """Take them, and for how long nothing is to be read before markers are all that is left."""
        self._idle_s = idle_s
        self._ends = dict(ends)
        self._left: dict[str, int] | None = None
        self._moved_s = 0.0
        self._idle_steps = 0
        self._told_at: int | None = None

    async def renew(self, now: int, log: OutputLog, inputs: Sequence[TP]) -> None:
        """Begin anew, with where the inputs end now, if the clock (microseconds) was not told for too long."""
        told_at, self._told_at = self._told_at, now
        if told_at is not None and now - told_at > SLEPT_US:
            self._ends = {tp.name: end for tp, (_, end) in (await log.bounds(inputs)).items()}
            self._left = None

    def is_read(self, positions: Mapping[str, int], running_s: float) -> bool:
        """Tell whether all of it is read; asked in each step, with the next offsets to read and a running time."""
        if not self._ends:
            return True
        left = {name: positions.get(name, 0) for name, end in self._ends.items() if positions.get(name, 0) < end}
        if left != self._left:
            self._left, self._moved_s, self._idle_steps = left, running_s, 0
        self._idle_steps += 1
        if not left or (self._idle_steps > IDLE_STEPS and running_s - self._moved_s > self._idle_s):
            self._ends = {}
        return not self._ends
