"""What a new owner has to read again before it may say anything: all that the last one had taken into account."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final

from streams.runtime.ports import TP, Batches, Incoming, bytes_in_memory
from streams.runtime.positions import has_reached

AHEAD_BYTES_MAX: Final = 8 * 1024 * 1024
"""How many bytes of a partition are kept before no more of it is wanted."""


class CatchUpBuffer:
    """Keeps what lies further on until the rest is read.

    Else it could come before something that was accepted, and have that refused this time.
    """

    def __init__(self, until: Mapping[str, int], ahead_max: int) -> None:
        """Take the next offsets that the last owner would have read, by `topic-partition`; none: nothing is held.

        `ahead_max` is how many records of a partition are kept before no more of it are wanted.
        """
        self._until = until
        self._ahead_max = ahead_max
        self._ahead: list[tuple[TP, Sequence[Incoming]]] = []
        self._ahead_counts: Counter[TP] = Counter()
        self._ahead_bytes: Counter[TP] = Counter()

    def lasts(self, positions: Mapping[str, int]) -> bool:
        """Tell whether some of it is still to be read, of which the next offsets are given."""
        return bool(self._until) and not has_reached(positions, self._until)

    def before(self, batches: Batches) -> Batches:
        """Return of batches what the last owner had read too; keep the rest."""
        before: list[tuple[TP, Sequence[Incoming]]] = []
        for tp, records in batches:
            count = bisect_left(records, self._until.get(tp.name, 0), key=attrgetter("offset"))
            if count:
                before.append((tp, records[:count]))
            if count < len(records):
                self._ahead.append((tp, records[count:]))
                self._ahead_counts[tp] += len(records) - count
                self._ahead_bytes[tp] += sum(map(bytes_in_memory, records[count:]))
        return before

    @property
    def passed(self) -> dict[str, int]:
        """Where partitions have been read to again of which something is kept: all that came before it was returned.

        The last owner may have stood behind a transaction's marker, which no record says to have been passed.
        """
        return {tp.name: self._until.get(tp.name, 0) for tp in self._ahead_counts}

    def wants(self, tp: TP) -> bool:
        """Tell whether more of a partition may come; where it may not, all of it is read that was to be read again."""
        return self._ahead_counts[tp] < self._ahead_max and self._ahead_bytes[tp] < AHEAD_BYTES_MAX

    def release(self) -> Batches:
        """Return and forget what was kept."""
        ahead, self._ahead = self._ahead, []
        self._ahead_counts.clear()
        self._ahead_bytes.clear()
        return ahead
