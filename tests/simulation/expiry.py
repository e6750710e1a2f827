"""Expires records and creates topics again by a seed; checks which owners stop for it, and what is lost."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from schemas.errors import Fatal
from schemas.topics import Topics
from streams.processor.internal_messages import (
    AnswerMessage,
    Forwarded,
    InternalMessage,
    QueryMessage,
    Reopened,
    ToWatch,
    unpack,
)
from streams.runtime.ports import TP, Checkpoint, Layout, Stored
from streams.runtime.task import Task
from streams.simulator.rng import Rng
from tests.simulation.kafka import SimulatedKafka
from tests.simulation.store import SimulatedRedis, SimulatedStore

GONE: Final = "no longer there"
"""In the error of every stop for records that have expired."""
RECREATED: Final = "deleted and created again"
"""In the error of every stop for topics that were created again."""
REPLACED: Final = "Redis went back to an old checkpoint"
"""In the error of every stop for a checkpoint that came back after others had been made without it."""
ALL: Final = 100
"""More saves than any run has."""


class Expiry:
    """Deletes the oldest records and creates inputs again; has the loss accepted for one start of an owner each."""

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
        self.recreated: Counter[str] = Counter()
        """How often each topic was created again."""
        self.lost_outputs: list[tuple[TP, Stored]] = []
        """Outputs that expired before they were read back: they may be repeated."""
        self.stops = 0
        """How often an owner refused to start."""
        self.wrong: list[str] = []
        """Owners that went on without deleted records, or stopped although none were."""
        self._rng, self._rarer = rng, rarer
        self._rarer_happens = happens and rarer.chance(0.5)
        self._kafka = kafka
        self._topics = topics
        self._stores = stores
        self._lost: defaultdict[TP, set[int]] = defaultdict(set)
        """The offsets without which some state was made."""
        self._deleted: list[tuple[TP, Stored]] = []
        """The records of topics that were created again."""
        self._accepted: set[int] = set()
        self._started_under: dict[int, Layout] = {}
        """The layout under which the last owner of a number started."""

    async def run(self, healed: asyncio.Event, end_all: Callable[[], bool]) -> None:
        """Have records expire until all are healed: some that a checkpoint holds, and some that none may hold.

        Now and then create a topic again, after `end_all` has ended all owners, as their worker would on noticing it.
        """
        while self.happens and not healed.is_set():
            await asyncio.sleep(self._rng.exponential(10.0))
            if healed.is_set():
                break
            number = self._rng.whole(0, len(self._stores) - 1)
            self._expire(TP(self._rng.pick(self._topics.consumed), number), self._rng)
            if self._rarer_happens and self._rarer.chance(0.1) and end_all():
                self._create_again(self._rarer.pick(self._topics.inputs))
            outputs = [tp for tp in self._outputs(number) if self._kafka.committed(tp)]
            if self._rarer_happens and outputs:
                self._expire(self._rarer.pick(outputs), self._rarer)

    def _outputs(self, number: int) -> list[TP]:
        return [TP(topic, number) for topic in self._topics.outputs]

    def _expire(self, tp: TP, rng: Rng) -> None:
        earliest, end = self._kafka.bounds(tp)
        if rng.chance(0.6):
            end = min(self._position(self._stores[tp.partition].state.checkpoint, tp), end)
        if earliest < end:
            self._kafka.delete_before(tp, rng.whole(earliest + 1, end))

    def _create_again(self, topic: str) -> None:
        self.recreated[topic] += 1
        self.layout = Layout(self.layout.partitions, {**self.layout.ids, topic: f"{topic} {self.recreated[topic]}"})
        for tp in (TP(topic, number) for number in range(self.layout.partitions)):
            self._deleted += [(tp, record) for record in self._records(tp)]
            self._lost.pop(tp, None)
            self._kafka.recreate(tp)

    def is_accepted(self, number: int) -> bool:
        """Return whether the next owner of a number accepts the losses."""
        return number in self._accepted

    async def recover(self, task: Task, store: SimulatedStore) -> dict[TP, int]:
        """Have a task recover; it may go on without lost records only if that is accepted, or as the first owner.

        Outputs of a transaction that hangs only on `internal.progress` are counted nowhere, so no owner can know that
        they expired (docs/operations.md, "Records that are gone").
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
            return starts  # a topic was created again in the meantime, which ended all owners
        self._accepted.discard(number)
        if not accepts and self._started_under.get(number, self.layout) != self.layout:
            self.wrong.append(f"{number} went on in topics that were created again")
        self._started_under[number] = self.layout
        lost = [each for each in self._forgotten(store.claimed, number) if each not in self.lost_outputs]
        self.lost_outputs += lost
        counted_in = TP(self._topics.progress, number)
        missed_outputs = [
            (tp.name, each.offset)
            for tp, each in lost
            if each.offset < gone_before[tp] and self._kafka.is_committed_in(counted_in, tp, each.offset)
        ]
        if missed_outputs and not (accepts or is_first):
            self.wrong.append(f"{number} went on without {missed_outputs}")
        for tp, start in starts.items():
            gone = set(range(self._position(store.claimed, tp), start)) - self._lost[tp]
            if not (accepts or is_first) and (missed := [each for each in self._records(tp) if each.offset in gone]):
                self.wrong.append(f"{number} went on without {[each.offset for each in missed]} of {tp.name}")
            self._lost[tp] |= gone
        return starts

    async def ended(self, number: int, running: asyncio.Task[None]) -> None:
        """Wait for a running task; if its checkpoint lacked a case that was decided since, empty its store."""
        try:
            await running
        except Fatal as error:
            if REPLACED in str(error):
                is_reopening_lost = any(isinstance(message, Reopened) for *_, message in self._lost_records())
                is_justified = self._stores[number].losses > 1 or is_reopening_lost
                self._count_stop(number, str(error), is_justified=is_justified)
                self._stores[number].lose(ALL)
            raise

    def skip(self, task: Task, tp: TP, position: int) -> int:
        """Have a running task skip expired records; return where it continues. Raises `Fatal` if it does not."""
        earliest, _ = self._kafka.bounds(tp)
        if position < earliest:
            task.skip_deleted(tp, position, earliest)
            self._lost[tp] |= set(range(position, earliest))
        return max(position, earliest)

    def count_lost(self, tp: TP) -> int:
        """Return how many records of a partition were lost to some state."""
        return sum(each.offset in self._lost[tp] for each in self._records(tp))

    def missed(self) -> set[tuple[str, int, int]]:
        """Return topic, partition and offset of the records that may not have reached their case or partner."""
        places = set[tuple[str, int, int]]()
        for tp, record, message in self._lost_records():
            if isinstance(message, Forwarded):
                places.add((message.topic, message.partition, message.offset))
            elif message is None:
                places.add((*tp, record.offset))
        return places

    def losers(self) -> tuple[set[str], set[str]]:
        """Return the cases and partners that lost a fact, a report, a query or an answer."""
        cases, partners = set[str](), set[str]()
        deleted = ((tp, record, None) for tp, record in self._deleted)
        for tp, record, message in (*self._lost_records(), *deleted):
            if isinstance(message, QueryMessage):
                cases.add(message.query.case_id)
            elif isinstance(message, AnswerMessage):
                cases.add(message.answer.query.case_id)
            elif isinstance(message, Reopened):
                cases.add((record.key or b"").decode())
            elif isinstance(message, ToWatch):
                continue
            else:
                topic, key = (tp.topic, record.key) if message is None else (message.topic, message.key)
                (partners if topic == self._topics.locations else cases).add((key or b"").decode())
        return cases, partners

    def _stopped(self, number: int, checkpoint: Checkpoint | None, why: str) -> None:
        """Have the next owner of a number accept the loss for which this one stopped."""
        if GONE in why:
            is_justified = self._has_lost_inputs(checkpoint, number) or bool(self._forgotten(checkpoint, number))
        elif RECREATED in why:
            is_justified = bool(self.recreated)
        else:
            return
        self._accepted.add(number)
        self._count_stop(number, why, is_justified=is_justified)

    def _count_stop(self, number: int, why: str, *, is_justified: bool) -> None:
        self.stops += 1
        if not is_justified:
            self.wrong.append(f"{number} stopped, but nothing is lost: {why}")

    def _has_lost_inputs(self, checkpoint: Checkpoint | None, number: int) -> bool:
        tps = (TP(topic, number) for topic in self._topics.consumed)
        return any(self._position(checkpoint, tp) < self._kafka.bounds(tp)[0] for tp in tps)

    def _forgotten(self, checkpoint: Checkpoint | None, number: int) -> list[tuple[TP, Stored]]:
        """Return the outputs since a checkpoint that cannot be read back."""
        return [
            (tp, record)
            for tp in self._outputs(number)
            for record in self._records(tp)
            if self._position(checkpoint, tp) <= record.offset < self._kafka.bounds(tp)[0]
        ]

    def _position(self, checkpoint: Checkpoint | None, tp: TP) -> int:
        """Return the position of a partition in a checkpoint; 0 if the topic was created again since."""
        if (
            checkpoint is None
            or checkpoint.layout is None
            or checkpoint.layout.ids[tp.topic] != self.layout.ids[tp.topic]
        ):
            return 0
        return (checkpoint.inputs if tp.topic in self._topics.consumed else checkpoint.outputs).get(tp.name, 0)

    def _records(self, tp: TP) -> list[Stored]:
        return self._kafka.ever_committed(tp)

    def _lost_records(self) -> Iterator[tuple[TP, Stored, InternalMessage | None]]:
        for tp, offsets in self._lost.items():
            for record in self._records(tp):
                if record.offset in offsets:
                    yield tp, record, unpack(record.value or b"") if tp.topic in self._topics.internal else None
