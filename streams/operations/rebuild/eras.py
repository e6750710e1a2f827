"""When the state was rebuilt: between two rebuilds all that is written about a case lies in one partition.

So the rebuild between two records in different partitions tells which came first. Timestamps come from the clocks of
several machines, which may disagree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from streams.runtime.ports import TP, OutputLog
from streams.runtime.progress import REBUILT_KEY


class Rebuilt(Struct, frozen=True):
    """What each rebuild leaves on a partition of `internal.progress`, under `REBUILT_KEY`."""

    ends: dict[int, dict[str, int]] = {}
    """Where this partition number's partitions ended, by the ordinal of the rebuild and by `topic-partition`."""


async def read_rebuilt(log: OutputLog, tp: TP) -> Rebuilt:
    """Return what the last rebuild left on a partition of `internal.progress`, nothing if there was none."""
    found = Rebuilt()
    async for records in log.read(tp, 0):
        for record in records:
            if record.key == REBUILT_KEY and record.value is not None:
                found = msgspec.json.decode(record.value, type=Rebuilt)
    return found


class Eras:
    """Counts the rebuilds before a record."""

    def __init__(self, rebuilt: Sequence[Rebuilt]) -> None:
        """Take what was left on each partition; a rebuild that did not come to its end may be missing on some."""
        self.last = max((ordinal for each in rebuilt for ordinal in each.ends), default=0)
        """The ordinal of the last rebuild, 0 if there was none."""
        self._begun: dict[str, list[tuple[int, int]]] = {}
        """The first offset and the ordinal of every era of a partition, by `topic-partition`."""
        for each in rebuilt:
            for ordinal, ends in sorted(each.ends.items()):
                for name, end in ends.items():
                    self._begun.setdefault(name, []).append((end, ordinal))

    def at(self, tp: TP, offset: int) -> int:
        """Return the ordinal of the last rebuild before a record, 0 if there was none."""
        begun = self._begun.get(tp.name, [])
        place = bisect_right(begun, (offset, self.last))
        return begun[place - 1][1] if place else 0
