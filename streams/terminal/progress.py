"""Shows a command's progress on a terminal."""

import sys
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

REFRESH_EVERY: Final = 2_000

T = TypeVar("T")


def with_progress(items: Iterable[T], what: str) -> Iterator[T]:
    """Yield the items, and show their number on standard error if it is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console  # noqa: PLC0415 - needed only on a terminal
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} {task.description}"), TimeElapsedColumn())
    # No refresh thread: the caller may fork meanwhile.
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as progress:
        task = progress.add_task(what, total=None)
        for number, item in enumerate(items, 1):
            yield item
            if number % REFRESH_EVERY == 0:
                progress.update(task, completed=number)
                progress.refresh()
