"""Matches the regular expressions of a policy with RE2, in time proportional to the length of the text.

Python's engine backtracks: `^(a+)+$` against 40 characters may run practically forever. RE2 has no look-around and no
back-references; reading a policy rejects a pattern that uses them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import re2

COMPILED_BYTES_MAX: Final = 1 << 20
"""Memory for a compiled expression; rejects short patterns that expand to huge ones."""
_REASON_CHARS: Final = 100

_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_AS_IN_PYTHON: Final = {"d": r"\p{Nd}", "D": r"\P{Nd}"}
"""`\\d` matches the digits of every script, as in Python; in RE2 alone it matches ASCII digits only."""
_LETTER_I: Final = str.maketrans("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}\N{LATIN SMALL LETTER DOTLESS I}", "ii")
"""Dotted capital and dotless small i, which equal i if case is ignored, as in Python; in RE2 they do not."""


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Return whether a pattern matches anywhere in a text; raises ValueError for an invalid pattern."""
    if ignore_case:
        text = text.translate(_LETTER_I)
    return _compiled(pattern, ignore_case).search(text.encode(errors="replace")) is not None


def pattern_error(pattern: str) -> str | None:
    """Return what is wrong with a pattern, or None."""
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
    options.log_errors = False  # the caller reports them
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
