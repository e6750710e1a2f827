"""How much state a processor has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSize:
    """How much state a processor has; see `streams.metrics.catalogue` for the meaning of each count."""

    cases: int
    partners: int
    deadlines: int
    waiting: int
    queries_too_late: int
    cases_departed: int
    departed_cases: int
    partners_departed: int
