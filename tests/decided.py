"""Topics as a worker leaves them, made in memory by its processor, and archives of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from agents.sops import catalogue
from schemas.codec.decoder import read_attributes
from schemas.policy.model import PolicySet
from schemas.topics import Topics
from streams.memory.store import MemoryState
from streams.policies.source import FixedPolicies, KnownPolicies
from streams.processor.decoder import partition_of
from streams.processor.processor import SopProcessor
from streams.runtime.ports import TP, Stored
from surfaces.sink.ports import Record
from tests.archives import record
from tests.processors import owner_of
from tests.simulation.kafka import SimulatedKafka

TOPICS = catalogue.topics()


class Desk:
    """A worker with all partitions and no faults: what arrives is decided at once."""

    def __init__(self, processors: Sequence[SopProcessor], policies: FixedPolicies) -> None:
        self.kafka = SimulatedKafka(lambda: self.now // 1000)
        self.now = 0
        self._processors, self._policies = processors, policies
        self._positions: list[dict[str, int]] = [{} for _ in processors]

    @classmethod
    async def with_policies(cls, policies: PolicySet, partitions: int = 1) -> Desk:
        """Return a desk whose processors decide under some policies."""
        source = FixedPolicies(policies)
        owners = [
            await owner_of(MemoryState(), partition, partitions=partitions, policies=source)
            for partition in range(partitions)
        ]
        for each in owners:
            await each.apply_restored()
        return cls(owners, source)

    def adopt(self, policies: PolicySet, read: int) -> None:
        """Have the processors decide under other policies from now on, of so many records of their topic."""
        self._policies.known = KnownPolicies(policies, {TP(TOPICS.policies, 0).name: read})

    async def take(self, lines: Iterable[bytes], now: int, *, partition: int | None = None) -> None:
        """Append events to their topics at an instant, by default to the partition of their key, and decide."""
        self.now = now
        for line in lines:
            attributes = read_attributes(line, ())
            assert attributes is not None
            key = attributes.subject
            number = partition_of(key, len(self._processors)) if partition is None else partition
            self.kafka.append(TP(TOPICS.of(attributes.type), number), key.encode(), line)
        await self.decide(now)

    async def decide(self, now: int) -> None:
        """Decide as of an instant until nothing is left to do."""
        self.now = now
        while any([await self._step(number) for number in range(len(self._processors))]):
            pass

    async def _step(self, number: int) -> bool:
        """Return whether a partition number had anything to do."""
        processor, positions = self._processors[number], self._positions[number]
        batches = [
            (tp, found)
            for tp in (TP(topic, number) for topic in TOPICS.consumed)
            if (found := self.kafka.committed(tp, positions.get(tp.name, 0)))
        ]
        await processor.process(batches, self.now)
        positions.update({tp.name: found[-1].offset + 1 for tp, found in batches})
        outgoing = await processor.evaluate(self.now, positions, await processor.due(self.now, 99_999))
        for each in outgoing:
            self.kafka.append(TP(each.topic, each.partition), each.key, each.value, each.headers)
        return bool(batches or outgoing)


def archivable(kafka: SimulatedKafka, topics: Topics, partitions: int) -> Iterator[Record]:
    """Yield the records that an archive has of some topics."""
    for topic in topics.archived:
        for partition in range(partitions):
            tp = TP(topic, partition)
            for each in kafka.ever_committed(tp):
                yield archived_record(tp, each)


def archived_record(tp: TP, stored: Stored) -> Record:
    """Return a record as the archive consumes it."""
    return record(tp, stored.offset, stored.value, key=stored.key, headers=stored.headers, timestamp=stored.timestamp)
