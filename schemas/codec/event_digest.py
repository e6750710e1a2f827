"""The digest by which a repeated event is told from a conflicting one (contracts, "Envelope").

Two events have the same content if type, subject, instant and data as a JSON value are the same: unknown fields count,
a `null` member is the same as an absent one, and numbers are compared by value. Whole numbers are exact however they
are written (`schemas.codec.decoder` reads them so); any other number has the value of its nearest double.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import Final

import msgspec

DIGEST_BYTES: Final = 16

_encoder: Final = msgspec.json.Encoder(order="deterministic")


def content_digest(event_type: str, subject: str, time: int, data: object) -> bytes:
    """Return the 16-byte digest of an event's content; `data` is the JSON value as decoded, `time` in microseconds.

    Raises ValueError for data with an infinite number.
    """
    plain = _encoder.encode((event_type, subject, time, _plain(data)))
    return blake2b(plain, digest_size=DIGEST_BYTES).digest()


def _plain(value: object) -> object:
    """Return a JSON value without `null` members, every number in the one form of its value."""
    if isinstance(value, dict):
        return {name: item if type(item) is str else _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, float):
        if math.isinf(value):
            raise ValueError("a number is out of range")
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
