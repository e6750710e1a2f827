"""Transactions that Kafka takes for ended and has not ended: they hang, as KIP-664 calls it.

Kafka 4.3 passes over a partition that has no leader at the moment when its transaction is to be ended: its only replica
is away, or a broker was killed right after a commit and is back before its old session is over. The producer is told
that all went well. Until its next transaction ends in that partition the records are kept from whoever reads what is
committed; then they share the fate of that one. So an owner aborts them before it reads anything back, and says anew
what they said; and no checkpoint may count on what nobody can see yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from schemas.errors import Fatal
from streams.runtime.ports import TP, OutputLog, Publisher

LOOK_AGAIN_AFTER_S: Final = 0.02
LOOK_AGAIN_WITHIN_S: Final = 1.0
HURRIED_S: Final = 0.3
"""For how long an owner that ends waits: what another left open stays so until that one's successor is let in."""

logger = logging.getLogger("sop.task")


async def abort_hanging_transactions(
    publisher: Publisher, log: OutputLog, own: Sequence[TP], shared: Sequence[TP], limit_s: float
) -> None:
    """Abort what an earlier owner left open in partitions; to be called when it has been fenced.

    Nobody else writes to its `own` partitions. What is open in `shared` ones may be under way elsewhere: to abort
    nothing of ours there does no harm.

    Raises `Fatal` if that does not end it within so many seconds.
    """
    hanging_transactions = await log.hanging_transactions([*own, *shared])
    if not hanging_transactions:
        return
    if left := [tp.name for tp in hanging_transactions if tp in own]:
        logger.warning("aborting what a transaction left open in %s", ", ".join(left))
    await publisher.abort(hanging_transactions)
    waiting = _Waiting()
    while held_back := await log.hanging_transactions(own):  # an end is told before it can be seen
        if waiting.seconds > limit_s:
            names = ", ".join(tp.name for tp in held_back)
            another = "a transaction of another producer is open; kafka-transactions.sh finds and aborts it"
            raise Fatal(f"{names}: {another}")
        await waiting.pause()


class _Waiting:
    """Looks again in growing intervals."""

    def __init__(self) -> None:
        self._now_s = asyncio.get_running_loop().time
        self._began_s = self._now_s()
        self._pause_s = LOOK_AGAIN_AFTER_S

    @property
    def seconds(self) -> float:
        """For how long it has been waited."""
        return self._now_s() - self._began_s

    async def pause(self) -> None:
        """Let some time pass."""
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, LOOK_AGAIN_WITHIN_S)


class Visibility:
    """Tells when what was written can be seen."""

    def __init__(self, log: OutputLog, limit_s: float) -> None:
        """Take for how long a transaction of anybody may be under way."""
        self._log = log
        self._limit_s = limit_s
        self._hurried = False
        self._seen: dict[str, int] = {}

    def begin(self, outputs: Mapping[str, int]) -> None:
        """Take up to where output partitions were read back, by `topic-partition`."""
        self._seen = dict(outputs)

    def hurry(self) -> None:
        """Wait for a moment only from now on: this owner ends."""
        self._hurried = True

    async def wait_for(self, outputs: Mapping[str, int]) -> bool:
        """Return when readers can see output partitions up to these offsets; False when there is no time to wait.

        Raises `Fatal` when that takes too long.
        """
        written = {TP.parse(name): end for name, end in outputs.items() if self._seen.get(name) != end}
        waiting = _Waiting()
        while hindrance := await self._hindrance(written):
            if self._hurried and waiting.seconds > HURRIED_S:
                logger.info("%s; nothing is saved", hindrance)
                return False
            if waiting.seconds > self._limit_s:
                raise Fatal(hindrance)
            await waiting.pause()
        self._seen = dict(outputs)
        return True

    async def _hindrance(self, written: Mapping[TP, int]) -> str | None:
        if not written:
            return None
        try:
            bounds = await self._log.bounds(list(written))
        except Fatal as error:
            return str(error)
        hidden = [f"{tp.name} up to {end}" for tp, end in written.items() if bounds[tp][1] < end]
        return f"{', '.join(hidden)}: written, but kept from readers by an open transaction" if hidden else None
