"""Applies each revision of a decision once and in order, and remembers in the same transaction how far it has read.

The inbox keeps two tables in the database of its user: the last revision of every decision, and the position in every
partition. So whatever its user writes for a revision is there exactly once: after a crash between two statements, for
messages that come twice, and when everything is read from the start again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sop_client.messages import Decision, Headers, InvalidMessageError, parse

DECISIONS_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS sop_decisions ("
    "decision_key TEXT PRIMARY KEY, revision INTEGER NOT NULL, decision_id TEXT NOT NULL)"
)
POSITIONS_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS sop_positions ("
    "topic TEXT NOT NULL, partition_number INTEGER NOT NULL, next_offset BIGINT NOT NULL, "
    "PRIMARY KEY (topic, partition_number))"
)
TAKE_REVISION: Final = (
    "INSERT INTO sop_decisions (decision_key, revision, decision_id) VALUES (?, ?, ?) "
    "ON CONFLICT (decision_key) DO UPDATE SET revision = excluded.revision, decision_id = excluded.decision_id "
    "WHERE sop_decisions.revision < excluded.revision"
)
"""Changes no row if this revision or a later one was applied. Two readers of one decision wait for each other here."""
SET_POSITION: Final = (
    "INSERT INTO sop_positions (topic, partition_number, next_offset) VALUES (?, ?, ?) "
    "ON CONFLICT (topic, partition_number) DO UPDATE SET next_offset = excluded.next_offset"
)
MARKERS: Final = {"qmark": "?", "format": "%s", "pyformat": "%s"}


class Connection(Protocol):
    """A DB-API 2.0 connection to SQLite (3.24 or later) or PostgreSQL, such as one of sqlite3 or psycopg."""

    def cursor(self) -> Any:
        """Return a cursor."""

    def commit(self) -> None:
        """Commit the transaction."""

    def rollback(self) -> None:
        """Roll the transaction back."""


@dataclass(frozen=True, slots=True)
class Record:
    """A committed record of a topic of sop-streams."""

    topic: str
    partition: int
    offset: int
    value: bytes | str | None
    headers: Headers = None


class Inbox:
    """The inbox of one reader, over a connection that is in no transaction.

    `paramstyle` is that of the driver's module, such as `sqlite3.paramstyle`. Raises ValueError if the inbox cannot use
    that style, or if the connection commits after each statement.
    """

    def __init__(self, connection: Connection, *, paramstyle: str) -> None:
        if paramstyle not in MARKERS:
            raise ValueError(f"paramstyle {paramstyle!r} is none of {', '.join(MARKERS)}")
        if _commits_by_itself(connection, paramstyle):
            raise ValueError("the connection is in autocommit mode; the inbox needs transactions")
        self._connection = connection
        self._marker = MARKERS[paramstyle]

    def create_tables(self) -> None:
        """Create the two tables of the inbox where they are missing, and commit."""
        for statement in (DECISIONS_TABLE, POSITIONS_TABLE):
            self._execute(statement)
        self._connection.commit()

    def positions(self) -> Mapping[tuple[str, int], int]:
        """Return the next offset to read by (topic, partition), where any was read; start others at the beginning."""
        rows = self._execute("SELECT topic, partition_number, next_offset FROM sop_positions").fetchall()
        self._connection.commit()
        return {(topic, partition): offset for topic, partition, offset in rows}

    def apply(self, records: Iterable[Record], handle: Callable[[Decision], None]) -> int:
        """Call `handle` for every decision whose revision is new, and commit; return how many there were.

        What `handle` writes through the connection is committed with it and with the positions after the records, or
        not at all: whatever is raised, by `handle` too, rolls everything back. Revisions that are stored already, other
        messages and records without a value are passed over. Raises `InvalidMessageError` for a record that is no
        message of sop-streams.
        """
        applied = 0
        reached: dict[tuple[str, int], int] = {}
        try:
            for record in records:
                decision = _decision(record)
                if decision is not None and self._take(decision):
                    handle(decision)
                    applied += 1
                reached[record.topic, record.partition] = record.offset + 1
            for (topic, partition), offset in sorted(reached.items()):
                self._execute(SET_POSITION, topic, partition, offset)
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        return applied

    def forget(self, decision_keys: Iterable[str]) -> None:
        """Forget the revisions of some decisions and all positions, and commit.

        Read from the beginning, the inbox then applies these decisions again and passes over all others: what a
        decision was left for, such as a rule that is known only now, can be caught up on.
        """
        for key in decision_keys:
            self._execute("DELETE FROM sop_decisions WHERE decision_key = ?", key)
        self._execute("DELETE FROM sop_positions")
        self._connection.commit()

    def _take(self, decision: Decision) -> bool:
        """Store a revision; return False if it or a later one is stored already."""
        key, revision, decision_id = decision.decision_key, decision.revision, decision.decision_id
        return bool(self._execute(TAKE_REVISION, key, revision, decision_id).rowcount)

    def _execute(self, statement: str, *values: object) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(statement.replace("?", self._marker), values)
        return cursor


def _decision(record: Record) -> Decision | None:
    if record.value is None:
        return None
    try:
        message = parse(record.value, record.headers)
    except InvalidMessageError as error:
        raise InvalidMessageError(f"{record.topic}-{record.partition}@{record.offset}: {error}") from None
    return message if isinstance(message, Decision) else None


def _commits_by_itself(connection: Connection, paramstyle: str) -> bool:
    """Return whether a connection of sqlite3 or psycopg commits each statement at once."""
    autocommit = getattr(connection, "autocommit", None)
    if isinstance(autocommit, bool):
        return autocommit
    return paramstyle == "qmark" and getattr(connection, "isolation_level", "") is None
