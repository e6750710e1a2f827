"""What became of every record consumed: the sum that must always add up (architecture, 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from streams.runtime.ports import TP

Disposition = Literal["applied", "duplicate", "dead_lettered", "forwarded"]
DISPOSITIONS: Final[tuple[Disposition, ...]] = get_args(Disposition)


class Dispositions:
    """Counts by input partition; consumed = applied + duplicate + dead_lettered + forwarded."""

    def __init__(self, counts: Mapping[str, Mapping[str, int]] | None = None) -> None:
        """Go on from the counts of a checkpoint."""
        self._counts = {name: dict(dispositions) for name, dispositions in (counts or {}).items()}
        self._of: dict[TP, dict[str, int]] = {}
        """The same counts, found without making a name of the partition for each record."""

    def add(self, tp: TP, disposition: Disposition) -> None:
        """Count one record."""
        dispositions = self._of.get(tp)
        if dispositions is None:
            dispositions = self._of[tp] = self._counts.setdefault(tp.name, {})
        dispositions[disposition] = dispositions.get(disposition, 0) + 1

    def consumed(self, tp: TP) -> int:
        """Return how many records of an input partition are counted."""
        return sum(self._counts.get(tp.name, {}).values())

    def copy(self) -> dict[str, dict[str, int]]:
        """Return the counts as they are now."""
        return {name: dict(dispositions) for name, dispositions in self._counts.items()}
