"""Kinds of option values."""

from __future__ import annotations

import math
from typing import Any, Final

import click

from schemas.durations import UNITS, parse_seconds


class Seconds(click.ParamType):
    """A duration above 0, in seconds: plain seconds, or text with units such as 90m or 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds of an option's text."""
        try:
            seconds = parse_seconds(value) if isinstance(value, str) else float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            told = f"{value!r} is not a duration above 0: seconds, or text such as 90m or 1h30m (units: {UNITS})"
            self.fail(told, param, ctx)
        return seconds


SECONDS: Final = Seconds()

FILE: Final = click.Path()
"""A file by its name, which a shell can complete; whether it can be used is seen when it is."""
