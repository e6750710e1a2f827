"""Transactions that Kafka has reported as ended but has not ended: they hang, in the words of KIP-664.

Kafka 4.3 skips a partition that has no leader at the moment its transaction ends: its only replica is away, or a broker
was killed right after a commit and came back before its old session expired. The producer gets a success response.
Until its next transaction in that partition ends, `read_committed` consumers do not see the records; then they are
committed or aborted with that one. So a new owner aborts what hangs before it reads anything back, and publishes these
outputs again; and no checkpoint counts on outputs that nobody can see yet.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from schemas.errors import Fatal
from streams.runtime.backoff import Backoff
from streams.runtime.ports import TP, OutputLog, Publisher

LOOK_AGAIN_AFTER_S: Final = 0.02
LOOK_AGAIN_WITHIN_S: Final = 1.0
HURRIED_S: Final = 0.3
"""How long an owner that ends waits: another owner's transaction may hang until that owner's successor starts."""

logger = logging.getLogger("sop.task")


async def abort_hanging_transactions(
    publisher: Publisher, log: OutputLog, own: Sequence[TP], hanging: Sequence[TP], limit_s: float
) -> None:
    """Abort what an earlier owner left open in the `hanging` partitions; call it once that owner is fenced.

    Nobody else writes to its `own` partitions. An open transaction in another one may be another owner's; aborting does
    no harm if this partition number has none there.

    Raises `Fatal` if a transaction is still open in its own partitions after `limit_s` seconds.
    """
    if not hanging:
        return
    if left_open := [tp.name for tp in hanging if tp in own]:
        logger.warning("aborting what a transaction left open in %s", ", ".join(left_open))
    await publisher.abort(hanging)
    backoff = Backoff(LOOK_AGAIN_AFTER_S, LOOK_AGAIN_WITHIN_S)
    while still_open := await log.hanging_transactions(own):  # the broker reports an end before readers see it
        if backoff.waited_s > limit_s:
            names = ", ".join(tp.name for tp in still_open)
            raise Fatal(
                f"{names}: a transaction of another producer is open; kafka-transactions.sh finds and aborts it"
            )
        await backoff.wait()


class Visibility:
    """Waits until `read_committed` consumers see what was published; `limit_s` is how long transactions may take."""

    def __init__(self, log: OutputLog, limit_s: float) -> None:
        self._log = log
        self._limit_s = limit_s
        self._is_hurried = False
        self._visible: dict[str, int] = {}

    def begin(self, outputs: Mapping[str, int]) -> None:
        """Start with output partitions, by `topic-partition`, that were read back up to these offsets."""
        self._visible = dict(outputs)

    def hurry(self) -> None:
        """Wait only a moment from now on, since this owner ends."""
        self._is_hurried = True

    async def wait_for(self, outputs: Mapping[str, int]) -> bool:
        """Return True once readers see output partitions up to these offsets, False if there is no time to wait.

        Raises `Fatal` if that takes too long.
        """
        written = {TP.parse(name): end for name, end in outputs.items() if self._visible.get(name) != end}
        backoff = Backoff(LOOK_AGAIN_AFTER_S, LOOK_AGAIN_WITHIN_S)
        while hidden := await self._hidden(written):
            if self._is_hurried and backoff.waited_s > HURRIED_S:
                logger.info("%s; no checkpoint is written", hidden)
                return False
            if backoff.waited_s > self._limit_s:
                raise Fatal(hidden)
            await backoff.wait()
        self._visible = dict(outputs)
        return True

    async def _hidden(self, written: Mapping[TP, int]) -> str | None:
        """Return what readers cannot see yet, and why; None if they see everything."""
        if not written:
            return None
        try:
            bounds = await self._log.bounds(list(written))
        except Fatal as error:
            return str(error)
        hidden = [f"{tp.name} up to {end}" for tp, end in written.items() if bounds[tp][1] < end]
        return f"{', '.join(hidden)}: written, but an open transaction hides it from readers" if hidden else None
