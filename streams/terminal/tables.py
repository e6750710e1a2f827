"""Prints tables: fitted to a terminal, or with one line per row elsewhere."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

GAP_CELLS: Final = 2
UNBOUNDED_CELLS: Final = 100_000
WRAPPED_CELLS_MIN: Final = 24
"""A wrapping column gets at least this many cells."""


class Column(NamedTuple):
    """A column's title and layout.

    On a narrow terminal columns with a `rank` above 0 are dropped, the highest first. A column that `wraps` takes the
    space that the others leave.
    """

    title: str
    rank: int = 0
    wraps: bool = False
    justify: JustifyMethod = "left"


def show_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows on standard output. The caller makes cells with outside text printable."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = UNBOUNDED_CELLS
    fitting = fitting_columns(columns, rows, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP_CELLS, 0, 0))
    for column in (columns[at] for at in fitting):
        table.add_column(column.title, justify=column.justify, no_wrap=not column.wraps, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[at]) for at in fitting))
    console.print(table)


def fitting_columns(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the indexes of the columns that fit into `width` cells."""
    shown = list(range(len(columns)))
    while sum(_width(columns, rows, at) + GAP_CELLS for at in shown) - GAP_CELLS > width:
        least = max(shown, key=lambda at: columns[at].rank)
        if columns[least].rank == 0:
            break
        shown.remove(least)
    return shown


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]], at: int) -> int:
    """Return the cells that a column needs: its longest text, or its longest word if it wraps."""
    texts = [columns[at].title, *(row[at] for row in rows)]
    if not columns[at].wraps:
        return max(map(cell_len, texts))
    return min(max(cell_len(word) for text in texts for word in text.split()), WRAPPED_CELLS_MIN)
