"""The digest by which a repeated event is told from a conflicting one (contracts, "Envelope").

Two events have the same content if type, subject, instant and data as a JSON value are the same: unknown fields count,
a `null` member is the same as an absent one, and numbers are compared by value. The value of a number with a fraction
or an exponent is that of its nearest double, as its shortest decimal form; integers are exact.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b
from typing import Final

import msgspec

DIGEST_BYTES: Final = 16
_EXACT_MAX: Final = 2.0**53

_encoder: Final = msgspec.json.Encoder(order="deterministic")


def content_of(event_type: str, subject: str, time: int, data: object) -> bytes:
    """Return the 16-byte digest of an event's content; `data` is the JSON value as decoded, `time` in microseconds."""
    plain = _encoder.encode((event_type, subject, time, _plain(data)))
    return blake2b(plain, digest_size=DIGEST_BYTES).digest()


def _plain(value: object) -> object:
    """Return a JSON value without `null` members, every number in the one form of its value."""
    if isinstance(value, dict):
        return {name: item if type(item) is str else _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -_EXACT_MAX < value < _EXACT_MAX:
        return msgspec.Raw(str(value).encode())
    return value


def _number(value: float) -> object:
    if not value.is_integer():
        return value
    if -_EXACT_MAX < value < _EXACT_MAX:
        return int(value)
    return msgspec.Raw(str(int(Decimal(repr(value)))).encode())
