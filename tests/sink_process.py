"""A process that fills a store from a topic and kills itself: `python -m tests.sink_process BROKERS TOPIC FILE WHEN N`.

It ends with status 0 once the topic is read to its end. WHEN is `before` or `after`: it is killed just before or after
the Nth commit of a write.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.kafka.connection import KafkaConnection
from streams.runtime.ports import TP
from surfaces.sink import sink as sink_module
from surfaces.sink.kafka_partitions import KafkaPartitions
from surfaces.sink.ports import Position, Record
from surfaces.sink.sink import Sink
from tests.sinks import SqliteRowStore


class MortalStore(SqliteRowStore):
    """A store that kills its process around the Nth write of records."""

    def __init__(self, path: Path, when: str, writes: int) -> None:
        super().__init__(path)
        self._when, self._writes = when, writes

    def apply(self, database: sqlite3.Connection, records: Sequence[Record]) -> None:
        super().apply(database, records)
        self._writes -= bool(records)
        self._die_if("before", records)

    def write(self, records: Sequence[Record], positions: Mapping[TP, Position]) -> None:
        super().write(records, positions)
        self._die_if("after", records)

    def _die_if(self, when: str, records: Sequence[Record]) -> None:
        if records and self._writes <= 0 and self._when == when:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(brokers: str, topic: str, file: str, when: str, writes: str) -> None:
    store = MortalStore(Path(file), when, int(writes))
    async with KafkaPartitions(KafkaConnection(brokers), [topic]) as partitions:
        sink = Sink(partitions, store, time.monotonic)
        while not sink.has_caught_up:
            await sink.step()


if __name__ == "__main__":
    sink_module.RECORDS_MAX = 7  # type: ignore[misc] # many writes
    asyncio.run(main(*sys.argv[1:]))
