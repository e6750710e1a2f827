"""Draws the first lines that a command shows on a terminal as an SVG.

    python -m tests.picture FILE COLUMNS LINES COMMAND…

For the README: python -m tests.picture docs/sop-up.svg 106 22 sop up --duration 15
"""

from __future__ import annotations

import html
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from tests.terminal import written_to_terminal

CELL: Final = 8.4
LINE: Final = 18
MARGIN: Final = 14
CURSOR: Final = re.compile(r"\x1b\[\?25[lh]|\r")
ERASED: Final = re.compile(r"(?:[^\n]*\n\x1b\[1A|[^\n]*)\x1b\[2K")
"""A line that was erased, or such a line together with the one above it."""


def lines_shown(written: str) -> list[Text]:
    """Return the lines left on the terminal, with their colours, without erased progress lines."""
    remaining = ERASED.sub("", CURSOR.sub("", written))
    return [line for line in AnsiDecoder().decode(remaining) if line.plain.strip()]


def picture(lines: list[Text], columns: int) -> str:
    """Return lines as an SVG, with every text at its terminal cell."""
    width, height = columns * CELL + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    font = "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace"
    texts = "\n".join(text for number, line in enumerate(lines) for text in _texts(line, number, columns))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-family="{font}" '
        f'font-size="14">\n<rect width="100%" height="100%" rx="8" fill="{SVG_EXPORT_THEME.background_color.hex}"/>\n'
        f"{texts}\n</svg>\n"
    )


def _texts(line: Text, number: int, columns: int) -> Iterator[str]:
    at = 0
    for segment in line.render(Console(width=columns)):
        begins = at + cell_len(segment.text) - cell_len(segment.text.lstrip())
        at += cell_len(segment.text)
        # Each text is placed at its own cell, so that a font of another width does not shift it.
        for word in re.finditer(r"\S+(?: \S+)*", segment.text.lstrip()):
            x = MARGIN + (begins + cell_len(segment.text.lstrip()[: word.start()])) * CELL
            y = MARGIN + (number + 0.75) * LINE
            length = cell_len(word[0]) * CELL
            yield (
                f'<text x="{x:.1f}" y="{y:.1f}" textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs" '
                f"{_attributes(segment.style or Style())}>{html.escape(word[0])}</text>"
            )


def _attributes(style: Style) -> str:
    theme = SVG_EXPORT_THEME
    colour = theme.foreground_color if style.color is None else style.color.get_truecolor(theme)
    return f'fill="{colour.hex}"' + (' font-weight="bold"' if style.bold else "")


def main(file: str, columns: str, count: str, *command: str) -> None:
    """Run a command on a terminal and draw the first lines of its output."""
    status, written = written_to_terminal(command, int(columns))
    if status:
        sys.exit(f"{shlex.join(command)}: status {status}")
    lines = [Text(f"$ {shlex.join(command)}"), *lines_shown(written)][: int(count)]
    Path(file).write_text(picture(lines, int(columns)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
