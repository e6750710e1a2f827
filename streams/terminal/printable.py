"""The one place that makes text from outside safe to show: ids, reasons and values may carry anything.

Control characters (C0 and C1) move the cursor, change colours or begin a line that looks like ours; bidirectional
overrides and other invisible characters make a text read as another one.
"""

from __future__ import annotations

import re
from typing import Final

_CREDENTIALS: Final = re.compile(r"((?:[A-Za-z][\w+.-]*://)?)[^\s/'\"(,=:@]*:\S*@")
_NOT_IN_JSON_AS_IS: Final = re.compile(r"[^\x20-\x7e]")


def printable(text: str) -> str:
    """Return text as one line in which every character can be seen; any other is escaped as Python writes it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def without_passwords(text: str) -> str:
    """Return a message in which what stands before a host (`user:password@host`) is left out, whoever put it there."""
    return _CREDENTIALS.sub(r"\1…@", text)


def printable_bytes(value: bytes) -> str:
    """Return bytes as one line of text, as `printable` does; what is not UTF-8 is escaped."""
    return printable(value.decode("utf-8", errors="backslashreplace"))


def printable_json(document: bytes) -> str:
    """Return a JSON document, written without white space between its parts, as the same value in one visible line."""
    return _NOT_IN_JSON_AS_IS.sub(_escape_in_json, document.decode("utf-8"))


def _escape_in_json(match: re.Match[str]) -> str:
    char = match[0]
    if char.isprintable():
        return char
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
