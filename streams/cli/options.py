"""Types of option values that several commands share."""

from __future__ import annotations

import math
from typing import Any, Final

import click

from schemas.durations import UNITS, parse_seconds
from schemas.errors import UsageError
from schemas.timestamps import parse_instant


class Seconds(click.ParamType):
    """A duration above 0, in seconds: plain seconds, or text with units such as 90m or 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the duration in seconds."""
        try:
            seconds = parse_seconds(value) if isinstance(value, str) else float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            reason = f"{value!r} is not a duration above 0: seconds, or text such as 90m or 1h30m (units: {UNITS})"
            self.fail(reason, param, ctx)
        return seconds


SECONDS: Final = Seconds()

FILE: Final = click.Path()
"""A file name that a shell can complete; the command reports a file that it cannot use when it opens it."""


def instant(option: str, text: str) -> int:
    """Return the instant (microseconds) that an option gives; raises `UsageError` naming the option."""
    try:
        return parse_instant(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}, such as 2025-01-06T00:00:00+05:30") from None
