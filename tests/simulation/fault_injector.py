"""Injects faults into an owner: whatever it awaits is delayed here, and its fault freezes or ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Literal

from streams.simulator.rng import Rng
from tests.simulation.store import unavailable

Fault = Literal["killed", "frozen", "revoked", "store_lost"]
FAULTS: Final[Sequence[Fault]] = ("killed", "frozen", "revoked", "store_lost")
FOREVER_S: Final = 1e6


class FaultInjector:
    """Delays all that one owner of a partition number awaits, until its fault is due."""

    def __init__(self, rng: Rng, faults: Sequence[Fault], haste: float, healed: asyncio.Event) -> None:
        self.over = asyncio.Event()
        self.is_spared = False
        """Whether the fault has to wait: at a last attempt, it could not be told apart from one of the record."""
        self.fault: Fault | None = rng.pick(faults) if faults else None
        self._rng = rng
        self._haste = haste
        self._left = 1 + int(rng.exponential(200)) if faults else 0
        self._still_until = 0.0
        self._silent_until = 0.0
        self._healed = healed

    async def pause(self) -> None:
        """Take some time; once the fault is due, the owner does not continue, or not for a while.

        An owner with a fault ends when all are healed.
        """
        loop = asyncio.get_running_loop()
        self._left -= not (self._left == 1 and self.is_spared)
        if self._left == 0:
            self.over.set()
            still_s = {"killed": FOREVER_S, "frozen": self._rng.between(0.1, 20.0)}
            self._still_until = loop.time() + still_s.get(self.fault or "", 0.0)
        draw = self._rng.fraction()
        delay = 0.0 if draw < self._haste else self._rng.pick((0.001, 0.01, 0.1, 1.0 if draw > 0.99 else 0.02))
        await asyncio.sleep(min(max(self._still_until - loop.time(), delay), FOREVER_S))
        if self.fault and self._healed.is_set():
            await asyncio.sleep(FOREVER_S)

    def die(self) -> None:
        """Let nothing of this owner continue after its next pause."""
        self.is_spared = False
        self.over.set()
        self._still_until = float("inf")

    async def fails(self) -> None:
        """Raise `Unavailable` now and then, for a moment or longer, until the fault is due."""
        now = asyncio.get_running_loop().time()
        if self._left > 0 and self._rng.chance(0.02):
            self._silent_until = now + self._rng.pick((0.0, 0.0, 1.0, 30.0))
            raise unavailable()
        if now < self._silent_until:
            raise unavailable()
