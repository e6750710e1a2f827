"""One file of an archive: the records of a partition between two offsets, as Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.codec.limits import RecordSizes
from schemas.errors import SopError, Unavailable
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName
from streams.archive.records import SCHEMA, ArchivedRecord, Lookup, records_of, table_of

ROW_GROUP_ROWS: Final = 4_096
"""How many rows are read at once where some of them are looked up."""
COMPRESSION_LEVEL: Final = 3
NAME_KEY: Final = b"sop.segment"
"""Under which key of its metadata a file has its own path in the archive, so that no file can stand for another."""
SEALED_KEY: Final = b"sop.sealed"
"""Under which key it says whether personal parts of its records are sealed: what looks sealed is not always."""
_YES, _NO = b"yes", b"no"

SIZES: Final = "original_sizes"

T = TypeVar("T")


class DamagedSegment(SopError):  # noqa: N818 - named as it reads
    """A file of an archive cannot be read, or is not what its name says."""


def encode_segment(name: SegmentName, records: Sequence[ArchivedRecord], lookups: Sequence[Lookup]) -> pa.Buffer:
    """Return the content of a file, whose records are sealed if the first one is."""
    table = table_of(name.topic, name.partition, records, lookups)
    is_sealed = _YES if records and records[0].is_sealed else _NO
    table = table.replace_schema_metadata({NAME_KEY: name.path.encode(), SEALED_KEY: is_sealed})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=["topic", "type", "source", "subject", "case_id"],
        write_page_checksum=True,
        store_schema=True,
    )
    return sink.getvalue()


class Segment:
    """A file of an archive, open; use it as a context manager. Raises `DamagedSegment` wherever it cannot be read.

    `content` is what the file contains, if that has been read.
    """

    def __init__(self, folder: ArchiveFolder, name: SegmentName, content: bytes | None = None) -> None:
        self._name = name
        self._file = folder.open(name.path) if content is None else pa.BufferReader(content)
        self._parquet = self._read(lambda: pq.ParquetFile(self._file, page_checksum_verification=True))
        if not self._parquet.schema_arrow.equals(SCHEMA):
            raise self._damaged("its columns are not those of an archive")
        metadata = self._parquet.schema_arrow.metadata or {}
        said = metadata.get(NAME_KEY, b"").decode(errors="replace")
        if said != name.path:
            raise self._damaged(f"it was written as {said or 'another file'}")
        self._is_sealed = {_YES: True, _NO: False}.get(metadata.get(SEALED_KEY, b""))

    def __enter__(self) -> Segment:
        return self

    def __exit__(self, *_: object) -> None:
        self._parquet.close()
        self._file.close()

    def records(self) -> Iterator[ArchivedRecord]:
        """Yield all records in their order."""
        for group in range(self._parquet.num_row_groups):
            for batch in self._group(group, None):
                yield from self._records(batch)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows, with all columns or only some."""
        for group in range(self._parquet.num_row_groups):
            yield from self._group(group, columns)

    def records_with(self, column: str, values: Collection[str]) -> Iterator[ArchivedRecord]:
        """Yield the records with one of these values in a lookup column; reads nothing else of other row groups."""
        wanted = pa.array(sorted(values), pa.string())
        for group in range(self._parquet.num_row_groups):
            found = pa.concat_arrays([each.column(0) for each in self._group(group, [column])] or [wanted[:0]])
            if pc.any(pc.is_in(found, wanted)).as_py():
                for batch in self._group(group, None):
                    yield from self._records(batch.filter(pc.is_in(batch.column(column), wanted)))

    def labelled(self, column: str, *, missing: bool = False) -> Iterator[tuple[str | None, ArchivedRecord]]:
        """Yield the records that have a value in a lookup column, with it; with `missing`, also those that have none.

        Reads nothing else of row groups without any.
        """
        for group in range(self._parquet.num_row_groups):
            if missing or any(pc.any(pc.is_valid(each.column(0))).as_py() for each in self._group(group, [column])):
                for batch in self._group(group, None):
                    found = batch if missing else batch.filter(pc.is_valid(batch.column(column)))
                    yield from zip(found.column(column).to_pylist(), self._records(found), strict=True)

    def _records(self, rows: pa.RecordBatch) -> Iterator[ArchivedRecord]:
        for each in records_of(rows):
            yield each if self._is_sealed is False else each._replace(is_sealed=self._is_sealed)

    def _group(self, group: int, columns: Sequence[str] | None) -> Sequence[pa.RecordBatch]:
        def read() -> Sequence[pa.RecordBatch]:
            table = self._parquet.read_row_group(group, columns=columns)
            table.validate(full=True)  # text that is no UTF-8, above all
            if SIZES in table.column_names:
                _check_sizes(table.column(SIZES))
            batches: Sequence[pa.RecordBatch] = table.to_batches()
            return batches

        return self._read(read)

    def _read(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except (pa.ArrowException, ValueError, KeyError, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise Unavailable(f"{self._name.path}: {os.strerror(error.errno)}") from error
            raise self._damaged(" ".join(str(error).split())) from error

    def _damaged(self, reason: str) -> DamagedSegment:
        return DamagedSegment(f"{self._name.path}: {reason}")


def _check_sizes(column: pa.ChunkedArray) -> None:
    """Raise ValueError unless each row has all original sizes, or none."""
    if pc.any(pc.not_equal(pc.list_value_length(column), len(RecordSizes._fields))).as_py() or any(
        each.flatten().null_count for each in column.chunks
    ):
        raise ValueError(f"{SIZES}: a record has other sizes than those of {', '.join(RecordSizes._fields)}")
