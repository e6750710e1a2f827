"""What tests of sinks share: topics to change, in memory or in Kafka, and stores of plain rows."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic  # type: ignore[attr-defined] # re-exported
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    insert,
    make_url,
    select,
)

from streams.archive.check import check_archive
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName
from streams.archive.reading import ArchiveReader
from streams.archive.records import ArchivedRecord
from streams.kafka.connection import KafkaConnection
from streams.process.clock import SystemClock
from streams.runtime.ports import TP, Stored
from surfaces.archive.store import ArchiveStore
from surfaces.read_model.database import Database, PostgresDatabase, SqliteDatabase
from surfaces.read_model.sql_store import SqlStore
from surfaces.sink.kafka_partitions import KafkaPartitions
from surfaces.sink.ports import Partitions, Polled, Position, Record, Store
from surfaces.sink.sqlite_store import SqliteStore

TIMEOUT_S = 30.0


class Row(NamedTuple):
    """What the stores of tests make of a record."""

    topic_id: str
    tp: TP
    offset: int
    value: bytes | None


class RowStore(Store, Protocol):
    """A store whose rows can be read."""

    def rows(self) -> list[Row]:
        """Return all rows in the order in which they were written."""

    def reopened(self) -> RowStore:
        """Return the store as another process would find it."""

    def close(self) -> None:
        """Close it; another process may have it then."""


class MemoryRowStore:
    """A store in memory."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._positions: dict[TP, Position] = {}

    def positions(self) -> Mapping[TP, Position]:
        return dict(self._positions)

    def write(self, records: Sequence[Record], positions: Mapping[TP, Position]) -> None:
        self._rows += [Row(each.topic_id, each.tp, each.offset, each.value) for each in records]
        self._positions |= positions

    def rows(self) -> list[Row]:
        return self._rows

    def reopened(self) -> MemoryRowStore:
        return self

    def close(self) -> None: ...


class SqliteRowStore(SqliteStore):
    """The real store; nothing in its table would hide a repetition."""

    TABLES = "CREATE TABLE IF NOT EXISTS rows (topic_id, topic, partition, offset, value);"

    def apply(self, database: sqlite3.Connection, records: Sequence[Record]) -> None:
        rows = [(each.topic_id, *each.tp, each.offset, each.value) for each in records]
        database.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)

    def rows(self) -> list[Row]:
        with self.transaction() as database:
            found = database.execute("SELECT * FROM rows ORDER BY rowid").fetchall()
        return [Row(topic_id, TP(topic, partition), *rest) for topic_id, topic, partition, *rest in found]

    def reopened(self) -> SqliteRowStore:
        self.close()
        return type(self)(Path(self.path))


rows_table = Table(
    "rows",
    MetaData(),
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("topic_id", Text),
    Column("topic", Text),
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("value", LargeBinary),
)


class SqlRowStore(SqlStore):
    """The base of the read model's store; nothing in its table would hide a repetition."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, [rows_table], 1, now_us=SystemClock().now_us, notice=print)

    def apply(self, connection: Connection, records: Sequence[Record]) -> Mapping[TP, int]:
        for each in records:
            row = {"topic_id": each.topic_id, "topic": each.tp.topic, "partition": each.tp.partition}
            connection.execute(insert(rows_table), {**row, "offset": each.offset, "value": each.value})
        return {}

    def rows(self) -> list[Row]:
        with self.database.reading() as connection:
            found = connection.execute(select(rows_table).order_by(rows_table.c.number)).all()
        return [Row(row.topic_id, TP(row.topic, row.partition), row.offset, row.value) for row in found]

    def reopened(self) -> SqlRowStore:
        self.close()
        return type(self)(self.database)


class ArchiveRowStore(ArchiveStore):
    """The archive's store, which writes a file for every record."""

    def __init__(self, where: str) -> None:
        self._where = where
        super().__init__(ArchiveFolder(where), SystemClock(), file_bytes=1, file_age_s=1e6)

    def write(self, records: Sequence[Record], positions: Mapping[TP, Position]) -> None:
        super().write(records, positions)
        self.flush()

    def rows(self) -> list[Row]:
        names = self._folder.names()
        found = ArchiveReader(self._folder).records({each.topic for each in names})
        return [Row(name.topic_id, name.tp, record.offset, record.value) for name, record in found]

    def reopened(self) -> ArchiveRowStore:
        return type(self)(self._where)

    def close(self) -> None:
        gaps = [name.path for name in self._folder.names() if not self._records_in(name)]
        problems = check_archive(self._folder).problems
        assert [each for each in problems if each.partition(": ")[0] not in gaps] == []

    def _records_in(self, name: SegmentName) -> list[ArchivedRecord]:
        return [record for _, record in ArchiveReader(self._folder).records_of(name)]


def open_row_store(where: str) -> RowStore:
    """Return the store in a file, in one that the read model's base has (`sql:FILE`), in PostgreSQL, or an archive."""
    if where.startswith("archive:"):
        return ArchiveRowStore(where.removeprefix("archive:"))
    database = row_database(where)
    return SqliteRowStore(Path(where)) if database is None else SqlRowStore(database)


def row_database(where: str) -> Database | None:
    """Return the database of the read model's base, None if the store is the other one."""
    if where.startswith("postgresql:"):
        return PostgresDatabase(make_url(where), "rows")
    return SqliteDatabase(Path(where.removeprefix("sql:"))) if where.startswith("sql:") else None


class Topics(Protocol):
    """Topics that a test changes while a sink reads them."""

    def partitions(self, *topics: str) -> AbstractAsyncContextManager[Partitions]:
        """Give what reads some topics."""

    def create(self, topic: str, partitions: int) -> None:
        """Create a topic."""

    def delete(self, topic: str) -> None:
        """Delete a topic."""

    def grow(self, topic: str, partitions: int) -> None:
        """Give a topic so many partitions."""

    def append(self, tp: TP, *values: bytes, commit: bool = True) -> None:
        """Append records in one transaction."""

    def delete_before(self, tp: TP, offset: int) -> None:
        """Delete the records before an offset, as retention does."""


@dataclass
class _Log:
    topic_id: str
    first: int = 0
    records: dict[int, Stored] = field(default_factory=dict)
    end: int = 0


class MemoryTopics:
    """Topics in memory."""

    def __init__(self) -> None:
        self.logs: dict[TP, _Log] = {}
        self._ids = itertools.count()

    def partitions(self, *topics: str) -> MemoryPartitions:
        return MemoryPartitions(self, topics)

    def create(self, topic: str, partitions: int) -> None:
        topic_id = f"id/{next(self._ids)}+"  # as librdkafka writes them
        self.logs |= {TP(topic, number): _Log(topic_id) for number in range(partitions)}

    def delete(self, topic: str) -> None:
        self.logs = {tp: log for tp, log in self.logs.items() if tp.topic != topic}

    def grow(self, topic: str, partitions: int) -> None:
        topic_id = self.logs[TP(topic, 0)].topic_id
        self.logs = {TP(topic, number): _Log(topic_id) for number in range(partitions)} | self.logs

    def append(self, tp: TP, *values: bytes, commit: bool = True) -> None:
        log = self.logs[tp]
        if commit:
            log.records |= {log.end + at: Stored(log.end + at, None, value) for at, value in enumerate(values)}
        log.end += len(values) + 1  # a marker ends every transaction

    def delete_before(self, tp: TP, offset: int) -> None:
        log = self.logs[tp]
        log.first = offset
        log.records = {at: record for at, record in log.records.items() if at >= offset}


class MemoryPartitions:
    """Reads topics in memory, one record of each partition at a time."""

    def __init__(self, topics: MemoryTopics, names: Sequence[str]) -> None:
        self._topics, self._names = topics, names
        self._offsets: dict[TP, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def topic_ids(self) -> Mapping[TP, str]:
        return {tp: log.topic_id for tp, log in self._topics.logs.items() if tp.topic in self._names}

    async def bounds(self, tp: TP) -> tuple[int, int]:
        log = self._topics.logs[tp]
        return log.first, log.end

    async def start(self, offsets: Mapping[TP, int]) -> None:
        self._offsets = dict(offsets)

    async def poll(self, records_max: int, wait_s: float) -> Polled:
        assert records_max > 0
        assert wait_s > 0
        await asyncio.sleep(0)
        logs = {tp: self._topics.logs[tp] for tp in self._offsets if tp in self._topics.logs}
        found = {}
        for tp, log in logs.items():
            later = [record for offset, record in sorted(log.records.items()) if offset >= self._offsets[tp]]
            if log.first <= self._offsets[tp] <= log.end:
                found[tp] = later[:1]
                self._offsets[tp] = later[0].offset + 1 if later else log.end
        ended = frozenset(tp for tp in found if self._offsets[tp] == logs[tp].end)
        return Polled(
            {tp: records for tp, records in found.items() if records}, ended, frozenset(logs.keys() - found.keys())
        )


class KafkaTopics:
    """Topics in a real Kafka."""

    def __init__(self, brokers: str, transactional_id: str) -> None:
        self._connection = KafkaConnection(brokers)
        self._admin = AdminClient({"bootstrap.servers": brokers})
        self._options = {"bootstrap.servers": brokers, "transactional.id": transactional_id, "linger.ms": 0}
        self._producer: Producer | None = None

    def partitions(self, *topics: str) -> KafkaPartitions:
        return KafkaPartitions(self._connection, topics)

    def create(self, topic: str, partitions: int) -> None:
        self._admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(TIMEOUT_S)

    def delete(self, topic: str) -> None:
        self._admin.delete_topics([topic])[topic].result(TIMEOUT_S)
        self._producer = None  # it would not know the next topic of that name

    def grow(self, topic: str, partitions: int) -> None:
        self._admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(TIMEOUT_S)
        self._producer = None  # it would not know the new ones

    def append(self, tp: TP, *values: bytes, commit: bool = True) -> None:
        if self._producer is None:
            self._producer = Producer(self._options)
            self._producer.init_transactions(TIMEOUT_S)
        self._producer.begin_transaction()
        for value in values:
            self._producer.produce(tp.topic, value, partition=tp.partition)
        self._producer.flush(TIMEOUT_S)
        end = self._producer.commit_transaction if commit else self._producer.abort_transaction
        end(TIMEOUT_S)

    def delete_before(self, tp: TP, offset: int) -> None:
        for future in self._admin.delete_records([TopicPartition(*tp, offset)]).values():
            future.result(TIMEOUT_S)
