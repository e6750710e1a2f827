"""Converts instants between RFC 3339 text and microseconds since the Unix epoch, UTC (contracts.md, "Envelope")."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](?:[01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_FULL_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def microseconds(instant: datetime) -> int:
    """Return an aware datetime as microseconds since the epoch."""
    elapsed = instant - EPOCH
    return elapsed.days * DAY_US + elapsed.seconds * SECOND_US + elapsed.microseconds


# Text has no years beyond 9999. A deadline lies at most a few years after its event, since no duration of a policy is
# longer than a year, so events must lie before 9990.
EARLIEST_US: Final = 0
LATEST_US: Final = microseconds(datetime(9990, 1, 1, tzinfo=UTC)) - 1


def parse_instant(text: str) -> int:
    """Return the instant of an event's RFC 3339 date-time, truncated to microseconds.

    Raises ValueError with the reason: not RFC 3339, no offset, a leap second, no such date, or a year out of range.
    """
    instant = read_instant(text)
    if not EARLIEST_US <= instant <= LATEST_US:
        raise ValueError("the year is not between 1970 and 9989")
    return instant


def read_instant(text: str) -> int:
    """Return the instant of any RFC 3339 date-time, like `parse_instant` but in the years 1 to 9999."""
    # Most texts are in UTC, have six digits of fraction, and lie in a minute seen before: only seconds are parsed.
    if len(text) == _LENGTH and text[19] == "." and text[26] == "Z":
        digits = text[17:19] + text[20:26]
        if digits.isdecimal() and digits < "6" and text.isascii():
            return _minute(text[:17], "Z") + int(digits)
    end = -1 if text[-1:] in "Zz" else -6
    second = _SECONDS.get(text[17:19])
    fraction = text[19:end]
    if second is not None and (not fraction or (fraction[0] == "." and fraction[1:].isdecimal() and text.isascii())):
        return _minute(text[:17], text[end:]) + second + int(fraction[1:7].ljust(6, "0"))
    return _read_instant(text)


_LENGTH: Final = len("2026-11-21T15:04:05.000000Z")
_SECONDS: Final = {f"{second:02}": second * SECOND_US for second in range(60)}


@lru_cache(maxsize=4096)
def _minute(prefix: str, offset: str) -> int:
    """Return the start of a minute, given as `2026-11-21T15:04:` and the offset."""
    return _read_instant(f"{prefix}00{offset}")


def _read_instant(text: str) -> int:
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 date-time with an offset")
    if match[2] == "60":
        raise ValueError("leap seconds are not accepted")
    try:
        return microseconds(datetime.fromisoformat(text.upper()))
    except ValueError:
        raise ValueError("no such date") from None


def format_instant(instant: int) -> str:
    """Return an instant as text in UTC with `Z`, with six digits of fraction, or none for a whole second.

    Raises OverflowError outside the years 1 to 9999.
    """
    text = (EPOCH + timedelta(microseconds=instant)).isoformat(timespec="auto")
    return text[:-6] + "Z"  # isoformat writes UTC as +00:00


def parse_full_date(text: str) -> date:
    """Return the day of an RFC 3339 full-date (`2026-11-21`); raises ValueError with the reason."""
    if _FULL_DATE.fullmatch(text) is None:
        raise ValueError("not a full date (YYYY-MM-DD)")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("no such date") from None
