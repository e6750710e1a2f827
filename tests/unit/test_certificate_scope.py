"""A certificate says that all is the same only where something was compared, in files that are as they were signed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.sops import catalogue
from schemas.errors import UsageError
from streams.audit.verify import Altered
from surfaces.sink.ports import Record
from tests.certified import archive_of, case_with_revisions, certified, records_of
from tests.decided import TOPICS
from tests.scenario import instant


@pytest.fixture
async def records() -> list[Record]:
    return await records_of(case_with_revisions())


def test_where_nothing_was_compared_not_all_is_the_same(records: list[Record], tmp_path: Path) -> None:
    undecided = archive_of([each for each in records if each.tp.topic not in TOPICS.decisions], tmp_path / "undecided")
    found = certified(undecided).statement.predicate
    assert (found.is_empty, found.is_all_same) == (True, False)
    archived = archive_of(records, tmp_path)
    later = certified(archived, begin=instant("10:00 +99d")).statement.predicate
    assert (later.is_empty, later.is_all_same) == (True, False)


def test_an_archive_of_other_topics_is_refused(records: list[Record], tmp_path: Path) -> None:
    archived = archive_of(records, tmp_path)
    with pytest.raises(UsageError, match=r"not an archive of other\.jobs, "):
        certified(archived, topics=catalogue.topics("other."))


def test_an_archive_that_has_lost_its_log_is_refused_if_it_must_have_one(records: list[Record], tmp_path: Path) -> None:
    archived = archive_of(records, tmp_path)
    shutil.rmtree(archived.path / "log")
    assert certified(archived).statement.predicate.checkpoint is None
    with pytest.raises(Altered, match="the archive has no log"):
        certified(archived, needs_log=True)


def test_records_cannot_be_hidden_from_a_certificate_of_one_case_by_their_columns(
    records: list[Record], tmp_path: Path
) -> None:
    archived = archive_of(records, tmp_path)
    assert certified(archived, case_id="job-1").statement.predicate.is_all_same
    path = archived.path / next(each.path for each in archived.folder.names() if each.topic == "decisions.refund")
    table = pq.read_table(path)
    at = table.schema.get_field_index("case_id")
    hidden = table.set_column(at, table.schema.field(at), pa.array(["job-2"] * table.num_rows, pa.string()))
    pq.write_table(hidden, path, write_page_checksum=True)
    with pytest.raises(Altered, match=f"^{path.relative_to(archived.path)}: "):
        certified(archived, case_id="job-1")
