"""When and how a task's state is saved: in the background, in one atomic write, again and again until it is done."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from schemas.errors import Unavailable
from schemas.timestamps import SECOND_US
from streams.runtime.hanging_transactions import Visibility
from streams.runtime.inbox import phase
from streams.runtime.ports import TP, Changes, Checkpoint, Clock, Processor, Store
from streams.runtime.settings import TaskSettings
from streams.runtime.watchdog import Health

SAVE_AGAIN_AFTER_S: Final = 0.5
ALL: Final = sys.maxsize


class _Frozen(NamedTuple):
    saved: Checkpoint
    changes: Changes
    at: int
    """The instant."""


class Checkpointer:
    """The checkpoints of one owner, one every so often as long as something changes.

    A checkpoint is of a moment between two steps, packed by and by between later ones, and written when readers can see
    all that it counts on, and not before something more was published since then: a fenced owner could take for
    committed what its successor has aborted.
    """

    def __init__(
        self,
        store: Store,
        work: Processor,
        visibility: Visibility,
        publish: Callable[[], Awaitable[None]],
        clock: Clock,
        health: Health,
        settings: TaskSettings,
    ) -> None:
        """Take where to, of what, what tells when it may go, what publishes, the settings; the vitals hear of it."""
        self.committable: dict[TP, int] = {}
        """The offsets up to which the effect of what was read is in a checkpoint."""
        self._store, self._work, self._visibility, self._publish = store, work, visibility, publish
        self._clock, self._health, self._settings = clock, health, settings
        self._inputs: Sequence[TP] = ()
        self._looked_s = 0.0
        self._frozen: _Frozen | None = None
        self._under_way: asyncio.Task[bool] | None = None
        """Waits until what is frozen may go, or writes it; False where it may not."""

    def begin(self, committable: dict[TP, int], inputs: Sequence[TP], number: int) -> None:
        """Go on from the last owner's; the next is due within an interval, depending on the partition number."""
        self.committable, self._inputs = committable, inputs
        self._health.saved_at = self._clock.now_us()
        self._looked_s = _running_s() - phase(number) * self._settings.checkpoint_interval / SECOND_US

    @property
    def due(self) -> bool:
        """Whether it is time for the next, and the last one is written."""
        is_free = self._frozen is None and (self._under_way is None or self._under_way.done())
        return is_free and (_running_s() - self._looked_s) * SECOND_US >= self._settings.checkpoint_interval

    async def advance(self, positions: Callable[[], Checkpoint], records: int) -> None:
        """Go on with the one under way, begin the next if it is time and anything changed; to be called between steps.

        Within one, positions, state and outputs are not those of one moment. Takes how many records the step took.
        """
        is_packed = self._frozen is None or self._work.pack(max(records, self._settings.packed_at_once))
        if is_packed and self._under_way is not None and self._under_way.done():
            await self._next_stage()
        if not self.due:
            return
        self._looked_s, now = _running_s(), self._clock.now_us()
        saved = positions()
        self._health.unsaved = self._has_read_on(saved) or self._work.changed
        if self._health.unsaved:
            self._frozen = _Frozen(saved, self._work.freeze(), now)
            self._under_way = asyncio.create_task(self._visibility.wait_for(saved.outputs), name="sight")
        else:
            self._health.saved_at = now

    async def save_now(self, positions: Callable[[], Checkpoint]) -> None:
        """Write a last one, after the one that is under way, unless readers cannot see yet what they would count on."""
        if await self.finish() and await self._visibility.wait_for(positions().outputs):
            await self._publish()
            frozen = _Frozen(positions(), self._work.freeze(), self._clock.now_us())
            self._work.pack(ALL)
            await self._save(frozen)

    async def finish(self) -> bool:
        """Be done with the one that is under way; return whether it is written, if there was one."""
        self._visibility.hurry()
        while self._under_way is not None:
            if not await self._next_stage():
                return False
        return True

    async def _next_stage(self) -> bool:
        """Wait for what is under way; write what may be written now, or be done with it; return whether it may."""
        assert self._under_way is not None
        may_be_written = await self._under_way
        frozen, self._frozen, self._under_way = self._frozen, None, None
        if frozen is None:
            self._work.mark_saved()
        elif may_be_written:
            self._work.pack(ALL)
            await self._publish()
            self._under_way = asyncio.create_task(self._save(frozen), name="checkpoint")
        return may_be_written

    def _has_read_on(self, saved: Checkpoint) -> bool:
        return any(saved.inputs.get(tp.name, 0) > self.committable.get(tp, 0) for tp in self._inputs)

    async def _save(self, frozen: _Frozen) -> bool:
        saved, changes, frozen_at = frozen
        while True:
            try:
                await self._store.save(saved, changes.blobs, changes.deadlines, changes.expiries)
                break
            except Unavailable:
                await asyncio.sleep(SAVE_AGAIN_AFTER_S)
        self.committable.update({tp: saved.inputs[tp.name] for tp in self._inputs if tp.name in saved.inputs})
        self._health.saves += 1
        self._health.saved_at = frozen_at
        self._health.unsaved = False
        return True


def _running_s() -> float:
    """Return seconds that only go on; the wall clock may be put back, and no checkpoint would be due for as long."""
    return asyncio.get_running_loop().time()
