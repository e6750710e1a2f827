"""How far a command has come, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

TOLD_EVERY: Final = 2_000

T = TypeVar("T")


def with_progress(items: Iterable[T], what: str) -> Iterator[T]:
    """Yield items; while they come, standard error says how many there were, if it is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console  # noqa: PLC0415 - only who has a terminal needs them
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} {task.description}"), TimeElapsedColumn())
    # Without its thread: processes are forked meanwhile.
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as progress:
        task = progress.add_task(what, total=None)
        for number, item in enumerate(items, 1):
            yield item
            if number % TOLD_EVERY == 0:
                progress.update(task, completed=number)
                progress.refresh()
