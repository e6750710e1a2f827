"""The digest that tells a repeated event from a conflicting one (contracts.md, "Envelope").

Two events have the same digest if their type, subject, instant and data are the same. Data are compared as a JSON
value: unknown fields count, a `null` member is the same as an absent one, and numbers are compared by value. Whole
numbers are exact however they are written (`schemas.codec.decoder` reads them so); any other number has the value of
its nearest double.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import Final

import msgspec

DIGEST_BYTES: Final = 16

_encoder: Final = msgspec.json.Encoder(order="deterministic")


def event_digest(event_type: str, subject: str, time: int, data: object) -> bytes:
    """Return the 16-byte digest of an event; `data` is the decoded JSON value, `time` is in microseconds.

    Raises ValueError for data with an infinite number.
    """
    encoded = _encoder.encode((event_type, subject, time, _normalized(data)))
    return blake2b(encoded, digest_size=DIGEST_BYTES).digest()


def _normalized(value: object) -> object:
    """Return a JSON value without `null` members, with whole numbers as integers."""
    if isinstance(value, dict):
        return {
            name: item if type(item) is str else _normalized(item) for name, item in value.items() if item is not None
        }
    if isinstance(value, float):
        if math.isinf(value):
            raise ValueError("a number is out of range")
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_normalized(item) for item in value]
    return value
