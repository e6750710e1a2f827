"""What the topics hold for the cases and partners of one partition number, whichever partition it lies in."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec import structs

from schemas.codec.encoder import decode_dead_letter, decode_message
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import Event
from schemas.outputs import AlertMessage
from schemas.timestamps import LATEST_US
from schemas.topics import Topics
from streams.operations.rebuild.eras import Eras
from streams.processor.decoder import RecordDecoder, RecordId, partition_of
from streams.processor.internal_messages import AnswerMessage, Forwarded, QueryMessage, pack, unpack
from streams.runtime.ports import TP, OutputLog, Stored
from streams.runtime.positions import advance_to
from streams.runtime.progress import Progress

Records = tuple[TP, list[Stored]]
Message = TypeVar("Message")


@dataclass(frozen=True, slots=True)
class Past:
    """How far the last owners came, and what became of single records, by where these were consumed."""

    told: Sequence[Progress]
    """What the last owner of each partition number told last."""
    letters: Mapping[RecordId, Stored]
    """The dead letters."""
    on_their_way: frozenset[RecordId]
    """Records that were sent on to another partition number, where nobody has read them."""
    eras: Eras
    """Which records came before which earlier rebuild."""

    @property
    def positions(self) -> dict[str, int]:
        """The next offset to read of each input partition, by `topic-partition`."""
        found: dict[str, int] = {}
        for progress in self.told:
            advance_to(found, progress.positions)
        return found


def _ours(decode: Callable[[bytes], Message], record: Stored) -> Message | None:
    """Return the message that a record holds, None where somebody else wrote it."""
    try:
        return decode(record.value or b"")
    except InvalidMessage:
        return None


async def past(log: OutputLog, topics: Topics, told: Sequence[Progress], eras: Eras) -> Past:
    """Return what became of the records up to where the owners told that they had read."""
    letters: dict[RecordId, Stored] = {}
    on_their_way: set[RecordId] = set()
    for number, progress in enumerate(told):
        async for records in log.read(tp := TP(topics.dead_letters, number), 0):
            for record in records:
                letter = _ours(decode_dead_letter, record)
                if letter is not None and record.offset >= progress.recreated_topics.get(letter.topic, {}).get(
                    tp.name, 0
                ):
                    letters[letter.topic, letter.partition, letter.offset] = record
        for tp in (TP(topics.cases, number), TP(topics.partners, number)):
            async for records in log.read(tp, progress.positions.get(tp.name, 0)):
                for message in (_ours(unpack, record) for record in records):
                    if isinstance(message, Forwarded):
                        on_their_way.add((message.topic, message.partition, message.offset))
    return Past(told, letters, frozenset(on_their_way - letters.keys()), eras)


class Recorded:
    """Reads what belongs to one partition number, as far as the last owners came."""

    def __init__(self, number: int, topics: Topics, limits: Limits, log: OutputLog, past: Past) -> None:
        """Take the number, the topics, the limits on events, where to read, and what became of the records."""
        self._number = number
        self._topics = topics
        self._decoder = RecordDecoder(topics, limits)
        self._log = log
        self._past = past
        self._positions = past.positions

    async def said(self, topic: str) -> list[Stored]:
        """Return what was said on an output topic, the dead letters excepted, in the order in which it was."""

        def mine(record: Stored) -> Stored | None:
            message = _ours(decode_message, record)
            if message is None:
                return None
            subject = message.subject if isinstance(message, AlertMessage) else message.body.case_id
            return record if self._is_mine(subject) else None

        return [record for _, record in await self._merged(topic, mine)]

    async def answers(self) -> list[tuple[TP, Stored]]:
        """Return the answers to cases in their order, without the positions of location agents that are no more."""

        def mine(record: Stored) -> Stored | None:
            message = _ours(unpack, record)
            if not isinstance(message, AnswerMessage) or not self._is_mine(message.answer.query.case_id):
                return None
            return record._replace(value=pack(AnswerMessage(structs.replace(message.answer, made_at={}))))

        return await self._merged(self._topics.cases, mine)

    async def presence_queries(self) -> AsyncIterator[Records]:
        """Yield the questions about partners."""
        async for tp, records in self._all(self._topics.partners):
            read = [(record, _ours(unpack, record)) for record in records]
            yield (
                tp,
                [
                    each
                    for each, asked in read
                    if isinstance(asked, QueryMessage) and self._is_mine(asked.query.partner_id)
                ],
            )

    async def events(self, topic: str) -> AsyncIterator[Records]:
        """Yield the events of an input topic that were accepted."""
        async for tp, records in self._all(topic):
            until = self._positions.get(tp.name, 0)
            yield (
                tp,
                [
                    record
                    for record in records
                    if record.offset < until
                    and (tp.topic, tp.partition, record.offset) not in self._past.on_their_way
                    and self._is_accepted(tp, record)
                ],
            )

    async def forwarded_from(self, topic: str) -> AsyncIterator[Records]:
        """Yield the events sent on through an internal topic as they came in; those that nobody has read come last."""
        left: list[Records] = []
        async for tp, records in self._all(topic):
            for record in records:
                first = self._decoder.decode(tp, record, 0).forwarded_from
                if first is None:
                    continue
                at = TP(first.topic, first.partition)
                stored = Stored(first.offset, first.key, first.value, first.headers, first.timestamp)
                if self._is_accepted(at, stored):
                    if first.record_id in self._past.on_their_way:
                        left.append((at, [stored]))
                    else:
                        yield at, [stored]
        for each in left:
            yield each

    def letters_ahead(self) -> Iterator[Stored]:
        """Yield the dead letters of records that the number's owner will read again."""
        for (topic, partition, offset), letter in self._past.letters.items():
            if partition == self._number and offset >= self._positions.get(TP(topic, partition).name, 0):
                yield letter

    def _is_accepted(self, tp: TP, record: Stored) -> bool:
        if (tp.topic, tp.partition, record.offset) in self._past.letters:
            return False
        content = self._decoder.decode(tp, record, LATEST_US).content
        return isinstance(content, Event) and self._is_mine(content.subject)

    def _is_mine(self, subject: str) -> bool:
        return partition_of(subject, len(self._past.told)) == self._number

    async def _all(self, topic: str) -> AsyncIterator[Records]:
        for number in range(len(self._past.told)):
            tp = TP(topic, number)
            async for records in self._log.read(tp, 0):
                yield tp, records

    async def _merged(self, topic: str, kept: Callable[[Stored], Stored | None]) -> list[tuple[TP, Stored]]:
        """Return records of all partitions in the order of the rebuilds between them, those of one in its order.

        Timestamps say what came first only where version 0.1 went on without a rebuild.
        """
        runs: dict[TP, list[tuple[tuple[int, int, TP], Stored]]] = {}
        async for tp, records in self._all(topic):
            run = runs.setdefault(tp, [])
            for record in records:
                if (found := kept(record)) is not None:
                    at = max(found.timestamp, run[-1][0][1] if run else 0)
                    run.append(((self._past.eras.at(tp, found.offset), at, tp), found))
        return [(tp, record) for (_, _, tp), record in heapq.merge(*runs.values(), key=lambda each: each[0])]
