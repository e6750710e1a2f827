"""What the rows ask about an engagement; the properties of the `Assessment` say what each of them means."""

from __future__ import annotations

from typing import Final

from agents.sops.tables.terms import Term

from .assessment import Assessment


def waited_min(a: Assessment) -> str:
    """Return how long the partner waited, in whole minutes."""
    return f"{a.waited // 60_000_000} min"


was_off_site: Final = Term[Assessment](
    lambda a: a.was_off_site,
    "the partner was off site",
    "the partner was not off site",
)
has_called_enough: Final = Term[Assessment](
    lambda a: a.has_called_enough,
    "the customer was called often enough",
    "the customer was not called often enough",
    lambda a: f"calls in vain: {len(a.calls)}",
)
presence_is_unknown: Final = Term[Assessment](
    lambda a: a.presence_is_unknown,
    "nothing shows where the partner was at some call",
    "reports show where the partner was at every call",
)
has_waited: Final = Term[Assessment](
    lambda a: a.has_waited,
    "the partner waited long enough",
    "the partner did not wait long enough",
    waited_min,
)
