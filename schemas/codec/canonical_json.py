"""Canonical JSON (RFC 8785) of what the product writes, and the hashes over it.

`canonical_json` is for values without floats, whose member names are ASCII. Any other value goes through the package
`rfc8785`, which takes a hundred times as long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import orjson

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"


def canonical_json(value: JsonValue) -> bytes:
    """Return the RFC 8785 form of a value without floats, whose member names are ASCII: only sorting is needed.

    Raises TypeError for lone surrogates.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest32(content: bytes) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()[:32]
