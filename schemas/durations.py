"""Converts durations between microseconds and text such as "15 min", "90m" or "1h30m"."""

from __future__ import annotations

import re
from typing import Final

from schemas.policy.model import DAY, HOUR, MINUTE, SECOND

_UNITS: Final = {"d": DAY, "h": HOUR, "min": MINUTE, "s": SECOND, "ms": 1000, "us": 1}
_SPELLINGS: Final = {"min": "m(?:in)?"}

DURATION_PATTERN: Final = r"\s*".join(
    ["^", *(rf"(?:([0-9]{{1,12}})\s*{_SPELLINGS.get(unit, unit)})?" for unit in _UNITS), "$"]
)
"""Matches a duration as text, with its units from the largest to the smallest."""

_PATTERN: Final = re.compile(DURATION_PATTERN)

UNITS: Final = "d, h, min or m, s, ms, us"
"""The units of a duration, for error messages."""


def parse_duration(value: object) -> int:
    """Return a duration in microseconds, given as text with units or as whole seconds.

    Raises ValueError with the reason.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value * SECOND
    match = _PATTERN.fullmatch(value) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        raise ValueError(f'not a duration such as "15 min" or "1h30m" (units: {UNITS}), or whole seconds')
    return sum(int(count) * unit for count, unit in zip(match.groups(), _UNITS.values(), strict=True) if count)


def parse_seconds(text: str) -> float:
    """Return a duration on the command line or in a setting in seconds: text with units, or a number of seconds.

    A number is any text that `float` accepts, infinity included. Raises ValueError for any other text.
    """
    try:
        return float(text)
    except ValueError:
        return parse_duration(text) / SECOND


def duration_text(duration: int) -> str:
    """Return a duration in microseconds (not negative) as text, with the largest units first."""
    parts = []
    for unit, size in _UNITS.items():
        count, duration = divmod(duration, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"
