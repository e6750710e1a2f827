"""Reopens departed cases from all that Kafka ever had, and sends their late facts again, as an operator does."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final

from schemas.codec.encoder import decode_dead_letter
from schemas.codec.limits import Limits
from schemas.errors import UsageError
from schemas.outputs import DeadLetter
from schemas.topics import Topics
from streams.operations.dead_letters import DeadLetterRecord
from streams.operations.reopening import former_case
from streams.processor.decoder import RecordDecoder, partition_of
from streams.processor.internal_messages import pack, reopened
from streams.runtime.ports import TP
from streams.simulator.rng import Rng
from tests.simulation.kafka import SimulatedKafka

ROUNDS: Final = 2
"""A case that was reopened departs again, and may be reopened again."""


class Reopenings:
    """Reopens some of the departed cases for which facts came."""

    def __init__(self, rng: Rng, kafka: SimulatedKafka, topics: Topics, partitions: int) -> None:
        self.count = 0
        self._rng, self._kafka, self._topics, self._partitions = rng, kafka, topics, partitions
        self._decoder = RecordDecoder(topics, Limits())

    async def run(self) -> None:
        """Reopen cases; workers may read the facts that are sent then before or after that."""
        for _ in range(ROUNDS):
            for case_id, letters in sorted(self._late_facts().items()):
                if self._rng.chance(0.7) and self._reopen(case_id):
                    await asyncio.sleep(self._rng.pick((0.0, 0.1, 30.0)))
                    for letter in letters:
                        self._kafka.append(TP(letter.topic, letter.partition), letter.key, letter.value)
                        await asyncio.sleep(self._rng.pick((0.0, 0.0, 3.0)))
            await asyncio.sleep(self._rng.pick((1.0, 60.0, 200.0)))

    def _late_facts(self) -> dict[str, list[DeadLetter]]:
        found: defaultdict[str, list[DeadLetter]] = defaultdict(list)
        for partition in range(self._partitions):
            for record in self._kafka.committed(TP(self._topics.dead_letters, partition)):
                letter = decode_dead_letter(record.value or b"")
                if (case_id := DeadLetterRecord("", letter).departed_case) is not None:
                    found[case_id].append(letter)
        return found

    def _reopen(self, case_id: str) -> bool:
        topics = (*self._topics.inputs, self._topics.cases, *self._topics.outputs)
        places = [TP(topic, partition) for topic in topics for partition in range(self._partitions)]
        history = [(tp, record) for tp in places for record in self._kafka.ever_committed(tp)]
        try:
            former = former_case(case_id, history, self._topics, self._decoder)
        except UsageError:
            return False
        tp = TP(self._topics.cases, partition_of(case_id, self._partitions))
        self._kafka.append(tp, case_id.encode(), pack(reopened(former)))
        self.count += 1
        return True
