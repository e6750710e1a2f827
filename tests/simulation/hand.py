"""What befalls an owner: everything it awaits passes through a hand, which delays, freezes or ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Literal

from streams.simulator.rng import Rng
from tests.simulation.store import unavailable

Disposition = Literal["killed", "frozen", "revoked", "store_lost"]
FATES: Final[Sequence[Disposition]] = ("killed", "frozen", "revoked", "store_lost")
FOREVER_S: Final = 1e6


class Hand:
    """Holds one owner of a partition number by the hand: everything it awaits passes here."""

    def __init__(self, rng: Rng, fates: Sequence[Disposition], haste: float, healed: asyncio.Event) -> None:
        self.over = asyncio.Event()
        self.is_spared = False
        """Whether the fate has to wait: nothing tells an end by chance at a last attempt from one by the record."""
        self.fate: Disposition | None = rng.pick(fates) if fates else None
        self._rng = rng
        self._haste = haste
        self._left = 1 + int(rng.exponential(200)) if fates else 0
        self._still_until = 0.0
        self._silent_until = 0.0
        self._healed = healed

    async def pause(self) -> None:
        """Take some time, or meet one's fate: then nothing of this owner goes on, or not for a while.

        Whoever has a fate ends when all get well.
        """
        loop = asyncio.get_running_loop()
        self._left -= not (self._left == 1 and self.is_spared)
        if self._left == 0:
            self.over.set()
            standstill = {"killed": FOREVER_S, "frozen": self._rng.between(0.1, 20.0)}
            self._still_until = loop.time() + standstill.get(self.fate or "", 0.0)
        draw = self._rng.fraction()
        delay = 0.0 if draw < self._haste else self._rng.pick((0.001, 0.01, 0.1, 1.0 if draw > 0.99 else 0.02))
        await asyncio.sleep(min(max(self._still_until - loop.time(), delay), FOREVER_S))
        if self.fate and self._healed.is_set():
            await asyncio.sleep(FOREVER_S)

    def die(self) -> None:
        """Let nothing of this owner go on from the next pause on."""
        self.is_spared = False
        self.over.set()
        self._still_until = float("inf")

    async def fails(self) -> None:
        """Raise `Unavailable` now and then, for a moment or longer, while there is a fate to meet."""
        now = asyncio.get_running_loop().time()
        if self._left > 0 and self._rng.chance(0.02):
            self._silent_until = now + self._rng.pick((0.0, 0.0, 1.0, 30.0))
            raise unavailable()
        if now < self._silent_until:
            raise unavailable()
