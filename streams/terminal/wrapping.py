"""Prints lines, wrapped at spaces on a terminal."""

import os
import sys
import textwrap
from typing import Final

import click

CONTINUATION_INDENT: Final = " " * 6
"""The indent of continuation lines, deeper than that of any line that commands print."""


def show(line: str, indent: str = CONTINUATION_INDENT) -> None:
    """Print a line on standard output; on a terminal lines without an indent are bold.

    A line longer than the terminal is wrapped, with `indent` before its continuation lines.
    """
    parts = [line]
    if sys.stdout.isatty():
        width = max(os.get_terminal_size(sys.stdout.fileno()).columns, 2 * len(indent))
        parts = textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False) or [""]
    for part in parts:
        click.secho(part, bold=not line.startswith(" "))
