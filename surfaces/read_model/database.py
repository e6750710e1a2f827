"""The database of the read model: SQLite in the data folder, or PostgreSQL; one process writes, any thread reads."""

from __future__ import annotations

import fcntl
import re
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from psycopg import errors as postgres
from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from schemas.errors import Fatal, Unavailable, UsageError
from streams.config.credentials import read_secret, refuse_plaintext
from streams.config.settings import Settings, data_dir

FILE_NAME: Final = "console.sqlite"
SCHEMA_NAME: Final = "sop_console"
LOCK_NUMBER: Final = 0x50_1D
"""Tells our advisory locks from those of other programs."""
READERS_MAX: Final = 16
CACHE_KIB: Final = 16 * 1024

_SCHEMA: Final = re.compile(r"[A-Za-z0-9._-]{1,63}")
BUSY_TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 5
LOCK_TIMEOUT_S: Final = 5
"""How long PostgreSQL may take to notice that the process which wrote before has died."""


class DatabaseLost(Fatal):
    """The database failed, or another process owns it now; nothing was written."""


class Database(ABC):
    """A database whose tables one process writes.

    `name` is what messages call it, `writer` the engine of the one connection that writes, `reader` that of the
    connections that only read.
    """

    def __init__(self, name: str, writer: Engine, reader: Engine) -> None:
        self.name = name
        self.writer = writer
        self.reader = reader

    @abstractmethod
    def own(self) -> None:
        """Become the one who writes; raises `UsageError` if another process is, and `DatabaseLost` if that fails."""

    @abstractmethod
    def clear(self) -> None:
        """Delete all that the read model has there."""

    @abstractmethod
    def purge(self) -> bool:
        """Have nothing of deleted rows left on the disk; return whether that is so."""

    def close(self) -> None:
        """Close all connections; another process may write then."""
        self.writer.dispose()
        self.reader.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one moment throughout; raises `Unavailable` if the database fails."""
        try:
            with self.reader.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise Unavailable(f"{self.name}: {reason(error)}") from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the connection that writes, for one transaction; raises `DatabaseLost` if the database fails."""
        try:
            with self.writer.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise DatabaseLost(f"{self.name}: {reason(error)}") from error


def open_database(settings: Settings) -> Database:
    """Return the database of the settings, which nobody owns yet; raises `UsageError` if they name none."""
    address = read_secret("SOP_DATABASE_URL", settings.database_url, settings.database_url_file)
    if not address:
        return SqliteDatabase(data_dir(settings) / f"{settings.topic_prefix}{FILE_NAME}")
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):  # of the port
        url = None
    if url is None or url.drivername not in {"postgresql", "postgres"} or not url.database:
        raise UsageError("SOP_DATABASE_URL: not postgresql://USER@HOST/DATABASE")
    if url.host and url.query.get("sslmode") not in {"verify-full", "verify-ca"}:
        refuse_plaintext(settings.profile, "SOP_DATABASE_URL without sslmode=verify-full", url.host)
    schema = f"{settings.topic_prefix}{SCHEMA_NAME}"
    if not _SCHEMA.fullmatch(schema):
        raise UsageError(f"SOP_TOPIC_PREFIX: {schema!a} cannot be a schema in PostgreSQL, or is too long for one")
    return PostgresDatabase(url, schema)


def reason(error: DBAPIError) -> str:
    """Return in one line what the driver says, without statement and values."""
    return str(error.orig).strip().partition("\n")[0] or type(error.orig).__name__


class SqliteDatabase(Database):
    """A file with a lock beside it. Who reads sees the last commit and keeps nobody waiting (WAL)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_file: IO[bytes] | None = None
        writer = _pool("sqlite://", lambda: _connect_sqlite(path, "synchronous = NORMAL", "secure_delete = ON"), 1)
        reader = _pool("sqlite://", lambda: _connect_sqlite(path, "query_only = ON"), READERS_MAX)
        # Python's driver would begin a transaction only with the first change, and leave reads outside of any.
        event.listen(writer, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        event.listen(reader, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        super().__init__(str(path), writer, reader)

    def own(self) -> None:
        """Lock the file, which is made with its folders, and see whether it is a database."""
        self.close()  # a lock that this process has would be in its own way
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = self._path.with_name(f"{self._path.name}.lock").open("wb")
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self.writer.begin() as connection:
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
        except BlockingIOError:
            self.close()
            raise UsageError(f"{self._path}: another process has it") from None
        except OSError as error:
            self.close()
            raise UsageError(f"{error.filename or self._path}: cannot be used: {error.strerror or error}") from error
        except DBAPIError as error:
            self.close()
            raise DatabaseLost(f"{self._path}: cannot be used: {reason(error)}") from error

    def clear(self) -> None:
        """Delete the file."""
        self.writer.dispose()
        self.reader.dispose()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def purge(self) -> bool:
        """Empty the journal, unless somebody still reads from it. Deleted rows are overwritten in the file."""
        try:
            with closing(_connect_sqlite(self._path, "busy_timeout = 100")) as connection:
                is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise DatabaseLost(f"{self.name}: {error}") from error
        return not is_busy

    def close(self) -> None:
        """Close the file and give up the lock."""
        super().close()
        if self._lock_file is not None:
            self._lock_file.close()


def _connect_sqlite(path: Path, *pragmas: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class PostgresDatabase(Database):
    """A schema in a database of PostgreSQL. Whoever writes holds an advisory lock, which ends with its connection.

    So a process that lost its connection writes no more, and another one can take over.
    """

    def __init__(self, url: URL, schema: str) -> None:
        self._schema = schema
        address = url.set(drivername="postgresql+psycopg")
        writer = _pool(address, None, 1)
        reader = _pool(address, None, READERS_MAX)
        event.listen(writer, "connect", self._prepare_writer)
        event.listen(reader, "connect", self._prepare_reader)
        super().__init__(f"PostgreSQL at {url.host or 'its socket'}, database {url.database}", writer, reader)

    def _prepare_writer(self, connection: PostgresConnection, _: object) -> None:
        for statement in (
            f'SET search_path TO "{self._schema}"',
            "SET tcp_keepalives_idle = 30",  # the lock of a machine that has vanished ends within a minute or so
            "SET tcp_keepalives_interval = 10",
            "SET tcp_keepalives_count = 3",
            f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'",
            f"SELECT pg_advisory_lock({LOCK_NUMBER}, hashtext('{self._schema}'))",
            "RESET lock_timeout",
        ):
            connection.execute(statement)
        connection.commit()

    def _prepare_reader(self, connection: PostgresConnection, _: object) -> None:
        for statement in (
            f'SET search_path TO "{self._schema}"',
            "SET default_transaction_read_only = on",
            "SET default_transaction_isolation = 'repeatable read'",
            "SET max_parallel_workers_per_gather = 0",  # a page takes less time than to start them
            "SET jit = off",  # or to compile its queries
        ):
            connection.execute(statement)
        connection.commit()

    def own(self) -> None:
        """Take the lock, with a connection of its own, and make the schema."""
        self.writer.dispose()
        try:
            with self.writer.begin() as connection:
                connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{self._schema}"')
        except DBAPIError as error:
            self.close()
            if isinstance(error.orig, postgres.LockNotAvailable):
                raise UsageError(f"{self.name}: another process has it") from None
            raise DatabaseLost(f"{self.name}: cannot be used: {reason(error)}") from error

    def purge(self) -> bool:
        """Remove deleted rows; what the server archives of its own log is for its administrator."""
        try:
            with self.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")
        except DBAPIError as error:
            raise DatabaseLost(f"{self.name}: {reason(error)}") from error
        return True

    def clear(self) -> None:
        """Drop the schema with its tables, and make it again."""
        with self.writing() as connection:
            connection.exec_driver_sql(f'DROP SCHEMA "{self._schema}" CASCADE')
            connection.exec_driver_sql(f'CREATE SCHEMA "{self._schema}"')


class PostgresConnection(Protocol):
    """A connection of psycopg."""

    def execute(self, statement: str, /) -> object:
        """Execute a statement."""

    def commit(self) -> None:
        """End the transaction."""


def _pool(url: str | URL, creator: Callable[[], sqlite3.Connection] | None, connections: int) -> Engine:
    """Return an engine with so many connections at most.

    Connections that read are tried out before each use, so that none is left from before a restart of the server. One
    that writes is not: it must not be replaced unnoticed, since the lock is lost with it.
    """
    options = {"creator": creator} if creator else {"connect_args": {"connect_timeout": CONNECT_TIMEOUT_S}}
    is_tried = creator is None and connections > 1
    pool = {"poolclass": QueuePool, "pool_size": connections, "max_overflow": 0, "pool_pre_ping": is_tried}
    return create_engine(url, hide_parameters=True, **pool, **options)
