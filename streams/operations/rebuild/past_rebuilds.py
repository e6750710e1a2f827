"""When the state was rebuilt: between two rebuilds, everything written about a case is in one partition.

So if a rebuild lies between two records in different partitions, it tells which came first. Timestamps do not, since
they come from the clocks of several machines.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from streams.runtime.ports import TP, OutputLog
from streams.runtime.progress import REBUILT_KEY


class RebuildRecord(Struct, frozen=True):
    """The record that rebuilds leave on a partition of `internal.progress`, with the key `REBUILT_KEY`."""

    ends: dict[int, dict[str, int]] = {}
    """By the ordinal of the rebuild and `topic-partition`: where the partitions of this number ended."""


async def read_rebuild_record(log: OutputLog, tp: TP) -> RebuildRecord:
    """Return the last such record on a partition of `internal.progress`, an empty one if there is none."""
    found = RebuildRecord()
    async for records in log.read(tp, 0):
        for record in records:
            if record.key == REBUILT_KEY and record.value is not None:
                found = msgspec.json.decode(record.value, type=RebuildRecord)
    return found


class PastRebuilds:
    """Finds the last rebuild before a record, from the records of all partitions.

    A rebuild that was interrupted may be missing in some of them.
    """

    def __init__(self, records: Sequence[RebuildRecord]) -> None:
        self.last = max((ordinal for each in records for ordinal in each.ends), default=0)
        """The ordinal of the last rebuild, 0 if there was none."""
        self._ends: dict[str, list[tuple[int, int]]] = {}
        """By `topic-partition`: where it ended at each rebuild, and the ordinal of that rebuild."""
        for each in records:
            for ordinal, ends in sorted(each.ends.items()):
                for name, end in ends.items():
                    self._ends.setdefault(name, []).append((end, ordinal))

    def before(self, tp: TP, offset: int) -> int:
        """Return the ordinal of the last rebuild before a record, 0 if there was none."""
        ends = self._ends.get(tp.name, [])
        index = bisect_right(ends, (offset, self.last))
        return ends[index - 1][1] if index else 0
