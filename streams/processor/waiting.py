"""What waits for the store: records and names whose state may be there, while it cannot be asked.

The rest goes on, so that a store which is away delays only what nobody can decide without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from schemas.codec.limits import record_size
from streams.processor.decoder import DecodedRecord, subjects_of
from streams.processor.subject import Subjects

WAITING_BYTES_MAX: Final = 16 * 1024 * 1024
"""How many bytes of records wait for one partition number before no more is fetched for it."""


class Waiting:
    """The records that wait, in the order in which they came, and the names to evaluate."""

    def __init__(self) -> None:
        self.subjects = Subjects()
        """What the records are about. Nothing of it may be loaded without them: its state would lack what was read."""
        self.names = Subjects()
        """What is to be evaluated without a record for it."""
        self.counts: Counter[str] = Counter()
        """How many records wait, by `topic-partition`."""
        self._records: list[DecodedRecord] = []
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._records) or bool(self.names)

    @property
    def is_full(self) -> bool:
        """Whether too much waits for more to be fetched."""
        return self._bytes >= WAITING_BYTES_MAX

    def hold(self, decoded: Sequence[DecodedRecord], absent: Subjects) -> Sequence[DecodedRecord]:
        """Keep the records about what is absent; return what can be applied now, in the order in which it came.

        `absent` is what the store was asked for in vain, among it `subjects`; if nothing is, no record waits any more.
        """
        if not absent:
            ready = [*self._records, *decoded] if self._records else decoded
            self._records, self._bytes, self.subjects = [], 0, Subjects()
            self.counts.clear()
            return ready
        ready = []
        for each in decoded:
            about = subjects_of([each])
            if about & absent:
                self._records.append(each)
                self.counts[each.tp.name] += 1
                self._bytes += record_size(each.record.value, each.record.key, each.record.headers)
                self.subjects.update(about)
            else:
                ready.append(each)
        return ready
