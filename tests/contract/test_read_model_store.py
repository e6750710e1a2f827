"""What becomes of records and of the database, in SQLite and in PostgreSQL, whatever happens to either."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from msgspec import structs
from sqlalchemy import Engine, select

from schemas.codec.encoder import encode_act
from schemas.codec.headers import Headers
from schemas.errors import Fatal, UsageError
from schemas.outputs import Act
from schemas.timestamps import DAY_US
from streams.config.settings import Settings
from streams.embedded_kafka.free_ports import free_port
from streams.runtime.ports import TP
from surfaces.read_model import store
from surfaces.read_model.database import Database, DatabaseLost, PostgresDatabase, SqliteDatabase, open_database
from surfaces.read_model.model import SqlReadModel
from surfaces.read_model.tables import VERSION, reports
from surfaces.read_model.views import CaseFilter
from surfaces.sink.ports import Record
from tests.read_models import (
    NOW_US,
    RECORDS,
    TOPICS,
    Expected,
    Feed,
    all_cases,
    answers,
    positions_behind,
    store_in,
    write,
)

pytestmark = pytest.mark.usefixtures("postgres_first")


def test_the_order_in_which_topics_are_read_does_not_matter(database: Database, filled: Database) -> None:
    one_after_the_other = sorted(RECORDS, key=lambda record: (record.tp, record.offset))
    with closing(store_in(database)) as store_:
        write(store_, one_after_the_other, 97)
        assert answers(SqlReadModel(database)) == answers(SqlReadModel(filled))
    filled.reader.dispose()


def test_a_topic_that_was_created_again_brings_no_message_twice(database: Database, filled: Database) -> None:
    again = [each._replace(topic_id="id-2") for each in RECORDS]
    with closing(store_in(database)) as store_:
        write(store_, RECORDS)
        write(store_, again)
        model = SqlReadModel(database)
        assert answers(model) == answers(SqlReadModel(filled))
        assert {each.topic_id for each in model.positions()} == {"id-2"}
        case_id = model.cases(CaseFilter()).cases[0].case_id
        once, twice = SqlReadModel(filled).case(case_id), model.case(case_id)
        assert once is not None
        assert twice is not None
        assert len(twice.facts) == 2 * len(once.facts)
        assert len(twice.decisions) == len(once.decisions)
    filled.reader.dispose()


def test_the_greatest_revision_counts_and_never_the_last_one(database: Database) -> None:
    decided = [each for each in Expected(RECORDS).revisions if each.revision > 1]
    assert decided
    chains = {each.decision_key for each in decided}
    feed = Feed()
    for message in reversed([each for each in Expected(RECORDS).revisions if each.decision_key in chains]):
        feed.add_message(message, message.body.effective_at)
    with closing(store_in(database)) as store_:
        write(store_, feed.records, 1)
        shown = {
            one.decision_key: one for each in all_cases(SqlReadModel(database), CaseFilter()) for one in each.decisions
        }
    latest = Expected(feed.records).decisions
    assert {key: each.revision for key, each in shown.items()} == {key: each.revision for key, each in latest.items()}
    assert {key: each.outcome for key, each in shown.items()} == {
        key: each.body.outcome for key, each in latest.items()
    }


def test_the_records_of_the_policies_are_kept_in_their_order_and_as_they_came(database: Database) -> None:
    tp = TP(TOPICS.policies, 0)
    came: list[tuple[bytes | None, bytes | None, Headers]] = [
        (b"a", b"one", ()),
        (None, b"\xff\0", (("sop-signature", b"\xe2"), ("empty", None))),
        (b"\0", None, ()),
    ]
    records = [Record(tp, "id-1", offset, 1_000 + offset, *each) for offset, each in enumerate(came)]
    with closing(store_in(database)) as store_:
        write(store_, records, 2)
        model = SqlReadModel(database)
        stored = model.published_policies()
        assert [(each.place.name, each.published_at) for each in stored] == [
            (f"{tp.name}@{offset}", (1_000 + offset) * 1_000) for offset in range(3)
        ]
        assert [(each.key, each.value, each.headers) for each in stored] == came
        again = Record(tp, "id-2", 0, 9_000, b"b", b"two", ())
        write(store_, [again])
        assert [each.value for each in model.published_policies()] == [b"two"]


def test_what_cannot_be_read_is_counted_and_nothing_else_is_lost(database: Database) -> None:
    feed = Feed()
    for topic in (*TOPICS.inputs, *TOPICS.outputs, TOPICS.progress, TOPICS.acts):
        for value in (
            None,
            b"",
            b"\xff",
            b"[]",
            b"{}",
            b'{"id":"1","type":"decision.paf","subject":"s","time":"x","data":{}}',
        ):
            feed.add(topic, "key", value, 1_000_000)
    feed.add(TOPICS.progress, "progress", b'{"positions":{},"other":1}', 1_000_000)
    first = next(each for each in RECORDS if each.tp.topic in TOPICS.decisions)
    with closing(store_in(database)) as store_:
        write(store_, feed.records)
        write(store_, [first])
        model = SqlReadModel(database)
        counted = Counter[str]()
        for each in model.positions():
            counted[each.tp.topic] += each.skipped
        assert counted[TOPICS.acts] == counted[TOPICS.alerts] == counted[TOPICS.locations] == 6
        assert counted[TOPICS.progress] == 1
        assert model.overview(NOW_US).cases == 1


ODD = ("a\0b", "\0", "x" * 256, "ü" * 200 + "|%'\"_\\", "\U0001f3e0" * 256, "a-b@c", " ", "%", "_")


@pytest.mark.parametrize("name", ODD)
def test_ids_may_be_any_text(database: Database, name: str) -> None:
    message = next(each for each in Expected(RECORDS).revisions if each.body.kind == "paf")
    body = structs.replace(message.body, case_id=name, partner_id=name, reasons=(), outcome="upheld")
    feed = Feed()
    feed.add_message(structs.replace(message, body=body), 1_000_000)
    with closing(store_in(database)) as store_:
        write(store_, feed.records)
        model = SqlReadModel(database)
        assert len(all_cases(model, CaseFilter(partner=name))) == 1
        found = model.case(name)
        assert found is not None
        assert found.decisions[0].message.body.case_id == name
        partner = model.partner(name)
        assert partner is not None
        assert len(partner.engagements) == 1
        if name.strip():
            assert {each.kind for each in model.find(name)} == {"case", "partner"}


def test_acts_come_with_the_latest_first(database: Database) -> None:
    feed = Feed()
    for number in range(5):
        act = Act(who="ana", address="10.0.0.1", what="redrive", why=f"why {number}", records=("dead-letters-0@1",))
        at = 1_767_600_000_000_000 + number
        feed.add(TOPICS.acts, "ana", encode_act(act, f"s-{number}", at), at)
    with closing(store_in(database)) as store_:
        write(store_, feed.records)
        model = SqlReadModel(database)
        first = model.acts(limit=3)
        rest = model.acts(before=first.next_page, limit=3)
    acts = [*first.acts, *rest.acts]
    assert [(each.who, each.address, each.what, each.why, each.subject, each.records) for each in acts] == [
        ("ana", "10.0.0.1", "redrive", f"why {number}", f"s-{number}", ("dead-letters-0@1",))
        for number in (4, 3, 2, 1, 0)
    ]
    assert rest.next_page is None
    assert acts[0].record.value == feed.records[-1].value


def test_reports_older_than_a_week_are_deleted_in_small_steps(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PRUNED_MAX", 40)
    located = [each for each in RECORDS if each.tp.topic == TOPICS.locations][:300]
    later = [
        each._replace(offset=each.offset + 10_000, timestamp=each.timestamp + 8 * DAY_US // 1000)
        for each in located[:30]
    ]
    others = [each for each in RECORDS if each.tp.topic != TOPICS.locations]
    left = []
    with closing(store_in(database)) as store_:
        write(store_, others)
        write(store_, located)
        for record in later:
            write(store_, [record])
            with database.reading() as connection:
                left.append(len(connection.execute(select(reports.c.seq)).all()))
        model = SqlReadModel(database)
        assert len(all_cases(model, CaseFilter())) == len(Expected(RECORDS).latest_at)
    read = 300 - Expected(located).unreadable.total()
    assert left[0] > read - 2 * 40
    assert all(before - after <= 40 for before, after in pairwise(left))
    assert left[-1] <= len(later)


def test_a_clock_that_is_ahead_deletes_nothing(database: Database) -> None:
    located = [each for each in RECORDS if each.tp.topic == TOPICS.locations][:50]
    ahead = located[0]._replace(offset=99_999, timestamp=4_000_000_000_000)
    with closing(store_in(database, now_us=located[-1].timestamp * 1000)) as store_:
        write(store_, located)
        write(store_, [ahead, *(each._replace(offset=each.offset + 50_000) for each in located)])
        with database.reading() as connection:
            count = len(connection.execute(select(reports.c.seq)).all())
    assert count == 2 * (50 - Expected(located).unreadable.total()) + 1 - Expected(located[:1]).unreadable.total()


def test_another_version_is_made_anew_and_numbers_go_on_growing(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(store_in(database, NOW_US)) as first:
        write(first, RECORDS)
        last = SqlReadModel(database).changes(0, limit=1).last_seq
    with closing(store_in(database, NOW_US)) as same:
        assert same.positions() == positions_behind(RECORDS)
    assert caplog.messages == []
    monkeypatch.setattr(store, "VERSION", VERSION + 1)
    with closing(store_in(database, NOW_US + 60_000_000)) as second:
        assert second.positions() == {}
        assert SqlReadModel(database).overview(NOW_US).cases == 0
        write(second, RECORDS)
        assert SqlReadModel(database).changes(0, limit=100_000).rows[0].seq > last
    assert [each for each in caplog.messages if "another version" in each] == [
        f"{database.name}: tables of another version; they are made anew from the topics"
    ]


def test_one_process_at_a_time_writes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surfaces.read_model.database.LOCK_TIMEOUT_S", 0.2)
    with closing(store_in(database)):
        other = another(database)
        with pytest.raises(UsageError, match="another process has it"):
            store_in(other)
    with closing(store_in(other)) as successor:
        write(successor, RECORDS[:10])


def another(database: Database) -> Database:
    """Return the database as another process opens it."""
    if isinstance(database, SqliteDatabase):
        return SqliteDatabase(Path(database.name))
    return PostgresDatabase(database.writer.url.set(drivername="postgresql"), "sop_console")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_writer_that_lost_its_connection_writes_nothing_and_goes_on_where_it_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surfaces.read_model.database.LOCK_TIMEOUT_S", 0.2)
    half = len(RECORDS) // 2
    store_ = store_in(database)
    write(store_, RECORDS[:half])
    SqlReadModel(database).facets()
    end_connections(database.writer)
    with pytest.raises(DatabaseLost, match=r"PostgreSQL at 127\.0\.0\.1"):
        write(store_, RECORDS[half:])
    successor = store_in(database)
    assert successor.positions() == positions_behind(RECORDS[:half])
    write(successor, RECORDS[half:])
    assert len(all_cases(SqlReadModel(database), CaseFilter())) == len(Expected(RECORDS).latest_at)
    end_connections(database.writer)
    with closing(store_in(another(database))), pytest.raises(UsageError, match="another process has it"):
        store_in(database)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_file_that_somebody_else_locks_is_written_once_it_can_be(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surfaces.read_model.database.BUSY_TIMEOUT_S", 0.1)
    store_ = store_in(database)
    with closing(sqlite3.connect(database.name, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseLost, match=r"console\.sqlite: database is locked"):
            write(store_, RECORDS[:10])
        with pytest.raises(DatabaseLost, match="cannot be used: database is locked"):
            store_in(database)
    with closing(store_in(database)) as successor:
        assert successor.positions() == {}
        write(successor, RECORDS)
        assert len(all_cases(SqlReadModel(database), CaseFilter())) == len(Expected(RECORDS).latest_at)


@pytest.mark.parametrize("name", ["text", "folder", "text/below"])
def test_a_file_that_is_no_database_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be taken for something else" * 20)
    (tmp_path / "folder").mkdir()
    with pytest.raises(Fatal, match=f"{name.partition('/')[0]}.*: cannot be used: "):
        store_in(SqliteDatabase(tmp_path / name))


def test_an_address_that_cannot_be_used_is_refused_without_repeating_it() -> None:
    for address in ("mysql://u:secret@h/d", "secret", "postgresql://u:secret@h", "postgresql://h:port:secret/d"):
        with pytest.raises(UsageError, match="SOP_DATABASE_URL: not postgresql://") as refused:
            open_database(Settings(database_url=address))
        assert "secret" not in str(refused.value)
    with pytest.raises(UsageError, match="SOP_DATABASE_URL without sslmode=verify-full to another machine"):
        open_database(Settings(database_url="postgresql://u:secret@db.example.com/d"))
    open_database(Settings(database_url="postgresql://u@db.example.com/d?sslmode=verify-full"))
    with pytest.raises(UsageError, match=r"SOP_TOPIC_PREFIX: .* cannot be a schema"):
        open_database(Settings(database_url="postgresql://u@127.0.0.1/d", topic_prefix="x" * 60))
    nowhere = open_database(Settings(database_url=f"postgresql://u@127.0.0.1:{free_port()}/d"))
    with pytest.raises(DatabaseLost, match=r"PostgreSQL at 127\.0\.0\.1, database d: cannot be used: .*refused"):
        store_in(nowhere)


def test_pages_are_read_from_one_moment_while_a_writer_goes_on(database: Database) -> None:
    model, seen, failures = SqlReadModel(database), list[int](), list[BaseException]()
    finished = threading.Event()

    def read() -> None:
        try:
            while not finished.is_set():
                facets = model.facets()
                assert sum(facets.kinds.values()) == sum(facets.statuses.values()) == sum(facets.outcomes.values())
                seen.append(sum(facets.kinds.values()))
        except BaseException as failure:  # noqa: BLE001 - shown below
            failures.append(failure)

    with closing(store_in(database)) as store_:
        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        write(store_, RECORDS, 50)
        finished.set()
        for reader in readers:
            reader.join()
    assert failures == []
    assert len(set(seen)) > 1


def end_connections(engine: Engine) -> None:
    """End all connections to a database, as a restart of the server does."""
    with psycopg.connect(engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
