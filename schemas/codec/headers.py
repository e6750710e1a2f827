"""Headers of Kafka records, which may be anything: a name that is no UTF-8, no value at all.

In memory a name is text in which each byte that is no UTF-8 is a lone surrogate (Python's `surrogateescape`), so that
nothing is lost. No encoder of JSON or MessagePack writes such text, and no other language reads it: what is written
down is portable, with the bytes of the names beside it where text alone cannot say them.
"""

from __future__ import annotations

from collections.abc import Sequence

Headers = Sequence[tuple[str, bytes | None]]
"""Headers in order; of several with one name the last counts."""

Portable = tuple[tuple[tuple[str, bytes | None], ...], tuple[bytes, ...]]


def name_bytes(name: str) -> bytes:
    """Return a header's name as its bytes in Kafka."""
    return name.encode("utf-8", "surrogateescape")


def encode_headers(headers: Headers) -> Portable:
    """Return headers whose names are valid text, with U+FFFD for what is none, and the bytes of all names in order.

    Where all names are UTF-8 these are left out.
    """
    try:
        for name, _ in headers:
            name.encode()
    except UnicodeEncodeError:
        names = tuple(name_bytes(name) for name, _ in headers)
        shown = (name.decode("utf-8", "replace") for name in names)
        return tuple((text, value) for text, (_, value) in zip(shown, headers, strict=True)), names
    return tuple(headers), ()


def decode_headers(headers: Headers, names: Sequence[bytes]) -> tuple[tuple[str, bytes | None], ...]:
    """Return the headers of which `encode_headers` made these; raises ValueError where the names are not as many."""
    if not names:
        return tuple(headers)
    texts = (name.decode("utf-8", "surrogateescape") for name in names)
    return tuple((text, value) for text, (_, value) in zip(texts, headers, strict=True))
