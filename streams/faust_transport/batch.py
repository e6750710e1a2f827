"""Batches: what an agent receives, who says where reading starts, and the bounds on both.

A batch is a run of records of one partition, in the order of the log. Offsets inside it may have gaps, since
compaction, aborted transactions and transaction markers leave some.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from faust.types import TP

from streams.kafka.record_batches import Record
from streams.runtime.ports import bytes_in_memory


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive records of one partition, never empty.

    `tp` is (topic, partition). `next_offset` is where reading goes on after it, at least the last offset plus one.
    `generation` is that of the consumer group under which it was read.
    """

    tp: TP
    records: Sequence[Record]
    next_offset: int
    generation: int


class Ends(NamedTuple):
    """Where a partition ends: behind what can be read, and behind what another producer may still commit."""

    stable: int
    last: int


Handler = Callable[[Batch], Awaitable[None]]


class OffsetProvider(Protocol):
    """Decides where reading starts and how far the group's offsets may go.

    `assigned` and `revoked` come in pairs, one pair per generation of the group, also when nothing was assigned and
    when `assigned` was cancelled. All are called in the event loop that runs the agents.
    """

    async def assigned(self, tps: frozenset[TP]) -> Mapping[TP, int]:
        """Return the next offset to read for each of `tps`, the whole assignment; one left out starts at the earliest.

        Nothing of `tps` is delivered before this has returned, however long it takes. It is cancelled when the
        partitions go again meanwhile. An exception stops the worker.
        """
        ...

    async def revoked(self, tps: frozenset[TP]) -> None:
        """Let go of `tps`, the whole assignment. No handler is at work any more and none of it is delivered later.

        Called before the group hears that the partitions are free, except where it took them away already. Has to
        return within `BatchOptions.release_s`; an exception or more time stops the worker.
        """
        ...

    def wants(self, tp: TP) -> bool:
        """Tell whether more of `tp` may be fetched; asked again within a second, and before every fetch.

        What is fetched already still comes. Without it only the handlers hold back what comes, and those of one topic
        hold back the others of their partition number.
        """
        ...

    def passed(self, tp: TP, offset: int) -> None:
        """Hear where reading of `tp` goes on, all records before it having been handled.

        That can be after the last of them: markers of transactions and records of aborted ones take offsets too.
        """
        ...

    def skipped(self, tp: TP, first: int, end: int) -> None:
        """Hear that the records of `tp` from `first` to before `end` were deleted before they were read.

        An exception stops the worker; otherwise reading goes on at `end`.
        """
        ...

    def committable(self, tp: TP) -> int | None:
        """Return the offset up to which, exclusive, `tp` is safely recorded; None when nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Bounds of the transport; the defaults suit records of up to a few kilobytes.

    `records_max` and `bytes_max` bound a batch; keys, values and headers count, and a single larger record still makes
    one. `in_flight_max` is how many batches of one partition may be under way to or in the handler. `fetch_wait_ms` is
    how long the broker may hold back a fetch that finds nothing. `drain_s` is how long a handler may go on once its
    partition is to go, `release_s` how long the keeper may take to let go, `commit_s` how long an offset commit may
    take.
    """

    records_max: int = 1_000
    bytes_max: int = 1 << 20
    in_flight_max: int = 2
    fetch_wait_ms: int = 50
    drain_s: float = 10.0
    release_s: float = 10.0
    commit_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse bounds under which nothing could ever be delivered; raises ValueError."""
        for name in ("records_max", "bytes_max", "in_flight_max", "fetch_wait_ms", "drain_s", "release_s", "commit_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} has to be positive, not {getattr(self, name)}")


class TransportError(Exception):
    """The transport cannot go on without losing, skipping or repeating what it must not."""


def cut(tp: TP, records: Sequence[Record], position: int, generation: int, options: BatchOptions) -> Iterator[Batch]:
    """Yield `records` of `tp`, at least one, as batches within the bounds of `options`, in their order.

    `position` is where reading goes on after all of them.
    """
    first, size = 0, 0
    for index, record in enumerate(records):
        held = bytes_in_memory(record)
        if index > first and (index - first >= options.records_max or size + held > options.bytes_max):
            yield Batch(tp, records[first:index], records[index - 1].offset + 1, generation)
            first, size = index, 0
        size += held
    yield Batch(tp, records[first:], position, generation)
