"""When and how a task's state is saved: in the background, in one atomic write, again and again until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from schemas.errors import Unavailable
from schemas.instants import SECOND_US
from streams.ports import TP, Clock, Saved, Store
from streams.task.unended import Sight
from streams.task.work import Changes, Work
from streams.watchdog import Vitals

SAVE_AGAIN_AFTER_S: Final = 0.5


class Checkpoints:
    """The checkpoints of one owner, one every `interval` (microseconds) as long as something changes."""

    def __init__(self, store: Store, work: Work, sight: Sight, clock: Clock, vitals: Vitals, interval: int) -> None:
        """Take where to, of what, what tells when it may go, and how often; the vitals hear of it."""
        self.committable: dict[TP, int] = {}
        """The offsets up to which the effect of what was read is in a checkpoint."""
        self._store, self._work, self._sight = store, work, sight
        self._clock, self._vitals, self._interval = clock, vitals, interval
        self._inputs: Sequence[TP] = ()
        self._looked_s = 0.0
        self._saving: asyncio.Task[None] | None = None

    def begin(self, committable: dict[TP, int], inputs: Sequence[TP]) -> None:
        """Go on from the last owner's; the next is due an interval from now."""
        self.committable, self._inputs = committable, inputs
        self._vitals.saved_at = self._clock.now_us()
        self._looked_s = _running_s()

    @property
    def due(self) -> bool:
        """Whether it is time for the next, and the last one is written."""
        is_free = self._saving is None or self._saving.done()
        return is_free and (_running_s() - self._looked_s) * SECOND_US >= self._interval

    async def save_if_due(self, standing: Callable[[], Saved]) -> None:
        """Begin to write the next one if it is time and anything changed; to be called between two steps.

        Within one, positions, state and outputs are not those of one moment.
        """
        if self._saving is not None and self._saving.done():
            await self._written()
        if not self.due:
            return
        self._looked_s, packed_at = _running_s(), self._clock.now_us()
        saved = standing()
        self._vitals.unsaved = self._has_read_on(saved) or self._work.changed
        if self._vitals.unsaved:
            packed = self._work.pack()
            self._saving = asyncio.create_task(self._save(saved, packed, packed_at), name="checkpoint")
        else:
            self._vitals.saved_at = packed_at

    async def save_now(self, standing: Callable[[], Saved]) -> None:
        """Write a last one, after the one that is being written."""
        await self.finish()
        await self._save(standing(), self._work.pack(), self._clock.now_us())

    async def finish(self) -> None:
        """Wait for the one that is being written."""
        self._sight.hurry()
        if self._saving is not None:
            await self._written()

    def _has_read_on(self, saved: Saved) -> bool:
        return any(saved.inputs.get(tp.name, 0) > self.committable.get(tp, 0) for tp in self._inputs)

    async def _save(self, saved: Saved, changes: Changes, packed_at: int) -> None:
        await self._sight.wait_for(saved.outputs)
        while True:
            try:
                await self._store.save(saved, changes.blobs, changes.deadlines)
                break
            except Unavailable:
                await asyncio.sleep(SAVE_AGAIN_AFTER_S)
        self.committable.update({tp: saved.inputs[tp.name] for tp in self._inputs if tp.name in saved.inputs})
        self._vitals.saves += 1
        self._vitals.saved_at = packed_at
        self._vitals.unsaved = False

    async def _written(self) -> None:
        saving, self._saving = self._saving, None
        assert saving is not None
        await saving
        self._work.saved()


def _running_s() -> float:
    """Return seconds that only go on; the wall clock may be put back, and no checkpoint would be due for as long."""
    return asyncio.get_running_loop().time()
