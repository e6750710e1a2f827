"""Batches and their limits, and the interface that decides where reading starts.

A batch is a run of records of one partition in log order. Its offsets can have gaps, which compaction, aborted
transactions and transaction markers leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from faust.types import TP

from schemas.codec.limits import record_size
from streams.kafka.record_batches import Record


class BatchAssignment(Protocol):
    """The assignment under which a batch was read (`streams.faust_transport.assignment.Assignment`)."""

    generation: int

    def dispatch(self, batch: Batch, handler: Handler) -> None:
        """Hand a batch to its handler, unless the assignment is over."""

    def done(self, batch: Batch) -> None:
        """Make room for another batch of the partition."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Consecutive records of one partition, at least one.

    `tp` is (topic, partition). `next_offset` is where reading continues after the batch, at least the last offset plus
    one. `assignment` is the assignment under which it was read.
    """

    tp: TP
    records: Sequence[Record]
    next_offset: int
    assignment: BatchAssignment

    def done(self) -> None:
        """Make room for another batch of the partition; call it in the event loop once this one no longer waits."""
        self.assignment.done(self)


class EndOffsets(NamedTuple):
    """The last stable offset of a partition and its high watermark; open transactions lie between them."""

    stable: int
    last: int


Handler = Callable[[Batch], None]


class OffsetProvider(Protocol):
    """Decides where reading starts and how far the group's offsets may advance.

    `on_assigned` and `on_revoked` are called in pairs, one pair for each generation of the group, even when nothing was
    assigned or `on_assigned` was cancelled. All methods are called in the event loop that runs the agents.
    """

    async def on_assigned(self, tps: frozenset[TP]) -> Mapping[TP, int]:
        """Return the next offset to read of each of `tps`, the whole assignment; omitted ones start at the earliest.

        No record of `tps` is delivered before this returns, however long that takes. The call is cancelled when the
        partitions are revoked in the meantime. An exception stops the worker.
        """
        ...

    async def on_revoked(self, tps: frozenset[TP]) -> None:
        """Finish the work on batches of `tps`, the whole assignment. No batch of them is delivered any more.

        Called before the group gives the partitions to another member, unless it has already taken them away. An
        exception, or more than `BatchOptions.release_s`, stops the worker.
        """
        ...

    def wants_more(self, tp: TP) -> bool:
        """Return whether to fetch more of `tp`; called before every fetch, at least once a second.

        Records that were fetched before are still delivered.
        """
        ...

    def on_position(self, tp: TP, offset: int) -> None:
        """Note that reading of `tp` continues at `offset` and that the handler has received every record before it.

        The offset can lie beyond the last record: transaction markers and aborted records take offsets too.
        """
        ...

    def on_offsets_deleted(self, tp: TP, first: int, end: int) -> None:
        """Accept that the records of `tp` from `first` to before `end` were deleted before they were read.

        Reading continues at `end`; an exception stops the worker instead.
        """
        ...

    def committable(self, tp: TP) -> int | None:
        """Return the offset before which all of `tp` is safely recorded; None when nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Limits of the transport; the defaults suit records of up to a few kilobytes.

    `records_max` and `bytes_max` (keys, values and headers) limit a batch; a single larger record still makes one.
    A partition is fetched only while fewer than `in_flight_max` of its batches are not done. `fetch_wait_ms` is how
    long the broker may wait for records before it answers a fetch, `release_s` how long the offset provider may take to
    release partitions, `commit_s` how long an offset commit may take.
    """

    records_max: int = 1_000
    bytes_max: int = 1 << 20
    in_flight_max: int = 4
    fetch_wait_ms: int = 50
    release_s: float = 10.0
    commit_s: float = 5.0

    def __post_init__(self) -> None:
        """Raise ValueError for a limit under which nothing could ever be delivered."""
        for name in ("records_max", "bytes_max", "in_flight_max", "fetch_wait_ms", "release_s", "commit_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")


class TransportError(Exception):
    """The transport cannot go on without losing, skipping or repeating records."""


def split(
    tp: TP, records: Sequence[Record], position: int, assignment: BatchAssignment, options: BatchOptions
) -> Iterator[Batch]:
    """Yield `records` of `tp`, at least one, in order, as batches within the limits of `options`.

    `position` is where reading continues after all of them.
    """
    first, size = 0, 0
    for index, record in enumerate(records):
        added = record_size(record.value, record.key, record.headers)
        if index > first and (index - first >= options.records_max or size + added > options.bytes_max):
            yield Batch(tp, records[first:index], records[index - 1].offset + 1, assignment)
            first, size = index, 0
        size += added
    yield Batch(tp, records[first:], position, assignment)
