"""Lines that a terminal would break anywhere, broken at spaces."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import Final, TextIO

import click

GOES_ON: Final = " " * 6
"""What the further lines of a broken line begin with: deeper than any line of ours is indented."""


def show(line: str, goes_on: str = GOES_ON) -> None:
    """Show a line on standard output; on a terminal the heads of what is indented stand out."""
    for part in fitting(line, sys.stdout, goes_on):
        click.secho(part, bold=not line.startswith(" "))


def fitting(line: str, stream: TextIO, goes_on: str = GOES_ON) -> list[str]:
    """Return a line as the lines that fit the terminal which `stream` is; elsewhere it stays one line.

    `goes_on` is what further lines begin with.
    """
    if not stream.isatty():
        return [line]
    width = max(os.get_terminal_size(stream.fileno()).columns, 2 * len(goes_on))
    return textwrap.wrap(line, width, subsequent_indent=goes_on, break_on_hyphens=False) or [""]
