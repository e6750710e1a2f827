"""A process that fills a store and kills itself: `python -m tests.sink_process BROKERS TOPIC WHERE WHEN N`.

It ends with status 0 once the topic is read to its end. WHERE is the store, as `tests.sinks.open_row_store` takes it.
WHEN is `before` or `after`: it is killed just before or after the Nth commit of a write.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.archive.layout import TEMPORARY
from streams.kafka.connection import KafkaConnection
from streams.runtime.ports import TP
from surfaces.sink import sink as sink_module
from surfaces.sink.kafka_partitions import KafkaPartitions
from surfaces.sink.ports import Position, Record
from surfaces.sink.sink import Sink
from tests.sinks import ArchiveRowStore, SqliteRowStore, SqlRowStore, row_database


class Mortal:
    """A store that kills its process around the Nth write of records; the class behind it is a store."""

    when: str
    writes: int

    def apply(self, database: Any, records: Sequence[Record]) -> Any:
        result = super().apply(database, records)  # type: ignore[misc] # of the store
        self.writes -= bool(records)
        self._die_if("before", records)
        return result

    def write(self, records: Sequence[Record], positions: Mapping[TP, Position]) -> None:
        super().write(records, positions)  # type: ignore[misc] # the same
        self._die_if("after", records)

    def _die_if(self, when: str, records: Sequence[Record]) -> None:
        if records and self.writes <= 0 and self.when == when:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalSqliteStore(Mortal, SqliteRowStore):
    """The store of one file."""


class MortalSqlStore(Mortal, SqlRowStore):
    """The base of the read model's store."""


class MortalArchiveStore(Mortal, ArchiveRowStore):
    """The archive, whose commit is the rename of a file."""

    def write(self, records: Sequence[Record], positions: Mapping[TP, Position]) -> None:
        self.writes -= bool(records)
        if self.writes <= 0 and self.when == "before" and records:
            self._folder.put(f"{records[0].tp.topic}/half{TEMPORARY}", b"PAR1")
        self._die_if("before", records)
        super().write(records, positions)


def _store(where: str) -> MortalSqliteStore | MortalSqlStore | MortalArchiveStore:
    if where.startswith("archive:"):
        return MortalArchiveStore(where.removeprefix("archive:"))
    database = row_database(where)
    return MortalSqliteStore(Path(where)) if database is None else MortalSqlStore(database)


async def main(brokers: str, topic: str, where: str, when: str, writes: str) -> None:
    store = _store(where)
    store.when, store.writes = when, int(writes)
    async with KafkaPartitions(KafkaConnection(brokers), [topic]) as partitions:
        sink = Sink(partitions, store, time.monotonic)
        while not sink.has_caught_up:
            await sink.step()


if __name__ == "__main__":
    sink_module.RECORDS_MAX = 7  # type: ignore[misc] # many writes
    asyncio.run(main(*sys.argv[1:]))
