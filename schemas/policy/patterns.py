"""Regular expressions of a policy, matched by RE2: in time proportional to the text, whatever the expression.

Python's own engine goes back over a text and can take longer than the universe is old for `^(a+)+$` and 40 characters.
RE2 has no look-around and no references back; what needs them is refused when the policy is read.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import re2

COMPILED_BYTES_MAX: Final = 1 << 20
"""Room for an expression once compiled, so that a short one that stands for a huge one is refused."""
_REASON_CHARS: Final = 100

_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_AS_IN_PYTHON: Final = {"d": r"\p{Nd}", "D": r"\P{Nd}"}
"""Digits of every script, as `\\d` has always meant here; to RE2 by itself only those of ASCII are digits."""
_LETTER_I: Final = str.maketrans("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}\N{LATIN SMALL LETTER DOTLESS I}", "ii")
"""An i with another dot, which without regard to case has always been an i here; RE2 keeps them apart."""


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether an expression is found anywhere in a text. Raises `ValueError` for one that cannot be used."""
    if ignore_case:
        text = text.translate(_LETTER_I)
    return _compiled(pattern, ignore_case).search(text.encode(errors="replace")) is not None


def pattern_error(pattern: str) -> str | None:
    """Return what is wrong with an expression, None if it can be used."""
    try:
        _compiled(pattern, ignore_case=True)
    except ValueError as error:
        return str(error)
    return None


@lru_cache(maxsize=64)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[bytes]:
    options = re2.Options()
    options.max_mem = COMPILED_BYTES_MAX
    options.never_capture = True
    options.log_errors = False  # the caller tells them
    options.case_sensitive = not ignore_case
    if ignore_case:
        pattern = pattern.translate(_LETTER_I)
    expression = _ESCAPE.sub(lambda escape: _AS_IN_PYTHON.get(escape[1], escape[0]), pattern)
    try:
        compiled: re.Pattern[bytes] = re2.compile(expression.encode(), options)
    except (re2.error, UnicodeEncodeError) as error:
        cause = error.args[0]
        reason = cause.decode(errors="replace") if isinstance(cause, bytes) else str(error)
        raise ValueError(reason if len(reason) <= _REASON_CHARS else f"{reason[:_REASON_CHARS]}…") from None
    return compiled
