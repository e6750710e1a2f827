"""The records of an archive as rows: what was consumed, to the byte, and columns to look it up by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import pyarrow as pa

from schemas.codec.headers import Headers, name_bytes
from schemas.codec.limits import RecordSizes


class ArchivedRecord(NamedTuple):
    """A record of a partition; `timestamp` is in milliseconds.

    One that was too large to keep is truncated and has its original sizes. `is_sealed` says whether its personal parts
    are sealed (surfaces.md, "Erasure"); None: its file, of an earlier version, does not say so.
    """

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    original_sizes: RecordSizes | None = None
    is_sealed: bool | None = False


class Lookup(NamedTuple):
    """What a record is about, as far as that is known; `event_time` is in microseconds."""

    subject: str | None = None
    type: str | None = None
    event_time: int | None = None
    source: str | None = None
    id: str | None = None
    case_id: str | None = None


SCHEMA: Final = pa.schema(
    [
        pa.field("topic", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", pa.timestamp("ms", "UTC"), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field(
            "headers",
            pa.list_(pa.struct([pa.field("name", pa.binary(), nullable=False), pa.field("value", pa.binary())])),
            nullable=False,
        ),
        pa.field("original_sizes", pa.list_(pa.int64())),
        pa.field("subject", pa.string()),
        pa.field("type", pa.string()),
        pa.field("event_time", pa.timestamp("us", "UTC")),
        pa.field("source", pa.string()),
        pa.field("id", pa.string()),
        pa.field("case_id", pa.string()),
    ]
)
"""The columns of every file: the record as it was consumed, then what to look it up by."""


def table_of(topic: str, partition: int, records: Sequence[ArchivedRecord], lookups: Sequence[Lookup]) -> pa.Table:
    """Return records of a partition, and what each is about, as rows."""
    count = len(records)
    sizes = [None if each.original_sizes is None else list(each.original_sizes) for each in records]
    columns: dict[str, Iterable[object]] = {
        "topic": [topic] * count,
        "partition": [partition] * count,
        "offset": [each.offset for each in records],
        "timestamp": [each.timestamp for each in records],
        "key": [each.key for each in records],
        "value": [each.value for each in records],
        "headers": [[{"name": name_bytes(name), "value": value} for name, value in each.headers] for each in records],
        "original_sizes": sizes,
        **{name: [getattr(each, name) for each in lookups] for name in Lookup._fields},
    }
    return pa.table(
        [pa.array(columns[field.name], field.type) for field in SCHEMA],
        schema=SCHEMA,
    )


def records_of(rows: pa.RecordBatch) -> Iterator[ArchivedRecord]:
    """Yield the records of some rows, as they were consumed."""
    offsets, timestamps = (rows.column(name).cast(pa.int64()).to_pylist() for name in ("offset", "timestamp"))
    keys, values, headers, sizes = (
        rows.column(name).to_pylist() for name in ("key", "value", "headers", "original_sizes")
    )
    for offset, timestamp, key, value, named, size in zip(
        offsets, timestamps, keys, values, headers, sizes, strict=True
    ):
        yield ArchivedRecord(
            offset,
            timestamp,
            key,
            value,
            tuple((each["name"].decode("utf-8", "surrogateescape"), each["value"]) for each in named),
            None if size is None else RecordSizes(*size),
        )


def lookups_of(rows: pa.RecordBatch) -> Iterator[Lookup]:
    """Yield what the records of some rows are about."""
    columns = [rows.column(name) for name in Lookup._fields]
    values = [each.cast(pa.int64()) if pa.types.is_timestamp(each.type) else each for each in columns]
    return (Lookup(*each) for each in zip(*(value.to_pylist() for value in values), strict=True))


def places_of(rows: pa.RecordBatch) -> Iterator[tuple[str, int]]:
    """Yield the topic and the partition of some rows."""
    return zip(rows.column("topic").to_pylist(), rows.column("partition").to_pylist(), strict=True)
