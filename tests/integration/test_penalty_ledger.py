"""The penalty ledger of examples/python against a real Kafka, with SQLite and PostgreSQL, killed again and again."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import penalty_ledger
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

from streams.embedded_kafka.broker import EmbeddedKafka
from tests.kit import KitRecord, books, expected_books, journal, kit
from tests.postgres_server import PostgresServer

TOP = Path(__file__).parents[2]
PROGRAM = TOP / "examples" / "python" / "penalty_ledger.py"
PARTITIONS = 4
TIMEOUT_S = 60.0
STREAMS = kit()


def on_kafka(kafka: EmbeddedKafka, prefix: str, records: list[KitRecord]) -> None:
    """Write records to topics with a prefix, in one transaction, after one that was aborted."""
    topics = sorted({each.topic for each in records})
    admin = AdminClient({"bootstrap.servers": kafka.address})
    for created in admin.create_topics([NewTopic(prefix + topic, PARTITIONS, 1) for topic in topics]).values():
        created.result(TIMEOUT_S)
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": f"{prefix}kit"})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    for each in records:
        never = (each.value or "").replace('"revision":', '"revision":9')
        producer.produce(prefix + each.topic, never, each.key, each.partition, headers=list(each.headers))
    producer.flush(TIMEOUT_S)  # otherwise what was not sent yet would not be there to be aborted
    producer.abort_transaction(TIMEOUT_S)
    producer.begin_transaction()
    for each in records:
        producer.produce(prefix + each.topic, each.value, each.key, each.partition, headers=list(each.headers))
    producer.commit_transaction(TIMEOUT_S)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(TOP), str(PROGRAM.parent)])
    return subprocess.run(
        [sys.executable, *command],
        cwd=TOP,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


def follow(brokers: str, prefix: str, database: str, *options: str) -> str:
    """Run the ledger as a user does, to the end of the topics; return what it prints."""
    options = ("--brokers", brokers, "--prefix", prefix, "--until-end", *options)
    done = run(PROGRAM, "follow", database, *options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


class Reader:
    """A connection to the database of a ledger."""

    def __init__(self, database: str) -> None:
        self.connection, paramstyle = penalty_ledger.connect(database)
        self.marker = "?" if paramstyle == "qmark" else "%s"

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()  # type: ignore[attr-defined] # every connection has it

    def books(self) -> dict[str, Any]:
        return books(self.connection, self.marker)


def killed_runs(brokers: str, prefix: str, database: str, topics: tuple[str, ...], at: int) -> int:
    """Follow the topics with processes that die at a commit, by turns before and after it; return how many died.

    `at` is the number of that commit in each process.
    """
    names = [prefix + topic for topic in topics]
    for deaths, dies in enumerate(itertools.cycle(("before", "after"))):
        done = run("-m", "tests.integration.dying_ledger", dies, str(at), brokers, database, *names)
        if done.returncode == 0:
            return deaths
        assert done.returncode == -signal.SIGKILL, done.stderr
    raise AssertionError


@pytest.mark.timeout(240)
def test_a_ledger_in_sqlite_that_is_killed_again_and_again_has_every_entry_once(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    has_every_entry_once(kafka, prefix, str(tmp_path / "ledger.db"), tmp_path)


@pytest.mark.timeout(240)
def test_a_ledger_in_postgresql_that_is_killed_again_and_again_has_every_entry_once(
    kafka: EmbeddedKafka, prefix: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    has_every_entry_once(kafka, prefix, postgres.new_database(), tmp_path)


def has_every_entry_once(kafka: EmbeddedKafka, prefix: str, database: str, tmp_path: Path) -> None:
    stream = STREAMS["duplicated"]
    on_kafka(kafka, prefix, [each for each in stream.records if each.topic in stream.topics])
    deaths = killed_runs(kafka.address, prefix, database, stream.topics, at=6)
    assert deaths >= 2
    straight = str(tmp_path / "straight.db")
    follow(kafka.address, prefix, straight)
    with Reader(database) as killed, Reader(straight) as whole:
        assert killed.books() == whole.books() == expected_books(stream.ledger)
        entries = journal(whole.connection)
        assert journal(killed.connection) == entries != []
        # read from the start again, as after a restore of the positions alone
        killed.connection.cursor().execute("DELETE FROM sop_positions")
        killed.connection.commit()
    assert follow(kafka.address, prefix, database) == ""
    with Reader(database) as again:
        assert journal(again.connection) == entries
    shown = run(PROGRAM, "show", database)
    assert shown.returncode == 0
    assert "penalties         p-1" in shown.stdout
    assert "to review: job-of-nobody|paf|out_of_scope| (" in shown.stdout
    assert "revisions applied" in follow(kafka.address, prefix, database, "--reviews-again")
    with Reader(database) as after:  # the table is the same, and so are the books
        assert after.books() == expected_books(stream.ledger)
        assert journal(after.connection) == entries


def test_the_last_revisions_alone_lead_to_the_same_books(
    kafka: EmbeddedKafka, prefix: str, postgres: PostgresServer
) -> None:
    database = postgres.new_database()
    stream = STREAMS["latest-compacted"]
    on_kafka(kafka, prefix, [*stream.records])
    follow(kafka.address, prefix, database, "--latest")
    with Reader(database) as reader:
        assert reader.books() == expected_books(stream.ledger)


def test_a_ledger_that_cannot_begin_says_why_in_one_line(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    options = ("--brokers", kafka.address, "--prefix", prefix)
    no_topic = run(PROGRAM, "follow", str(tmp_path / "ledger.db"), *options)
    assert no_topic.returncode == 1
    assert no_topic.stderr.startswith(f"penalty_ledger: topic {prefix}decisions.tagging: ")
    no_folder = run(PROGRAM, "show", str(tmp_path / "missing" / "ledger.db"))
    assert (no_folder.returncode, no_folder.stderr) == (1, "penalty_ledger: unable to open database file\n")
