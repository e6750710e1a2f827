"""Ctrl-C, SIGTERM and a terminal that is closed as one wish to stop, from the first moment of a command to its last."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, *(() if sys.platform == "win32" else (signal.SIGHUP,)))


class StopWish:
    """While entered, a signal calls `on_stop`; as long as that is None, it raises KeyboardInterrupt.

    One that the process was started to ignore (`nohup`) stays ignored.
    """

    def __init__(self) -> None:
        self.on_stop: Callable[[], object] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def ignore(self) -> None:
        """From now on the wish changes nothing any more: what it asks for is under way."""
        self.on_stop = lambda: None

    def __enter__(self) -> Self:
        """Take the signals."""
        heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._told) for number in heeded}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _told(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the system's
        if self.on_stop is None:
            raise KeyboardInterrupt
        self.on_stop()
