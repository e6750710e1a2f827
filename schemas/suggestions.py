"""What somebody may have meant who wrote a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return "; did you mean NAME?" for the known name nearest to `name`, letter case aside; nothing if none is near.

    `prefix` is told before the name.
    """
    names = {each.casefold(): each for each in sorted(known)}
    nearest = get_close_matches(name.casefold(), names, n=1)
    return f"; did you mean {prefix}{names[nearest[0]]}?" if nearest else ""
