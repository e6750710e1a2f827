"""What became of every consumed record: the counts that must add up (runtime.md, "Delivery guarantees")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from streams.runtime.ports import TP

Disposition = Literal["applied", "duplicate", "dead_lettered", "forwarded"]
DISPOSITIONS: Final[tuple[Disposition, ...]] = get_args(Disposition)


class Dispositions:
    """Counts by input partition; consumed = applied + duplicate + dead_lettered + forwarded."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = {}
        self._by_tp: dict[TP, dict[str, int]] = {}
        """The same dictionaries, to avoid formatting the partition's name for each record."""

    def restore(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Continue from the counts of a checkpoint."""
        self._counts = {name: dict(each) for name, each in counts.items()}
        self._by_tp.clear()

    def add(self, tp: TP, disposition: Disposition) -> None:
        """Count one record."""
        counts = self._by_tp.get(tp)
        if counts is None:
            counts = self._by_tp[tp] = self._counts.setdefault(tp.name, {})
        counts[disposition] = counts.get(disposition, 0) + 1

    def consumed(self, tp: TP) -> int:
        """Return how many records of an input partition were counted."""
        return sum(self._counts.get(tp.name, {}).values())

    def copy(self) -> dict[str, dict[str, int]]:
        """Return a copy of the counts, by `topic-partition`."""
        return {name: dict(counts) for name, counts in self._counts.items()}
