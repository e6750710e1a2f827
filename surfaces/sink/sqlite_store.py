"""A sink's store in one SQLite file: rows and positions in one transaction."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from schemas.errors import Fatal, UsageError
from streams.runtime.ports import TP
from surfaces.sink.ports import Position, Record

BUSY_TIMEOUT_S: Final = 10.0
"""How long to wait for somebody who looks into the file with another program."""

_POSITIONS: Final = """
CREATE TABLE IF NOT EXISTS positions (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    topic_id TEXT NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
"""


class SqliteStore(ABC):
    """Implements `surfaces.sink.ports.Store`; subclasses name their tables and say what becomes of records.

    `path` is created with its folders. Any thread may use it. Raises `UsageError`, naming the file, if it cannot be
    used, is of another version (`VERSION`), or another process has it.
    """

    TABLES = ""
    """SQL that creates the tables that are missing."""
    VERSION = 1
    """The version of the tables."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._owner = path.with_name(f"{path.name}.lock").open("wb")
            try:
                fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._owner.close()
                raise UsageError(f"{path}: another process has it") from None
            self._open()
        except sqlite3.Error as error:
            self._owner.close()
            raise UsageError(f"{path}: cannot be used: {error}") from error
        except OSError as error:
            raise UsageError(f"{error.filename or path}: cannot be used: {error.strerror or error}") from error

    def _open(self) -> None:
        self._database = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        # Each transaction is whole or absent even after a power failure; what the latest wrote is then read again.
        self._database.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version not in {0, self.VERSION}:
            self.close()
            raise UsageError(f"{self.path}: written by another version; delete it, and it is made anew from Kafka")
        self._database.executescript(f"BEGIN; {_POSITIONS} {self.TABLES} PRAGMA user_version = {self.VERSION}; COMMIT;")

    def close(self) -> None:
        """Close the file; another process may have it then."""
        with self._lock:
            self._database.close()
            self._owner.close()

    def positions(self) -> Mapping[TP, Position]:
        """Return where to continue."""
        with self.transaction() as database:
            rows = database.execute("SELECT topic, partition, topic_id, offset FROM positions").fetchall()
        return {TP(topic, partition): Position(topic_id, offset) for topic, partition, topic_id, offset in rows}

    def write(self, records: Sequence[Record], positions: Mapping[TP, Position]) -> None:
        """Write what is made of records, and the positions behind them, in one transaction."""
        with self.transaction() as database:
            self.apply(database, records)
            database.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                [(tp.topic, tp.partition, *position) for tp, position in positions.items()],
            )

    @abstractmethod
    def apply(self, database: sqlite3.Connection, records: Sequence[Record]) -> None:
        """Write what is made of records, within a transaction that is open."""

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the database for one transaction, which is committed unless the block raises.

        Raises `Fatal` if SQLite fails, as on a full disk.
        """
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                    self._database.execute("COMMIT")
                finally:
                    if self._database.in_transaction:
                        self._database.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise Fatal(f"{self.path}: {error}") from error
