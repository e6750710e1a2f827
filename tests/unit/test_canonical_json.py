"""Canonical JSON: the forms that RFC 8785 lays down, and what has none."""

import hashlib
import math

import pytest

from schemas.codec.canonical_json import JsonValue, canonical_json, digest32


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ({"b": True, "a": [1, {"d": "", "c": None}]}, '{"a":[1,{"c":null,"d":""}],"b":true}'),
        (
            {"\u20ac": 1, "\r": 2, "\ufb33": 3, "\U0001f600": 4, "1": 5},
            '{"\\r":2,"1":5,"\u20ac":1,"\U0001f600":4,"\ufb33":3}',
        ),
        ('\b\t\n\f\r"\\/\x00\x1f\x7f\u2028', '"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\x7f\u2028"'),
        (0.0, "0"),
        (-0.0, "0"),
        (500.0, "500"),
        (0.85, "0.85"),
        (-1.5e-6, "-0.0000015"),
        (1e-7, "1e-7"),
        (1.25e-9, "1.25e-9"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (5e-324, "5e-324"),
        (333333333.33333329, "333333333.3333333"),
        (2**53 - 1, "9007199254740991"),
        (("tuple",), '["tuple"]'),
    ],
)
def test_a_value_has_the_form_of_rfc_8785(value: JsonValue, text: str) -> None:
    assert canonical_json(value).decode() == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2**53, -(2**53), "\ud800", ["\udc00"], {"\ud800": 1}])
def test_what_has_no_canonical_form_is_refused(value: JsonValue) -> None:
    with pytest.raises(ValueError, match="no canonical form"):
        canonical_json(value)


def test_a_digest_is_the_first_half_of_sha_256() -> None:
    assert digest32(b"abc") == hashlib.sha256(b"abc").hexdigest()[:32] == "ba7816bf8f01cfea414140de5dae2223"
