"""Parsing and formatting instants as RFC 3339 text."""

import pytest

from schemas.timestamps import EARLIEST_US, LATEST_US, format_instant, parse_full_date, parse_instant, read_instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T05:30:00+05:30", 0),
        ("1969-12-31T23:00:00-01:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T00:00:00.1Z", 100_000),
        ("1970-01-01T00:01:59.000001Z", 119_000_001),
        ("1970-01-01T00:00:00.1234567899Z", 123_456),
        ("2024-02-29T12:00:00Z", 1_709_208_000_000_000),
        ("1970-01-01T00:00:00Z", EARLIEST_US),
        ("1970-01-01T05:30:00+05:30", EARLIEST_US),
        ("9989-12-31T23:59:59.999999Z", LATEST_US),
    ],
)
def test_rfc_3339_with_an_offset_is_accepted(text: str, instant: int) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-11-21T10:00:00", "offset"),
        ("2026-11-21 10:00:00Z", "RFC 3339"),
        ("2026-11-21", "RFC 3339"),
        ("2026-W47-6T10:00:00Z", "RFC 3339"),
        ("20261121T100000Z", "RFC 3339"),
        ("2026-11-21T10:00Z", "RFC 3339"),
        ("2026-11-21T10:00:00,5Z", "RFC 3339"),
        ("2026-11-21T10:00:00.Z", "RFC 3339"),
        ("2026-11-21T10:00:00+0530", "RFC 3339"),
        ("2026-11-21T10:00:00+05:60", "RFC 3339"),
        ("2026-11-21T10:00:00+24:00", "RFC 3339"),
        ("2026-11-21T24:00:00Z", "RFC 3339"),
        ("2026-11-21T10:60:00Z", "RFC 3339"),
        ("2026-11-21T10:00:00Z\n", "RFC 3339"),
        ("\u0662026-11-21T10:00:00Z", "RFC 3339"),
        ("", "RFC 3339"),
        ("2016-12-31T23:59:60Z", "leap second"),
        ("2016-12-31T23:59:60.000000Z", "leap second"),
        ("2026-11-21T10:00:61.000000Z", "RFC 3339"),
        ("2026-11-21T10:60:00.000000Z", "RFC 3339"),
        ("2026-11-21T10:00:0\u0662.000000Z", "RFC 3339"),
        ("2026-11-21T10:00:00.00 000Z", "RFC 3339"),
        ("2026-02-29T10:00:00Z", "no such date"),
        ("0000-01-01T10:00:00Z", "no such date"),
        ("0001-01-01T00:00:00+00:01", "year"),
        ("1969-12-31T23:59:59.999999Z", "year"),
        ("1970-01-01T05:29:59+05:30", "year"),
        ("9990-01-01T00:00:00Z", "year"),
    ],
)
def test_any_other_text_is_rejected_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_instant(text)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-500_000, "1969-12-31T23:59:59.500000Z"),
        (EARLIEST_US, "1970-01-01T00:00:00Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00Z"),
        (LATEST_US, "9989-12-31T23:59:59.999999Z"),
    ],
)
def test_instants_are_formatted_in_utc_with_six_digits_of_fraction_or_none(instant: int, text: str) -> None:
    assert format_instant(instant) == text
    assert read_instant(text) == instant


def test_full_dates_are_days_of_the_calendar() -> None:
    assert parse_full_date("2024-02-29").toordinal() - parse_full_date("2024-02-28").toordinal() == 1
    for text in ("2023-02-29", "2024-2-1", "20240201", "2024-02-01T00:00:00Z", "0000-01-01"):
        with pytest.raises(ValueError, match=r"no such date|not a full date"):
            parse_full_date(text)
