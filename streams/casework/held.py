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
