"""Records that expire and topics that are created again by a seed: who stops for it, and what is lost by it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from schemas.errors import Fatal
from schemas.topics import Topics
from streams.processor.internal_messages import AnswerMessage, Forwarded, InternalMessage, QueryMessage, unpack
from streams.runtime.ports import TP, Checkpoint, Layout, Stored
from streams.runtime.task import Task
from streams.simulator.rng import Rng
from tests.simulation.kafka import SimulatedKafka
from tests.simulation.store import SimulatedRedis, SimulatedStore

GONE: Final = "no longer there"
"""What every stop says of records that have expired."""
CREATED_AGAIN: Final = "deleted and created again"
"""What every stop says of topics that are others now."""
REPLACED: Final = "Redis is back at what had been replaced"
"""What every stop says of a checkpoint that was lost, and came back when others had been made without it."""
ALL: Final = 100
"""So many saves are all."""


class Expiry:
    """Moves log starts on and creates inputs again; accepts what is lost by it, for one start of an owner each."""

    def __init__(
        self,
        rng: Rng,
        rarer: Rng,
        kafka: SimulatedKafka,
        topics: Topics,
        stores: Sequence[SimulatedRedis],
        *,
        happens: bool,
    ) -> None:
        self.happens = happens
        self.layout = Layout(len(stores), {topic: topic for topic in topics.all})
        """The topics as they are now."""
        self.created_again: Counter[str] = Counter()
        """How often which topic was."""
        self.said_unseen: list[tuple[TP, Stored]] = []
        """What was said and nobody knows of: it may be said again."""
        self.stops = 0
        """How often an owner refused to go on."""
        self.wrong: list[str] = []
        """Who went on without records that are gone, or stopped though none are."""
        self._rng, self._rarer = rng, rarer
        self._rarer_happens = happens and rarer.chance(0.5)
        self._kafka = kafka
        self._topics = topics
        self._stores = stores
        self._lost: defaultdict[TP, set[int]] = defaultdict(set)
        """The offsets without which some state had to be made."""
        self._deleted: list[tuple[TP, Stored]] = []
        """What lay in topics that were created again."""
        self._accepted: set[int] = set()
        self._stood_under: dict[int, Layout] = {}
        """Under which layout the last owner of a number took over."""

    async def run(self, healed: asyncio.Event, end_all: Callable[[], bool]) -> None:
        """Have records expire until all get well: some that are in a checkpoint, and some that may be in none.

        Now and then a topic is created again, when `end_all` has ended all owners, as their worker's look at it does.
        """
        while self.happens and not healed.is_set():
            await asyncio.sleep(self._rng.exponential(10.0))
            if healed.is_set():
                break
            number = self._rng.whole(0, len(self._stores) - 1)
            self._expire(TP(self._rng.pick(self._topics.consumed), number), self._rng)
            if self._rarer_happens and self._rarer.chance(0.1) and end_all():
                self._create_again(self._rarer.pick(self._topics.inputs))
            said = [tp for tp in self._outputs(number) if self._kafka.committed(tp)]
            if self._rarer_happens and said:
                self._expire(self._rarer.pick(said), self._rarer)

    def _outputs(self, number: int) -> list[TP]:
        return [TP(topic, number) for topic in self._topics.outputs]

    def _expire(self, tp: TP, rng: Rng) -> None:
        earliest, end = self._kafka.bounds(tp)
        if rng.chance(0.6):
            end = min(self._position(self._stores[tp.partition].state.checkpoint, tp), end)
        if earliest < end:
            self._kafka.delete_before(tp, rng.whole(earliest + 1, end))

    def _create_again(self, topic: str) -> None:
        self.created_again[topic] += 1
        self.layout = Layout(self.layout.partitions, {**self.layout.ids, topic: f"{topic} {self.created_again[topic]}"})
        for tp in (TP(topic, number) for number in range(self.layout.partitions)):
            self._deleted += [(tp, record) for record in self._records(tp)]
            self._lost.pop(tp, None)
            self._kafka.recreate(tp)

    def is_accepted(self, number: int) -> bool:
        """Tell whether the next owner of a number is to go on without what is lost."""
        return number in self._accepted

    async def recover(self, task: Task, store: SimulatedStore) -> dict[TP, int]:
        """Have a task take over: without what is lost only if that is accepted, or if nobody was there before.

        What an owner says in a transaction that hangs on `internal.progress` only is counted nowhere, so nobody can
        know that it expired (operations, "Records that are gone").
        """
        number, accepts = task.partition, task._settings.accepts_trimmed
        is_first = not self._kafka.committed(TP(self._topics.progress, number))
        gone_before = {tp: self._kafka.bounds(tp)[0] for tp in self._outputs(number)}
        try:
            starts = await task.recover()
        except Fatal as error:
            self._stopped(number, store.claimed, str(error))
            raise
        if task._settings.layout != self.layout:
            return starts  # a topic was created again meanwhile, which ended all owners
        self._accepted.discard(number)
        if not accepts and self._stood_under.get(number, self.layout) != self.layout:
            self.wrong.append(f"{number} went on in topics that were created again")
        self._stood_under[number] = self.layout
        said = [each for each in self._forgotten(store.claimed, number) if each not in self.said_unseen]
        self.said_unseen += said
        counted_in = TP(self._topics.progress, number)
        missed_said = [
            (tp.name, each.offset)
            for tp, each in said
            if each.offset < gone_before[tp] and self._kafka.is_committed_in(counted_in, tp, each.offset)
        ]
        if missed_said and not (accepts or is_first):
            self.wrong.append(f"{number} went on without {missed_said}")
        for tp, start in starts.items():
            gone = set(range(self._position(store.claimed, tp), start)) - self._lost[tp]
            if not (accepts or is_first) and (missed := [each for each in self._records(tp) if each.offset in gone]):
                self.wrong.append(f"{number} went on without {[each.offset for each in missed]} of {tp.name}")
            self._lost[tp] |= gone
        return starts

    def skip(self, task: Task, tp: TP, position: int) -> int:
        """Ask a running task whether it goes on behind what has expired; return where. Raises `Fatal` if not."""
        earliest, _ = self._kafka.bounds(tp)
        if position < earliest:
            task.skip_deleted(tp, position, earliest)
            self._lost[tp] |= set(range(position, earliest))
        return max(position, earliest)

    def count_lost(self, tp: TP) -> int:
        """Return without how many records of a partition some state had to be made."""
        return sum(each.offset in self._lost[tp] for each in self._records(tp))

    def missed(self) -> set[tuple[str, int, int]]:
        """Return topic, partition and offset of the records that may not have come to whom they concern."""
        places = set[tuple[str, int, int]]()
        for tp, record, message in self._lost_records():
            if isinstance(message, Forwarded):
                places.add((message.topic, message.partition, message.offset))
            elif message is None:
                places.add((*tp, record.offset))
        return places

    def concerned(self) -> tuple[set[str], set[str]]:
        """Return the cases and the partners of which something was lost: a fact, a report, a question, an answer."""
        cases, partners = set[str](), set[str]()
        deleted = ((tp, record, None) for tp, record in self._deleted)
        for tp, record, message in (*self._lost_records(), *deleted):
            if isinstance(message, QueryMessage):
                cases.add(message.query.case_id)
            elif isinstance(message, AnswerMessage):
                cases.add(message.answer.query.case_id)
            else:
                topic, key = (tp.topic, record.key) if message is None else (message.topic, message.key)
                (partners if topic == self._topics.locations else cases).add((key or b"").decode())
        return cases, partners

    def _stopped(self, number: int, saved: Checkpoint | None, why: str) -> None:
        """Have the next owner of a number accept what this one stopped for, if rightly, or begin on an empty store."""
        if GONE in why:
            is_right = self._misses(saved, number) or bool(self._forgotten(saved, number))
        elif CREATED_AGAIN in why:
            is_right = bool(self.created_again)
        elif REPLACED in why:
            is_right = self._stores[number].losses > 1
            self._stores[number].lose(ALL)
        else:
            return
        self.stops += 1
        if REPLACED not in why:
            self._accepted.add(number)
        if not is_right:
            self.wrong.append(f"{number} stopped, but nothing is lost: {why}")

    def _misses(self, saved: Checkpoint | None, number: int) -> bool:
        tps = (TP(topic, number) for topic in self._topics.consumed)
        return any(self._position(saved, tp) < self._kafka.bounds(tp)[0] for tp in tps)

    def _forgotten(self, saved: Checkpoint | None, number: int) -> list[tuple[TP, Stored]]:
        """Return what was said since a checkpoint and cannot be read back."""
        return [
            (tp, record)
            for tp in self._outputs(number)
            for record in self._records(tp)
            if self._position(saved, tp) <= record.offset < self._kafka.bounds(tp)[0]
        ]

    def _position(self, saved: Checkpoint | None, tp: TP) -> int:
        """Return up to where a partition is part of a checkpoint, 0 where that is of another topic of this name."""
        if saved is None or saved.layout is None or saved.layout.ids[tp.topic] != self.layout.ids[tp.topic]:
            return 0
        return (saved.inputs if tp.topic in self._topics.consumed else saved.outputs).get(tp.name, 0)

    def _records(self, tp: TP) -> list[Stored]:
        return self._kafka.ever_committed(tp)

    def _lost_records(self) -> Iterator[tuple[TP, Stored, InternalMessage | None]]:
        for tp, offsets in self._lost.items():
            for record in self._records(tp):
                if record.offset in offsets:
                    yield tp, record, unpack(record.value or b"") if tp.topic in self._topics.internal else None
