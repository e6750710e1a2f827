"""Turns signals into one callback, from the start of a command to its end."""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Final, NoReturn

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
INTERRUPTIONS: Final = (*STOP_SIGNALS, *(() if sys.platform == "win32" else (signal.SIGHUP,)))
"""The stop signals, and SIGHUP, which is sent when the terminal closes."""


class StopSignals(ExitStack):
    """A context manager: from its creation to its end, a signal calls `on_stop`.

    A signal that the process ignored from the start (`nohup`) stays ignored.
    """

    def __init__(self, signals: Iterable[signal.Signals], on_stop: Callable[[], object]) -> None:
        super().__init__()
        self.on_stop = on_stop
        for number in signals:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self.callback(signal.signal, number, signal.signal(number, lambda *_: self.on_stop()))

    def ignore(self) -> None:
        """Ignore further signals, because stopping is under way."""
        self.on_stop = lambda: None


def end() -> NoReturn:
    """Exit with status 0, as a service does when it is asked to stop."""
    raise SystemExit(0)


def end_at_once() -> NoReturn:
    """End the process with status 0, without cleaning up.

    Python drops an exception that a signal handler raises within a destructor, and the signal would be lost.
    """
    os._exit(0)


def interrupt() -> NoReturn:
    """Interrupt an unfinished command, as Ctrl-C does."""
    raise KeyboardInterrupt
