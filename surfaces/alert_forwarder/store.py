"""What fires, what has ended lately, and what each webhook has yet to get, in one SQLite file."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from schemas.errors import InvalidMessage
from schemas.outputs import AlertBody
from surfaces.alert_forwarder.alert import StoredAlert, decode_alert, label_set
from surfaces.sink.ports import Record
from surfaces.sink.sqlite_store import SqliteStore

OUTBOX_MESSAGES_MAX: Final = 100_000
"""Most messages that wait for one webhook; beyond that the oldest are dropped."""

_logger = logging.getLogger(__name__)


class Waiting(NamedTuple):
    """A message for a webhook: how often it was tried, since when, and when to try it next (microseconds)."""

    message_id: str
    event: bytes
    attempts: int
    first_tried_at: int | None
    due_at: int


class AlertStore(SqliteStore):
    """Keeps alerts by their label sets.

    An alert that has ended is kept for `ended_us` (microseconds) longer, so that it can be sent as such repeatedly.
    A receiver gets nothing before it is admitted, which happens once the topic has been read to its end: history is
    not news. It then gets what fires, and all that comes later.
    """

    TABLES = """
    CREATE TABLE IF NOT EXISTS alerts (
        labels TEXT PRIMARY KEY, -- all of them, as canonical JSON
        alert_id TEXT NOT NULL,
        message_id TEXT NOT NULL,
        event BLOB NOT NULL,
        ends_at INTEGER, -- microseconds; null while it fires and nobody knows its end
        kept_until INTEGER, -- microseconds; null for ever
        number INTEGER NOT NULL -- grows with every change
    );
    CREATE INDEX IF NOT EXISTS alerts_by_id ON alerts (alert_id);
    CREATE INDEX IF NOT EXISTS alerts_by_number ON alerts (number);
    CREATE TABLE IF NOT EXISTS receivers (
        receiver TEXT PRIMARY KEY,
        has_outbox INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        receiver TEXT NOT NULL,
        alert_id TEXT NOT NULL,
        message_id TEXT NOT NULL,
        event BLOB NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        first_tried_at INTEGER,
        due_at INTEGER NOT NULL DEFAULT 0,
        UNIQUE (receiver, message_id)
    );
    CREATE INDEX IF NOT EXISTS outbox_by_due ON outbox (receiver, due_at, number);
    CREATE INDEX IF NOT EXISTS outbox_by_alert ON outbox (receiver, alert_id, number);
    """

    def __init__(self, path: Path, ended_us: int) -> None:
        super().__init__(path)
        self._ended_us = ended_us
        with self.transaction() as database:
            ((self._number,),) = database.execute("SELECT coalesce(max(number), 0) FROM alerts")

    def apply(self, database: sqlite3.Connection, records: Sequence[Record]) -> None:
        """Keep the alerts in records, and put them into the outbox of every admitted webhook."""
        for record in records:
            try:
                message = decode_alert(record.value or b"")
                labels = label_set(message)
            except (InvalidMessage, ValueError) as error:  # ValueError: text that no JSON can hold
                _logger.warning("%s@%d: ignored, not an alert: %s", record.tp.name, record.offset, error)
                continue
            message_id = f"msg_{record.topic_id}_{record.tp.partition}_{record.offset}"
            at = record.timestamp * 1_000
            self._end_other_labels(database, message.alert_id, labels, at)
            self._number += 1
            kept_until = self._kept_until(message.body, at)
            row = (labels, message.alert_id, message_id, record.value, message.body.ends_at, kept_until, self._number)
            database.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            database.execute(
                "INSERT OR IGNORE INTO outbox (receiver, alert_id, message_id, event) "
                "SELECT receiver, ?, ?, ? FROM receivers WHERE has_outbox",
                (message.alert_id, message_id, record.value),
            )

    def _kept_until(self, body: AlertBody, at: int) -> int | None:
        if body.state == "resolved":
            return at + self._ended_us
        return None if body.ends_at is None else body.ends_at + self._ended_us

    def _end_other_labels(self, database: sqlite3.Connection, alert_id: str, labels: str, at: int) -> None:
        """End what has the same id and other labels: for Alertmanager that is another alert."""
        self._number += 1
        database.execute(
            "UPDATE alerts SET ends_at = ?, kept_until = ?, number = ? "
            "WHERE alert_id = ? AND labels <> ? AND (ends_at IS NULL OR ends_at > ?)",
            (at, at + self._ended_us, self._number, alert_id, labels, at),
        )

    def alerts(self, now: int, after: int = 0) -> list[StoredAlert]:
        """Return the alerts that fire or have ended lately, and have changed after the number `after`, in order."""
        with self.transaction() as database:
            rows = database.execute(
                "SELECT number, message_id, event, ends_at FROM alerts "
                "WHERE number > ? AND (kept_until IS NULL OR kept_until > ?) ORDER BY number",
                (after, now),
            )
            return [StoredAlert(*row) for row in rows]

    def tidy(self, now: int) -> dict[str, int]:
        """Delete what need not be sent any more, and what is too much for an outbox: how much for which receiver."""
        with self.transaction() as database:
            database.execute("DELETE FROM alerts WHERE kept_until <= ?", (now,))
            crowded = database.execute(
                "SELECT receiver, count(*) - ? FROM outbox GROUP BY receiver HAVING count(*) > ?",
                (OUTBOX_MESSAGES_MAX, OUTBOX_MESSAGES_MAX),
            ).fetchall()
            for receiver, excess in crowded:
                database.execute(
                    "DELETE FROM outbox WHERE number IN "
                    "(SELECT number FROM outbox WHERE receiver = ? ORDER BY number LIMIT ?)",
                    (receiver, excess),
                )
        return dict(crowded)

    def keep_receivers(self, receivers: Collection[str]) -> None:
        """Forget all receivers but these, with their outboxes."""
        with self.transaction() as database:
            known = [receiver for (receiver,) in database.execute("SELECT receiver FROM receivers")]
            for receiver in set(known).difference(receivers):
                self._delete(database, receiver)

    def is_admitted(self, receiver: str) -> bool:
        """Return whether a receiver gets what comes."""
        with self.transaction() as database:
            found = database.execute("SELECT 1 FROM receivers WHERE receiver = ?", (receiver,)).fetchone()
        return found is not None

    def admit(self, receiver: str, now: int, *, has_outbox: bool) -> None:
        """Admit a receiver; what fires goes into its outbox, if it has one. One that is admitted stays as it is."""
        with self.transaction() as database:
            added = database.execute("INSERT OR IGNORE INTO receivers VALUES (?, ?)", (receiver, has_outbox)).rowcount
            if added and has_outbox:
                database.execute(
                    "INSERT INTO outbox (receiver, alert_id, message_id, event) "
                    "SELECT ?, alert_id, message_id, event FROM alerts "
                    "WHERE ends_at IS NULL OR ends_at > ? ORDER BY number",
                    (receiver, now),
                )

    def dismiss(self, receiver: str) -> None:
        """Forget a receiver and its outbox; it can be admitted again."""
        with self.transaction() as database:
            self._delete(database, receiver)

    @staticmethod
    def _delete(database: sqlite3.Connection, receiver: str) -> None:
        database.execute("DELETE FROM outbox WHERE receiver = ?", (receiver,))
        database.execute("DELETE FROM receivers WHERE receiver = ?", (receiver,))

    def next_message(self, receiver: str) -> Waiting | None:
        """Return the message that is due first for a webhook, None if none waits.

        Messages about one alert go out in order: a later one waits for those before it.
        """
        with self.transaction() as database:
            row = database.execute(
                "SELECT message_id, event, attempts, first_tried_at, due_at FROM outbox AS message "
                "WHERE receiver = ? AND NOT EXISTS (SELECT 1 FROM outbox AS earlier "
                "WHERE earlier.receiver = message.receiver AND earlier.alert_id = message.alert_id "
                "AND earlier.number < message.number) ORDER BY due_at, number LIMIT 1",
                (receiver,),
            ).fetchone()
        return None if row is None else Waiting(*row)

    def remove(self, receiver: str, message_id: str) -> None:
        """Remove a message from an outbox: it was delivered, or given up."""
        with self.transaction() as database:
            database.execute("DELETE FROM outbox WHERE receiver = ? AND message_id = ?", (receiver, message_id))

    def postpone(self, receiver: str, message_id: str, now: int, due_at: int) -> None:
        """Keep a message for another try, after one that failed."""
        with self.transaction() as database:
            database.execute(
                "UPDATE outbox SET attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, ?), due_at = ? "
                "WHERE receiver = ? AND message_id = ?",
                (now, due_at, receiver, message_id),
            )
