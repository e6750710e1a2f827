"""Types of option values that several commands share."""

import math
from contextlib import suppress
from typing import Final

import click

from schemas.durations import UNITS, parse_seconds
from schemas.errors import UsageError
from schemas.timestamps import parse_instant


def seconds(text: str) -> float:
    """Return a duration above 0 in seconds: plain seconds, or text with units such as 90m or 1h30m."""
    with suppress(ValueError):
        if 0 < (duration := parse_seconds(text)) < math.inf:
            return duration
    raise click.BadParameter(
        f"{text!r} is not a duration above 0: seconds, or text such as 90m or 1h30m (units: {UNITS})"
    )


FILE: Final = click.Path()
"""A file name that a shell can complete; the command reports a file that it cannot use when it opens it."""


def instant(option: str, text: str) -> int:
    """Return the instant (microseconds) that an option gives; raises `UsageError` naming the option."""
    try:
        return parse_instant(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}, such as 2025-01-06T00:00:00+05:30") from None
