"""Tables on a terminal, which they fit, and elsewhere, where every row is one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP: Final = 2
UNBOUNDED: Final = 100_000
WRAPPED_MIN: Final = 24
"""A column that wraps is content with so many cells."""


class Column(NamedTuple):
    """A column by its title.

    Of the columns with a `rank` above 0 the highest are left out first where a terminal is too narrow; a column that
    `wraps` takes the room that the others leave.
    """

    title: str
    rank: int = 0
    wraps: bool = False
    right: bool = False


def show_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Show rows on standard output. Cells are shown as they are, so what comes from outside has been made printable."""
    console = Console()
    width = console.width if console.is_terminal else UNBOUNDED
    shown = fitting_columns(columns, rows, width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for at in shown:
        column = columns[at]
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(row[at]) for at in shown))
    Console(highlight=False, width=width, emoji=False).print(table)


def fitting_columns(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the places of the columns that are shown in so many cells."""
    shown = list(range(len(columns)))
    while sum(_width(columns, rows, at) + GAP for at in shown) - GAP > width:
        least = max(shown, key=lambda at: columns[at].rank)
        if columns[least].rank == 0:
            break
        shown.remove(least)
    return shown


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]], at: int) -> int:
    """Return the cells that a column needs: those of its longest text, or of its longest word where it wraps."""
    texts = [columns[at].title, *(row[at] for row in rows)]
    if not columns[at].wraps:
        return max(map(cell_len, texts))
    longest = max(cell_len(word) for text in texts for word in text.split())
    return min(longest, WRAPPED_MIN)
