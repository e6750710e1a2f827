"""What `sop up` is waiting for, said from its first moment until there is something to show."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class ProgressLine:
    """A line on standard error that says what is waited for and since when; without a terminal, a line for each.

    While a line stands nothing else may be shown: `clear` takes it away.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        """Take what shows a line of text where standard error is no terminal."""
        console = Console(stderr=True)
        self._say = None if console.is_terminal else say
        spinner = "dots" if console.encoding.startswith("utf") else "line"
        columns = (SpinnerColumn(spinner), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self._event = Progress(*columns, console=console, transient=True)
        self._task: TaskID | None = None

    def show(self, what: str) -> None:
        """Say what is waited for from now on."""
        self.clear()
        if self._say is not None:
            self._say(f"{what} …")
            return
        self._task = self._event.add_task(what, total=None)
        self._event.start()

    def update(self, what: str) -> None:
        """Say how far that has come, on a terminal only."""
        if self._task is not None:
            self._event.update(self._task, description=what)

    def clear(self) -> None:
        """Take the line away; harmless when there is none."""
        if self._task is not None:
            self._event.stop()
            self._event.remove_task(self._task)
            self._task = None

    def __enter__(self) -> Self:
        """Begin with nothing to wait for."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away."""
        self.clear()
