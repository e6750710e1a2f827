"""Whoever looks something up opens the files that have it and few others, and an index never hides a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UsageError
from streams.archive.check import check_archive
from streams.archive.index import EMPTY, FILES_MIN, Index, Indexer, Indexes, digest_of, index_path, index_problems
from streams.archive.layout import SegmentName
from streams.archive.reading import ArchiveReader
from streams.audit.verify import Altered, verify_archive
from streams.runtime.ports import TP
from surfaces.sink.ports import Record
from tests.archives import DAY_MS, NOW_US, Archived, WatchedFolder, archive_in, record

JOBS = TP("jobs", 0)
FILES = FILES_MIN + 4
CASES = 3
"""How many cases each file is about; each case is in two files."""


def event(offset: int, case_id: str, day: int = 0) -> Record:
    value = {"specversion": "1.0", "id": f"e-{offset}", "source": "/s", "type": "job.rated", "subject": case_id}
    return record(JOBS, offset, json.dumps(value).encode(), timestamp=NOW_US // 1000 + day * DAY_MS)


def add_files(archived: Archived, numbers: Iterable[int], day: int = 0) -> list[SegmentName]:
    """Add a file for each number, with events about three cases, the first of which is in the file before it, too."""
    names: list[SegmentName] = []
    for number in numbers:
        cases = range(number * (CASES - 1), number * (CASES - 1) + CASES)
        names += archived.add(event(number * CASES + at, f"job-{case}", day) for at, case in enumerate(cases))
    return names


def found(archived: Archived, case_id: str) -> tuple[list[int], list[str]]:
    """Return the offsets of the records about a case, and which files were opened to find them."""
    folder = WatchedFolder(archived.path)
    records = ArchiveReader(folder).records_with(["jobs"], "case_id", {case_id})
    return [each.offset for _, each in records], folder.called("open")


def index(archived: Archived, names: Iterable[SegmentName] | None = None) -> list[str]:
    """Write all indexes that are due, and return where they are."""
    indexer = Indexer(archived.folder, archived.folder.names() if names is None else names)
    written = []
    while (path := indexer.write()) is not None:
        written.append(path)
    return written


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Archived:
    archived = archive_in(tmp_path_factory.mktemp("indexed") / "archive")
    add_files(archived, range(FILES))
    assert len(index(archived)) == 1
    return archived


def test_only_files_that_have_it_are_opened(indexed: Archived) -> None:
    offsets, opened = found(indexed, "job-8")
    assert offsets == [11, 12]
    assert [path.partition("/")[0] for path in opened] == ["index", "jobs", "jobs"]
    assert found(indexed, "job-unknown") == ([], opened[:1])


def test_what_no_text_can_be_is_in_no_file(indexed: Archived) -> None:
    assert found(indexed, "job-\udcff")[0] == []
    with pytest.raises(UsageError, match="no record of the archive has this id"):
        ArchiveReader(indexed.folder).find("\udcff", ())


def test_a_record_is_found_by_its_id(indexed: Archived) -> None:
    folder = WatchedFolder(indexed.path)
    name, each = ArchiveReader(folder).find("e-25", ())
    assert (each.offset, folder.called("open")) == (25, [index_path("jobs", name.day), name.path])


def test_an_id_is_that_of_an_output_before_that_of_an_input(tmp_path: Path) -> None:
    archived = archive_in(tmp_path / "archive")

    def add(topic: str, offset: int, event_id: str) -> None:
        value = json.loads(event(offset, "job-1").value or b"") | {"id": event_id}
        archived.add([record(TP(topic, 0), offset, json.dumps(value).encode())])

    def place(what: str) -> str:
        name, each = ArchiveReader(archived.folder).find(what, ("alerts", "decisions.paf"))
        return f"{name.tp.name}@{each.offset}"

    for topic in ("jobs", "decisions.paf", "tickets"):
        add(topic, 0, "same")
    assert place("same") == "decisions.paf-0@0", "producers of inputs choose any id"
    assert place("tickets-0@0") == "tickets-0@0"
    add("jobs", 1, "twice")
    add("tickets", 1, "twice")
    with pytest.raises(UsageError, match="twice: 2 records have this id: jobs-0@1, tickets-0@1; name the place"):
        place("twice")
    add("alerts", 0, "same")
    with pytest.raises(UsageError, match=r"same: 2 records have this id: alerts-0@0, decisions\.paf-0@0;"):
        place("same")


def test_an_index_is_no_alteration_and_no_problem(indexed: Archived) -> None:
    assert verify_archive(indexed.folder, indexed.verifier).files == FILES
    assert check_archive(indexed.folder).problems == []


def test_files_that_no_index_covers_are_looked_through(tmp_path: Path) -> None:
    archived = archive_in(tmp_path / "archive")
    (path,) = index(archived, add_files(archived, range(FILES_MIN)))
    add_files(archived, range(FILES_MIN, FILES_MIN + 2))
    both = 2 * FILES_MIN  # the case of the last file with an index and the first without
    offsets, opened = found(archived, f"job-{both}")
    assert offsets == [3 * FILES_MIN - 1, 3 * FILES_MIN]
    assert [each for each in opened if each != path] == [each.path for each in archived.folder.names()[-3:]]
    assert found(archived, "job-0")[0] == [0]


def test_an_index_is_written_for_enough_files_or_when_the_day_is_over(tmp_path: Path) -> None:
    archived = archive_in(tmp_path / "archive")
    names = add_files(archived, range(3), day=-1)
    indexer = Indexer(archived.folder, names)
    assert indexer.write() is None
    (later,) = add_files(archived, [3])
    indexer.add([later])
    assert [indexer.write(), indexer.write()] == [index_path("jobs", names[0].day), None]
    names = add_files(archived, range(4, 3 + FILES_MIN))
    indexer.add(names)
    assert [indexer.write(), indexer.write()] == [index_path("jobs", later.day), None]
    assert check_archive(archived.folder).problems == []


def test_another_process_goes_on_with_the_latest_index(tmp_path: Path) -> None:
    archived = archive_in(tmp_path / "archive")
    add_files(archived, range(FILES_MIN))
    (path,) = index(archived)
    add_files(archived, range(FILES_MIN, 2 * FILES_MIN))
    assert index(archived) == [path]
    covered = Index.decode((archived.path / path).read_bytes()).files
    assert covered == [each.path for each in archived.folder.names()]
    assert index(archived) == []


def test_an_index_that_cannot_be_read_is_passed_over_and_written_again(tmp_path: Path) -> None:
    archived = archive_in(tmp_path / "archive")
    add_files(archived, range(FILES_MIN))
    (path,) = index(archived)
    whole = (archived.path / path).read_bytes()
    for broken in (b"", whole[:30], whole[:-8] + b"x" * 8, whole[:-8]):
        (archived.path / path).write_bytes(broken)
        assert found(archived, "job-8")[0] == [11, 12]
        assert index(archived) == [path]
        assert (archived.path / path).read_bytes() == whole


def hidden(archived: Archived) -> list[str]:
    """Return the cases of which a lookup does not find all files."""
    names = archived.folder.names()
    cases = {f"job-{number * (CASES - 1) + at}": {names[number].path} for number in range(FILES) for at in range(CASES)}
    for number in range(1, FILES):
        cases[f"job-{number * (CASES - 1)}"].add(names[number - 1].path)
    indexes = Indexes(archived.folder)
    return [each for each, of in cases.items() if of - {name.path for name in indexes.may_have(names, {each})}]


def test_an_altered_index_is_named_or_hides_nothing(indexed: Archived) -> None:
    (path,) = indexed.folder.paths("index")
    file = indexed.path / path
    whole = file.read_bytes()
    digests = Index.decode(whole).digests()
    try:
        for at in range(0, len(whole), 41):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
            assert list(index_problems(indexed.folder, digests)) or hidden(indexed) == [], at
        index = Index.decode(whole)
        file.write_bytes(Index(index.files, index.pairs.filter(pc.field("value") != "job-8")).encode())
        assert hidden(indexed) == ["job-8"]
        with pytest.raises(Altered, match=f"^{path}: this index is damaged: it does not follow from jobs/"):
            verify_archive(indexed.folder, indexed.verifier)
        (problem,) = check_archive(indexed.folder).problems
        assert problem.endswith("; without it, files are looked through")
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("name", ["index/jobs/1999-01-01.parquet", "index/anything"])
def test_nothing_else_can_hide_among_indexes(indexed: Archived, name: str) -> None:
    (path,) = indexed.folder.paths("index")
    added = indexed.path / name
    added.write_bytes((indexed.path / path).read_bytes())
    try:
        with pytest.raises(Altered, match=f"^{name}: this index is damaged: jobs/.* does not belong there"):
            verify_archive(indexed.folder, indexed.verifier)
    finally:
        added.unlink()


def test_a_file_that_an_index_covers_and_that_is_gone_is_named(indexed: Archived, tmp_path: Path) -> None:
    (path,) = indexed.folder.paths("index")
    name = indexed.folder.names()[3]
    digests = dict(Index.decode((indexed.path / path).read_bytes()).digests())
    del digests[name.path]
    assert list(index_problems(indexed.folder, digests)) == []  # written after the others were looked at
    content = (indexed.path / name.path).read_bytes()
    (indexed.path / name.path).unlink()
    try:
        assert list(index_problems(indexed.folder, digests)) == [
            f"{path}: this index is damaged: {name.path} is not there; without it, files are looked through"
        ]
    finally:
        (indexed.path / name.path).write_bytes(content)


VALUES = st.lists(st.text(max_size=4), max_size=30)


@given(st.lists(VALUES, min_size=1, max_size=6), st.integers(0, 6))
def test_an_index_is_what_its_files_have(files: Sequence[list[str]], first: int) -> None:
    values = {f"file-{number}": of_file for number, of_file in enumerate(files)}
    parts = [{path: values[path] for path in some} for some in ([*values][:first], [*values][first:])]
    made = EMPTY.with_files(parts[0]).with_files(parts[1])
    read = Index.decode(made.encode())
    assert read.digests() == {path: digest_of(of_file) for path, of_file in values.items()}
    assert read.encode() == made.encode()
