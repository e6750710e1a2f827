"""Notices a worker that runs and gets nowhere, from a thread of its own, and ends the process for a restart.

Time is counted in ticks of the thread: while the whole process stands still, frozen or on a suspended machine, none
passes, so what could not go on is not taken for what does not.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

EXIT_STALLED: Final = 75
TICK_S: Final = 0.5
TELL_WITHIN_S: Final = 2.0

logger = logging.getLogger("sop.watchdog")


@dataclass(slots=True)
class Health:
    """Signs of life of one task, written in the event loop and read by the watchdog."""

    at_work: bool = False
    """Whether it recovers, or is in a step."""
    moves: int = 0
    """Grows with every step done and everything read back."""
    unsaved: bool = False
    """Whether there is something that no checkpoint holds."""
    saves: int = 0
    """Grows with every checkpoint written."""
    saved_at: int = 0
    """The instant (microseconds) up to which a checkpoint holds everything; 0 before recovery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLimits:
    """For how many seconds the loop may not answer, nothing may move, and a checkpoint may not be written.

    What moves is a task, and a worker that joins its group.
    """

    loop_s: float = 10.0
    move_s: float = 60.0
    unsaved_s: float = 300.0


class Stall:
    """Counts for how long something that should change has not."""

    def __init__(self, limit_s: float) -> None:
        """Take after how many seconds it is stalled."""
        self._ticks_max = limit_s / TICK_S
        self._mark = -1
        self._ticks = 0

    def look(self, mark: int, *, expected: bool) -> bool:
        """Take what should change, once a tick, and whether it is expected to; return whether it is stalled."""
        if not expected or mark != self._mark:
            self._mark, self._ticks = mark, 0
            return False
        self._ticks += 1
        return self._ticks > self._ticks_max


class Watchdog:
    """Looks at the event loop, at the membership of the group and at all tasks, every tick."""

    def __init__(
        self,
        limits: WatchLimits,
        health: Callable[[], Mapping[int, Health]],
        refusal: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Take the limits, and what returns the vitals of the tasks at present, by partition number.

        `refusal` returns why the worker is no member of a stable group, None while it is one.
        """
        self._limits = limits
        self._health = health
        self._refusal = refusal
        self._beats = 0
        self._loop_thread = 0
        self._loop = Stall(limits.loop_s)
        self._outside = Stall(limits.move_s)
        self._stalls: dict[int, tuple[Health, Stall, Stall]] = {}

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch from now on, until the loop is closed; the loop itself counts from when it first runs."""
        self._loop_thread = threading.get_ident()
        threading.Thread(target=self._watch, args=(loop,), name="watchdog", daemon=True).start()

    def look(self) -> Iterator[str]:
        """Yield what is stalled, in one line each; to be called once a tick."""
        if self._loop.look(self._beats, expected=self._beats > 0):
            yield f"the event loop has not answered for {self._limits.loop_s:g} s{_place(self._loop_thread)}"
        refusal = self._refusal()
        if self._outside.look(0, expected=refusal is not None):
            yield f"no stable membership of the group for {self._limits.move_s:g} s: {refusal}"
        present = dict(self._health())
        self._stalls = {number: self._stalls_of(number, health) for number, health in present.items()}
        for number, (health, move, save) in self._stalls.items():
            if move.look(health.moves, expected=health.at_work):
                yield f"partition {number} has made no progress for {self._limits.move_s:g} s"
            if save.look(health.saves, expected=health.unsaved):
                yield f"partition {number} could write no checkpoint for {self._limits.unsaved_s:g} s"

    def beat(self) -> None:
        """Note that the event loop runs."""
        self._beats += 1

    def _stalls_of(self, number: int, health: Health) -> tuple[Health, Stall, Stall]:
        known = self._stalls.get(number)
        if known is not None and known[0] is health:
            return known
        return health, Stall(self._limits.move_s), Stall(self._limits.unsaved_s)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        pause = threading.Event()
        while not pause.wait(TICK_S):
            try:
                loop.call_soon_threadsafe(self.beat)
            except RuntimeError:  # the loop is closed
                return
            for stalled in self.look():
                _give_up(stalled)


def _place(thread: int) -> str:
    """Return where a thread is, nothing if there is none of that number."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - there is no other way
    return "" if frame is None else f"; it is at {frame.f_code.co_filename}:{frame.f_lineno}"


def _give_up(reason: str) -> None:
    """Tell the reason and end the process, even where telling is what hangs."""
    limit = threading.Timer(TELL_WITHIN_S, os._exit, (EXIT_STALLED,))
    limit.daemon = True
    limit.start()
    logger.critical("stopped: %s", reason)
    logging.shutdown()
    os._exit(EXIT_STALLED)
