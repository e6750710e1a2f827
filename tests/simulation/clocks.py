"""The clocks of a simulated world and of its machines."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from schemas.policy.model import SECOND
from tests.scenario import MIDNIGHT


class ManualClock:
    """The wall clock: runs with the loop's time and can be moved forward."""

    def __init__(self) -> None:
        self._begin = MIDNIGHT

    def now_us(self) -> int:
        return self._begin + int(asyncio.get_running_loop().time() * SECOND)

    def move_to(self, at: int) -> None:
        """Move forward to an instant, unless it has passed."""
        self._begin += max(at - self.now_us(), 0)


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """The clock of one machine, which may be wrong."""

    clock: ManualClock
    skew: int

    def now_us(self) -> int:
        return self.clock.now_us() + self.skew
