"""Headers of Kafka records, whose names may be invalid UTF-8 and whose values may be null.

In memory, each byte of a name that is not UTF-8 is a lone surrogate (Python's `surrogateescape`), so that nothing is
lost. JSON and MessagePack cannot hold such text: encoded headers have U+FFFD in its place, and the bytes of all names
beside them.
"""

from __future__ import annotations

from collections.abc import Sequence

Headers = Sequence[tuple[str, bytes | None]]
"""Headers in order; of several with the same name the last counts."""


def name_bytes(name: str) -> bytes:
    """Return a header's name as its bytes in Kafka."""
    return name.encode("utf-8", "surrogateescape")


def encode_headers(headers: Headers) -> tuple[tuple[tuple[str, bytes | None], ...], tuple[bytes, ...]]:
    """Return headers whose names are valid text, and the bytes of all names; none if the names are valid already."""
    try:
        for name, _ in headers:
            name.encode()
    except UnicodeEncodeError:
        names = tuple(name_bytes(name) for name, _ in headers)
        texts = (name.decode("utf-8", "replace") for name in names)
        return tuple((text, value) for text, (_, value) in zip(texts, headers, strict=True)), names
    return tuple(headers), ()


def decode_headers(headers: Headers, names: Sequence[bytes]) -> tuple[tuple[str, bytes | None], ...]:
    """Return the headers that `encode_headers` encoded; raises ValueError if their number differs from the names'."""
    if not names:
        return tuple(headers)
    texts = (name.decode("utf-8", "surrogateescape") for name in names)
    return tuple((text, value) for text, (_, value) in zip(texts, headers, strict=True))
