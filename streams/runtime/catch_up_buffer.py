"""Holds records back while a new owner reads again what the last owner had read.

Outputs of the last owner may rest on any of these records, so nothing is published before all of them are processed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final

from schemas.codec.limits import record_size
from streams.runtime.ports import TP, Batches, Incoming
from streams.runtime.positions import has_reached

HELD_BYTES_MAX: Final = 8 * 1024 * 1024
"""How many bytes of a partition are held before no more of it is fetched."""


class CatchUpBuffer:
    """Holds records beyond the last owner's positions until all before them are read.

    If they were processed earlier, a record that the last owner accepted could be refused.

    `until` has the last owner's positions by `topic-partition`; with none, nothing is held. `records_max` is how many
    records of a partition are held before no more of it is fetched.
    """

    def __init__(self, until: Mapping[str, int], records_max: int) -> None:
        self._until = until
        self._records_max = records_max
        self._held: list[tuple[TP, Sequence[Incoming]]] = []
        self._held_records: Counter[TP] = Counter()
        self._held_bytes: Counter[TP] = Counter()

    def is_active(self, positions: Mapping[str, int]) -> bool:
        """Return whether `positions`, the next offsets to process, have yet to reach the last owner's."""
        return bool(self._until) and not has_reached(positions, self._until)

    def before(self, batches: Batches) -> Batches:
        """Return the records that the last owner had read; hold the others."""
        before: list[tuple[TP, Sequence[Incoming]]] = []
        for tp, records in batches:
            count = bisect_left(records, self._until.get(tp.name, 0), key=attrgetter("offset"))
            if count:
                before.append((tp, records[:count]))
            if held := records[count:]:
                self._held.append((tp, held))
                self._held_records[tp] += len(held)
                self._held_bytes[tp] += sum(record_size(each.value, each.key, each.headers) for each in held)
        return before

    @property
    def passed(self) -> dict[str, int]:
        """The last owner's positions in partitions with held records: everything before those has been returned.

        Such a position can lie behind a transaction marker, and no record shows that a marker was passed.
        """
        return {tp.name: self._until.get(tp.name, 0) for tp in self._held_records}

    def wants_more(self, tp: TP) -> bool:
        """Return whether to fetch more of a partition; if not, all that the last owner read of it has been returned."""
        return self._held_records[tp] < self._records_max and self._held_bytes[tp] < HELD_BYTES_MAX

    def release(self) -> Batches:
        """Return the held records and clear the buffer."""
        held, self._held = self._held, []
        self._held_records.clear()
        self._held_bytes.clear()
        return held
