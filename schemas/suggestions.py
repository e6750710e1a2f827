"""Suggests a known name in place of a misspelled one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return "; did you mean PREFIXname?" with the known name most similar to `name`, or nothing if none is similar.

    Letter case does not count.
    """
    names = {each.casefold(): each for each in sorted(known)}
    nearest = get_close_matches(name.casefold(), names, n=1)
    return f"; did you mean {prefix}{names[nearest[0]]}?" if nearest else ""
