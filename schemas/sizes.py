"""How large the parts of a record are, and which of them no record may have so large."""

from __future__ import annotations

from typing import NamedTuple

from schemas.errors import Unacceptable
from schemas.headers import Headers, name_bytes
from schemas.limits import Limits


class Sizes(NamedTuple):
    """How many bytes the parts of a record have in Kafka; a key or a value of null has none."""

    value: int
    key: int = 0
    headers: int = 0


def sizes_of(value: bytes | None, key: bytes | None, headers: Headers) -> Sizes:
    """Return the sizes of a record's parts, all of which is here."""
    return Sizes(len(value or b""), len(key or b""), headers_size(headers))


def headers_size(headers: Headers) -> int:
    """Return how many bytes headers have in Kafka, where each begins with two lengths of at least a byte."""
    return sum(2 + len(name_bytes(name)) + len(value or b"") for name, value in headers)


def refuse_large(sizes: Sizes, limits: Limits) -> None:
    """Raise `Unacceptable`, naming the first part of value, key and headers that is larger than one may be."""
    for part, size in zip(sizes._fields, sizes, strict=True):
        if size > limits.value_bytes:
            raise Unacceptable(f"{part}: {size} bytes, at most {limits.value_bytes}")
