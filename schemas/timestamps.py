"""Instants between RFC 3339 text and `int` microseconds since the Unix epoch, UTC (contracts, "Envelope")."""

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
    since = instant - EPOCH
    return since.days * DAY_US + since.seconds * SECOND_US + since.microseconds


# Deadlines that follow from an event must have a written form too: with every duration of a policy at most a year, the
# latest instant that an event may have leaves room for them before year 10000.
EARLIEST_US: Final = 0
LATEST_US: Final = microseconds(datetime(9990, 1, 1, tzinfo=UTC)) - 1


def parse_instant(text: str) -> int:
    """Return the instant that an event's RFC 3339 date-time names, digits finer than a microsecond cut off.

    Raises ValueError with the reason: not RFC 3339, no offset, a leap second, no such date, or a year out of range.
    """
    instant = read_instant(text)
    if not EARLIEST_US <= instant <= LATEST_US:
        raise ValueError("the year is not between 1970 and 9989")
    return instant


def read_instant(text: str) -> int:
    """Return the instant that any RFC 3339 date-time names, as `parse_instant` but in all years that can be written."""
    # Nearly all texts are in UTC to the microsecond, of a minute seen before: the seconds alone are left to read.
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
def _minute(begin: str, offset: str) -> int:
    """Return the first instant of a minute, written `2026-11-21T15:04:` and the offset."""
    return _read_instant(f"{begin}00{offset}")


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
    """Return an instant as UTC with `Z`, with six digits of fraction, or none where it is a whole second.

    Raises OverflowError outside the years 1 to 9999.
    """
    text = (EPOCH + timedelta(microseconds=instant)).isoformat(timespec="auto")
    return text[:-6] + "Z"  # isoformat writes UTC as +00:00


def parse_full_date(text: str) -> date:
    """Return the day that an RFC 3339 full-date (`2026-11-21`) names; raises ValueError with the reason."""
    if _FULL_DATE.fullmatch(text) is None:
        raise ValueError("not a full date (YYYY-MM-DD)")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("no such date") from None
