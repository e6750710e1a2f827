"""Lays out the rows of `sop up`: within the width of a terminal, or as one line."""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final, NamedTuple

from rich.cells import cell_len, chop_cells

from streams.terminal.printable import printable

GAP: Final = 2
_WIDE_FROM: Final = 120
_LAST_WIDTH_MIN: Final = 8


class ViewRow(NamedTuple):
    """The texts of a row; `effective` is an RFC 3339 instant or empty."""

    effective: str = ""
    what: str = ""
    case: str = ""
    outcome: str = ""
    status: str = ""
    revision: str = ""
    partner: str = ""
    reasons: str = ""
    clauses: str = ""

    @property
    def time_of_day(self) -> str:
        """The time of day (UTC) of `effective`."""
        return self.effective[11:19]

    @property
    def outcome_and_clauses(self) -> str:
        """The outcome with its reasons in brackets, and the clauses.

        For an alert only its name, for a refused event its place and the reason.
        """
        if not self.status:
            return f"{self.outcome}: {self.reasons}"
        reasons = f"({self.reasons})" if self.reasons and self.what != "alert" else ""
        return " ".join(filter(None, (self.outcome, reasons, self._clauses)))

    @property
    def reasons_and_clauses(self) -> str:
        """The reasons, and the clauses in brackets."""
        return " ".join(filter(None, (self.reasons, self._clauses)))

    @property
    def _clauses(self) -> str:
        return self.clauses and f"[{self.clauses}]"


class _ViewColumn(NamedTuple):
    title: str
    field: str
    width: int = 0
    """In cells; the last column takes the rest of the line."""


_UNBOUNDED: Final = (
    _ViewColumn("EFFECTIVE", "effective", 20),
    _ViewColumn("WHAT", "what", 15),
    _ViewColumn("CASE", "case", 17),
    _ViewColumn("OUTCOME", "outcome", 37),
    _ViewColumn("STATUS", "status", 11),
    _ViewColumn("REV", "revision", 3),
    _ViewColumn("PARTNER", "partner", 19),
    _ViewColumn("WHY", "reasons_and_clauses"),
)
_FIRST: Final = (_ViewColumn("UTC", "time_of_day", 8), _ViewColumn("WHAT", "what", 8))
_CASE: Final = _ViewColumn("CASE", "case", 17)
_LAST: Final = (_ViewColumn("STATUS", "status", 11), _ViewColumn("OUTCOME (WHY) [CLAUSES]", "outcome_and_clauses"))
_NARROW: Final = (*_FIRST, _CASE, *_LAST)
_WIDE: Final = (*_FIRST, _CASE, _ViewColumn("PARTNER", "partner", 19), *_LAST)
_REFUSED: Final = (*_FIRST, _ViewColumn("", "outcome_and_clauses"))
"""A refused event has no case and no status, so its place and reason take their room."""


def header(width: int | None) -> str:
    """Return the line of titles for a width in cells (None: unbounded)."""
    columns = _columns(width)
    return _line([column.title for column in columns], _widths(columns, width))


def layout_row(row: ViewRow, width: int | None) -> Iterator[str]:
    """Yield the lines of a row for a width in cells, with nothing truncated (None: one line)."""
    columns = _columns(width) if width is None or row.status else _REFUSED
    texts = [printable(getattr(row, column.field)) for column in columns]
    widths = _widths(columns, width)
    cells = [[text] if width is None else wrapped(text, each) for text, each in zip(texts, widths, strict=True)]
    for line in zip_longest(*cells, fillvalue=""):
        yield _line(line, widths)


def wrapped(text: str, width: int) -> list[str]:
    """Return text in lines of at most `width` cells, broken at spaces, else after one of `/_,-`, else anywhere."""
    lines = [""]
    for word in text.split():
        separator = " "
        for part in _parts(word, width):
            longer = lines[-1] + separator + part if lines[-1] else part
            if cell_len(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(part)
            separator = ""
    return lines


def _parts(word: str, width: int) -> list[str]:
    if cell_len(word) <= width:
        return [word]
    return [piece for part in re.findall(r"[^/_,-]*[/_,-]+|[^/_,-]+", word) for piece in chop_cells(part, width)]


def _columns(width: int | None) -> Sequence[_ViewColumn]:
    if width is None:
        return _UNBOUNDED
    return _WIDE if width >= _WIDE_FROM else _NARROW


def _widths(columns: Sequence[_ViewColumn], width: int | None) -> list[int]:
    """Return the width of each column in cells."""
    fixed = [column.width for column in columns[:-1]]
    remaining = 0 if width is None else width - sum(each + GAP for each in fixed)
    return [*fixed, max(remaining, _LAST_WIDTH_MIN)]


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text + " " * max(width - cell_len(text), 0) for text, width in zip(texts, widths, strict=True))
    return (" " * GAP).join(padded).rstrip()
