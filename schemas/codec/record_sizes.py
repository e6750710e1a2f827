"""How large the parts of a record are, and which of them no record may have so large."""

from __future__ import annotations

from typing import NamedTuple

from schemas.codec.headers import Headers, name_bytes
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage


class Sizes(NamedTuple):
    """How many bytes the parts of a record have in Kafka; a key or a value of null has none."""

    value: int
    key: int = 0
    headers: int = 0


def refuse_large(
    value: bytes | None, key: bytes | None, headers: Headers, limits: Limits, original_sizes: Sizes | None
) -> None:
    """Raise `InvalidMessage`, naming the first part of value, key and headers that is larger than one may be.

    `original_sizes` is set for a record that was truncated when it was read.
    """
    sizes = original_sizes or Sizes(len(value or b""), len(key or b""), headers_size(headers))
    if sizes[0] > limits.value_bytes:
        raise InvalidMessage(f"value: {sizes[0]} bytes, at most {limits.value_bytes}")
    if sizes[1] > limits.heading_bytes:
        raise InvalidMessage(f"key: {sizes[1]} bytes, at most {limits.heading_bytes}")
    if sizes[2] > limits.heading_bytes:
        raise InvalidMessage(f"headers: {sizes[2]} bytes, at most {limits.heading_bytes}")


def record_size(value: bytes | None, key: bytes | None, headers: Headers) -> int:
    """Return how many bytes the parts of a record have together."""
    return len(value or b"") + len(key or b"") + (headers_size(headers) if headers else 0)


def headers_size(headers: Headers) -> int:
    """Return how many bytes headers have in Kafka, where each begins with two lengths of at least a byte."""
    return sum(2 + len(name if name.isascii() else name_bytes(name)) + len(value or b"") for name, value in headers)
