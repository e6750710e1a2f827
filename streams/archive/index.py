"""Which files of an archive have anything about a case, a partner or an event, so that all others can stay closed.

An index is about files of one topic and day, and follows from them; files that none covers are looked through. It is a
Parquet file of pairs, `value` (in a lookup column) and `file` (that has it), sorted, and its metadata name all files
that it covers. So a lookup reads the row groups that may have its value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.errors import Unavailable
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SUFFIX, TEMPORARY, SegmentName
from streams.archive.segment import DamagedSegment, Segment

INDEX: Final = "index"
COLUMNS: Final = ("subject", "id", "case_id")
"""The lookup columns whose values an index has."""
FILES_MIN: Final = 16
"""How many files of a day have to wait for an index before it is written; two once that day is over."""
ROW_GROUP_ROWS: Final = 4_096

_FILES: Final = b"sop.files"
"""Under which key of its metadata an index has the paths of its files, as JSON."""
_SCHEMA: Final = pa.schema([pa.field("value", pa.string()), pa.field("file", pa.string())])
_TopicDay: TypeAlias = tuple[str, date]


def index_path(topic: str, day: date) -> str:
    """Return where the index of the files of a topic and a day is."""
    return f"{INDEX}/{topic}/{day}{SUFFIX}"


def is_index(path: str) -> bool:
    """Return whether a file of an archive is an index."""
    return path.startswith(f"{INDEX}/")


def values_in(rows: pa.RecordBatch) -> set[str]:
    """Return the values by which some rows can be looked up."""
    return {each for name in COLUMNS for each in pc.unique(rows.column(name)).to_pylist() if each is not None}


def digest_of(values: Iterable[str]) -> bytes:
    """Return what stands for the values of a file."""
    return sha256(msgspec.json.encode(sorted(set(values)))).digest()


class Index(NamedTuple):
    """The paths of the files that an index covers, and its sorted pairs."""

    files: Sequence[str]
    pairs: pa.Table

    @classmethod
    def decode(cls, content: bytes) -> Index:
        """Return the index in a file; raises ValueError if it is none, or a lookup would not find all that it has."""
        try:
            with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
                index = cls(_files(file.schema_arrow), file.read())
                metadata = file.metadata
        except (pa.ArrowException, OSError) as error:
            raise ValueError(" ".join(str(error).split())) from error
        _check_statistics(metadata, index.pairs.column("value"))
        if index.pairs != _sorted(index.pairs):
            raise ValueError("its pairs are not sorted")
        return index

    def encode(self) -> pa.Buffer:
        """Return the content of the file."""
        sink = pa.BufferOutputStream()
        pq.write_table(
            self.pairs.replace_schema_metadata({_FILES: msgspec.json.encode(list(self.files))}),
            sink,
            row_group_size=ROW_GROUP_ROWS,
            compression="zstd",
            use_dictionary=["file"],
            column_encoding={"value": "DELTA_BYTE_ARRAY"},  # sorted ids begin alike
            write_page_checksum=True,
        )
        return sink.getvalue()

    def with_files(self, values: Mapping[str, Iterable[str]]) -> Index:
        """Return the index of more files, given by path with the values of each."""
        added = [_pairs(file, of_file) for file, of_file in values.items()]
        return Index([*self.files, *values], _sorted(pa.concat_tables([self.pairs, *added])))

    def digests(self) -> Mapping[str, bytes]:
        """Return what stands for the values of each file; raises ValueError for values of a file that it has not."""
        by_file = self.pairs.sort_by([("file", "ascending"), ("value", "ascending")])
        found, at = dict.fromkeys(self.files, digest_of(())), 0
        for each in pc.value_counts(by_file.column("file")).to_pylist():
            if each["values"] not in found:
                raise ValueError("it has values of no file")
            found[each["values"]] = digest_of(by_file.column("value").slice(at, each["counts"]).to_pylist())
            at += each["counts"]
        return found


EMPTY: Final = Index((), _SCHEMA.empty_table())


class Indexes:
    """The indexes of an archive, to look values up in."""

    def __init__(self, folder: ArchiveFolder) -> None:
        self._folder = folder
        self._paths = frozenset(folder.paths(INDEX))

    def may_have(self, names: Sequence[SegmentName], values: Collection[str]) -> Sequence[SegmentName]:
        """Return those of some files that may have one of these values in a lookup column."""
        without: set[str] = set()
        for path in {index_path(each.topic, each.day) for each in names} & self._paths:
            without |= self._without(path, values)
        return [each for each in names if each.path not in without]

    def _without(self, path: str, values: Collection[str]) -> set[str]:
        """Return the files that an index covers and that have none of these values; none if it cannot be read."""
        try:
            with self._folder.open(path) as file:
                where = [("value", "in", sorted(values))]
                found = pq.read_table(file, filters=where, page_checksum_verification=True)
            return {*_files(found.schema)} - {*found.column("file").to_pylist()}
        except (Unavailable, pa.ArrowException, OSError, ValueError):
            return set()


class Indexer:
    """Writes the indexes of an archive that has these files; raises `Unavailable` if its folder fails."""

    def __init__(self, folder: ArchiveFolder, names: Iterable[SegmentName]) -> None:
        self._folder = folder
        self._waiting: defaultdict[_TopicDay, list[SegmentName]] = defaultdict(list)
        self._latest: dict[str, date] = {}
        self.add(names)
        indexed = frozenset(folder.paths(INDEX))
        for topic, day in [each for each in self._waiting if index_path(*each) in indexed]:
            waiting = self._waiting.pop((topic, day))
            if day == self._latest[topic]:  # older ones hardly grow: what they lack is looked through
                covered = frozenset(self._index(index_path(topic, day)).files)
                self.add(each for each in waiting if each.path not in covered)

    def add(self, names: Iterable[SegmentName]) -> None:
        """Take notice of files that were written."""
        for name in names:
            self._waiting[name.topic, name.day].append(name)
            self._latest[name.topic] = max(name.day, self._latest.get(name.topic, name.day))

    def write(self) -> str | None:
        """Write an index that is due, and return its path; None if none is."""
        for (topic, day), names in self._waiting.items():
            if len(names) >= (FILES_MIN if day == self._latest[topic] else 2):
                path = index_path(topic, day)
                self._folder.put(path, self._index(path).with_files(dict(self._values(names))).encode())
                del self._waiting[topic, day]
                return path
        return None

    def _values(self, names: Iterable[SegmentName]) -> Iterator[tuple[str, set[str]]]:
        """Yield the values of files; one that is damaged or gone is left out, for whoever looks through it to find."""
        for name in names:
            if self._folder.exists(name.path):
                with suppress(DamagedSegment), Segment(self._folder, name) as segment:
                    yield name.path, {value for rows in segment.rows(COLUMNS) for value in values_in(rows)}

    def _index(self, path: str) -> Index:
        """Return the index at a path; an empty one if there is none, or it is damaged."""
        try:
            return Index.decode(self._folder.read(path) or b"")
        except ValueError:
            return EMPTY


def index_problems(folder: ArchiveFolder, digests: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what is wrong with the indexes of an archive, given what stands for the values of each of its files."""
    for path in folder.paths(INDEX):
        if path.endswith(TEMPORARY):
            continue
        try:
            found = Index.decode(folder.read(path) or b"").digests()
            if not found:
                raise ValueError("it covers no file")
            for file, digest in found.items():
                name = SegmentName.parse(file)
                if index_path(name.topic, name.day) != path:
                    raise ValueError(f"{file} does not belong there")
                if file not in digests:
                    if not folder.exists(file):  # else it was written meanwhile
                        raise ValueError(f"{file} is not there")
                elif digests[file] != digest:
                    raise ValueError(f"it does not follow from {file}")
        except ValueError as error:
            yield f"{path}: this index is damaged: {error}; without it, files are looked through"


def _pairs(file: str, values: Iterable[str]) -> pa.Table:
    """Return the pairs of a file, in any order."""
    of_file = pa.array([*set(values)], pa.string())
    return pa.table([of_file, pa.array([file] * len(of_file), pa.string())], _SCHEMA)


def _sorted(pairs: pa.Table) -> pa.Table:
    return pairs.sort_by([("value", "ascending"), ("file", "ascending")])


def _files(schema: pa.Schema) -> Sequence[str]:
    """Return the files that an index with this schema covers; raises ValueError if it is no index."""
    if not schema.equals(_SCHEMA):
        raise ValueError("its columns are not those of an index")
    return msgspec.json.decode((schema.metadata or {}).get(_FILES, b""), type=list[str])


def _check_statistics(metadata: pq.FileMetaData, values: pa.ChunkedArray) -> None:
    """Raise ValueError unless the statistics, by which a lookup chooses row groups, are those of their values."""
    at = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        found, of_group = group.column(0).statistics, values.slice(at, group.num_rows)
        at += group.num_rows
        if found is None or not found.has_min_max:  # none, or too long: a lookup reads the group
            continue
        if (found.min, found.max, found.null_count) != (of_group[0].as_py(), of_group[-1].as_py(), 0):
            raise ValueError("its statistics are not those of its values")
