"""Kafka as a task sees it: partitions, transactions with their markers, fencing, reads of committed records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from schemas.codec.headers import Headers
from schemas.errors import Fenced, Unpublishable
from streams.runtime.ports import TP, Outgoing, Stored

READ_MAX = 7

Pause = Callable[[], Awaitable[None]]
"""Awaited wherever the real client would wait; it never returns to an owner that was killed."""


async def no_pause() -> None:
    """Do not wait."""


TransactionEnd = Literal["committed", "aborted"]


@dataclass(slots=True)
class _Transaction:
    touched: set[TP] = field(default_factory=set)
    ends: dict[TP, TransactionEnd] = field(default_factory=dict)
    """How it ended, by partition in which it has ended."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record, or None for a transaction marker; `transaction` is None for a producer without transactions."""

    record: Stored | None
    transaction: _Transaction | None


class SimulatedKafka:
    """All partitions of a broker; `now_ms` stamps the records."""

    def __init__(self, now_ms: Callable[[], int] = lambda: 0, *, message_bytes_max: int = 8 * 1024 * 1024) -> None:
        self.message_bytes_max = message_bytes_max
        self.forgets: Callable[[TP], bool] = lambda _: False
        """Whether a committed transaction is left open in a partition until the next one of its id ends there."""
        self.tells_which = True
        """Whether a refusal says which record it is about, and not only which transaction."""
        self.refuses: Callable[[Outgoing], bool] = lambda _: False
        """Whether a record is refused for its content."""
        self._now_ms = now_ms
        self._partitions: defaultdict[TP, list[_Entry]] = defaultdict(list)
        self._earliest: dict[TP, int] = {}
        self._stable: dict[TP, int] = {}
        """The last stable offsets when they were asked for last; they only grow."""
        self._epochs: dict[str, int] = {}
        self._open: dict[str, _Transaction] = {}
        self._forgotten: defaultdict[tuple[str, TP], list[_Transaction]] = defaultdict(list)

    def append(self, tp: TP, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """Append a record of a producer without transactions."""
        self._append(tp, key, value, headers, None)

    @property
    def delivered(self) -> list[tuple[TP, Stored]]:
        """The records of producers without transactions, by partition."""
        return [
            (tp, entry.record)
            for tp, entries in sorted(self._partitions.items())
            for entry in entries
            if entry.record is not None and entry.transaction is None
        ]

    def delete_before(self, tp: TP, offset: int) -> None:
        """Delete the records before an offset."""
        self._earliest[tp] = max(offset, self._earliest.get(tp, 0))

    def truncate(self, tp: TP, end: int) -> None:
        """Lose the records from an offset on, as a partition does after an unclean leader election."""
        del self._partitions[tp][end:]
        self._stable.pop(tp, None)

    def recreate(self, tp: TP) -> None:
        """Empty a partition, as when its topic is deleted and created again."""
        for each in (self._partitions, self._earliest, self._stable):
            each.pop(tp, None)

    def initialise(self, transactional_id: str) -> int:
        """Fence the last producer of the id, abort its open transaction, and return the new epoch."""
        if transactional_id in self._open:
            self._end(transactional_id, "aborted", self._open[transactional_id].touched)
        epoch = self._epochs[transactional_id] = self._epochs.get(transactional_id, -1) + 1
        return epoch

    def add(self, transactional_id: str, epoch: int, record: Outgoing) -> int:
        """Add a record to the transaction of the id, which is begun if there is none; return its offset."""
        self._check(transactional_id, epoch)
        if len(record.value) > self.message_bytes_max or self.refuses(record):
            reason = f"{record.topic} accepts no record of {len(record.value)} bytes"
            raise Unpublishable(reason, about=record.about, is_certain=self.tells_which)
        transaction = self._open.setdefault(transactional_id, _Transaction())
        tp = TP(record.topic, record.partition)
        transaction.touched.add(tp)
        return self._append(tp, record.key, record.value or None, record.headers, transaction)

    def commit(self, transactional_id: str, epoch: int) -> None:
        """Commit the transaction of the id."""
        self._check(transactional_id, epoch)
        touched = self._open[transactional_id].touched if transactional_id in self._open else ()
        self._end(transactional_id, "committed", [tp for tp in sorted(touched) if not self.forgets(tp)])

    def abort(self, transactional_id: str, epoch: int) -> None:
        """Abort the transaction of the id."""
        self._check(transactional_id, epoch)
        if transactional_id in self._open:
            self._end(transactional_id, "aborted", self._open[transactional_id].touched)

    def bounds(self, tp: TP) -> tuple[int, int]:
        """Return the log start offset and the last stable offset."""
        entries, end = self._partitions[tp], self._stable.get(tp, 0)
        while end < len(entries) and ((of := entries[end].transaction) is None or tp in of.ends):
            end += 1
        self._stable[tp] = end
        return self._earliest.get(tp, 0), end

    def is_open(self, tp: TP) -> bool:
        """Return whether a partition has records of a transaction that has not ended there."""
        return self.bounds(tp)[1] < len(self._partitions[tp])

    def committed(self, tp: TP, start: int = 0, end: int | None = None) -> list[Stored]:
        """Return the records that a `read_committed` consumer sees between two offsets."""
        earliest, stable = self.bounds(tp)
        return self._visible(tp, max(start, earliest), stable if end is None else min(end, stable))

    def uncommitted(self, tp: TP) -> list[Stored]:
        """Return the records that such a consumer does not see yet, whatever becomes of their transactions."""
        return [entry.record for entry in self._partitions[tp][self.bounds(tp)[1] :] if entry.record]

    def ever_committed(self, tp: TP) -> list[Stored]:
        """Return the records that such a consumer could ever have seen, expired or not."""
        return self._visible(tp, 0, self.bounds(tp)[1])

    def is_committed_in(self, other: TP, tp: TP, offset: int) -> bool:
        """Return whether the transaction of a record was committed in another partition too."""
        transaction = self._partitions[tp][offset].transaction
        return transaction is not None and transaction.ends.get(other) == "committed"

    def _visible(self, tp: TP, start: int, end: int) -> list[Stored]:
        entries = self._partitions[tp][start:end]
        return [
            entry.record
            for entry in entries
            if entry.record and (entry.transaction is None or entry.transaction.ends.get(tp) == "committed")
        ]

    def count(self, topics: Collection[str]) -> int:
        """Return how many records of some topics are committed."""
        return sum(len(self.committed(tp)) for tp in list(self._partitions) if tp.topic in topics)

    def _check(self, transactional_id: str, epoch: int) -> None:
        if self._epochs.get(transactional_id) != epoch:
            raise Fenced(f"{transactional_id}: epoch {epoch} is fenced")

    def _end(self, transactional_id: str, end: TransactionEnd, where: Collection[TP]) -> None:
        transaction = self._open.pop(transactional_id, _Transaction())  # none is open if a new owner has aborted it
        for tp in sorted(transaction.touched):
            hanging = self._forgotten[transactional_id, tp]
            hanging.append(transaction)
            if tp in where:
                for each in hanging:
                    each.ends[tp] = end
                hanging.clear()
                self._partitions[tp].append(_Entry(None, None))

    def _append(
        self,
        tp: TP,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        transaction: _Transaction | None,
    ) -> int:
        entries = self._partitions[tp]
        entries.append(_Entry(Stored(len(entries), key, value, tuple(headers), self._now_ms()), transaction))
        return len(entries) - 1


class SimulatedPublisher:
    """See `streams.runtime.ports.Publisher`."""

    def __init__(self, kafka: SimulatedKafka, transactional_id: str, pause: Pause = no_pause) -> None:
        self._kafka = kafka
        self._id = transactional_id
        self._pause = pause
        self._epoch = -1

    async def start(self) -> None:
        """Fence earlier owners."""
        await self._pause()
        self._epoch = self._kafka.initialise(self._id)
        await self._pause()

    async def publish(self, records: Sequence[Outgoing]) -> Mapping[TP, int]:
        """Publish in one transaction."""
        ends: dict[TP, int] = {}
        epoch, self._epoch = self._epoch, -1  # until it is committed: no other transaction may follow half of this one
        await self._pause()
        try:
            for record in records:
                ends[TP(record.topic, record.partition)] = self._kafka.add(self._id, epoch, record) + 1
        except Unpublishable:
            self._kafka.abort(self._id, epoch)
            self._epoch = epoch
            raise
        await self._pause()
        self._kafka.commit(self._id, epoch)
        self._epoch = epoch
        await self._pause()
        return ends

    async def abort(self, tps: Sequence[TP]) -> None:
        """Abort a transaction in partitions, and with it those left open there."""
        epoch, self._epoch = self._epoch, -1
        for tp in tps:
            self._kafka.add(self._id, epoch, Outgoing(*tp, b"", b""))
        await self._pause()
        self._kafka.abort(self._id, epoch)
        self._epoch = epoch
        await self._pause()

    async def stop(self) -> None:
        """Disconnect."""
        await self._pause()


class SimulatedLog:
    """See `streams.runtime.ports.OutputLog`."""

    def __init__(self, kafka: SimulatedKafka, pause: Pause = no_pause) -> None:
        self._kafka = kafka
        self._pause = pause

    async def read(self, tp: TP, start: int) -> AsyncIterator[list[Stored]]:
        """Yield the committed records, a few at a time."""
        await self._pause()
        _, end = self._kafka.bounds(tp)
        found = self._kafka.committed(tp, start, end)
        for first in range(0, len(found), READ_MAX):
            await self._pause()
            yield found[first : first + READ_MAX]

    async def bounds(self, tps: Sequence[TP]) -> Mapping[TP, tuple[int, int]]:
        """Return the bounds of the partitions."""
        await self._pause()
        return {tp: self._kafka.bounds(tp) for tp in tps}

    async def hanging_transactions(self, tps: Sequence[TP]) -> list[TP]:
        """Return the partitions in which a transaction is open."""
        await self._pause()
        return [tp for tp in tps if self._kafka.is_open(tp)]

    async def read_hanging(self, tp: TP) -> AsyncIterator[list[Stored]]:
        """Yield the records from the last stable offset on."""
        await self._pause()
        if found := self._kafka.uncommitted(tp):
            yield found
