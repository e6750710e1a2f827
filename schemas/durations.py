"""Durations between text such as "15 min", "90m" or "1h30m" and microseconds."""

from __future__ import annotations

import re
from typing import Final

from schemas.policy.model import DAY, HOUR, MINUTE, SECOND

_UNITS: Final = {"d": DAY, "h": HOUR, "min": MINUTE, "s": SECOND, "ms": 1000, "us": 1}
_SPELLINGS: Final = {"min": "m(?:in)?"}

DURATION_PATTERN: Final = r"\s*".join(
    ["^", *(rf"(?:([0-9]{{1,12}})\s*{_SPELLINGS.get(unit, unit)})?" for unit in _UNITS), "$"]
)
"""What a duration as text looks like, its parts from the largest unit to the smallest."""

_PATTERN: Final = re.compile(DURATION_PATTERN)

UNITS: Final = "d, h, min or m, s, ms, us"
"""The units of a duration, for messages."""


def parse_duration(value: object) -> int:
    """Return the microseconds of a duration: text with units, or whole seconds as an integer.

    Raises ValueError with the reason.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value * SECOND
    match = _PATTERN.fullmatch(value) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        raise ValueError(f'not a duration such as "15 min" or "1h30m" (units: {UNITS}), or whole seconds')
    return sum(int(count) * unit for count, unit in zip(match.groups(), _UNITS.values(), strict=True) if count)


def parse_seconds(text: str) -> float:
    """Return the seconds of a duration on a command line or in a setting: text with units, or a plain number of them.

    Raises ValueError for any other text; what `float` takes for a number, infinity included, is one.
    """
    try:
        return float(text)
    except ValueError:
        return parse_duration(text) / SECOND


def duration_text(duration: int) -> str:
    """Return microseconds (not negative) as text, as many of the largest units as there are whole ones."""
    parts = []
    for unit, size in _UNITS.items():
        count, duration = divmod(duration, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"
