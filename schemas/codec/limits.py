"""Limits on inbound records and events, and the sizes that they bound (contracts.md, "Envelope")."""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from schemas.codec.headers import Headers, name_bytes
from schemas.errors import InvalidMessage

TRUNCATED_BYTES: Final = 1024
"""How many bytes of an oversized key or value a dead letter keeps."""


class Limits(Struct, frozen=True):
    """Limits on inbound events; characters are Unicode code points.

    `future_us` is how far an event time may lie in the future. `nesting_levels` bounds how deeply objects and arrays
    nest, so that no input can exhaust the stack of a reader.
    """

    value_bytes: int = 256 * 1024
    key_bytes: int = 256 * 1024
    headers_bytes: int = 256 * 1024
    name_chars: int = 256
    url_chars: int = 2048
    future_us: int = 3_600_000_000
    nesting_levels: int = 64


class RecordSizes(NamedTuple):
    """The sizes of the parts of a Kafka record in bytes; a null key or value has none."""

    value: int
    key: int = 0
    headers: int = 0


def check_sizes(
    value: bytes | None, key: bytes | None, headers: Headers, limits: Limits, original_sizes: RecordSizes | None
) -> None:
    """Raise `InvalidMessage` for the first of value, key and headers that exceeds its limit.

    `original_sizes` are the sizes of a record that was truncated when it was read.
    """
    sizes = original_sizes or RecordSizes(len(value or b""), len(key or b""), headers_size(headers))
    if sizes.value > limits.value_bytes:
        raise InvalidMessage(f"value: {sizes.value} bytes, at most {limits.value_bytes}")
    if sizes.key > limits.key_bytes:
        raise InvalidMessage(f"key: {sizes.key} bytes, at most {limits.key_bytes}")
    if sizes.headers > limits.headers_bytes:
        raise InvalidMessage(f"headers: {sizes.headers} bytes, at most {limits.headers_bytes}")


def record_size(value: bytes | None, key: bytes | None, headers: Headers) -> int:
    """Return the size of a record's value, key and headers together, in bytes."""
    return len(value or b"") + len(key or b"") + (headers_size(headers) if headers else 0)


def headers_size(headers: Headers) -> int:
    """Return the size of headers in Kafka, in bytes; each begins with two lengths of at least a byte."""
    return sum(2 + len(name if name.isascii() else name_bytes(name)) + len(value or b"") for name, value in headers)
