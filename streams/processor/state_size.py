"""What the work of a partition number has in memory, for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Counts at one moment; `too_late` since this owner began."""

    cases: int
    partners: int
    deadlines: int
    """Cases in memory with a deadline ahead."""
    too_late: int
    """Questions about a partner's past that came after its retention."""
    cases_left: int
    """Cases that are no longer kept, since the state was made."""
    cases_remembered: int
    """Those of them whose ids are still known."""
    partners_left: int
    """Partners whose reports are no longer kept, since the state was made."""
