"""The processor of one partition number over a memory store, with its internal topics fed back to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from agents.sops import catalogue
from streams.memory.store import MemoryState, MemoryStore
from streams.processor.processor import SopProcessor
from streams.runtime.ports import TP, Checkpoint, Stored
from tests.e2e.harness import feed_of
from tests.processors import SETTINGS, packed
from tests.scenario import MIDNIGHT

TOPICS = catalogue.topics()
NOW = MIDNIGHT
"""An instant after every deadline of the events."""

Record = tuple[str, bytes]
"""Topic and value."""


class Partition:
    """The current owner of the only partition number; `begin` comes first."""

    def __init__(self, state: MemoryState) -> None:
        self.read: list[Record] = []
        self.emitted: list[Record] = []
        """What was published, without internal records."""
        self._store = MemoryStore(state)
        self._processor = SopProcessor(0, replace(SETTINGS, facts_per_case_max=1_000, cached_cases_max=1), self._store)
        self._positions: dict[str, int] = {}

    async def begin(self, emitted: Iterable[Record] = ()) -> None:
        """Take over from the checkpoint and what was emitted since."""
        saved = await self._store.claim() or Checkpoint({}, {}, {})
        self._positions = dict(saved.inputs)
        await self._processor.begin(saved.counts)
        for offset, (topic, value) in enumerate(emitted):
            self._processor.restore_output(topic, Stored(offset, b"", value))
        await self._processor.apply_restored()

    async def feed_lines(self, lines: Iterable[bytes]) -> None:
        """Process events, each on the topic of its type."""
        await self.feed([(feed_of(line).topic, line) for line in lines])

    async def feed(self, records: Sequence[Record]) -> None:
        """Process records, then what follows on the internal topics, until nothing follows."""
        while records:
            self.read += records
            await self._processor.process([self._batch(*record) for record in records], NOW)
            records = await self._evaluate(await self._processor.due(NOW, 1_000))

    async def decide_again(self, names: Sequence[str]) -> None:
        """Decide cases without a new fact, given by name."""
        await self.feed(await self._evaluate(names))

    async def save(self) -> Checkpoint:
        """Save a checkpoint and return it."""
        changes = packed(self._processor)
        saved = Checkpoint(dict(self._positions), {}, self._processor.counts())
        await self._store.save(saved, changes)
        self._processor.mark_saved()
        return saved

    async def _evaluate(self, names: Sequence[str]) -> list[Record]:
        """Evaluate what is dirty or named; return the internal records that follow."""
        evaluated = await self._processor.evaluate(NOW, self._positions, names)
        out = [(each.topic, each.value) for each in evaluated]
        self.emitted += [record for record in out if record[0] not in TOPICS.internal]
        return [record for record in out if record[0] in TOPICS.internal]

    def _batch(self, topic: str, value: bytes) -> tuple[TP, list[Stored]]:
        tp = TP(topic, 0)
        offset = self._positions.get(tp.name, 0)
        self._positions[tp.name] = offset + 1
        return tp, [Stored(offset, b"key", value, (), NOW // 1_000)]
