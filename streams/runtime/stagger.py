"""When tasks of one process have their turns: what all do at the same interval they do at different times.

They begin together, and would go on in step: four transactions at once take each of them four times as long.
"""

from __future__ import annotations

from typing import Final

SPREAD: Final = 0.618
"""So much of an interval lies between neighbours; by the golden ratio all numbers lie apart, however many there are."""


def phase(number: int) -> float:
    """Return how far into an interval the turn of a partition number lies, as a part of it from 0 to 1."""
    return number * SPREAD % 1


def next_turn(now: float, interval: float, number: int) -> float:
    """Return the next turn of a partition number, half an interval from now at the soonest (all in seconds)."""
    if interval <= 0:
        return now
    offset = phase(number) * interval
    return ((now + interval / 2 - offset) // interval + 1) * interval + offset
