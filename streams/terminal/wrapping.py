"""Lines that a terminal would break anywhere, broken at spaces."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import Final

import click

CONTINUATION_INDENT: Final = " " * 6
"""What the further lines of a broken line begin with: deeper than any line of ours is indented."""


def show(line: str, goes_on: str = CONTINUATION_INDENT) -> None:
    """Show a line on standard output; on a terminal the heads of what is indented stand out.

    A line that is too long for the terminal goes on in further ones, which begin with `goes_on`; elsewhere it is one.
    """
    parts = [line]
    if sys.stdout.isatty():
        width = max(os.get_terminal_size(sys.stdout.fileno()).columns, 2 * len(goes_on))
        parts = textwrap.wrap(line, width, subsequent_indent=goes_on, break_on_hyphens=False) or [""]
    for part in parts:
        click.secho(part, bold=not line.startswith(" "))
