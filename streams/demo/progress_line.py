"""Shows what `sop up` is waiting for until there is something else to show."""

from collections.abc import Callable

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class ProgressLine:
    """A spinner with the current step and its elapsed time, on standard error.

    Without a terminal, `print_line` prints one line per step instead. Call `clear` before printing anything else.
    """

    def __init__(self, print_line: Callable[[str], object]) -> None:
        console = Console(stderr=True)
        self._print_line = None if console.is_terminal else print_line
        spinner = "dots" if console.encoding.startswith("utf") else "line"
        columns = (SpinnerColumn(spinner), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._task: TaskID | None = None

    def show(self, step: str) -> None:
        """Show a new step."""
        self.clear()
        if self._print_line is not None:
            self._print_line(f"{step} …")
            return
        self._task = self._progress.add_task(step, total=None)
        self._progress.start()

    def update(self, step: str) -> None:
        """Change the text of the current step; does nothing without a terminal."""
        if self._task is not None:
            self._progress.update(self._task, description=step)

    def clear(self) -> None:
        """Remove the line if there is one."""
        if self._task is not None:
            self._progress.stop()
            self._progress.remove_task(self._task)
            self._task = None
