"""How a row of `sop up` is laid out: on a terminal within its width, elsewhere as one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len, chop_cells

GAP: Final = 2
_WIDE: Final = 120
_LEAST: Final = 8


class Row(NamedTuple):
    """What a row says; texts are printable, `effective` is an instant or nothing."""

    effective: str
    what: str
    case: str
    outcome: str
    status: str
    revision: str
    partner: str
    reasons: str
    clauses: str

    @property
    def time_of_day(self) -> str:
        """The time of day (UTC) of an instant."""
        return self.effective[11:19]

    @property
    def told(self) -> str:
        """The outcome, in brackets why, and the clauses.

        Of an alert its name alone, which says it; of a refused event its place and the reason.
        """
        if not self.status:
            return f"{self.outcome}: {self.reasons}"
        why = f"({self.reasons})" if self.reasons and self.what != "alert" else ""
        return " ".join(filter(None, (self.outcome, why, self._clauses)))

    @property
    def why(self) -> str:
        """The reasons, and in brackets the clauses."""
        return " ".join(filter(None, (self.reasons, self._clauses)))

    @property
    def _clauses(self) -> str:
        return self.clauses and f"[{self.clauses}]"


class _Column(NamedTuple):
    title: str
    field: str
    width: int = 0
    """In cells; the last column has what the others leave."""


_PIPED: Final = (
    _Column("EFFECTIVE", "effective", 20),
    _Column("WHAT", "what", 15),
    _Column("CASE", "case", 17),
    _Column("OUTCOME", "outcome", 37),
    _Column("STATUS", "status", 11),
    _Column("REV", "revision", 3),
    _Column("PARTNER", "partner", 19),
    _Column("WHY", "why"),
)
_BEGIN: Final = (
    _Column("UTC", "time_of_day", 8),
    _Column("WHAT", "what", 8),
)
_CASE: Final = _Column("CASE", "case", 17)
_END: Final = (
    _Column("STATUS", "status", 11),
    _Column("OUTCOME (WHY) [CLAUSES]", "told"),
)
_SHOWN: Final = (*_BEGIN, _CASE, *_END)
_SHOWN_WIDE: Final = (*_BEGIN, _CASE, _Column("PARTNER", "partner", 19), *_END)
_REFUSED: Final = (*_BEGIN, _Column("", "told"))
"""A refused event has no case and no status: its place and the reason have their room."""


def titles(width: int | None) -> str:
    """Return the line of titles for a width in cells; None: as wide as it gets."""
    columns = _columns(width)
    return _line([column.title for column in columns], _widths(columns, width))


def laid_out(row: Row, width: int | None) -> Iterator[str]:
    """Yield the lines of a row for a width in cells, no cell of it cut; None: one line."""
    columns = _columns(width) if width is None or row.status else _REFUSED
    texts = [str(getattr(row, column.field)) for column in columns]
    widths = _widths(columns, width)
    if width is None:
        yield _line(texts, widths)
        return
    cells = [wrapped(text, each) for text, each in zip(texts, widths, strict=True)]
    for at in range(max(map(len, cells))):
        yield _line([cell[at] if at < len(cell) else "" for cell in cells], widths)


def wrapped(text: str, width: int) -> list[str]:
    """Return text in lines of at most so many cells, broken at spaces, else behind one of `/_,-`, else anywhere."""
    lines = [""]
    for word in text.split():
        glue = " "
        for part in _parts(word, width):
            longer = lines[-1] + glue + part if lines[-1] else part
            if cell_len(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(part)
            glue = ""
    return lines


def _parts(word: str, width: int) -> list[str]:
    if cell_len(word) <= width:
        return [word]
    return [piece for part in re.findall(r"[^/_,-]*[/_,-]+|[^/_,-]+", word) for piece in chop_cells(part, width)]


def _columns(width: int | None) -> Sequence[_Column]:
    if width is None:
        return _PIPED
    return _SHOWN_WIDE if width >= _WIDE else _SHOWN


def _widths(columns: Sequence[_Column], width: int | None) -> list[int]:
    """Return the cells of each column."""
    fixed = [column.width for column in columns[:-1]]
    left = 0 if width is None else width - sum(each + GAP for each in fixed)
    return [*fixed, max(left, _LEAST)]


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text + " " * max(width - cell_len(text), 0) for text, width in zip(texts, widths, strict=True))
    return (" " * GAP).join(padded).rstrip()
