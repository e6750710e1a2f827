"""Saves a task's state in the background, each time in one atomic write that is repeated until it succeeds."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from schemas.errors import Unavailable
from schemas.timestamps import SECOND_US
from streams.runtime.hanging_transactions import Visibility
from streams.runtime.health import Health
from streams.runtime.ports import TP, Changes, Checkpoint, Clock, Processor, Store
from streams.runtime.settings import TaskSettings

RETRY_SAVE_AFTER_S: Final = 0.5
ALL: Final = sys.maxsize


class _Frozen(NamedTuple):
    checkpoint: Checkpoint
    changes: Changes
    at: int
    """The instant (microseconds)."""


class Checkpointer:
    """Writes the checkpoints of one owner, one in each interval in which something changes.

    A checkpoint holds the state between two steps. Later steps pack it bit by bit. It is written once readers can see
    every output that it counts on, and after another publication: without that, a fenced owner could count outputs as
    committed that its successor has aborted.
    """

    def __init__(
        self,
        store: Store,
        processor: Processor,
        visibility: Visibility,
        publish_progress: Callable[[], Awaitable[None]],
        clock: Clock,
        health: Health,
        settings: TaskSettings,
    ) -> None:
        self.committable: dict[TP, int] = {}
        """The offsets before which a checkpoint holds the effect of every record."""
        self._store, self._processor, self._visibility = store, processor, visibility
        self._publish_progress = publish_progress
        self._clock, self._health, self._settings = clock, health, settings
        self._inputs: Sequence[TP] = ()
        self._last_due_s = 0.0
        self._frozen: _Frozen | None = None
        self._under_way: asyncio.Task[bool] | None = None
        """Waits until the frozen state may be written, or writes it; False if it may not be written."""

    def begin(self, committable: dict[TP, int], inputs: Sequence[TP], phase: float) -> None:
        """Continue from the last owner's checkpoint; `phase` (0 to 1) of the first interval has passed."""
        self.committable, self._inputs = committable, inputs
        self._health.saved_at = self._clock.now_us()
        self._last_due_s = _running_s() - phase * self._settings.checkpoint_interval / SECOND_US

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next checkpoint and the last one is written."""
        is_free = self._frozen is None and (self._under_way is None or self._under_way.done())
        return is_free and (_running_s() - self._last_due_s) * SECOND_US >= self._settings.checkpoint_interval

    async def advance(self, checkpoint: Callable[[], Checkpoint], records: int) -> None:
        """Continue the checkpoint under way; begin the next if it is due and anything has changed.

        Call it between steps: within one, positions, state and outputs do not agree. `checkpoint` returns the
        present positions, `records` is how many the step took.
        """
        is_packed = self._frozen is None or self._processor.pack(max(records, self._settings.packed_at_once))
        if is_packed and self._under_way is not None and self._under_way.done():
            await self._next_stage()
        if not self.is_due:
            return
        self._last_due_s, now = _running_s(), self._clock.now_us()
        present = checkpoint()
        self._health.unsaved = self._has_read_on(present) or self._processor.changed
        if self._health.unsaved:
            self._frozen = _Frozen(present, self._processor.freeze(), now)
            self._under_way = asyncio.create_task(self._visibility.wait_for(present.outputs), name="visibility")
        else:
            self._health.saved_at = now

    async def save_now(self, checkpoint: Callable[[], Checkpoint]) -> None:
        """Finish the checkpoint under way, then write a last one unless readers cannot see all that it counts on."""
        if await self.finish() and await self._visibility.wait_for(checkpoint().outputs):
            await self._publish_progress()
            frozen = _Frozen(checkpoint(), self._processor.freeze(), self._clock.now_us())
            self._processor.pack(ALL)
            await self._save(frozen)

    async def finish(self) -> bool:
        """Finish the checkpoint under way; return False if there was one and it could not be written."""
        self._visibility.hurry()
        while self._under_way is not None:
            if not await self._next_stage():
                return False
        return True

    async def _next_stage(self) -> bool:
        """Await what is under way, then begin or end the write of the frozen state; False if it may not be written."""
        assert self._under_way is not None
        may_be_written = await self._under_way
        frozen, self._frozen, self._under_way = self._frozen, None, None
        if frozen is None:
            self._processor.mark_saved()
        elif may_be_written:
            self._processor.pack(ALL)
            await self._publish_progress()
            self._under_way = asyncio.create_task(self._save(frozen), name="checkpoint")
        return may_be_written

    def _has_read_on(self, checkpoint: Checkpoint) -> bool:
        return any(checkpoint.inputs.get(tp.name, 0) > self.committable.get(tp, 0) for tp in self._inputs)

    async def _save(self, frozen: _Frozen) -> bool:
        checkpoint, changes, frozen_at = frozen
        while True:
            try:
                await self._store.save(checkpoint, changes)
                break
            except Unavailable:
                await asyncio.sleep(RETRY_SAVE_AFTER_S)
        self.committable.update({tp: checkpoint.inputs[tp.name] for tp in self._inputs if tp.name in checkpoint.inputs})
        self._health.saves += 1
        self._health.saved_at = frozen_at
        self._health.unsaved = False
        return True


def _running_s() -> float:
    """Return the event loop's time in seconds, which is never set back as the wall clock may be."""
    return asyncio.get_running_loop().time()
