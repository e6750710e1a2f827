"""Ends the process, for a restart, when the worker runs but makes no progress; watches from a thread of its own.

Time is counted in ticks of that thread. None pass while the process is frozen or the machine is suspended, so a worker
that could not run does not count as stalled.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from streams.runtime.health import Health

EXIT_STALLED: Final = 75
TICK_S: Final = 0.5
LOG_WITHIN_S: Final = 2.0
SILENT_S: Final = 10 * TICK_S
"""After how long without a tick the watchdog does not count as running."""

logger = logging.getLogger("sop.watchdog")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLimits:
    """The longest time (seconds) without an answer of the event loop, without progress, and without a checkpoint.

    Progress is that of each task, and of a worker that joins its group.
    """

    loop_s: float = 10.0
    progress_s: float = 60.0
    unsaved_s: float = 300.0


class Stall:
    """Counts how long something that should change has not; after `limit_s` seconds it is stalled."""

    def __init__(self, limit_s: float) -> None:
        self._ticks_max = limit_s / TICK_S
        self._last = -1
        self._ticks = 0

    def look(self, value: int, *, expected: bool) -> bool:
        """Return whether it is stalled; call once a tick with the value that is or is not expected to change."""
        if not expected or value != self._last:
            self._last, self._ticks = value, 0
            return False
        self._ticks += 1
        return self._ticks > self._ticks_max


class Watchdog:
    """Looks at the event loop, the group membership and all tasks in every tick.

    `health` returns the signs of life of the present tasks by partition number. `refusal` returns why the worker is no
    member of a stable group, None while it is one.
    """

    def __init__(
        self,
        limits: WatchLimits,
        health: Callable[[], Mapping[int, Health]],
        refusal: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._limits = limits
        self._health = health
        self._refusal = refusal
        self._beats = 0
        self._loop_thread = 0
        self._loop = Stall(limits.loop_s)
        self._group = Stall(limits.progress_s)
        self._stalls: dict[int, tuple[Health, Stall, Stall]] = {}
        self._ticked_s = -math.inf

    def is_running(self) -> bool:
        """Return whether it watches; callable from any thread."""
        return time.monotonic() < self._ticked_s + SILENT_S

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch until the loop is closed; the loop itself is watched once it has run for the first time."""
        self._loop_thread = threading.get_ident()
        threading.Thread(target=self._watch, args=(loop,), name="watchdog", daemon=True).start()

    def look(self) -> Iterator[str]:
        """Yield a line for each thing that is stalled; call once a tick."""
        if self._loop.look(self._beats, expected=self._beats > 0):
            yield f"the event loop has not answered for {self._limits.loop_s:g} s{_place(self._loop_thread)}"
        refusal = self._refusal()
        if self._group.look(0, expected=refusal is not None):
            yield f"no stable membership of the group for {self._limits.progress_s:g} s: {refusal}"
        self._stalls = {number: self._stalls_of(number, health) for number, health in self._health().items()}
        for number, (health, progress, save) in self._stalls.items():
            if progress.look(health.progress, expected=health.at_work):
                yield f"partition {number} has made no progress for {self._limits.progress_s:g} s"
            if save.look(health.saves, expected=health.unsaved):
                yield f"partition {number} could write no checkpoint for {self._limits.unsaved_s:g} s"

    def beat(self) -> None:
        """Note that the event loop runs."""
        self._beats += 1

    def _stalls_of(self, number: int, health: Health) -> tuple[Health, Stall, Stall]:
        known = self._stalls.get(number)
        if known is not None and known[0] is health:
            return known
        return health, Stall(self._limits.progress_s), Stall(self._limits.unsaved_s)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        pause = threading.Event()
        self._ticked_s = time.monotonic()
        while not pause.wait(TICK_S):
            self._ticked_s = time.monotonic()
            try:
                loop.call_soon_threadsafe(self.beat)
            except RuntimeError:  # the loop is closed
                return
            for stalled in self.look():
                _give_up(stalled)


def _place(thread: int) -> str:
    """Return where in the code a thread is; empty if there is no such thread."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - there is no other way
    return "" if frame is None else f"; it is at {frame.f_code.co_filename}:{frame.f_lineno}"


def _give_up(reason: str) -> None:
    """Log the reason and end the process, even if logging hangs."""
    limit = threading.Timer(LOG_WITHIN_S, os._exit, (EXIT_STALLED,))
    limit.daemon = True
    limit.start()
    logger.critical("stopped: %s", reason)
    logging.shutdown()
    os._exit(EXIT_STALLED)
