"""Whatever is done to an archive, verification finds it and names the first bad record or file."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import Fatal
from streams.archive.check import check_archive
from streams.archive.layout import SegmentName
from streams.audit.keys import make_key, read_signer
from streams.audit.log import LogWriter
from streams.audit.notary import Notary
from streams.audit.tiles import Edge
from streams.audit.verify import Altered, VerifiedSegments, verify_archive, verify_log
from streams.runtime.ports import TP
from streams.simulator.rng import Rng
from tests.archives import LOG, Archived, WatchedFolder, archive_in, record

JOBS, OTHERS = TP("jobs", 0), TP("jobs", 1)
ROWS = 30


def archived_in(path: Path) -> Archived:
    """Return an archive with three files of one partition and one of another; some offsets are those of markers."""
    found = archive_in(path)
    offsets = [each for each in range(2, 2 + ROWS) if each % 7]
    for part in (offsets[:8], offsets[8:16], offsets[16:]):
        found.add(record(JOBS, offset, b'{"n":%d}' % offset) for offset in part)
    found.add(record(OTHERS, offset) for offset in range(4))
    return found


@pytest.fixture
def archived(tmp_path: Path) -> Archived:
    return archived_in(tmp_path / "archive")


def file_of(archived: Archived, number: int) -> SegmentName:
    return archived.folder.names()[number]


def rewritten(archived: Archived, number: int, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of a file, as somebody could who has the folder."""
    path = archived.path / file_of(archived, number).path
    pq.write_table(change(pq.read_table(path)), path)


def altered(archived: Archived, older: str | None = None) -> str:
    """Return what verification says is wrong."""
    with pytest.raises(Altered) as raised:
        verify_archive(archived.folder, archived.verifier, older)
    return str(raised.value)


def column(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(name), pa.array(values, table.schema.field(name).type))


def test_an_archive_that_nobody_altered_is_verified(archived: Archived) -> None:
    verified = verify_archive(archived.folder, archived.verifier)
    assert (verified.files, verified.records, verified.checkpoint.size) == (4, 30, 4)
    assert check_archive(archived.folder).problems == []


def test_verifying_reads_each_file_once(archived: Archived) -> None:
    folder = WatchedFolder(archived.path)
    verify_archive(folder, archived.verifier)
    assert [each for each, count in Counter(folder.called("read")).items() if count > 1] == []
    assert folder.called("open") == []


def test_a_file_that_is_altered_while_the_archive_is_read_is_named(archived: Archived) -> None:
    name = file_of(archived, 0)
    opened = VerifiedSegments(archived.folder, verify_log(archived.folder, archived.verifier).manifests)
    for _ in range(2):
        with opened(name) as segment:
            assert len(list(segment.records())) == 8
    rewritten(archived, 0, lambda table: table)
    with pytest.raises(Altered, match=f"^{name.path}: it was altered while the archive was read$"):
        opened(name)


def test_an_edited_record_is_named(archived: Archived) -> None:
    def edit(table: pa.Table) -> pa.Table:
        values = table["value"].to_pylist()
        return column(table, "value", [*values[:2], b'{"n":0}', *values[3:]])

    rewritten(archived, 1, edit)
    name = file_of(archived, 1)
    third = pq.read_table(archived.path / name.path)["offset"].to_pylist()[2]
    assert altered(archived) == f"{name.path}: jobs-0@{third}: this record was altered"


@pytest.mark.parametrize("name", ["key", "timestamp", "headers", "offset", "topic", "partition", "original_sizes"])
def test_every_part_of_a_record_counts(archived: Archived, name: str) -> None:
    others = {"key": b"x", "timestamp": 1, "headers": [{"name": b"a", "value": b""}], "offset": 3}
    others |= {"topic": "tickets", "partition": 9, "original_sizes": [1, 2, 3]}

    def edit(table: pa.Table) -> pa.Table:
        return column(table, name, [others[name], *table[name].to_pylist()[1:]])

    rewritten(archived, 0, edit)
    assert "this record was altered" in altered(archived)


@pytest.mark.parametrize("name", ["subject", "type", "event_time", "source", "id", "case_id"])
def test_a_column_to_look_things_up_by_counts_too(archived: Archived, name: str) -> None:
    other = 1 if name == "event_time" else "x"
    rewritten(archived, 0, lambda table: column(table, name, [other] * len(table)))
    assert "its records are those that were signed, but other bytes of the file are not" in altered(archived)


def test_a_dropped_record_is_named_by_its_neighbours(archived: Archived) -> None:
    rewritten(archived, 0, lambda table: pa.concat_tables([table[:3], table[4:]]))
    assert altered(archived).endswith("jobs-0: a record between offsets 4 and 6 is missing")


def test_records_dropped_at_the_end_of_a_file_are_named(archived: Archived) -> None:
    rewritten(archived, 0, lambda table: table[:-1])
    assert altered(archived).endswith("jobs-0: records behind offset 9 are missing")


def test_an_inserted_record_is_named(archived: Archived) -> None:
    rewritten(archived, 0, lambda table: pa.concat_tables([table[:3], column(table[3:4], "key", [b"x"]), table[3:]]))
    assert altered(archived).endswith("jobs-0@5: this record was added")


def test_records_out_of_order_are_named(archived: Archived) -> None:
    rewritten(archived, 0, lambda table: pa.concat_tables([table[1:2], table[:1], table[2:]]))
    assert altered(archived).endswith("jobs-0@3: this record is out of its order")


def test_a_file_in_the_place_of_another_is_named(archived: Archived) -> None:
    first, second = (archived.path / file_of(archived, number).path for number in (0, 3))
    shutil.copy(second, first)
    assert f"it was written as {file_of(archived, 3).path}" in altered(archived)


def test_files_of_two_partitions_that_were_swapped_are_named(archived: Archived) -> None:
    names = archived.folder.names()
    other = names[0]._replace(partition=1)
    (archived.path / names[0].path).rename(archived.path / other.path)
    assert altered(archived) == f"{names[0].path}: there is no such file"


def test_a_file_that_the_log_does_not_know_is_named(archived: Archived) -> None:
    name = file_of(archived, 2)
    added = archived.path / name._replace(first=name.next, next=name.next + 1).path
    shutil.copy(archived.path / name.path, added)
    assert altered(archived).endswith(": the log does not know this file: it was added, or is not signed yet")


def test_tiles_of_earlier_checkpoints_are_of_the_log_only_if_they_follow_from_it(archived: Archived) -> None:
    earlier = archived.path / "log/tile/entries/000.p/3"
    content = earlier.read_bytes()
    assert verify_archive(archived.folder, archived.verifier).checkpoint.size == 4
    earlier.write_bytes(content.replace(b'"rows":8', b'"rows":9', 1))
    assert altered(archived).startswith("log/tile/entries/000.p/3: the log does not know this file")
    earlier.write_bytes(content)
    verify_archive(archived.folder, archived.verifier)
    (archived.path / "log/tile/0/000.p/9").write_bytes(bytes(9 * 32))
    assert altered(archived).startswith("log/tile/0/000.p/9: the log does not know this file")


def test_a_missing_file_is_named(archived: Archived) -> None:
    name = file_of(archived, 1)
    (archived.path / name.path).unlink()
    assert altered(archived) == f"{name.path}: there is no such file"


def test_a_tail_that_was_cut_off_shows_against_an_older_checkpoint(archived: Archived, tmp_path: Path) -> None:
    before = tmp_path / "before"
    shutil.copytree(archived.path, before)
    archived.add([record(OTHERS, 4)])
    kept = (archived.path / "log/checkpoint").read_text()
    assert verify_archive(archived.folder, archived.verifier, kept).files == 5
    cut = Archived(before, archived.key, archived.verifier)
    assert verify_archive(cut.folder, cut.verifier).files == 4, "the archive alone cannot tell"
    assert altered(cut, kept) == "log: it was cut off: it has 4 entries, and had 5 in the older checkpoint"


def test_a_forked_history_shows_against_an_older_checkpoint(archived: Archived, tmp_path: Path) -> None:
    other = Archived(tmp_path / "other", archived.key, archived.verifier)
    for number in range(5):
        other.add([record(TP("tickets", number), 0)])
    kept = (archived.path / "log/checkpoint").read_text()
    assert "its history is another one than that of the older checkpoint, of 4 entries" in altered(other, kept)


def test_a_log_that_another_key_signed_is_refused(archived: Archived, tmp_path: Path) -> None:
    shutil.rmtree(archived.path / "log")
    make_key(LOG, str(tmp_path / "forged"))
    forger = Archived(archived.path, tmp_path / "forged", archived.verifier)
    forger.notary().enter(forger.folder.names())
    assert altered(forger) == f"log/checkpoint: another key of {LOG} signed it"
    with pytest.raises(Fatal, match="another key of"):
        Notary(archived.folder, read_signer(str(archived.key)))


def test_an_older_checkpoint_of_another_log_is_refused(archived: Archived, tmp_path: Path) -> None:
    other = archived_in(tmp_path / "other")
    note = (other.path / "log/checkpoint").read_text()
    assert altered(archived, note) == f"the older checkpoint: another key of {LOG} signed it"


def test_a_gap_is_named_even_if_it_was_signed(tmp_path: Path) -> None:
    found = archive_in(tmp_path / "archive")
    names = found.add([record(JOBS, offset) for offset in range(3)], file_bytes=1)
    shutil.rmtree(found.path / "log")
    (found.path / names[1].path).unlink()
    found.notary().enter(found.folder.names())
    assert altered(found) == f"jobs-0: offsets 1 to 1 are missing, before {names[2].path}"


def test_no_flipped_byte_passes(archived: Archived) -> None:
    rng = Rng("flipped bits")
    paths = [each for each in sorted(archived.path.rglob("*")) if each.is_file()]
    for _ in range(1_000):
        path = rng.pick(paths)
        content = path.read_bytes()
        at = rng.whole(0, len(content) - 1)
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << rng.whole(0, 7))]) + content[at + 1 :])
        altered(archived)
        path.write_bytes(content)
    assert verify_archive(archived.folder, archived.verifier).files == 4


def test_a_manifest_nested_too_deep_is_said_to_be_none(tmp_path: Path) -> None:
    archived = archive_in(tmp_path / "archive")
    signer = read_signer(str(archived.key))
    LogWriter(archived.folder, signer, Edge()).append([b'{"x":' + b"[" * 60_000])
    assert altered(archived).startswith("log: entry 0 is not a manifest: ")
