"""What every sink does: each committed record is in the store once, whatever becomes of topics and processes."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from schemas.errors import Fatal, Unavailable, UsageError
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.runtime.ports import TP
from surfaces.sink.ports import Position
from surfaces.sink.sink import CHECK_INTERVAL_S, Sink
from tests.s3_server import S3Server
from tests.sinks import (
    KafkaTopics,
    MemoryPartitions,
    MemoryRowStore,
    MemoryTopics,
    Row,
    RowStore,
    SqliteRowStore,
    Topics,
    open_row_store,
)

STEPS_MAX = 300


@pytest.fixture(scope="module", autouse=True)
def _servers_start_first(kafka: EmbeddedKafka, s3: S3Server, postgres_first: None) -> None:
    """Start the servers before the first test, so that they do not count as left behind by one."""


@pytest.fixture(
    params=[
        "memory",
        "kafka, sqlite",
        "memory, archive",
        "memory, archive in s3",
        "memory, read model in sqlite",
        "memory, read model in postgresql",
    ]
)
def adapters(request: pytest.FixtureRequest) -> str:
    """Return which topics and which store to use."""
    return str(request.param)


@pytest.fixture
def topics(adapters: str, request: pytest.FixtureRequest, prefix: str) -> Topics:
    if adapters.startswith("memory"):
        return MemoryTopics()
    return KafkaTopics(request.getfixturevalue("kafka").address, prefix)


@pytest.fixture
def store(adapters: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RowStore]:
    match adapters:
        case "memory":
            store: RowStore = MemoryRowStore()
        case "kafka, sqlite":
            store = open_row_store(str(tmp_path / "rows.sqlite"))
        case "memory, archive":
            store = open_row_store(f"archive:{tmp_path / 'archive'}")
        case "memory, archive in s3":
            store = open_row_store(f"archive:{request.getfixturevalue('s3').new_address()}")
        case "memory, read model in sqlite":
            store = open_row_store(f"sql:{tmp_path / 'rows.sqlite'}")
        case _:
            store = open_row_store(request.getfixturevalue("postgres").new_database())
    yield store
    store.close()


@pytest.fixture
def topic(prefix: str) -> str:
    return f"{prefix}rows"


def impatient() -> Callable[[], float]:
    """Return a clock by which it is always time to look for new topics."""
    seconds = itertools.count(0.0, CHECK_INTERVAL_S)
    return lambda: next(seconds)


async def steps(sink: Sink, is_done: Callable[[], bool]) -> None:
    """Take steps until a condition holds, and one more, which must change nothing."""
    for _ in range(STEPS_MAX):
        if is_done():
            break
        await sink.step()
    assert is_done()
    assert await sink.step() == 0
    assert is_done()


def values(store: RowStore) -> list[tuple[int, bytes | None]]:
    return [(row.tp.partition, row.value) for row in store.rows()]


async def test_each_committed_record_is_written_once_across_restarts(
    topics: Topics, store: RowStore, topic: str
) -> None:
    topics.create(topic, 2)
    async with topics.partitions(topic) as partitions:
        sink = Sink(partitions, store, impatient())
        assert not sink.has_caught_up
        topics.append(TP(topic, 0), b"a", b"b")
        topics.append(TP(topic, 1), b"never", commit=False)
        topics.append(TP(topic, 1), b"c")
        await steps(sink, lambda: len(store.rows()) == 3)
        await steps(sink, lambda: sink.has_caught_up)
    topics.append(TP(topic, 0), b"d")
    successor = store.reopened()
    async with topics.partitions(topic) as partitions:
        await steps(Sink(partitions, successor, impatient()), lambda: len(successor.rows()) == 4)
    assert [row for row in values(successor) if row[0] == 0] == [(0, b"a"), (0, b"b"), (0, b"d")]
    assert [row for row in values(successor) if row[0] == 1] == [(1, b"c")]
    successor.close()


async def test_a_topic_may_come_later_and_get_more_partitions(topics: Topics, store: RowStore, topic: str) -> None:
    async with topics.partitions(topic) as partitions:
        sink = Sink(partitions, store, impatient())
        assert await sink.step() == 0
        topics.create(topic, 1)
        topics.append(TP(topic, 0), b"a")
        await steps(sink, lambda: len(store.rows()) == 1)
        topics.grow(topic, 2)
        topics.append(TP(topic, 0), b"b")  # waits when the new partition is found
        await steps(sink, lambda: len(store.positions()) == 2)
        topics.append(TP(topic, 1), b"c")
        await steps(sink, lambda: len(store.rows()) == 3)
    assert sorted(values(store)) == [(0, b"a"), (0, b"b"), (1, b"c")]


@pytest.mark.parametrize("is_read_meanwhile", [False, True])
async def test_a_topic_that_was_created_again_is_read_from_its_beginning(
    topics: Topics, store: RowStore, topic: str, caplog: pytest.LogCaptureFixture, *, is_read_meanwhile: bool
) -> None:
    topics.create(topic, 1)
    tp = TP(topic, 0)
    topics.append(tp, b"old-0", b"old-1")
    async with topics.partitions(topic) as partitions:
        sink = Sink(partitions, store, impatient())
        await steps(sink, lambda: len(store.rows()) == 2)
        topics.delete(topic)
        topics.create(topic, 1)
        topics.append(tp, b"new-0", b"new-1", b"new-2", b"new-3")
        if is_read_meanwhile:
            await steps(sink, lambda: len(store.rows()) == 6)
    async with topics.partitions(topic) as partitions:
        await steps(Sink(partitions, store, impatient()), lambda: len(store.rows()) == 6)
    old, new = dict.fromkeys(row.topic_id for row in store.rows())
    assert store.rows()[:2] == [Row(old, tp, at, b"old-%d" % at) for at in range(2)]
    assert store.rows()[2:] == [Row(new, tp, at, b"new-%d" % at) for at in range(4)]
    lines = [each.getMessage() for each in caplog.records if "created again" in each.getMessage()]
    assert lines == [f"{topic} was deleted and created again: reading the new topic from its beginning"]


async def test_records_that_were_deleted_unread_are_named_in_one_line(
    topics: Topics, store: RowStore, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    topics.create(topic, 1)
    tp = TP(topic, 0)
    async with topics.partitions(topic) as partitions:
        await steps(Sink(partitions, store, impatient()), lambda: len(store.positions()) == 1)
    topics.append(tp, b"gone", b"gone", b"gone", b"d")
    topics.delete_before(tp, 3)
    async with topics.partitions(topic) as partitions:
        await steps(Sink(partitions, store, impatient()), lambda: len(store.rows()) == 1)
    assert values(store) == [(0, b"d")]
    lines = [each.getMessage() for each in caplog.records if "deleted" in each.getMessage()]
    assert lines == [f"{tp.name}: offsets 0 to 2 were deleted before they were read"]


async def test_records_deleted_before_the_first_start_are_not_missed(
    topics: Topics, store: RowStore, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    topics.create(topic, 1)
    topics.append(TP(topic, 0), b"gone", b"b")
    topics.delete_before(TP(topic, 0), 1)
    async with topics.partitions(topic) as partitions:
        await steps(Sink(partitions, store, impatient()), lambda: len(store.rows()) == 1)
    assert "deleted" not in caplog.text


async def test_a_partition_that_ends_before_what_was_read_stops_the_sink(
    topics: Topics, store: RowStore, topic: str
) -> None:
    topics.create(topic, 1)
    tp = TP(topic, 0)
    topics.append(tp, b"a")
    async with topics.partitions(topic) as partitions:
        topic_id = (await partitions.topic_ids())[tp]
        store.write((), {tp: Position(topic_id, 100)})
        sink = Sink(partitions, store, impatient())
        with pytest.raises(Fatal, match="ends at 2, but was read up to 100"):
            await steps(sink, lambda: False)


class SilentPartitions(MemoryPartitions):
    """Topics in memory; every other question about them goes unanswered."""

    _questions = 0

    async def topic_ids(self) -> Mapping[TP, str]:
        self._questions += 1
        if self._questions % 2:
            raise Unavailable("nowhere:9092 does not answer")
        return await super().topic_ids()


async def test_brokers_that_do_not_answer_are_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    topics, store = MemoryTopics(), MemoryRowStore()
    topics.create("rows", 1)
    topics.append(TP("rows", 0), b"a", b"b", b"c")
    sink = Sink(SilentPartitions(topics, ["rows"]), store, impatient())
    for _ in range(12):
        await sink.step()
    assert values(store) == [(0, b"a"), (0, b"b"), (0, b"c")]
    lines = [each.getMessage() for each in caplog.records]
    away, back = "Kafka: nowhere:9092 does not answer; asking again", "Kafka: works again"
    assert lines[:4] == [away, "reading rows-0", back, away]


@pytest.mark.parametrize("database", ["sqlite", "archive", "read model in sqlite", "read model in postgresql"])
def test_each_record_is_written_once_by_processes_that_are_killed_around_the_commit(
    kafka: EmbeddedKafka, prefix: str, database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    topics, topic, where = KafkaTopics(kafka.address, prefix), f"{prefix}rows", str(tmp_path / "rows.sqlite")
    if database == "archive":
        where = f"archive:{tmp_path / 'archive'}"
    elif database == "read model in sqlite":
        where = f"sql:{where}"
    elif database == "read model in postgresql":
        where = request.getfixturevalue("postgres").new_database()
    topics.create(topic, 2)
    expected = []
    for number in range(40):
        tp = TP(topic, number % 2)
        topics.append(tp, b"%d" % number, b"%d again" % number, commit=number % 5 != 3)
        if number % 5 != 3:
            expected += [(tp.partition, b"%d" % number), (tp.partition, b"%d again" % number)]
    ends = []
    for when, writes in (("before", 1), ("after", 1), ("before", 2), ("after", 2), ("before", 3), ("after", 10**9)):
        command = [sys.executable, "-m", "tests.sink_process", kafka.address, topic, where, when, str(writes)]
        ends.append(subprocess.run(command, check=False, timeout=60, capture_output=True).returncode)
    assert ends == [-signal.SIGKILL] * 5 + [0]
    with closing(open_row_store(where)) as store:
        assert sorted(values(store)) == sorted(expected)


def test_a_store_belongs_to_one_process(tmp_path: Path) -> None:
    first = SqliteRowStore(tmp_path / "rows.sqlite")
    with pytest.raises(UsageError, match=r"rows\.sqlite: another process has it"):
        SqliteRowStore(tmp_path / "rows.sqlite")
    first.close()
    SqliteRowStore(tmp_path / "rows.sqlite").close()


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be taken for something else" * 20)
    (tmp_path / "folder").mkdir()
    for name in ("text", "folder", "text/below"):
        with pytest.raises(UsageError, match=f"{name.partition('/')[0]}.*: cannot be used: "):
            SqliteRowStore(tmp_path / name)
