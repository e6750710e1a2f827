"""What the work of a partition number has in memory, for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSize:
    """Counts at one moment; `queries_too_late` since this owner began."""

    cases: int
    partners: int
    deadlines: int
    """Cases in memory with a deadline ahead."""
    queries_too_late: int
    """Questions about a partner's past that came after its retention."""
    cases_departed: int
    """Cases that are no longer kept, since the state was made."""
    departed_cases: int
    """Those of them whose ids are still known."""
    partners_departed: int
    """Partners whose reports are no longer kept, since the state was made."""
