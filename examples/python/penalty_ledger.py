"""A penalty ledger: follows the decisions of sop-streams and keeps its books in SQLite or PostgreSQL.

    python examples/python/penalty_ledger.py follow ledger.db --brokers 127.0.0.1:9092
    python examples/python/penalty_ledger.py show ledger.db

Entries are only ever added, and offsets are in the same transaction as the entries, so it can be killed at any moment
and read everything twice. docs/consuming.md explains what it does and why.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from sop_client import (
    Connection,
    Decision,
    Inbox,
    InvalidMessageError,
    Line,
    NeedsReviewError,
    PostingTable,
    Record,
    difference,
)

CHAINS = ("decisions.tagging", "decisions.paf", "decisions.rating-reversal", "decisions.refund")
LATEST = ("decisions.latest",)
BATCH = 500
WAIT_S = 0.5
ENTRIES_TABLE = """CREATE TABLE IF NOT EXISTS ledger_entries (
    decision_key TEXT NOT NULL, revision INTEGER NOT NULL, decision_id TEXT NOT NULL, effective_at TEXT NOT NULL,
    account TEXT NOT NULL, holder TEXT NOT NULL, unit TEXT NOT NULL, ten_thousandths BIGINT NOT NULL)"""
ENTRIES_INDEX = "CREATE INDEX IF NOT EXISTS ledger_entries_of_decision ON ledger_entries (decision_key)"
REVIEWS_TABLE = "CREATE TABLE IF NOT EXISTS ledger_reviews (decision_key TEXT PRIMARY KEY, reason TEXT NOT NULL)"


class Ledger:
    """The books, in the database behind a connection; `marker` is how its driver writes a parameter."""

    def __init__(self, connection: Connection, marker: str) -> None:
        self._connection = connection
        self._marker = marker
        self._table = PostingTable.current()

    def create_tables(self) -> None:
        """Create the tables where they are missing."""
        for statement in (ENTRIES_TABLE, ENTRIES_INDEX, REVIEWS_TABLE):
            self._execute(statement)
        self._connection.commit()

    def post(self, decision: Decision) -> None:
        """Add the entries that bring the books in line with a new revision; the inbox commits."""
        key = decision.decision_key
        self._execute("DELETE FROM ledger_reviews WHERE decision_key = ?", key)
        try:
            wanted = self._table.lines(decision)
        except NeedsReviewError as error:
            wanted = ()
            self._execute("INSERT INTO ledger_reviews VALUES (?, ?)", key, str(error))
        for line in difference(wanted, self._posted(key)):
            self._execute(
                "INSERT INTO ledger_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                *(key, decision.revision, decision.decision_id, decision.effective_at.isoformat()),
                *(line.account, line.holder, line.unit, line.ten_thousandths),
            )

    def balances(self) -> list[Line]:
        """Return every balance that is not zero, sorted."""
        return self._sums("SELECT account, holder, unit, SUM(ten_thousandths) FROM ledger_entries")

    def reviews(self) -> list[tuple[str, str]]:
        """Return the decisions that a person must look at, each with the reason."""
        rows = self._execute("SELECT decision_key, reason FROM ledger_reviews ORDER BY decision_key").fetchall()
        self._connection.commit()
        return [(key, reason) for key, reason in rows]

    def _posted(self, key: str) -> list[Line]:
        """Return what earlier revisions of a decision led to."""
        select = "SELECT account, holder, unit, SUM(ten_thousandths) FROM ledger_entries WHERE decision_key = ?"
        return self._sums(select, key)

    def _sums(self, select: str, *values: object) -> list[Line]:
        group = "GROUP BY account, holder, unit HAVING SUM(ten_thousandths) <> 0"
        rows = self._execute(f"{select} {group}", *values).fetchall()
        return sorted(Line(account, holder, unit, int(number)) for account, holder, unit, number in rows)

    def _execute(self, statement: str, *values: object) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(statement.replace("?", self._marker), values)
        return cursor


def follow(
    consumer: Consumer, topics: list[str], inbox: Inbox, ledger: Ledger, *, until_end: bool, batch: int = BATCH
) -> None:
    """Apply what the topics hold from the stored positions on: for ever, or until their end."""
    partitions = [(topic, partition) for topic in topics for partition in partitions_of(consumer, topic)]
    stored = inbox.positions()
    consumer.assign([TopicPartition(*each, stored.get(each, OFFSET_BEGINNING)) for each in partitions])
    unfinished: set[tuple[str | None, int | None]] = {*partitions}
    while unfinished or not until_end:
        messages = consumer.consume(batch, timeout=WAIT_S)
        unfinished -= {at_end for each in messages if (at_end := ended(each))}
        records = [record(each) for each in messages if not each.error()]
        if records and (applied := inbox.apply(records, ledger.post)):
            print(f"{applied} revisions applied", flush=True)


def ended(message: Message) -> tuple[str | None, int | None] | None:
    """Return the partition whose end a message reports; raises KafkaException if it reports another event."""
    error = message.error()
    if error is not None and error.name() != "_PARTITION_EOF":
        raise KafkaException(error)
    return (message.topic(), message.partition()) if error else None


def record(message: Message) -> Record:
    """Return a message of Kafka as the inbox takes it."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Record(topic, partition, offset, message.value(), dict(message.headers() or ()).items())


def partitions_of(consumer: Consumer, topic: str) -> list[int]:
    """Return the partitions of a topic; raises LookupError if there is none."""
    found = consumer.list_topics(topic, timeout=30).topics[topic]
    if found.error:
        raise LookupError(f"topic {topic}: {found.error.str()}")
    return sorted(found.partitions)


def connect(database: str) -> tuple[Connection, str]:
    """Return a connection to `postgresql://…` or to a file of SQLite, and the paramstyle of its driver."""
    if database.startswith(("postgresql://", "postgres://")):
        return psycopg.connect(database), psycopg.paramstyle
    return sqlite3.connect(database), sqlite3.paramstyle


@contextmanager
def kafka_consumer(brokers: str, group: str) -> Iterator[Consumer]:
    """Yield a consumer that sees committed records only and stores no offsets of its own."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": group,  # required by the client; the positions are in the database
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",  # where Kafka has deleted what a stored position points to
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    connection, paramstyle = connect(arguments.database)
    inbox = Inbox(connection, paramstyle=paramstyle)
    inbox.create_tables()
    ledger = Ledger(connection, "?" if paramstyle == "qmark" else "%s")
    ledger.create_tables()
    if arguments.command == "show":
        for line in ledger.balances():
            print(f"{line.account:<17} {line.holder:<40} {line.amount:>12} {line.unit}")
        for key, reason in ledger.reviews():
            print(f"to review: {key} ({reason})")
        return
    if arguments.reviews_again:
        inbox.forget(key for key, _ in ledger.reviews())
    topics = [arguments.prefix + topic for topic in (LATEST if arguments.latest else CHAINS)]
    with kafka_consumer(arguments.brokers, arguments.group) as consumer:
        follow(consumer, topics, inbox, ledger, until_end=arguments.until_end)


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="Keep a ledger of penalties, rating reversals and refunds.")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="print the balances, and what a person must look at")
    keep = commands.add_parser("follow", help="apply decisions as they come, until interrupted")
    for each in (show, keep):
        each.add_argument("database", help="a file for SQLite, or postgresql://…")
    keep.add_argument("--brokers", default="127.0.0.1:9092", help="HOST:PORT of Kafka (%(default)s)")
    keep.add_argument("--prefix", default="", help="what the names of all topics begin with")
    keep.add_argument("--group", default="penalty-ledger", help="the consumer group (%(default)s)")
    keep.add_argument("--latest", action="store_true", help="read decisions.latest instead of every chain")
    again = "read everything again for what waits for a person, after an update of the posting table"
    keep.add_argument("--reviews-again", action="store_true", help=again)
    keep.add_argument("--until-end", action="store_true", help="stop at what is the end of the topics now")
    return parser


def main() -> int:
    """Run the command line; return the exit status."""
    try:
        run(command_line().parse_args())
    except (KafkaException, InvalidMessageError, LookupError, sqlite3.Error, psycopg.Error) as error:
        print(f"penalty_ledger: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
