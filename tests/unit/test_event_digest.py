"""The digest tells a duplicate from a conflict: it depends on the JSON value, not on how the value is written."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from tests.inbound import decoded, encoded, envelope

LIMITS = Limits()


def digest(**members: Any) -> bytes:
    return decoded(envelope("location.reported", **members)).digest


PLAIN = {"lat": 1, "lon": 73.5, "accuracy_m": 100}


@pytest.mark.parametrize(
    "same",
    [
        {"lat": 1.0, "lon": 73.5, "accuracy_m": 1e2},
        {"accuracy_m": 100.0, "lon": 73.5, "lat": 1},
        {**PLAIN, "mocked": None},
        {**PLAIN, "unknown": None},
    ],
)
def test_equal_json_values_have_the_same_digest(same: dict[str, Any]) -> None:
    assert digest(data=same) == digest(data=PLAIN)
    assert digest(data=same, time="2026-11-21T15:30:00+05:30") == digest(data=PLAIN)
    assert digest(data=same, id="e-2", source="/other") == digest(data=PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        {"data": {**PLAIN, "mocked": False}},
        {"data": {**PLAIN, "unknown": []}},
        {"data": {**PLAIN, "unknown": [None]}},
        {"data": {**PLAIN, "unknown": "1"}},
        {"data": {**PLAIN, "unknown": 1}},
        {"data": {**PLAIN, "unknown": True}},
        {"data": {**PLAIN, "unknown": 2**53}},
        {"data": {**PLAIN, "unknown": 2**53 + 1}},
        {"data": {**PLAIN, "lat": 1.0000001}},
        {"data": PLAIN, "subject": "p-2"},
        {"data": PLAIN, "time": "2026-11-21T10:00:00.000001Z"},
    ],
)
def test_different_events_have_different_digests(other: dict[str, Any]) -> None:
    known = [{"data": PLAIN}, {"data": {**PLAIN, "unknown": 2}}]
    assert digest(**other) not in {digest(**one) for one in known}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1e23", "1" + "0" * 23),
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551616", "18446744073709551616.0"),
        ("18446744073709551617", "18446744073709551617.0"),
        ("-18446744073709551616", "-1.8446744073709551616e19"),
        ("18446744073709551615", "1844674407370955161.5e1"),
        ("9007199254740993.0", "9007199254740993"),
        ("9007199254740992", "9007199254740992.0"),
        ("9007199254740991", "9007199254740991.0"),
        ("1e308", "1" + "0" * 308),
        ("123456789012345678901234567890", "123456789012345678901234567890.000"),
        ("0.1", "0.10000000000000000000000001"),
        ("1e-400", "0"),
        ("-0.0", "0"),
        ("-0", "0.0"),
        ("1e2", "100"),
        ("1E+2", "100.0"),
        ("2.50", "2.5"),
    ],
)
def test_numbers_are_compared_by_value(one: str, other: str) -> None:
    def with_number(text: str) -> bytes:
        value = encoded(envelope("job.rated", data={"stars": 5, "n": ["N", {"m": "N"}]}))
        return decode_record(value.replace(b'"N"', text.encode()), None, LIMITS).digest

    assert with_number(one) == with_number(other)
    assert with_number(one) != with_number("7")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("18446744073709551616", "18446744073709551617"),
        ("18446744073709551616.0", "18446744073709551617.0"),
        ("18446744073709551616.0", "18446744073709551617"),
        ("9007199254740992.0", "9007199254740993.0"),
        ("9007199254740992", "9007199254740993"),
        ("1e23", "99999999999999991611392"),
        ("0.1", "0.10000000000000002"),
        ("1", "true"),
        ("1", '"1"'),
        ("1", "-1"),
    ],
)
def test_unequal_numbers_have_different_digests(one: str, other: str) -> None:
    events = [
        decode_record(
            encoded(envelope("job.rated", data={"stars": 5, "n": 0}))[:-3] + text.encode() + b"}}", None, LIMITS
        )
        for text in (one, other)
    ]
    assert events[0].digest != events[1].digest


@pytest.mark.parametrize(
    ("field", "number", "reason"),
    [
        ("lat", "1e400", "data.lat: not within -90 to 90"),
        ("lon", "-1e400", "data.lon: not within -180 to 180"),
        ("accuracy_m", "1e400", "data.accuracy_m: too large"),
        ("accuracy_m", "-1e400", "data.accuracy_m: below 0"),
        ("job_id", "1e400", "data.job_id: not a string"),
        ("unknown", "1e400", "data: a number is out of range"),
        ("unknown", '[{"x": -1e400}]', "data: a number is out of range"),
    ],
)
def test_an_infinite_number_is_rejected_with_its_path(field: str, number: str, reason: str) -> None:
    value = encoded(envelope("location.reported", data={**PLAIN, field: "N"})).replace(b'"N"', number.encode())
    with pytest.raises(InvalidMessage) as error:
        decode_record(value, None, LIMITS)
    assert error.value.reason == reason


def test_the_digest_is_the_same_on_every_machine() -> None:
    assert decoded(envelope("job.rated")).digest.hex() == "a5b35fc28bcacab463e3e282428fe9c0"
