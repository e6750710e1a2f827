"""What the topics contain about the cases and partners of one partition number, in whichever partition it lies."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import Struct, structs

from agents.sops import catalogue
from schemas.codec.encoder import decode_dead_letter
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import Event
from schemas.outputs import AlertMessage
from schemas.timestamps import LATEST_US
from schemas.topics import Topics
from streams.processor.decoder import RecordDecoder, RecordId, partition_of
from streams.processor.internal_messages import (
    AnswerMessage,
    Forwarded,
    QueryMessage,
    Reopened,
    ToWatch,
    pack,
    unpack,
)
from streams.processor.subject import alert_subject
from streams.runtime.ports import TP, OutputLog, Stored
from streams.runtime.positions import advance_to
from streams.runtime.progress import REBUILT_KEY, Progress

Records = tuple[TP, list[Stored]]
Message = TypeVar("Message")


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

    Between two rebuilds, everything written about a case is in one partition. So if a rebuild lies between two records
    in different partitions, it tells which came first. Timestamps do not: they come from several machines' clocks.

    A rebuild that was interrupted may be missing in some of the records.
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


@dataclass(frozen=True, slots=True)
class LastOwners:
    """How far the last owners came, and what became of single records."""

    progress: Sequence[Progress]
    """The latest progress, by partition number."""
    dead_letters: Mapping[RecordId, Stored]
    forwarded_unread: frozenset[RecordId]
    """Records forwarded to another partition number, whose owner has not read them."""
    past_rebuilds: PastRebuilds


def _decoded(decode: Callable[[bytes], Message], record: Stored) -> Message | None:
    """Return the message in a record, None if no worker wrote it."""
    try:
        return decode(record.value or b"")
    except InvalidMessage:
        return None


async def read_last_owners(
    log: OutputLog, topics: Topics, progress: Sequence[Progress], past_rebuilds: PastRebuilds
) -> LastOwners:
    """Return what became of the records up to the last owners' positions."""
    dead_letters: dict[RecordId, Stored] = {}
    unread: set[RecordId] = set()
    for number, each in enumerate(progress):
        async for records in log.read(tp := TP(topics.dead_letters, number), 0):
            for record in records:
                letter = _decoded(decode_dead_letter, record)
                if letter is not None and record.offset >= each.recreated_topics.get(letter.topic, {}).get(tp.name, 0):
                    dead_letters[letter.topic, letter.partition, letter.offset] = record
        for tp in (TP(topics.cases, number), TP(topics.partners, number)):
            async for records in log.read(tp, each.positions.get(tp.name, 0)):
                for message in (_decoded(unpack, record) for record in records):
                    if isinstance(message, Forwarded):
                        unread.add((message.topic, message.partition, message.offset))
    return LastOwners(progress, dead_letters, frozenset(unread - dead_letters.keys()), past_rebuilds)


class KafkaHistory:
    """Reads the records about one partition number's cases and partners, up to the last owners' positions."""

    def __init__(self, number: int, topics: Topics, limits: Limits, log: OutputLog, last_owners: LastOwners) -> None:
        self._number = number
        self._topics = topics
        self._decoder = RecordDecoder(topics, limits)
        self._log = log
        self._last_owners = last_owners
        self._positions: dict[str, int] = {}
        for progress in last_owners.progress:
            advance_to(self._positions, progress.positions)

    async def outputs(self, topic: str) -> list[Stored]:
        """Return the records of an output topic other than the dead letters, in the order of their emission."""

        def own(record: Stored) -> Stored | None:
            message = _decoded(catalogue.decode_message, record)
            if message is None:
                return None
            of = alert_subject(message).id if isinstance(message, AlertMessage) else message.body.case_id
            return record if self._is_own(of) else None

        return [record for _, record in await self._merged(topic, own)]

    async def answers(self) -> list[tuple[TP, Stored]]:
        """Return the presence answers, without the positions of former location agents, and reopened cases in order."""

        def own(record: Stored) -> Stored | None:
            message = _decoded(unpack, record)
            if isinstance(message, Reopened):
                return record if self._is_own((record.key or b"").decode()) else None
            if not isinstance(message, AnswerMessage) or not self._is_own(message.answer.query.case_id):
                return None
            return record._replace(value=pack(AnswerMessage(structs.replace(message.answer, made_at={}))))

        return await self._merged(self._topics.cases, own)

    async def to_watches(self) -> list[tuple[TP, Stored]]:
        """Return the messages to watches in their order."""

        def own(record: Stored) -> Stored | None:
            message = _decoded(unpack, record)
            return record if isinstance(message, ToWatch) and self._is_own(message.content.watch) else None

        return await self._merged(self._topics.watches, own)

    def presence_queries(self) -> AsyncIterator[Records]:
        """Yield the presence queries about partners."""

        def is_own_query(_: TP, record: Stored) -> bool:
            message = _decoded(unpack, record)
            return isinstance(message, QueryMessage) and self._is_own(message.query.partner_id)

        return self._selected(self._topics.partners, is_own_query)

    def events(self, topic: str) -> AsyncIterator[Records]:
        """Yield the accepted events of an input topic."""

        def is_read(tp: TP, record: Stored) -> bool:
            if record.offset >= self._positions.get(tp.name, 0):
                return False
            is_unread = (*tp, record.offset) in self._last_owners.forwarded_unread
            return not is_unread and self._is_accepted(tp, record)

        return self._selected(topic, is_read)

    async def forwarded_events(self, topic: str) -> AsyncIterator[Records]:
        """Yield the events forwarded through an internal topic as first consumed; those not read yet come last."""
        unread: list[Records] = []
        async for tp, records in self._all(topic):
            for record in records:
                first = self._decoder.decode(tp, record, 0).forwarded_from
                if first is None:
                    continue
                at = TP(first.topic, first.partition)
                stored = Stored(first.offset, first.key, first.value, first.headers, first.timestamp)
                if self._is_accepted(at, stored):
                    if first.record_id in self._last_owners.forwarded_unread:
                        unread.append((at, [stored]))
                    else:
                        yield at, [stored]
        for each in unread:
            yield each

    def dead_letters_ahead(self) -> Iterator[Stored]:
        """Yield the dead letters of records that the number's next owner will read again."""
        for (topic, partition, offset), letter in self._last_owners.dead_letters.items():
            if partition == self._number and offset >= self._positions.get(TP(topic, partition).name, 0):
                yield letter

    def _is_accepted(self, tp: TP, record: Stored) -> bool:
        if (*tp, record.offset) in self._last_owners.dead_letters:
            return False
        content = self._decoder.decode(tp, record, LATEST_US).content
        return isinstance(content, Event) and self._is_own(content.subject)

    def _is_own(self, subject: str) -> bool:
        return partition_of(subject, len(self._last_owners.progress)) == self._number

    async def _all(self, topic: str) -> AsyncIterator[Records]:
        bounds = await self._log.bounds([TP(topic, number) for number in range(len(self._last_owners.progress))])
        for tp, (start, end) in sorted(bounds.items()):
            if start < end:  # reading an empty partition costs as much as asking for all bounds
                async for records in self._log.read(tp, start):
                    yield tp, records

    async def _selected(self, topic: str, includes: Callable[[TP, Stored], bool]) -> AsyncIterator[Records]:
        async for tp, records in self._all(topic):
            yield tp, [record for record in records if includes(tp, record)]

    async def _merged(self, topic: str, select: Callable[[Stored], Stored | None]) -> list[tuple[TP, Stored]]:
        """Return the selected records of all partitions, ordered by the rebuilds between them; partitions keep theirs.

        Timestamps decide only where version 0.1 went on without a rebuild.
        """
        past_rebuilds = self._last_owners.past_rebuilds
        runs: dict[TP, list[tuple[tuple[int, int, TP], Stored]]] = {}
        async for tp, records in self._all(topic):
            run = runs.setdefault(tp, [])
            for record in records:
                if (selected := select(record)) is not None:
                    at = max(selected.timestamp, run[-1][0][1] if run else 0)
                    run.append(((past_rebuilds.before(tp, selected.offset), at, tp), selected))
        return [(tp, record) for (_, _, tp), record in heapq.merge(*runs.values(), key=lambda each: each[0])]
