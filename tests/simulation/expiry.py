"""Records that expire by a seed: who stops for it, what is lost, and what a straight run has to do without."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from schemas.errors import Fatal
from schemas.topics import Topics
from streams.casework.internal import Answer, Forwarded, InternalMessage, Question, unpack
from streams.ports import TP, Saved, Stored
from streams.simulator.dice import Dice
from streams.task.task import Task
from tests.simulation.kafka import SimulatedKafka
from tests.simulation.store import SimulatedRedis, SimulatedStore

GONE: Final = "no longer there"
"""What every stop says of records that have expired."""


class Expiry:
    """Moves the log starts of what is consumed on, and accepts what is lost by it, for one start of an owner each."""

    def __init__(
        self, dice: Dice, kafka: SimulatedKafka, topics: Topics, stores: Sequence[SimulatedRedis], *, happens: bool
    ) -> None:
        self.happens = happens
        self.stops = 0
        """How often an owner refused to go on."""
        self.wrong: list[str] = []
        """Who went on without records that are gone, or stopped though none are."""
        self._dice = dice
        self._kafka = kafka
        self._topics = topics
        self._stores = stores
        self._lost: defaultdict[TP, set[int]] = defaultdict(set)
        """The offsets without which some state had to be made."""
        self._accepted: set[int] = set()

    async def run(self, healed: asyncio.Event) -> None:
        """Have records expire until all get well: some that are in a checkpoint, and some that may be in none."""
        while self.happens and not healed.is_set():
            await asyncio.sleep(self._dice.exponential(10.0))
            number = self._dice.whole(0, len(self._stores) - 1)
            tp = TP(self._dice.pick(self._topics.consumed), number)
            earliest, end = self._kafka.bounds(tp)
            if self._dice.chance(0.6):
                end = min(_position(self._stores[number].state.saved, tp), end)
            if earliest < end and not healed.is_set():
                self._kafka.delete_before(tp, self._dice.whole(earliest + 1, end))

    def is_accepted(self, number: int) -> bool:
        """Tell whether the next owner of a number is to go on without what is lost."""
        return number in self._accepted

    async def recover(self, task: Task, store: SimulatedStore) -> dict[TP, int]:
        """Have a task take over: without what is lost only if that is accepted, or if nobody was there before."""
        number, accepts = task.partition, task._settings.accepts_trimmed
        is_first = not self._kafka.committed(TP(self._topics.progress, number))
        try:
            starts = await task.recover()
        except Fatal as error:
            if GONE in str(error):
                self.stops += 1
                self._accepted.add(number)
                if not self._misses(store.claimed, number):
                    self.wrong.append(f"{number} stopped, but nothing is lost: {error}")
            raise
        self._accepted.discard(number)
        for tp, start in starts.items():
            gone = set(range(_position(store.claimed, tp), start)) - self._lost[tp]
            if not (accepts or is_first) and (missed := [each for each in self._records(tp) if each.offset in gone]):
                self.wrong.append(f"{number} went on without {[each.offset for each in missed]} of {tp.name}")
            self._lost[tp] |= gone
        return starts

    def skip(self, task: Task, tp: TP, position: int) -> int:
        """Ask a running task whether it goes on behind what has expired; return where. Raises `Fatal` if not."""
        earliest, _ = self._kafka.bounds(tp)
        if position < earliest:
            task.skip(tp, position, earliest)
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
        for tp, record, message in self._lost_records():
            if isinstance(message, Question):
                cases.add(message.moment.case_id)
            elif isinstance(message, Answer):
                cases.add(message.reading.moment.case_id)
            else:
                topic, key = (tp.topic, record.key) if message is None else (message.topic, message.key)
                (partners if topic == self._topics.locations else cases).add((key or b"").decode())
        return cases, partners

    def _misses(self, saved: Saved | None, number: int) -> bool:
        tps = (TP(topic, number) for topic in self._topics.consumed)
        return any(_position(saved, tp) < self._kafka.bounds(tp)[0] for tp in tps)

    def _records(self, tp: TP) -> list[Stored]:
        return self._kafka.ever_committed(tp)

    def _lost_records(self) -> Iterator[tuple[TP, Stored, InternalMessage | None]]:
        for tp, offsets in self._lost.items():
            for record in self._records(tp):
                if record.offset in offsets:
                    yield tp, record, unpack(record.value or b"") if tp.topic in self._topics.internal else None


def _position(saved: Saved | None, tp: TP) -> int:
    return saved.inputs.get(tp.name, 0) if saved is not None else 0
