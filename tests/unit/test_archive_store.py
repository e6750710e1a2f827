"""Records go into files by topic, day and range of offsets; a folder that is away loses none."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec.limits import RecordSizes
from schemas.errors import Unavailable
from streams.archive.check import check_archive
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName, day_of
from streams.archive.reading import ArchiveReader
from streams.archive.records import ArchivedRecord
from streams.runtime.ports import TP
from surfaces.archive.store import ArchiveStore
from surfaces.sink.ports import Position, Record
from tests.archives import DAY_MS, NOW_US, TOPIC_ID, StoppedClock, kept, record

JOBS = TP("jobs", 0)
NOW_MS = NOW_US // 1000
TODAY = datetime.fromtimestamp(NOW_MS / 1000, UTC).date()


def store_in(path: Path, clock: StoppedClock | None = None, file_bytes: int = 1 << 20) -> ArchiveStore:
    return ArchiveStore(ArchiveFolder(str(path)), clock or StoppedClock(), file_bytes=file_bytes, file_age_s=60.0)


def put(store: ArchiveStore, *records: Record) -> None:
    """Write records as a sink does."""
    for each in records:
        if each.tp not in store.positions():
            store.write((), {each.tp: Position(each.topic_id, each.offset)})
        store.write([each], {each.tp: Position(each.topic_id, each.offset + 1)})


def days(path: Path) -> list[tuple[date, int, int]]:
    return [(each.day, each.first, each.next) for each in ArchiveFolder(str(path)).names()]


def test_a_file_is_closed_by_size(tmp_path: Path) -> None:
    store = store_in(tmp_path, file_bytes=100)
    put(store, record(JOBS, 0, b"x" * 60), record(JOBS, 1, b"x" * 60), record(JOBS, 2))
    (name,) = store.flush()
    assert name == SegmentName("jobs", 0, 0, 0, 2, TOPIC_ID, TODAY)
    assert name.path == f"jobs/{TODAY}/00000.000.Zr1a_m4bTyqU8aX0-HVc3w.{0:020}-{2:020}.parquet"
    assert SegmentName.parse(name.path) == name
    assert store.positions() == {JOBS: Position(TOPIC_ID, 2)}


def test_a_file_is_closed_by_age(tmp_path: Path) -> None:
    clock = StoppedClock()
    store = store_in(tmp_path, clock)
    put(store, record(JOBS, 0))
    clock.us += 59_000_000
    assert store.flush() == []
    clock.us += 1_000_000
    assert len(store.flush()) == 1


def test_a_file_ends_with_its_day(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    put(store, record(JOBS, 3, timestamp=NOW_MS - DAY_MS), record(JOBS, 5), record(JOBS, 6))
    store.flush(is_end=True)
    assert days(tmp_path) == [(date.fromordinal(TODAY.toordinal() - 1), 3, 4), (TODAY, 4, 7)]


@pytest.mark.parametrize("timestamp", [-1, 0, NOW_MS - 400 * DAY_MS, NOW_MS + DAY_MS, 1 << 62, -(1 << 62)])
def test_a_wrong_clock_makes_no_further_file(tmp_path: Path, timestamp: int) -> None:
    store = store_in(tmp_path)
    put(store, *(record(JOBS, offset, timestamp=timestamp if offset % 2 else NOW_MS) for offset in range(10)))
    store.flush(is_end=True)
    assert days(tmp_path) == [(TODAY, 0, 10)]


@pytest.mark.parametrize(("timestamp", "day"), [(0, "1970-01-01"), (1 << 62, "9999-12-31"), (-(1 << 62), "0001-01-01")])
def test_every_instant_has_a_day(timestamp: int, day: str) -> None:
    assert str(day_of(timestamp)) == day


def test_what_was_in_memory_is_read_again_after_a_restart(tmp_path: Path) -> None:
    store = store_in(tmp_path, file_bytes=1)
    put(store, record(JOBS, 0))
    store.flush()
    put(store, record(JOBS, 1))
    assert store_in(tmp_path).positions() == {JOBS: Position(TOPIC_ID, 1)}


def test_what_another_process_left_half_written_is_deleted(tmp_path: Path) -> None:
    left = tmp_path / "jobs" / "2026-01-01" / "x.parquet.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"PAR1")
    store_in(tmp_path)
    assert not left.exists()


def test_a_topic_that_was_created_again_is_another_generation(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    put(store, record(JOBS, 0), record(JOBS, 1))
    again = record(JOBS, 0)._replace(topic_id="another")
    store.write((), {JOBS: Position("another", 0)})
    store.write([again], {JOBS: Position("another", 1)})
    names = store.flush(is_end=True)
    assert [(each.generation, each.topic_id, each.first, each.next) for each in sorted(names)] == [
        (0, TOPIC_ID, 0, 2),
        (1, "another", 0, 1),
    ]
    assert store_in(tmp_path).positions() == {JOBS: Position("another", 1)}


def test_a_folder_that_is_away_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path, file_bytes=10)

    def refuse(self: ArchiveFolder, path: str, content: object) -> None:
        raise Unavailable(f"{self.address}: {path}: No space left on device")

    with monkeypatch.context() as away:
        away.setattr(ArchiveFolder, "put", refuse)
        put(store, record(JOBS, 0, b"x" * 20))
        for _ in range(2):
            with pytest.raises(Unavailable, match="No space left on device"):
                store.flush()
        assert store.is_full
        assert days(tmp_path) == []
    assert (len(store.flush()), store.is_full, store.bytes_in_memory) == (1, False, 0)
    assert days(tmp_path) == [(TODAY, 0, 1)]


def test_why_a_folder_fails_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("")
    with pytest.raises(Unavailable) as raised:
        ArchiveFolder(str(tmp_path)).put("jobs/day/x", b"1")
    assert str(raised.value) == f"{tmp_path}: jobs/day/x: Not a directory"


HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3).map(tuple)
RECORDS = st.builds(
    ArchivedRecord,
    st.integers(0, 1 << 62),
    st.integers(-(1 << 40), 1 << 45),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=200),
    HEADERS,
    st.none() | st.builds(RecordSizes, st.integers(0, 1 << 40), st.integers(0, 9), st.integers(0, 9)),
    st.just(False),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(RECORDS, min_size=1, max_size=5, unique_by=lambda each: each.offset))
def test_records_are_read_as_they_were_consumed(
    tmp_path_factory: pytest.TempPathFactory, records: list[ArchivedRecord]
) -> None:
    path = tmp_path_factory.mktemp("archive")
    records.sort(key=lambda each: each.offset)
    given_records = [Record(JOBS, TOPIC_ID, *each[:6]) for each in records]
    store = store_in(path)
    put(store, *given_records)
    store.flush(is_end=True)
    found = [each for _, each in ArchiveReader(ArchiveFolder(str(path))).records({"jobs"})]
    assert found == kept(given_records) == records


def test_after_a_failure_the_files_that_were_written_before_it_are_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_in(tmp_path)
    put(store, record(JOBS, 0), record(TP("tickets", 0), 0))
    write = ArchiveFolder.put

    def refuse_tickets(self: ArchiveFolder, path: str, content: bytes) -> None:
        if path.startswith("tickets"):
            raise Unavailable(f"{path}: No space left on device")
        write(self, path, content)

    with monkeypatch.context() as away:
        away.setattr(ArchiveFolder, "put", refuse_tickets)
        with pytest.raises(Unavailable):
            store.flush(is_end=True)
    assert [each.topic for each in store.flush(is_end=True)] == ["jobs", "tickets"], "the log needs to know both"


def test_offsets_that_kafka_deleted_before_they_were_read_have_a_file_without_records(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    put(store, record(JOBS, 0))
    store.write((), {JOBS: Position(TOPIC_ID, 5)})
    store.write([record(JOBS, 5)], {JOBS: Position(TOPIC_ID, 6)})
    assert [(each.first, each.next) for each in store.flush(is_end=True)] == [(0, 1), (1, 5), (5, 6)]
    assert [each.offset for _, each in ArchiveReader(ArchiveFolder(str(tmp_path))).records(["jobs"])] == [0, 5]
    assert store_in(tmp_path).positions() == {JOBS: Position(TOPIC_ID, 6)}
    (problem,) = check_archive(ArchiveFolder(str(tmp_path))).problems
    assert problem.endswith(": offsets 1 to 4 are missing")
