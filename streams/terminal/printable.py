"""Makes text from outside safe to print: ids, reasons and values may contain anything.

Control characters can move the cursor, change colours or forge a line of ours. Bidirectional overrides and other
invisible characters can make a text look like another one.
"""

import re
from typing import Final

_CREDENTIALS: Final = re.compile(r"((?:[A-Za-z][\w+.-]*://)?)[^\s/'\"(,=:@]*:\S*@")
_NOT_IN_JSON_AS_IS: Final = re.compile(r"[^\x20-\x7e]")


def printable(text: str) -> str:
    """Return text as one line of visible characters; any other is escaped as in a Python string literal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def without_passwords(text: str) -> str:
    """Return a message without the credentials before a host (`user:password@host`)."""
    return _CREDENTIALS.sub(r"\1…@", text)


def printable_bytes(value: bytes) -> str:
    """Return bytes as one line of visible text; invalid UTF-8 is escaped."""
    return printable(value.decode("utf-8", errors="backslashreplace"))


def printable_json(document: bytes) -> str:
    """Return a compact JSON document as one line of visible characters with the same value."""
    return _NOT_IN_JSON_AS_IS.sub(_escape_in_json, document.decode("utf-8"))


def _escape_in_json(match: re.Match[str]) -> str:
    char = match[0]
    if char.isprintable():
        return char
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
