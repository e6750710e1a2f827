"""Finds where the members of a JSON object are, so that one can be replaced and all other bytes stay as they came."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_OPENING, _CLOSING = frozenset(b"{["), frozenset(b"}]")
_COMMA, _COLON = b",:"
_json: Final = msgspec.json.Decoder(float_hook=float)


class Member(NamedTuple):
    """A member of an object: its name, and where its value is."""

    name: str
    start: int
    end: int


def is_object(text: bytes) -> bool:
    """Return whether a text is a JSON object as the codec reads it."""
    try:
        return isinstance(_json.decode(text), dict)
    except (ValueError, RecursionError):
        return False


def members(text: bytes, start: int = 0, end: int | None = None) -> list[Member]:
    """Return the members of the object that a valid JSON text has between two places, repeated ones too, in order."""
    found: list[Member] = []
    depth, name, first, last = 0, None, None, 0
    for token in _TOKEN.finditer(text, start, len(text) if end is None else end):
        at = token.start()
        char = text[at]
        if depth == 1:
            if char == _COMMA or char in b"}":
                if name is not None and first is not None:
                    found.append(Member(name, first, last))
                name = first = None
                depth -= char != _COMMA
                continue
            if char == _COLON and first is None:
                continue
            if name is None:
                name = msgspec.json.decode(token[0], type=str)
                continue
            if first is None:
                first = at
        depth += (char in _OPENING) - (char in _CLOSING)
        last = token.end()
    return found
