"""Canonical JSON (RFC 8785): one sequence of bytes per JSON value, so that a digest of it identifies the value."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import orjson

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

SAFE_INTEGER_MAX: Final = 2**53 - 1
"""Integers beyond it have no exact form among the numbers that RFC 8785 knows."""


def canonical_json(value: JsonValue) -> bytes:
    """Return the RFC 8785 form of a JSON value.

    Raises ValueError for what has none: numbers that are not finite, integers beyond 2^53 - 1, lone surrogates.
    """
    try:
        return orjson.dumps(_ordered(value))
    except orjson.JSONEncodeError as error:
        raise ValueError(f"no canonical form: {error}") from error


def canonical_json_of_text(value: JsonValue) -> bytes:
    """Return the RFC 8785 form of a value without floats, whose member names are in ASCII.

    Sorted members are all that is asked of these; it takes a thirtieth of the time of `canonical_json`. Raises
    TypeError for lone surrogates.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest32(content: bytes) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()[:32]


def _ordered(value: JsonValue) -> object:
    """Return the value in a form whose plain encoding is the canonical one: members sorted, floats spelled out."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if abs(value) > SAFE_INTEGER_MAX:
            raise ValueError("no canonical form: an integer beyond 2^53 - 1")
        return value
    if isinstance(value, float):
        return orjson.Fragment(_ecmascript_number(value))
    if isinstance(value, Mapping):
        return {name: _ordered(value[name]) for name in sorted(value, key=_utf16)}
    return [_ordered(item) for item in value]


def _utf16(name: str) -> bytes:
    """Sort key: UTF-16 code units, which differ from code points beyond the basic plane."""
    return name.encode("utf-16-be", "surrogatepass")


def _ecmascript_number(number: float) -> str:
    """Write a float as ECMAScript does: shortest digits, an exponent only from 1e21 or below 1e-6."""
    if not math.isfinite(number):
        raise ValueError("no canonical form: a number that is not finite")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    padded = whole + fraction
    digits = padded.lstrip("0")
    point -= len(padded) - len(digits)
    digits = digits.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """Set the decimal point after `point` of the digits (counted from the first significant one)."""
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{mantissa}e{point - 1:+d}"
