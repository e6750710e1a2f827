"""How a row of `sop up` is laid out: on a terminal within its width, elsewhere as one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len, chop_cells

GAP: Final = 2
_ROOMY: Final = 150
_NARROW: Final = 100


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
    def outcome_with_reasons(self) -> str:
        """The outcome, and in brackets why; an alert's name says it."""
        return f"{self.outcome} ({self.reasons})" if self.reasons and self.what != "alert" else self.outcome

    @property
    def why(self) -> str:
        """The reasons, and in brackets the clauses."""
        return " ".join(filter(None, (self.reasons, self.clauses and f"[{self.clauses}]")))


class _Column(NamedTuple):
    title: str
    field: str
    width: int
    """In cells; 0: what is left."""


_WHOLE: Final = (
    _Column("EFFECTIVE", "effective", 20),
    _Column("WHAT", "what", 15),
    _Column("CASE", "case", 11),
    _Column("OUTCOME", "outcome", 37),
    _Column("STATUS", "status", 11),
    _Column("REV", "revision", 3),
    _Column("PARTNER", "partner", 12),
    _Column("WHY", "why", 0),
)
_MEDIUM: Final = (
    _Column("UTC", "time_of_day", 8),
    _Column("WHAT", "what", 8),
    _Column("CASE", "case", 10),
    _Column("OUTCOME", "outcome", 25),
    _Column("STATUS", "status", 11),
    _Column("REV", "revision", 3),
    _Column("PARTNER", "partner", 12),
    _Column("WHY", "why", 0),
)
_SMALL: Final = (
    _Column("UTC", "time_of_day", 8),
    _Column("WHAT", "what", 8),
    _Column("CASE", "case", 10),
    _Column("OUTCOME", "outcome_with_reasons", 0),
    _Column("STATUS", "status", 11),
    _Column("CLAUSES", "clauses", 8),
)
_LEAST: Final = 8


def titles(width: int | None) -> str:
    """Return the line of titles for a width in cells; None: as wide as it gets."""
    columns = _columns(width)
    return _line([column.title for column in columns], _widths(columns, width))


def laid_out(row: Row, width: int | None) -> Iterator[str]:
    """Yield the lines of a row for a width in cells, no cell of it cut; None: one line."""
    columns = _columns(width)
    texts = [str(getattr(row, column.field)) for column in columns]
    widths = _widths(columns, width)
    if width is None:
        yield _line(texts, widths)
        return
    if not any(texts[4:]):  # what is free to the right of an outcome is room for it
        widths[3] = max(width - sum(each + GAP for each in widths[:3]), widths[3])
    cells = [wrapped(text, each) for text, each in zip(texts, widths, strict=True)]
    for at in range(max(map(len, cells))):
        yield _line([cell[at] if at < len(cell) else "" for cell in cells], widths)


def wrapped(text: str, width: int) -> list[str]:
    """Return text in lines of at most so many cells, broken at spaces, else behind `/`, `_` and `,`, else anywhere."""
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
    return [piece for part in re.findall(r"[^/_,]*[/_,]+|[^/_,]+", word) for piece in chop_cells(part, width)]


def _columns(width: int | None) -> Sequence[_Column]:
    if width is None or width >= _ROOMY:
        return _WHOLE
    return _MEDIUM if width >= _NARROW else _SMALL


def _widths(columns: Sequence[_Column], width: int | None) -> list[int]:
    """Return the cells of each column; the one without a width of its own has what is left."""
    left = 0 if width is None else width - sum(column.width + GAP for column in columns if column.width)
    return [column.width or (0 if width is None else max(left, _LEAST)) for column in columns]


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text + " " * max(width - cell_len(text), 0) for text, width in zip(texts, widths, strict=True))
    return (" " * GAP).join(padded).rstrip()
