"""Turns signals into one callback, from the start of a command to its end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any, Final, NoReturn, Self

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
INTERRUPTIONS: Final = (*STOP_SIGNALS, *(() if sys.platform == "win32" else (signal.SIGHUP,)))
"""The stop signals, and SIGHUP, which is sent when the terminal closes."""


class StopSignals:
    """A context manager: within it, a signal calls `on_stop`.

    A signal that the process ignored from the start (`nohup`) stays ignored.
    """

    def __init__(self, signals: Iterable[signal.Signals], on_stop: Callable[[], object]) -> None:
        self.on_stop = on_stop
        self._signals = tuple(signals)
        self._before: dict[signal.Signals, Any] = {}

    def ignore(self) -> None:
        """Ignore further signals, because stopping is under way."""
        self.on_stop = lambda: None

    def __enter__(self) -> Self:
        """Install the handlers."""
        handled = [number for number in self._signals if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._handle) for number in handled}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the previous handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        self.on_stop()


def end() -> NoReturn:
    """Exit with status 0, as a service does when it is asked to stop."""
    raise SystemExit(0)


def interrupt() -> NoReturn:
    """Interrupt an unfinished command, as Ctrl-C does."""
    raise KeyboardInterrupt
