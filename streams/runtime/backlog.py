"""Tracks the records that lay in the inputs when an owner began; until they are read, nothing expires.

A worker that was down for days, or that starts on old topics, reads events older than what is kept. They belong to
cases and partners that would otherwise leave the state first. The same holds after a machine slept for days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from schemas.policy.model import HOUR
from streams.runtime.ports import TP, OutputLog

SLEPT_US: Final = HOUR
"""The clock jumps by this much only when the machine slept or the clock was set."""
IDLE_STEPS: Final = 20
"""How many steps have to pass without a record before only transaction markers can be left."""


class Backlog:
    """The end offsets `ends` of the inputs by `topic-partition`, and whether they have been reached.

    After `idle_s` seconds without a record only transaction markers are left.
    """

    def __init__(self, ends: Mapping[str, int], idle_s: float) -> None:
        self._idle_s = idle_s
        self._ends = dict(ends)
        self._left: dict[str, int] | None = None
        self._moved_s = 0.0
        self._idle_steps = 0
        self._last_now: int | None = None

    async def restart_after_sleep(self, now: int, log: OutputLog, inputs: Sequence[TP]) -> None:
        """Start again with the present end offsets if the clock (microseconds) has jumped since the last call."""
        last_now, self._last_now = self._last_now, now
        if last_now is not None and now - last_now > SLEPT_US:
            self._ends = {tp.name: end for tp, (_, end) in (await log.bounds(inputs)).items()}
            self._left = None

    def is_read(self, positions: Mapping[str, int], running_s: float) -> bool:
        """Return whether all of it is read; call in each step with the next offsets and a monotonic time."""
        if not self._ends:
            return True
        left = {name: positions.get(name, 0) for name, end in self._ends.items() if positions.get(name, 0) < end}
        if left != self._left:
            self._left, self._moved_s, self._idle_steps = left, running_s, 0
        self._idle_steps += 1
        if not left or (self._idle_steps > IDLE_STEPS and running_s - self._moved_s > self._idle_s):
            self._ends = {}
        return not self._ends
