"""A sink's store in SQL: rows and positions in one transaction, on SQLite or PostgreSQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Table, bindparam, insert, inspect, select, update

from schemas.timestamps import LATEST_US
from streams.runtime.ports import TP
from surfaces.read_model.database import Database
from surfaces.read_model.tables import sources, store
from surfaces.sink.ports import Position, Record

_LATEST_MS: Final = LATEST_US // 1000


class Source(NamedTuple):
    """A partition of one topic as it was created: it has a number."""

    tp: TP
    topic_id: str


class SqlStore(ABC):
    """Implements `surfaces.sink.ports.Store`; subclasses say what becomes of records.

    It owns `database` and closes it. Its `tables` are made where they are missing; a store of another `version` is made
    anew, and `notice` gets the line that says so.
    `now_us` is the clock. Raises `UsageError` if another process owns the database, or the file cannot be used, and
    `DatabaseLost` if the database fails. After that a new store has to be made.
    """

    def __init__(
        self,
        database: Database,
        tables: Sequence[Table],
        version: int,
        *,
        now_us: Callable[[], int],
        notice: Callable[[str], None],
    ) -> None:
        self.database = database
        self._now_us = now_us
        database.own()
        try:
            self._prepare(tables, version, notice)
        except BaseException:
            database.close()
            raise

    def _prepare(self, tables: Sequence[Table], version: int, notice: Callable[[str], None]) -> None:
        with self.database.writing() as connection:
            names = set(inspect(connection).get_table_names())
            found = connection.scalar(select(store.c.version)) if store.name in names else None
        if names and found != version:
            notice(f"{self.database.name}: tables of another version; they are made anew from the topics")
            self.database.clear()
        with self.database.writing() as connection:
            for table in (store, sources, *tables):
                table.create(connection, checkfirst=True)
            if found != version:
                # Numbers of rows go on growing when the store is made anew, so that no reader takes new rows for old.
                connection.execute(insert(store), {"version": version, "first_seq": self._now_us()})
            self.first_seq: int = connection.scalar(select(store.c.first_seq)) or 0
            rows = connection.execute(select(sources)).all()
        self._sources: dict[Source, int] = {
            Source(TP(row.topic, row.partition), row.topic_id): row.source_no for row in rows
        }
        self._newest_at: dict[int, int] = {row.source_no: row.newest_at for row in rows}

    def close(self) -> None:
        """Close the database; another process may own it then."""
        self.database.close()

    def positions(self) -> Mapping[TP, Position]:
        """Return where to continue."""
        with self.database.writing() as connection:
            rows = connection.execute(select(sources).where(sources.c.is_current)).all()
        return {TP(row.topic, row.partition): Position(row.topic_id, row.offset) for row in rows}

    def write(self, records: Sequence[Record], positions: Mapping[TP, Position]) -> None:
        """Write what is made of records, and the positions behind them, in one transaction.

        Raises `DatabaseLost` if the database fails.
        """
        with self.database.writing() as connection:
            added = [Source(tp, topic_id) for tp, (topic_id, _) in positions.items()]
            self._add(connection, [source for source in added if source not in self._sources], positions)
            skipped = self.apply(connection, records)
            self._advance(connection, records, positions, skipped)

    @abstractmethod
    def apply(self, connection: Connection, records: Sequence[Record]) -> Mapping[TP, int]:
        """Write what is made of records; return how many of each partition could not be read."""

    def source_no(self, record: Record) -> int:
        """Return the number of the source of a record."""
        return self._sources[Source(record.tp, record.topic_id)]

    @property
    def newest_at(self) -> int:
        """When the newest record that was written was published, by no clock that is ahead of ours; 0 for none."""
        return min(max(self._newest_at.values(), default=0), self._now_us())

    def _add(self, connection: Connection, added: Sequence[Source], positions: Mapping[TP, Position]) -> None:
        for tp, topic_id in added:
            number = len(self._sources) + 1
            self._sources[Source(tp, topic_id)] = number
            self._newest_at[number] = 0
            connection.execute(
                update(sources)
                .where(sources.c.topic == tp.topic, sources.c.partition == tp.partition)
                .values(is_current=False)
            )
            row = {"source_no": number, "topic": tp.topic, "partition": tp.partition, "topic_id": topic_id}
            counts = {"offset": positions[tp].offset, "records": 0, "skipped": 0, "newest_at": 0}
            connection.execute(insert(sources), {**row, **counts, "is_current": True})

    def _advance(
        self,
        connection: Connection,
        records: Sequence[Record],
        positions: Mapping[TP, Position],
        skipped: Mapping[TP, int],
    ) -> None:
        counts = Counter(record.tp for record in records)
        for record in records:
            number = self.source_no(record)
            self._newest_at[number] = max(self._newest_at[number], published_at(record))
        rows = []
        for tp, (topic_id, offset) in positions.items():
            number = self._sources[Source(tp, topic_id)]
            more = {"more": counts[tp], "more_skipped": skipped.get(tp, 0)}
            rows.append({"number": number, "next": offset, "newest": self._newest_at[number], **more})
        if rows:
            connection.execute(_ADVANCE, rows)


_ADVANCE: Final = (
    update(sources)
    .where(sources.c.source_no == bindparam("number"))
    .values(
        offset=bindparam("next"),
        newest_at=bindparam("newest"),
        records=sources.c.records + bindparam("more"),
        skipped=sources.c.skipped + bindparam("more_skipped"),
    )
)


def published_at(record: Record) -> int:
    """Return the timestamp of a record in microseconds, 0 if it has none or none that is a date."""
    return record.timestamp * 1000 if 0 <= record.timestamp <= _LATEST_MS else 0
