"""How far the workers and the read model have read; instants are in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streams.runtime.ports import TP


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """What the workers published last about an input partition (`streams.runtime.progress.Progress`).

    Nothing is lost if the dispositions add up to `consumed`. `counted_at` is when they were published.
    """

    tp: TP
    position: int
    consumed: int
    dispositions: Mapping[str, int]
    counted_at: int

    @property
    def is_accounted_for(self) -> bool:
        """Whether every record consumed is counted with what became of it."""
        return sum(self.dispositions.values()) == self.consumed


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """How far the read model has read a partition: the next offset, and how many records it wrote and passed over.

    `skipped` counts values that could not be read. `newest_at` is when the latest record was published (0: none).
    """

    tp: TP
    topic_id: str
    offset: int
    records: int
    skipped: int
    newest_at: int
