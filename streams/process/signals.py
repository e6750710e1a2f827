"""Signals as one wish to stop, from the first moment of a command to its last."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any, Final, NoReturn, Self

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
INTERRUPTIONS: Final = (*STOP_SIGNALS, *(() if sys.platform == "win32" else (signal.SIGHUP,)))
"""Those and that the terminal is closed."""


class StopSignals:
    """While entered, a signal calls `on_stop`.

    A signal that the process was started to ignore (`nohup`) stays ignored.
    """

    def __init__(self, signals: Iterable[signal.Signals], on_stop: Callable[[], object]) -> None:
        self.on_stop = on_stop
        self._signals = tuple(signals)
        self._before: dict[signal.Signals, Any] = {}

    def ignore(self) -> None:
        """From now on the wish changes nothing any more: what it asks for is under way."""
        self.on_stop = lambda: None

    def __enter__(self) -> Self:
        """Take the signals."""
        taken = [number for number in self._signals if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._told) for number in taken}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _told(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the system's
        self.on_stop()


def end() -> NoReturn:
    """End the process with status 0, as a service that is asked to stop does."""
    raise SystemExit(0)


def interrupt() -> NoReturn:
    """End a command that is not done, as Ctrl-C does."""
    raise KeyboardInterrupt
